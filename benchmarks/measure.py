"""Clocks and scales: CPU seconds, peak memory, and the rate at which tiles are stored."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

from rsbot_beam.earthengine.fetcher import PixelFetcher
from rsbot_beam.transforms.progress import PROGRESS

# Seconds between two looks at the number of stored tiles.
LOOK = 0.01


def cpu_seconds() -> float:
    """CPU time of this process so far, user and system, all threads; children (the server) are not in it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cpu_of(work: Callable[[], Any]) -> tuple[float, float]:
    """CPU seconds and wall seconds of a piece of work."""
    start, clock = cpu_seconds(), time.perf_counter()
    work()
    return cpu_seconds() - start, time.perf_counter() - clock


def peak_resident_bytes() -> float:
    """This process's peak resident size."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux a child's ru_maxrss starts from its parent's, across exec.
        return 1024 * float(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


class FetchClock(AbstractContextManager["FetchClock"]):
    """Watches a fetch in this process: when its first request was made, and how many tiles were stored when.

    The first request is noticed by wrapping `PixelFetcher.fetch_tiles` for as long as the block runs.
    """

    def __enter__(self) -> FetchClock:
        self.entered, self.first_request, self._seen = time.perf_counter(), float("nan"), [(0.0, 0)]
        self._stop = threading.Event()
        self._fetch_tiles = PixelFetcher.fetch_tiles
        self._patch()
        PROGRESS.reset()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._look()
        self.left = time.perf_counter()
        self._stop.set()
        self._thread.join()
        PixelFetcher.fetch_tiles = self._fetch_tiles  # type: ignore[method-assign]

    def _patch(self) -> None:
        original, clock = self._fetch_tiles, self

        def stamped(fetcher: PixelFetcher, *args: Any, **kwargs: Any) -> Any:
            PixelFetcher.fetch_tiles = original  # type: ignore[method-assign]
            clock.first_request = time.perf_counter()
            return original(fetcher, *args, **kwargs)

        PixelFetcher.fetch_tiles = stamped  # type: ignore[assignment, method-assign]

    def _watch(self) -> None:
        while not self._stop.wait(LOOK):
            self._look()

    def _look(self) -> None:
        tiles = PROGRESS.snapshot()["tiles"]
        if tiles != self._seen[-1][1]:
            self._seen.append((time.perf_counter(), tiles))

    @property
    def tiles(self) -> int:
        """Tiles stored."""
        return self._seen[-1][1]

    @property
    def steady_rate(self) -> float:
        """Tiles per second from the first request to the last stored shard."""
        return self.tiles / (self._seen[-1][0] - self.first_request)

    @property
    def whole_rate(self) -> float:
        """Tiles per second from the beginning of the run to its end: with planning, Beam's start and the checks."""
        return self.tiles / (self.left - self.entered)


def cores() -> int:
    """Cores of the machine, which the server and the measured process share."""
    return os.cpu_count() or 1
