"""A clock on a fetch: its first request, and the rate at which tiles are stored."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from rsbot_beam.earthengine.fetcher import PixelFetcher
from rsbot_beam.transforms.progress import PROGRESS

# Seconds between two looks at the number of stored tiles.
LOOK = 0.01


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
