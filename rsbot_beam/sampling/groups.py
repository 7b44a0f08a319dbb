"""Groups of samples that must stay in one partition, because their ground overlaps or is close."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from rsbot_beam.data.samples import Sample
from rsbot_beam.errors import InputError
from rsbot_beam.sampling.ground import Ground, gaps, overlapping

_logger = logging.getLogger(__name__)

_SMALLEST_CELL = 10.0
"""Metres: smaller cells would make numbers of cells that three times 21 bits cannot hold."""

_BITS = 21
"""Bits for the number of a cell along an axis: 2**21 cells of 10 m are more than the globe's 12,756 km."""

_PAIRS = 100_000
"""Pairs of tiles that are compared at once: their outlines, 32 points of 3 coordinates and two polygons, take 200 MB."""

_NEIGHBOURS = [(0, 0, 0)] + [
    (x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) > (0, 0, 0)
]
"""A cell itself and one half of those around it, so that each pair of cells is found once."""

_LARGE_SHARE = 0.5
"""Of all samples in one group, from where on splits cannot come near the shares asked."""


def group_samples(samples: Sequence[Sample], link_distance: float = 0.0) -> list[Sample]:
    """Puts samples whose ground overlaps, or lies closer than a distance, into one group, and so on along chains.

    Across zones of UTM, poles and the antimeridian alike. The outcome does not depend on the order of the samples, and
    the partition of a group (`SpatialSplit.split_of`) is that of all its tiles: no two partitions see the same ground.

    Args:
        samples: In any CRSs.
        link_distance: Metres of ground between two tiles, from edge to edge, below which they belong together.

    Returns:
        The samples in their order, each with its group: the smallest of the texts of its group's tiles.

    Raises:
        InputError: The distance is negative or not finite.
        GridError: A tile is not on the globe.
    """
    if not 0 <= link_distance < math.inf:
        raise InputError(f"the link distance of {link_distance} m must be 0 or more, such as --link_distance 2000")
    if not samples:
        return []
    texts = [str(sample.key) for sample in samples]
    labels = _linked(Ground.of([sample.key for sample in samples]), link_distance)
    smallest: dict[int, str] = {}
    for text, label in zip(texts, labels.tolist(), strict=True):
        smallest[label] = min(text, smallest.get(label, text))
    _warn_of_large_groups(labels, link_distance)
    return [replace(sample, group=smallest[label]) for sample, label in zip(samples, labels.tolist(), strict=True)]


def _warn_of_large_groups(labels: np.ndarray, link_distance: float) -> None:
    largest = int(np.bincount(labels).max())
    if largest > max(1, _LARGE_SHARE * len(labels)):
        _logger.warning(
            "%d of %d samples are one group, as chains of tiles closer than %g m link them: all of them fall in one "
            "split, whatever shares were asked; choose a smaller link distance for other shares",
            largest,
            len(labels),
            link_distance,
        )


def _linked(ground: Ground, distance: float) -> np.ndarray:
    """Returns a label for each tile, (n,) int64, the same for all tiles of a group.

    Tiles are put into cells so small that those in one cell are linked for certain, as a rule. Pairs of cells are then
    linked by their first tiles, and only where that leaves two groups, all tiles of both cells are compared: a cluster
    costs no more than as many scattered tiles.
    """
    cells = _Cells(ground, distance)
    labels = _joined(np.arange(len(ground)), *_certain(ground, distance, cells.first[cells.of], np.arange(len(ground))))
    for a, b in cells.pairs():
        labels = _joined(labels, *_certain(ground, distance, cells.first[a], cells.first[b]))
    for a, b in cells.pairs():
        open_ = cells.not_one_group(labels, a, b)
        for i, j in cells.members(a[open_], b[open_]):
            differ = labels[i] != labels[j]
            labels = _joined(labels, *_close(ground, distance, i[differ], j[differ]))
    return labels


def _certain(ground: Ground, distance: float, i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pairs whose inner circles alone are close enough."""
    near = _apart(ground, i, j) < distance + ground.inner[i] + ground.inner[j]
    return i[near], j[near]


def _close(ground: Ground, distance: float, i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pairs that overlap or are closer than the distance."""
    near = _apart(ground, i, j) <= distance + ground.outer[i] + ground.outer[j]
    i, j = i[near], j[near]
    close = gaps(ground, i, ground, j) < distance if distance else overlapping(ground, i, ground, j)
    return i[close], j[close]


def _apart(ground: Ground, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    return np.linalg.norm(ground.centres[i] - ground.centres[j], axis=1)


def _joined(labels: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Returns labels in which tiles i and j of each pair have the same one: the smaller of theirs."""
    while len(i):
        low, high = np.minimum(labels[i], labels[j]), np.maximum(labels[i], labels[j])
        differ = low != high
        i, j, low, high = i[differ], j[differ], low[differ], high[differ]
        parent = np.arange(len(labels))
        np.minimum.at(parent, high, low)
        while (parent[parent] != parent).any():
            parent = parent[parent]
        labels = parent[labels]
    return labels


class _Cells:
    """Tiles by cubes of Earth-centred space.

    Attributes:
        of: (n,) the cell of each tile, counted from 0.
        first: (cells,) a tile of each cell.
    """

    def __init__(self, ground: Ground, distance: float) -> None:
        # The diagonal of a cube is sqrt(3) times its side.
        side = max((distance + 2 * float(np.median(ground.inner))) / math.sqrt(3), _SMALLEST_CELL)
        places, self.of = np.unique(np.floor(ground.centres / side).astype(np.int64), axis=0, return_inverse=True)
        self.of = self.of.reshape(-1)
        self._order = np.argsort(self.of, kind="stable")
        self._starts = np.searchsorted(self.of[self._order], np.arange(len(places) + 1))
        self.first = self._order[self._starts[:-1]]
        # Tiles that are close enough to be linked are in the same coarse cell or in neighbouring ones.
        reach = math.ceil((distance + 2 * float(ground.outer.max())) / side)
        self._codes = _coded(places // reach)
        self._by_code = np.argsort(self._codes, kind="stable")

    def pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields all pairs of cells, each with itself as well, of which tiles may be linked."""
        ordered = self._codes[self._by_code]
        for neighbour in _NEIGHBOURS:
            target = ordered + (_coded(np.array([neighbour])) - _coded(np.zeros((1, 3), np.int64)))
            low, high = np.searchsorted(ordered, target), np.searchsorted(ordered, target, side="right")
            if neighbour == (0, 0, 0):
                low = np.arange(len(ordered))
            a, b = _ranges(low, high)
            yield self._by_code[a], self._by_code[b]

    def not_one_group(self, labels: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Tells, as (m,) bool, for which pairs of cells not all tiles of both have the same label."""
        ordered = labels[self._order]
        low, high = (reduce.reduceat(ordered, self._starts[:-1]) for reduce in (np.minimum, np.maximum))
        return np.minimum(low[a], low[b]) != np.maximum(high[a], high[b])

    def members(self, a: np.ndarray, b: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields pairs of tiles, one of each of two cells, so many at a time as memory is for."""
        sizes = np.diff(self._starts)
        totals = np.cumsum(sizes[a] * sizes[b])
        for start in range(0, int(totals[-1]) if len(totals) else 0, _PAIRS):
            number = np.arange(start, min(start + _PAIRS, int(totals[-1])))
            pair = np.searchsorted(totals, number, side="right")
            within = number - (totals[pair] - sizes[a[pair]] * sizes[b[pair]])
            row, col = np.divmod(within, sizes[b[pair]])
            yield self._order[self._starts[a[pair]] + row], self._order[self._starts[b[pair]] + col]


def _coded(places: np.ndarray) -> np.ndarray:
    x, y, z = (places + (1 << (_BITS - 1))).T
    return (x << (2 * _BITS)) + (y << _BITS) + z


def _ranges(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pairs (n, m) of each n with all m in range(low[n], high[n])."""
    counts = high - low
    n = np.repeat(np.arange(len(low)), counts)
    return n, np.arange(len(n)) - np.repeat(np.cumsum(counts) - counts, counts) + low[n]
