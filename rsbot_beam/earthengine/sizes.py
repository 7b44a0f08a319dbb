"""What was too large before is cut up before it is asked for."""

from __future__ import annotations

import threading
from collections import defaultdict

# Scores of a size: an answer gives one point up to MOST, a refusal takes two. So a heavy place among light ones is cut
# up alone, while a size that is refused everywhere is soon not asked for any more.
_MOST = 4
_REFUSAL = 2
_LEAST = -4

# Smaller requests answered before a refused size gets a point back: asking in vain then costs under 1 % of requests.
_FORGET = 64


class SizeMemory:
    """Which sizes of requests Earth Engine could compute lately, by source; thread-safe.

    Sizes are classes of doubling bytes, so that cutting a request in half goes down one class.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scores: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._since: defaultdict[str, int] = defaultdict(int)

    def allows(self, source: str, nbytes: int) -> bool:
        """Whether a request of that size is worth asking for.

        Args:
            source: Fingerprint of what is asked for.
            nbytes: Counted bytes of the request.
        """
        with self._lock:
            blocked = self._blocked(source)
            return blocked is None or nbytes.bit_length() < blocked

    def answered(self, source: str, nbytes: int) -> None:
        """A request of that size was answered."""
        size = nbytes.bit_length()
        with self._lock:
            scores = self._scores[source]
            scores[size] = min(_MOST, max(scores.get(size, 0), 0) + 1)
            blocked = self._blocked(source)
            if blocked is None:
                return
            self._since[source] += 1
            if self._since[source] >= _FORGET:
                self._since[source] = 0
                scores[blocked] += 1

    def refused(self, source: str, nbytes: int) -> None:
        """A request of that size was too large."""
        size = nbytes.bit_length()
        with self._lock:
            scores = self._scores[source]
            scores[size] = max(_LEAST, scores.get(size, 0) - _REFUSAL)
            self._since[source] = 0

    def _blocked(self, source: str) -> int | None:
        """The smallest size that is not asked for."""
        return min((size for size, score in self._scores[source].items() if score < 0), default=None)
