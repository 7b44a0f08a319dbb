"""Fetching patches in Beam: shards of tile keys in, fetched shards out, many requests in flight."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from rsbot_beam.data.raw_shard import ShardHeader
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.shards import FetchedShard, Shard
from rsbot_beam.earthengine.ahead import FetchAhead, Finished, ReceiveBudget, Request
from rsbot_beam.earthengine.fetcher import PixelFetcher, shared_fetcher
from rsbot_beam.transforms.counters import count_fetched, count_requests
from rsbot_beam.transforms.shard_requests import FetchSettings, collect, missing_tiles, requests_for

# What one process may have received and not yet written, in bytes. With the largest shard that is let in above it, a
# killed process has fetched less than 64 MB in vain.
RECEIVE_BYTES = 48_000_000
# Requests that wait beside those in flight, per thread: no thread is idle while a finished shard is being written.
QUEUED_PER_THREAD = 0.5
# mallopt's parameter (glibc, malloc.h), and heaps of a process: two are enough for arrays, which are mapped one by one.
_M_ARENA_MAX, _ARENAS = -8, 2


class FetchPatches(beam.PTransform):
    """Fetches the patches of shards.

    PCollection[Shard] -> PCollection[FetchedShard]. What comes next must be fused to it: pixels are not to be shuffled.

    Args:
        settings: What to fetch and from where.
    """

    def __init__(self, settings: FetchSettings) -> None:
        super().__init__()
        self._settings = settings

    def expand(self, shards: beam.PCollection) -> beam.PCollection:
        """Wire the one step."""
        return shards | "FetchShards" >> beam.ParDo(_FetchShards(self._settings)).with_output_types(FetchedShard)


class _Threads:
    """What all bundles of a process share beside the fetcher: its threads, and the bound on received bytes."""

    _lock = threading.Lock()
    _by_size: ClassVar[dict[int, _Threads]] = {}

    def __init__(self, count: int) -> None:
        self.count = count
        _limit_arenas()
        self.pool = ThreadPoolExecutor(count, thread_name_prefix="rsbot-fetch")
        self.budget = ReceiveBudget(RECEIVE_BYTES)

    @classmethod
    def shared(cls, count: int) -> _Threads:
        """Those of this process."""
        with cls._lock:
            if count not in cls._by_size:
                cls._by_size[count] = cls(count)
            return cls._by_size[count]


def _limit_arenas() -> None:
    """Keep glibc from giving each of the threads a heap of its own, which holds on to what large answers left in it."""
    with contextlib.suppress(OSError, AttributeError):  # no glibc: nothing to do
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


class _FetchShards(beam.DoFn):
    """Keeps requests in flight across elements; a fetched shard is handed on as soon as it is complete."""

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings

    def setup(self) -> None:
        """Once per worker thread: connect to what the process shares."""
        self._fetcher: PixelFetcher = shared_fetcher(self._settings.endpoint)
        self._threads = _Threads.shared(self._settings.endpoint.max_requests)
        self._store = RawStore(self._settings.root, self._settings.layout)

    def start_bundle(self) -> None:
        """A bundle has its own units of work, on shared threads."""
        in_flight = int(self._threads.count * (1 + QUEUED_PER_THREAD))
        self._headers: dict[str, ShardHeader | None] = {}
        self._ahead: FetchAhead[Shard] = FetchAhead(self._threads.pool, self._threads.budget, self._plan, in_flight)

    def process(self, shard: Shard) -> Iterator[FetchedShard]:
        """Start fetching a shard; yields those that are complete by now."""
        self._ahead.submit(shard)
        while self._ahead.has_finished() or self._ahead.is_full:
            yield from self._next()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Yield what is still under way."""
        while self._ahead.units:
            for fetched in self._next():
                yield WindowedValue(fetched, MIN_TIMESTAMP, (GlobalWindow(),))

    def teardown(self) -> None:
        """After a failure: give back what the abandoned bundle holds of the shared budget."""
        if hasattr(self, "_ahead"):
            self._ahead.close()

    def _plan(self, shard: Shard) -> list[Request]:
        header = self._store.header(shard.name) if self._settings.resume else None
        self._headers[shard.name] = header
        return requests_for(missing_tiles(shard, header), self._settings, self._fetcher)

    def _next(self) -> Iterator[FetchedShard]:
        finished: Finished[Shard] = self._ahead.take()
        fetched = collect(finished.item, finished.answers, self._settings, self._headers.pop(finished.item.name))
        count_fetched(fetched)
        count_requests(self._fetcher.stats.drain())
        try:
            # Beam has passed the shard through all fused steps when it asks for the next one: it is written.
            yield fetched
        finally:
            finished.answers.clear()
            self._ahead.release(finished)
