"""Which tiles of a grid belong to a region, found by a quadtree, without ever listing them all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rsbot_beam.errors import GridError
from rsbot_beam.geometry.grid import Grid
from rsbot_beam.geometry.outline import BORDER, INSIDE, OUTSIDE, Outline, outline, outline_crss
from rsbot_beam.geometry.region import Region
from rsbot_beam.geometry.tile import TileBlock, TileKey

RULES = ("intersects", "centre")

_CHUNK = 256
"""Tiles a side of the squares that are settled at once: their mask takes 64 KiB."""

_SQUARES = 64
"""Squares a side that `blocks` settles at once."""

_MAX_ROOTS = 16
"""Squares per CRS that the quadtree starts from: enough to keep a handful of workers busy, few enough to list."""


@dataclass(frozen=True)
class Cover:
    """The tiles of a grid that belong to a region. Small when pickled; outlines are projected once per process.

    A tile belongs to the region, by the rule "intersects", where they share area: no gaps, but touching is not enough
    (up to 1e-6 pixels); by the rule "centre", where its centre lies in the region. In a `utm` grid only the part of the
    region in the tile's own zone counts, so that no ground is left out and none is in two zones' shares. Every point of
    the region is owned by one tile (`Grid.tile_at`), and "intersects" holds that tile.

    Attributes:
        region: The area of interest.
        grid: Where the tiles are.
        rule: "intersects" or "centre".

    Raises:
        GridError: An unknown rule.
    """

    region: Region
    grid: Grid
    rule: str = "intersects"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise GridError(f"rule {self.rule!r} must be one of {', '.join(RULES)}")

    def __contains__(self, key: TileKey) -> bool:
        """Tells whether a tile belongs to the region; it need not lie on the tile grid."""
        ours = (self.grid.resolution, self.grid.origin) == (key.resolution, key.origin)
        shape = outline(self.region, self.grid, key.crs) if ours and self.grid.has_crs(key.crs) else None
        rows, cols = np.array([key.row]), np.array([key.col])
        return shape is not None and bool(self._belongs(shape, rows, cols, key.size)[0])

    def roots(self, side: int = 1) -> list[TileBlock]:
        """Returns a few large aligned squares, 16 at most per CRS, that hold all tiles of the region.

        Args:
            side: Tiles a side that the squares have at least, a power of two.

        Raises:
            GridError: The grid's CRS cannot hold the region, or the side is not a power of two.
        """
        smallest = _power_of_two(side)
        return [block for shape in self._outlines() for block in self._roots(shape, smallest)]

    def split(self, block: TileBlock) -> list[TileBlock]:
        """Returns those quarters of a square block that the region meets, in row-major order; [] for a single tile.

        A quarter that is a single tile is returned only if it belongs to the region; a larger one may, under the rule
        "centre", turn out to hold none.

        Raises:
            GridError: The block is not a square of a power of two tiles, or not of this grid.
        """
        side = _side_of(block)
        shape = self._outline_of(block)
        return self._children(shape, block) if shape is not None and side > 1 else []

    def blocks(self, side: int, within: TileBlock | None = None) -> Iterator[TileBlock]:
        """Yields the aligned squares of `side` x `side` tiles that hold at least one tile of the region.

        The order is that of the quadtree, the same in every run; no more than a chunk of them is ever held.

        Args:
            side: Tiles a side, a power of two.
            within: Only those in this square, one of `roots(side)` or of their quarters of at least `side` tiles.

        Raises:
            GridError: The side is not a power of two, or `within` is no square of at least that side.
        """
        if within is not None and _side_of(within) < side:
            raise GridError(f"block {within} is too small to hold squares of {side} x {side} tiles")
        chunks = self._chunks(_power_of_two(side) * _SQUARES, within)
        return (block for chunk in chunks for block in self._blocks(chunk, side))

    def tiles(self, block: TileBlock | None = None) -> Iterator[TileKey]:
        """Yields the tiles of the region, all or those in an aligned block.

        Row-major in a block, which need not be square; without one, square by square of 256 x 256 tiles.

        Raises:
            GridError: The block is not of this grid.
        """
        for chunk in self._chunks(_CHUNK) if block is None else (block,):
            rows, cols = np.nonzero(self.mask(chunk))
            top, left, size = chunk.row, chunk.col, chunk.size
            for row, col in zip((top + rows * size).tolist(), (left + cols * size).tolist(), strict=True):
                yield TileKey(chunk.crs, chunk.resolution, size, row, col, chunk.origin)

    def mask(self, block: TileBlock) -> np.ndarray:
        """Returns which tiles of an aligned block belong to the region, as (rows, cols) bool.

        Raises:
            GridError: The block is not of this grid.
        """
        relation = self._settle(block, 1)
        if self.rule == "intersects":
            return relation > OUTSIDE
        belongs = relation == INSIDE
        rows, cols = np.nonzero(relation == BORDER)
        shape = self._outline_of(block)
        if shape is not None and len(rows):
            size = block.size
            belongs[rows, cols] = shape.holds_centres(block.row + rows * size, block.col + cols * size, size, size)
        return belongs

    def chunks(self) -> Iterator[TileBlock]:
        """Yields the aligned squares of 256 x 256 tiles that the region meets, for those who take tiles as arrays."""
        return self._chunks(_CHUNK)

    def count(self) -> int:
        """Returns the number of tiles, visiting only those along the outline."""
        return sum(int(self.mask(chunk).sum()) for chunk in self.chunks())

    def _outlines(self) -> Iterator[Outline]:
        for crs in outline_crss(self.region, self.grid):
            shape = outline(self.region, self.grid, crs)
            if shape is not None:
                yield shape

    def _outline_of(self, block: TileBlock) -> Outline | None:
        ours = (self.grid.resolution, self.grid.patch_size, self.grid.origin)
        aligned = block.row % block.size == 0 == block.col % block.size
        if not (aligned and ours == (block.resolution, block.size, block.origin) and self.grid.has_crs(block.crs)):
            raise GridError(f"block {block} is not of {self.grid}: take blocks from the same cover")
        return outline(self.region, self.grid, block.crs)

    def _belongs(self, shape: Outline, rows: np.ndarray, cols: np.ndarray, size: int) -> np.ndarray:
        if self.rule == "centre":
            return shape.holds_centres(rows, cols, size, size)
        return shape.relate(rows, cols, size, size) > OUTSIDE

    def _roots(self, shape: Outline, smallest: int) -> list[TileBlock]:
        size = self.grid.patch_size
        top, left, bottom, right = (offset // size for offset in shape.pixel_bounds())
        side = smallest
        while (bottom // side - top // side + 1) * (right // side - left // side + 1) > _MAX_ROOTS:
            side *= 2
        rows, cols = np.mgrid[top // side : bottom // side + 1, left // side : right // side + 1].reshape(2, -1)
        return self._met(shape, rows * side * size, cols * side * size, side)

    def _children(self, shape: Outline, block: TileBlock) -> list[TileBlock]:
        half = block.rows // 2
        step = half * block.size
        rows = block.row + np.array([0, 0, step, step])
        cols = block.col + np.array([0, step, 0, step])
        if half == 1:
            belongs = self._belongs(shape, rows, cols, block.size)
            rows, cols = rows[belongs], cols[belongs]
        return self._met(shape, rows, cols, half)

    def _met(self, shape: Outline, rows: np.ndarray, cols: np.ndarray, side: int) -> list[TileBlock]:
        size, resolution, origin = self.grid.patch_size, self.grid.resolution, self.grid.origin
        met = shape.relate(rows, cols, side * size, side * size) > OUTSIDE
        return [
            TileBlock(shape.crs, resolution, size, row, col, side, side, origin)
            for row, col in zip(rows[met].tolist(), cols[met].tolist(), strict=True)
        ]

    def _chunks(self, side: int, within: TileBlock | None = None) -> Iterator[TileBlock]:
        """Yields the squares of `side` tiles (smaller ones where `within` is smaller) that the region meets."""
        waiting = self.roots(side)[::-1] if within is None else [within]
        while waiting:
            block = waiting.pop()
            if block.rows <= side:
                yield block
            else:
                waiting += self.split(block)[::-1]

    def _blocks(self, chunk: TileBlock, side: int) -> Iterator[TileBlock]:
        relation = self._settle(chunk, side)
        for row, col in zip(*(index.tolist() for index in np.nonzero(relation)), strict=True):
            block = chunk.part(row * side, col * side, side, side)
            if self.rule == "intersects" or relation[row, col] == INSIDE or self.mask(block).any():
                yield block

    def _settle(self, block: TileBlock, unit: int) -> np.ndarray:
        """Returns how each square of `unit` x `unit` tiles of a block lies to the region, (rows, cols) int8.

        From large squares to small ones: what lies inside or outside altogether is not looked at again.
        """
        shape = self._outline_of(block)
        rows, cols = block.rows // unit, block.cols // unit
        side = 1 << (max(rows, cols) - 1).bit_length()
        relation = np.zeros((side, side), np.int8)
        if shape is None:
            return relation[:rows, :cols]
        step = unit * block.size
        top = left = np.zeros(1, int)
        while True:
            found = shape.relate(block.row + top * step, block.col + left * step, side * step, side * step)
            _fill(relation, top, left, side, found)
            if side == 1:
                return relation[:rows, :cols]
            side, cut = (side // 4, 4) if side >= 4 else (1, 2)
            top, left = _quartered(top[found == BORDER], left[found == BORDER], side, cut)
            inside = (top < rows) & (left < cols)
            top, left = top[inside], left[inside]


def _power_of_two(side: int) -> int:
    if side < 1 or side & (side - 1):
        raise GridError(f"side {side} must be a power of two: squares of the quadtree have 1, 2, 4, 8 ... tiles a side")
    return side


def _side_of(block: TileBlock) -> int:
    if block.cols != block.rows:
        raise GridError(f"block {block} is not square, as those of the quadtree are")
    return _power_of_two(block.rows)


def _fill(relation: np.ndarray, top: np.ndarray, left: np.ndarray, side: int, found: np.ndarray) -> None:
    if side == 1:
        relation[top, left] = found
        return
    for row, col in zip(top[found == INSIDE].tolist(), left[found == INSIDE].tolist(), strict=True):
        relation[row : row + side, col : col + side] = INSIDE


def _quartered(top: np.ndarray, left: np.ndarray, side: int, cut: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts squares into `cut` x `cut` squares of `side`."""
    rows, cols = np.mgrid[0:cut, 0:cut].reshape(2, -1) * side
    return (top[:, None] + rows).ravel(), (left[:, None] + cols).ravel()
