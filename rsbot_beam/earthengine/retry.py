"""When to ask again, when to give up, and when to stop the run."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from rsbot_beam.errors import EarthEngineError, OutageError, ThrottledError, TransientError

# Seconds before the first retry at most, doubled with each: EE's client starts at 1 s, which costs more than most
# requests take. 32 s is where Google's clients stop doubling.
FIRST_BACKOFF = 0.1
MAX_BACKOFF = 32.0

# Times that one request may fail while others succeed: 5 % of resets then lose one request in 25 thousand million.
MAX_ATTEMPTS = 8

# The same for a request of many tiles, which is cut up next: the guilty tile has its eight, the others wait less.
MAX_BLOCK_ATTEMPTS = 4

# Seconds without any answer after which not the request but the service is to blame.
OUTAGE_AFTER = 60.0

# Permanent refusals in a row, nothing answered in between, after which the recipe is to blame and not the places.
MAX_PERMANENT = 20

# Deadlines in seconds. Earth Engine computes for 5 minutes at most; nothing can come after 320 s.
LEAST_DEADLINE = 30.0
# As long as too little was answered to know what is typical: a large composite may well compute for a minute or two, and
# one that is given up is computed, and charged, in vain.
UNKNOWN_DEADLINE = 120.0
MOST_DEADLINE = 320.0

# A request that takes ten times what is typical hangs more likely than it computes.
_PATIENCE = 10.0

# Answers over which a typical latency is taken, and what is left of the slowest one after each answer since: half of
# it is forgotten in 70 answers.
_WINDOW = 32
_MEMORY = 0.99
# Answers from which on a latency is typical.
_KNOWN = 8


def full_jitter(failures: int) -> float:
    """Seconds to wait after so many failures, 1 or more (AWS, "Exponential Backoff And Jitter", full jitter)."""
    return random.uniform(0, min(MAX_BACKOFF, FIRST_BACKOFF * 2 ** (min(failures, 30) - 1)))  # noqa: S311


class Health:
    """What the requests of this process together say about the service; shared by all threads.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._success = clock()  # A start counts as an answer: nothing can have succeeded yet.
        self._permanent = 0
        self._stopped = threading.Event()
        self._error: EarthEngineError | None = None

    def succeeded(self) -> None:
        """Something was answered with pixels."""
        with self._lock:
            self._success = self._clock()
            self._permanent = 0

    def refused(self, error: EarthEngineError) -> None:
        """Something was refused for good; the last of too many in a row stops the run.

        Raises:
            PermanentError: `error`, when too many were refused in a row.
        """
        with self._lock:
            self._permanent += 1
            too_many = self._permanent >= MAX_PERMANENT
        if too_many:
            text = f"{error} (refused {MAX_PERMANENT} times in a row without an answer in between: the run stops here)"
            self.stop(type(error)(text, error.status))
            self.check()

    @property
    def silence(self) -> float:
        """Seconds since something was answered."""
        return self._clock() - self._success

    @property
    def is_out(self) -> bool:
        """Whether nothing was answered for so long that the service must be to blame."""
        return self.silence > OUTAGE_AFTER

    @property
    def stopped(self) -> bool:
        """Whether the run is stopped."""
        return self._stopped.is_set()

    def stop(self, error: EarthEngineError) -> None:
        """Make every thread raise this error at its next look; the first one given counts."""
        with self._lock:
            self._error = self._error or error
        self._stopped.set()

    def check(self) -> None:
        """Raise what the run was stopped for."""
        if self._error is not None:
            raise type(self._error)(str(self._error), self._error.status)

    def sleep(self, seconds: float) -> None:
        """Sleep, but wake up to raise when the run is stopped."""
        self._stopped.wait(seconds)
        self.check()


class Trial:
    """The tries of one request.

    Args:
        health: Of the process.
        total_time: Seconds of asking and waiting after which it is given up, time spent in the queue not counted.
        attempts: Failures after which it is given up, as long as the service answers others.
        clock: Seconds that only grow.

    Attributes:
        asked: Times that it was asked.
        deadlines: Deadlines that it missed.
    """

    def __init__(
        self,
        health: Health,
        total_time: float,
        attempts: int = MAX_ATTEMPTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._health, self._total_time, self._most = clock, health, total_time, attempts
        self._spent = self._took = 0.0
        self._failures = self._throttles = self.deadlines = 0
        self.asked = 0

    @property
    def exhausted(self) -> bool:
        """Whether it has failed often enough to be given up, if the service is not out."""
        return self._failures >= self._most

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around one try: counts it and takes its time."""
        self.asked += 1
        start = self._clock()
        try:
            yield
        finally:
            self._took = self._clock() - start

    def delay(self, error: ThrottledError | TransientError) -> float:
        """Seconds to wait before asking again.

        Args:
            error: What the last try met.

        Raises:
            ThrottledError: `error`, for too long.
            TransientError: `error`, too often while others were answered.
            OutageError: Nothing was answered for too long.
        """
        throttled = isinstance(error, ThrottledError)
        if throttled:
            self._throttles += 1
        else:
            self._failures += 1
        self._spent, self._took = self._spent + self._took, 0.0
        late = self._spent > self._total_time
        if late and self._health.is_out:
            raise self._outage(error) from error
        if late or (self.exhausted and not throttled and not self._health.is_out):
            raise error
        pause = full_jitter(self._throttles if throttled else self._failures)
        self._spent += max(pause, getattr(error, "retry_after", None) or 0.0)
        return pause

    def _outage(self, error: EarthEngineError) -> OutageError:
        seconds = min(self._health.silence, self._spent)  # a process may have been idle before
        spell = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
        return OutageError(
            f"Earth Engine has not answered for {spell}; the last it said: {error} "
            "Start the same command again later: what is stored is kept.",
            error.status,
        )


class Deadline:
    """How long a request may take, by the latencies seen.

    Args:
        fixed: Seconds, if they shall not adapt.
    """

    def __init__(self, fixed: float | None = None) -> None:
        self._fixed = fixed
        self._lock = threading.Lock()
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._slowest = 0.0

    def answered(self, seconds: float) -> None:
        """A request was answered after so many seconds."""
        with self._lock:
            self._recent.append(seconds)
            self._slowest = max(self._slowest * _MEMORY, median(self._recent))

    def seconds(self, missed: int = 0) -> float:
        """Deadline of a request that has missed so many: ten times the slowest typical latency, doubled with each miss."""
        if self._fixed is not None:
            return self._fixed
        least = LEAST_DEADLINE if len(self._recent) >= _KNOWN else UNKNOWN_DEADLINE
        return min(MOST_DEADLINE, max(least, _PATIENCE * self._slowest) * 2**missed)
