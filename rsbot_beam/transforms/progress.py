"""How far a run is, for the progress line: counts of this process, which local runners share with the main program."""

from __future__ import annotations

import threading
from collections import Counter


class Progress:
    """Thread-safe counts by name since the last reset."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, **counts: int) -> None:
        """Add to counts."""
        with self._lock:
            self._counts.update(counts)

    def reset(self) -> None:
        """Set all counts to 0, at the start of a pipeline."""
        with self._lock:
            self._counts.clear()

    def snapshot(self) -> Counter[str]:
        """A copy of the counts."""
        with self._lock:
            return Counter(self._counts)


PROGRESS = Progress()
