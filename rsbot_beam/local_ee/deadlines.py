"""When a computation has to stop: its time is over, or nobody waits for its answer any more.

Python cannot end a thread from outside. What takes long asks here at every function, image, element and cell instead,
and so stops within a fraction of a second.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from rsbot_beam.local_ee.answers import RequestError

_current = threading.local()


class Deadline:
    """The end of one computation.

    Args:
        seconds: From now on; 0 = any number.
        abandoned: Whether nobody waits for the answer any more.
    """

    def __init__(self, seconds: float, abandoned: Callable[[], bool] = lambda: False) -> None:
        self._end = time.monotonic() + seconds if seconds else float("inf")
        self._abandoned = abandoned

    @property
    def seconds_left(self) -> float:
        """Seconds until the end, 0 where there is none; never negative."""
        return 0.0 if self._end == float("inf") else max(self._end - time.monotonic(), 1e-3)

    def check(self) -> None:
        """Goes on while there is time.

        Raises:
            RequestError: 400 in Earth Engine's words when there is none left, 499 when the client has gone.
        """
        if time.monotonic() > self._end:
            raise RequestError("Computation timed out.")
        if self._abandoned():
            raise RequestError("The client has gone, or the server is stopped.", 499)


def current() -> Deadline:
    """The deadline of what this thread computes; one without an end outside of requests."""
    found: Deadline | None = getattr(_current, "deadline", None)
    return Deadline(0) if found is None else found


def check() -> None:
    """Stops what this thread computes when its deadline says so.

    Raises:
        RequestError: See `Deadline.check`.
    """
    found: Deadline | None = getattr(_current, "deadline", None)
    if found is not None:
        found.check()


@contextlib.contextmanager
def until(deadline: Deadline) -> Iterator[None]:
    """Gives this thread's computation a deadline."""
    _current.deadline = deadline
    try:
        yield
    finally:
        _current.deadline = None
