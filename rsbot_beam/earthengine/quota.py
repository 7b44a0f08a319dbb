"""How many requests may be in flight, and how many may start each second: the share of one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Factor on the limit after a 429: milder than TCP's 0.5, as the quota is a wall that is known and rarely moves.
DECREASE = 0.7

# Seconds of requests that may start at once after a rest; the quota counts whole seconds, so this stays well below.
BURST = 0.1

# Seconds between two looks of a waiting thread at whether the run was stopped.
_LOOK = 0.5


class Quota:
    """Adaptive limit on concurrency (additive increase, multiplicative decrease) and a token bucket for the rate.

    A thread that waits here holds nothing. Threads are served in turn: one stands at the head and waits for a place and
    a token, the others queue behind it, so that a freed place wakes one thread and not forty.

    Args:
        max_requests: Requests in flight, the share that the limit starts at and never exceeds.
        max_qps: Requests started per second.
        check: Called while waiting; raises when the run is stopped.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        max_requests: int,
        max_qps: float,
        check: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._share, self._qps, self._check, self._clock = max_requests, max_qps, check, clock
        self._limit = float(max_requests)
        self._burst = max(1.0, max_qps * BURST)
        self._tokens, self._filled = self._burst, clock()
        self._paused_until = self._decreased = float("-inf")
        self._in_flight = 0
        self._head = threading.Lock()
        self._changed = threading.Condition()

    @property
    def limit(self) -> float:
        """Requests that may be in flight now."""
        return self._limit

    @property
    def in_flight(self) -> int:
        """Requests in flight now."""
        return self._in_flight

    @contextmanager
    def place(self) -> Iterator[float]:
        """Wait for a place in flight and hold it; yields the time at which it was given."""
        started = self._acquire()
        try:
            yield started
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify()

    def succeeded(self) -> None:
        """A request brought an answer: after a window of them one more may be in flight."""
        with self._changed:
            self._limit = min(self._share, self._limit + 1 / self._limit)

    def throttled(self, started: float, retry_after: float | None = None) -> None:
        """A request met a 429: fewer at once from now on, and none before `retry_after` seconds are over.

        Args:
            started: When the request started. What started before the last decrease tells nothing new.
            retry_after: Seconds that the server asked to wait.
        """
        with self._changed:
            now = self._clock()
            if started >= self._decreased:
                self._limit = max(1.0, self._limit * DECREASE)
                self._decreased = now
            self._paused_until = max(self._paused_until, now + (retry_after or 0.0))

    def _acquire(self) -> float:
        with self._head, self._changed:
            while True:
                self._check()
                wait = self._wait()
                if wait <= 0:
                    break
                self._changed.wait(min(wait, _LOOK))
            self._in_flight += 1
            self._tokens -= 1
            return self._clock()

    def _wait(self) -> float:
        """Seconds until it is worth looking again; 0 when a request may start."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._qps)
        self._filled = now
        if self._in_flight >= int(self._limit):
            return _LOOK
        return max(self._paused_until - now, (1 - self._tokens) / self._qps)
