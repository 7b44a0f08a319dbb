"""Processes that compute slow images: NumPy's small steps hold Python's lock, and so one process uses one core."""

from __future__ import annotations

import contextlib
import itertools
import json
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, wait
from typing import Any

from rsbot_beam.local_ee import deadlines
from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.catalog import Catalog
from rsbot_beam.local_ee.limits import Limits
from rsbot_beam.local_ee.provider import Provider
from rsbot_beam.local_ee.requests import Evaluator, PixelAnswer

# Seconds of computing from which on a request is worth the way to another process and back (about 2 ms for 1 MB).
SLOW = 0.1
# Slow answers in a row after which an expression is taken for slow: the first ones read rasters and build the graph.
_SLOW_IN_A_ROW = 4
# Seconds between two looks at whether the parent still lives.
_WATCH_EVERY = 1.0
# Seconds between two looks at whether somebody still waits for an answer.
_LOOK_EVERY = 0.25
# Requests that can be told apart when they are given up; far more than there are threads that wait for one.
_SLOTS = 256

_evaluator: Evaluator | None = None
_given_up: Sequence[int] = ()


class SlowImages:
    """Remembers which expressions are slow, and computes those in processes of their own.

    The processes start with the first slow request, and end with this one, however it ends.

    Args:
        make_providers: Makes the assets anew in each process; must be picklable.
        limits: Sizes that are refused.
    """

    def __init__(self, make_providers: Callable[[], Sequence[Provider]], limits: Limits) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._given_up: Any = self._context.RawArray("b", _SLOTS)  # shared with the processes
        self._arguments = (make_providers, limits, os.getpid(), self._given_up)
        self._numbers = itertools.count()
        self._running: set[Future[Any]] = set()
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()
        self._slow: Counter[int] = Counter()

    def is_slow(self, body: bytes) -> bool:
        """Whether the expression of a request took long the last times, on any grid."""
        return self._slow[_expression_of(body)] >= _SLOW_IN_A_ROW

    @contextlib.contextmanager
    def timing(self, body: bytes) -> Iterator[None]:
        """Notes how long a request takes in this thread."""
        start, expression = time.thread_time(), _expression_of(body)
        yield
        self._slow[expression] = self._slow[expression] + 1 if time.thread_time() - start > SLOW else 0

    def compute_pixels(self, body: bytes) -> PixelAnswer:
        """The answer to `image:computePixels`, computed in another process.

        Raises:
            RequestError: As `Evaluator.compute_pixels`, and as `deadlines.check`; 503 when a process was killed: the next
            request starts new ones.
        """
        pool = self._started()
        try:
            answer = self._answer(pool, body)
        except BrokenExecutor as error:
            with self._lock:
                self._pool = None if self._pool is pool else self._pool
            deadlines.check()
            raise RequestError("The service is currently unavailable.", 503) from error
        if isinstance(answer, PixelAnswer):
            return answer
        raise RequestError(*answer)

    def _started(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(os.cpu_count() or 2, self._context, _start, self._arguments)
            return self._pool

    def _answer(self, pool: ProcessPoolExecutor, body: bytes) -> PixelAnswer | tuple[str, int]:
        slot = next(self._numbers) % _SLOTS
        self._given_up[slot] = 0
        future = pool.submit(_compute, body, deadlines.current().seconds_left, slot)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return self._awaited(future, slot)

    def _awaited(self, future: Future[Any], slot: int) -> PixelAnswer | tuple[str, int]:
        try:
            while not wait([future], _LOOK_EVERY).done:
                deadlines.check()
        except RequestError:
            self._given_up[slot] = 1
            future.cancel()
            raise
        answer: PixelAnswer | tuple[str, int] = future.result()
        return answer

    @property
    def is_computing(self) -> bool:
        """Whether a process still computes."""
        return bool(self._running)

    def close(self) -> None:
        """Ends the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _expression_of(body: bytes) -> int:
    return hash(body.partition(b'"grid"')[0])


def _start(
    make_providers: Callable[[], Sequence[Provider]], limits: Limits, parent: int, given_up: Sequence[int]
) -> None:
    global _evaluator, _given_up
    _given_up = given_up
    # Ctrl-C in a terminal reaches this process too: it ends with its parent, which may still want the answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _evaluator = Evaluator(Catalog(make_providers()), limits)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_EVERY)
    os._exit(0)


def _compute(body: bytes, seconds_left: float, slot: int) -> PixelAnswer | tuple[str, int]:
    if _evaluator is None:
        raise RuntimeError("the process was not started by SlowImages")
    start = time.thread_time()
    try:
        with deadlines.until(deadlines.Deadline(seconds_left, lambda: bool(_given_up[slot]))):
            answer = _evaluator.compute_pixels(json.loads(body), lambda _grid: None)
    except RequestError as error:
        return str(error), error.code
    seconds = time.thread_time() - start
    return PixelAnswer([b"".join(answer.parts)], answer.media_type, answer.pixels, seconds)
