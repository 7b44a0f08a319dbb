"""A few patches to look at, chosen while all are scored: the best, the worst, and some in between."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rsbot_beam.data.patch import Patch

# Patches of each kind.
EACH = 3


@dataclass
class Gallery:
    """Keeps a few patches of a stream; of a short one all.

    Attributes:
        seed: Of the draw of those in between.
    """

    seed: int = 0
    _best: list[tuple[float, int, Patch, Any]] = field(default_factory=list)
    _worst: list[tuple[float, int, Patch, Any]] = field(default_factory=list)
    _drawn: list[tuple[float, int, Patch, Any]] = field(default_factory=list)
    _seen: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    @property
    def seen(self) -> int:
        """Number of patches so far."""
        return self._seen

    def add(self, score: float | None, patch: Patch, outputs: Any) -> None:  # noqa: ANN401 - passed through
        """Look at a patch, with what the model says of it; the score says how good that is.

        Without one, where there was nothing to find or to say, it is neither among the best nor among the worst.
        """
        self._seen += 1
        # The number breaks ties: patches have no order.
        if score is not None:
            _keep(self._best, (score, self._seen, patch, outputs))
            _keep(self._worst, (-score, self._seen, patch, outputs))
        _keep(self._drawn, (float(self._rng.random()), self._seen, patch, outputs), 3 * EACH)

    def chosen(self) -> list[tuple[str, Patch, Any]]:
        """Patches with a word of why they are here: best, some drawn at random, worst; no patch twice."""
        taken: set[int] = set()
        found: dict[str, list[tuple[str, Patch, Any]]] = {}
        for why, items in (("best", self._best), ("worst", self._worst), ("drawn", self._drawn)):
            fresh = [item for item in sorted(items, reverse=True, key=lambda item: item[:2]) if item[1] not in taken]
            # Where the best are the worst as well, and where many have no score, more are drawn.
            kept = fresh[: 3 * EACH - len(taken) if why == "drawn" else EACH]
            taken |= {number for _, number, _, _ in kept}
            found[why] = [(why, patch, outputs) for _, _, patch, outputs in kept]
        return [*found["best"], *found["drawn"], *found["worst"]]


def _keep(heap: list[Any], item: tuple[float, int, Patch, Any], most: int = EACH) -> None:
    """Keep the items with the highest first number."""
    if len(heap) < most:
        heapq.heappush(heap, item)
    else:
        heapq.heappushpop(heap, item)
