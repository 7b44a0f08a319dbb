"""Tiles that were taken, and whether another one fits between them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rsbot_beam.geometry import TileKey
from rsbot_beam.sampling.ground import Ground, overlap_on_grid, overlapping

_SMALLEST_CELL = 10.0
"""Metres a side of the cells that tiles are looked up by, at least; any size is right, the tiles' own is fast."""

_BATCH = 8192
"""Tiles whose ground is worked out at once: 4 MB."""

_Cell = tuple[int, int, int]


class _Tile(NamedTuple):
    """One of the tiles of a `Ground`, in plain numbers, which are faster one by one than arrays of three."""

    key: TileKey
    centre: list[float]
    inner: float
    outer: float
    ground: Ground
    place: int

    @classmethod
    def of(cls, ground: Ground, n: int) -> _Tile:
        return cls(
            ground.keys[n], ground.centres[n].tolist(), float(ground.inner[n]), float(ground.outer[n]), ground, n
        )

    def meets(self, other: _Tile) -> bool:
        apart = math.dist(self.centre, other.centre)
        if apart >= self.outer + other.outer or apart < self.inner + other.inner:
            return apart < self.inner + other.inner
        told = overlap_on_grid(self.key, other.key)
        if told is None:
            told = overlapping(self.ground, np.array([self.place]), other.ground, np.array([other.place]))[0]
        return bool(told)


class Occupied:
    """The ground that is taken; tiles of any CRSs and sizes.

    Tiles are looked up by cubes of Earth-centred space, so that a question costs the same however many there are.

    Args:
        overlap: Whether tiles may overlap; then only the very same tile does not fit twice.
    """

    def __init__(self, *, overlap: bool = False) -> None:
        self._overlap = overlap
        self._side = 0.0
        self._keys: set[TileKey] = set()
        self._cells: defaultdict[_Cell, list[_Tile]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._keys)

    def take(self, ground: Ground, index: int) -> bool:
        """Takes a tile if it fits; tells whether it did."""
        tile = _Tile.of(ground, index)
        cells = self._cells_of(tile.centre, tile.outer)
        if not self._fits(tile, cells):
            return False
        self._keys.add(tile.key)
        for cell in cells:
            self._cells[cell].append(tile)
        return True

    def near(self, point: list[float]) -> list[TileKey]:
        """Returns the tiles among which are all that hold a point, given in Earth-centred coordinates in metres."""
        found = self._cells.get(self._cells_of(point, 0.0)[0], ()) if self._cells else ()
        return [tile.key for tile in found if math.dist(point, tile.centre) <= tile.outer]

    def _fits(self, tile: _Tile, cells: list[_Cell]) -> bool:
        if self._overlap or tile.key in self._keys:
            return tile.key not in self._keys
        return not any(tile.meets(other) for cell in cells for other in self._cells.get(cell, ()))

    def _cells_of(self, centre: list[float], reach: float) -> list[_Cell]:
        self._side = self._side or max(2 * reach, _SMALLEST_CELL)
        first = [math.floor((value - reach) / self._side) for value in centre]
        last = [math.floor((value + reach) / self._side) for value in centre]
        xs, ys, zs = (range(low, high + 1) for low, high in zip(first, last, strict=True))
        return [(x, y, z) for x in xs for y in ys for z in zs]


def without_overlaps(keys: Sequence[TileKey]) -> list[TileKey]:
    """Returns the tiles that overlap none before them that was returned.

    Exact to the pixel among tiles of one pixel grid; across grids (zones of UTM, the two ends of the globe in one CRS)
    their ground is compared.

    Args:
        keys: From the most wanted to the least.

    Raises:
        GridError: A tile is not on the globe.
    """
    occupied = Occupied()
    accepted = []
    for start in range(0, len(keys), _BATCH):
        ground = Ground.of(keys[start : start + _BATCH])
        accepted += [ground.keys[n] for n in range(len(ground)) if occupied.take(ground, n)]
    return accepted
