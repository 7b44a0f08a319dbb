"""From scattered or contiguous tiles to the rectangles that are fetched in one request each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from rsbot_beam.geometry.tile import TileBlock, TileKey

MAX_SIDE_PX = 32_768
"""Pixels a side that Earth Engine's computePixels gives at most (its documentation, "Limits")."""

Fits = Callable[[int, int], bool]
Cell = tuple[int, int]


def plan_blocks(
    keys: Iterable[TileKey], fits: Fits | None = None, *, max_side_px: int = MAX_SIDE_PX
) -> list[TileBlock]:
    """Covers tiles by disjoint rectangles, without any tile that was not asked for.

    Greedy: the northernmost, then westernmost, tile left becomes the corner of the largest rectangle that fits; of
    equally large ones the one closest to a square. The same set of tiles gives the same blocks in any order.

    Args:
        keys: Tiles of any grids; those that are asked for twice are planned once. Tiles off the tile grid become blocks
            of their own.
        fits: Tells whether a block of (height, width) pixels can be fetched in one request; where it is false for a
            rectangle it must be false for larger ones. Default: all fit.
        max_side_px: Pixels that a block's side must not exceed.

    Returns:
        Blocks in order. A single tile is a block even where it does not fit, as nothing smaller can be planned.
    """
    alone: set[TileKey] = set()
    grids: defaultdict[tuple, set[Cell]] = defaultdict(set)
    for key in keys:
        if key.aligned:
            grids[key.crs, key.resolution, key.size, key.origin].add((key.row // key.size, key.col // key.size))
        else:
            alone.add(key)
    blocks = [TileBlock.of(key) for key in alone]
    for (crs, resolution, size, origin), cells in grids.items():
        allowed = _tile_limit(size, fits, max_side_px)
        for row, col, rows, cols in _rectangles(cells, allowed):
            blocks.append(TileBlock(crs, resolution, size, row * size, col * size, rows, cols, origin))
    return sorted(blocks)


def _tile_limit(size: int, fits: Fits | None, max_side_px: int) -> Fits:
    def allowed(rows: int, cols: int) -> bool:
        height, width = rows * size, cols * size
        return max(height, width) <= max_side_px and (fits is None or fits(height, width))

    return allowed


def _rectangles(cells: set[Cell], allowed: Fits) -> Iterator[tuple[int, int, int, int]]:
    for corner in sorted(cells):
        if corner in cells:
            rows, cols = _largest(corner, cells, allowed)
            cells.difference_update((corner[0] + r, corner[1] + c) for r in range(rows) for c in range(cols))
            yield *corner, rows, cols


def _largest(corner: Cell, cells: set[Cell], allowed: Fits) -> Cell:
    """Returns (rows, cols) of the best rectangle with its top-left cell at `corner`."""
    row, col = corner
    best, rows, cols = (1, 1), 1, _run(corner, cells, allowed)
    while cols:
        best = max(best, (rows, cols), key=lambda shape: (shape[0] * shape[1], -sum(shape)))
        rows += 1
        cols = _widest(row + rows - 1, col, cols, cells)
        while cols and not allowed(rows, cols):
            cols -= 1
    return best


def _run(corner: Cell, cells: set[Cell], allowed: Fits) -> int:
    row, col = corner
    cols = 1
    while (row, col + cols) in cells and allowed(1, cols + 1):
        cols += 1
    return cols


def _widest(row: int, col: int, cols: int, cells: set[Cell]) -> int:
    return next((width for width in range(cols) if (row, col + width) not in cells), cols)
