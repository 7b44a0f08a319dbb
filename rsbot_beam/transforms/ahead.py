"""A Beam DoFn that keeps requests in flight across elements, for every pipeline that fetches pixels."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Generic, TypeVar

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from rsbot_beam.earthengine.ahead import FetchAhead, Finished, ReceiveBudget, Request
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.fetcher import PixelFetcher, shared_fetcher
from rsbot_beam.transforms.counters import count_requests

# Requests that wait beside those in flight, per thread: no thread is idle while a finished element is being used.
QUEUED_PER_THREAD = 0.5
# mallopt's parameter (glibc, malloc.h), and heaps of a process: two are enough for arrays, which are mapped one by one.
_M_ARENA_MAX, _ARENAS = -8, 2

Element = TypeVar("Element")
Result = TypeVar("Result")


class _Threads:
    """What all bundles of a process share beside the fetcher: its threads, and the bound on received bytes."""

    _lock = threading.Lock()
    _by_size: ClassVar[dict[tuple[int, int], _Threads]] = {}

    def __init__(self, count: int, receive_bytes: int) -> None:
        self.count = count
        _limit_arenas()
        self.pool = ThreadPoolExecutor(count, thread_name_prefix="rsbot-fetch")
        self.budget = ReceiveBudget(receive_bytes)

    @classmethod
    def shared(cls, count: int, receive_bytes: int) -> _Threads:
        """Those of this process."""
        with cls._lock:
            key = (count, receive_bytes)
            if key not in cls._by_size:
                cls._by_size[key] = cls(*key)
            return cls._by_size[key]


def _limit_arenas() -> None:
    """Keep glibc from giving each of the threads a heap of its own, which holds on to what large answers left in it."""
    with contextlib.suppress(OSError, AttributeError):  # no glibc: nothing to do
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


class FetchAheadFn(beam.DoFn, Generic[Element, Result]):
    """Fetches for many elements at a time; a result is handed on as soon as it is complete.

    What comes behind it must be fused to it: the next result is made when Beam has passed the last one through all fused
    steps, and only then are its bytes given back to the budget.

    Args:
        endpoint: Earth Engine, with this process's share of the quota.
        receive_bytes: What one process may have received and not yet used, in bytes.

    Attributes:
        fetcher: The process's, from `setup` on.
    """

    fetcher: PixelFetcher

    def __init__(self, endpoint: Endpoint, receive_bytes: int) -> None:
        self._endpoint, self._receive_bytes = endpoint, receive_bytes

    @abstractmethod
    def plan(self, element: Element) -> list[Request]:
        """The requests of an element; called in another thread, may read files."""

    @abstractmethod
    def complete(self, element: Element, answers: Sequence[Any]) -> Result:
        """The result of an element, of the answers to its requests."""

    def setup(self) -> None:
        """Once per worker thread: connect to what the process shares."""
        self.fetcher = shared_fetcher(self._endpoint)
        self._threads = _Threads.shared(self._endpoint.max_requests, self._receive_bytes)

    def start_bundle(self) -> None:
        """A bundle has its own units of work, on shared threads."""
        in_flight = int(self._threads.count * (1 + QUEUED_PER_THREAD))
        self._ahead: FetchAhead[Element] = FetchAhead(self._threads.pool, self._threads.budget, self.plan, in_flight)

    def process(self, element: Element) -> Iterator[Result]:
        """Start fetching for an element; yields those that are complete by now."""
        self._ahead.submit(element)
        while self._ahead.has_finished() or self._ahead.is_full:
            yield from self._next()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Yield what is still under way."""
        while self._ahead.units:
            for result in self._next():
                yield WindowedValue(result, MIN_TIMESTAMP, (GlobalWindow(),))

    def teardown(self) -> None:
        """After a failure: give back what the abandoned bundle holds of the shared budget."""
        if hasattr(self, "_ahead"):
            self._ahead.close()

    def _next(self) -> Iterator[Result]:
        finished: Finished[Element] = self._ahead.take()
        result = self.complete(finished.item, finished.answers)
        finished.answers.clear()
        count_requests(self.fetcher.stats.drain())
        try:
            yield result
        finally:
            self._ahead.release(finished)
