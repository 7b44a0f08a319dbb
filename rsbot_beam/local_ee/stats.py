"""What was asked of the server: counts, sizes and, if wanted, every grid."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from rsbot_beam.local_ee.provider import PixelGrid


class Stats:
    """Counts requests. Used from several threads.

    Args:
        record: Whether the grids of pixel requests are kept.
    """

    def __init__(self, record: bool = False) -> None:
        self._lock = threading.Lock()
        self._record = record
        self.reset()

    def reset(self) -> None:
        """Everything back to 0."""
        with self._lock:
            self._requests: Counter[tuple[str, str]] = Counter()
            self._bytes = self._pixels = self._connections = 0
            self._grids: list[dict[str, Any]] = []

    def connected(self) -> None:
        """Counts a connection."""
        with self._lock:
            self._connections += 1

    def count(self, kind: str, status: str, size: int = 0, pixels: int = 0) -> None:
        """Counts an answer.

        Args:
            kind: What was asked for, such as `computePixels`.
            status: HTTP status, or `reset`, `truncate`, `hang`.
            size: Bytes of the body.
            pixels: Pixels sent, bands not counted.
        """
        with self._lock:
            self._requests[kind, status] += 1
            self._bytes += size
            self._pixels += pixels

    def grid(self, kind: str, grid: PixelGrid, status: str) -> None:
        """Keeps the grid of a pixel request, if grids are recorded."""
        if self._record:
            entry = {
                "kind": kind,
                "crs": grid.crs,
                "transform": list(grid.transform)[:6],
                "shape": list(grid.shape),
                "status": status,
            }
            with self._lock:
                self._grids.append(entry)

    def to_json(self) -> dict[str, Any]:
        """Everything counted, as the control request shows it."""
        with self._lock:
            requests: dict[str, dict[str, int]] = {}
            for (kind, status), number in sorted(self._requests.items()):
                requests.setdefault(kind, {})[status] = number
            found: dict[str, Any] = {
                "requests": requests,
                "total": sum(self._requests.values()),
                "bytes": self._bytes,
                "pixels": self._pixels,
                "connections": self._connections,
            }
            if self._record:
                found["grids"] = list(self._grids)
            return found
