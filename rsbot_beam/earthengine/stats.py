"""Counts of what was asked and answered in this process."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field

# Latencies kept between two drains: enough for any distribution, 32 kB at most.
MAX_SAMPLES = 4_096


@dataclass(frozen=True)
class Counts:
    """What happened since the last drain.

    Attributes:
        counters: Name -> count: `requests`, `bytes` (of answers with pixels), `tiles`, `splits`, `probes`,
            `retries_<kind>` and `failures_<kind>` with the kinds of `rsbot_beam.errors`.
        latencies: Seconds of the requests that brought pixels, `MAX_SAMPLES` at most.
    """

    counters: dict[str, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)


class Stats:
    """Thread-safe counts of one fetcher."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: Counter[str] = Counter()
        self._latencies: deque[float] = deque(maxlen=MAX_SAMPLES)

    def add(self, **counts: int) -> None:
        """Count; names as in `Counts`."""
        with self._lock:
            for name, count in counts.items():
                self._counters[name] += count

    def answered(self, seconds: float, nbytes: int) -> None:
        """Count an answer with pixels."""
        with self._lock:
            self._counters["bytes"] += nbytes
            self._latencies.append(seconds)

    def drain(self) -> Counts:
        """Hand over what was counted since the last drain, and start again from zero."""
        with self._lock:
            counts = Counts(dict(self._counters), list(self._latencies))
            self._counters.clear()
            self._latencies.clear()
        return counts
