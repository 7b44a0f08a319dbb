"""A rectangle of tiles with a margin around it: what is fetched to predict it, and the windows that it is cut into."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from odc.geo.geobox import GeoBox

from rsbot_beam.data.bands import Layout
from rsbot_beam.geometry import TileBlock, TileKey, plan_blocks

Piece = tuple[slice, slice]
"""(rows, columns) of a part of a padded block's pixels."""


def padded_geobox(block: TileBlock, overlap: int) -> GeoBox:
    """The block and `overlap` pixels on each side; its pixels are those of the block's grid, bit for bit."""
    height, width = block.shape
    corner = TileKey(block.crs, block.resolution, 1, block.row - overlap, block.col - overlap, block.origin)
    return GeoBox((height + 2 * overlap, width + 2 * overlap), corner.transform, block.crs)


def pieces(shape: tuple[int, int], fits: Callable[[int, int], bool]) -> list[Piece]:
    """Cut a rectangle of pixels evenly into as few parts as can be asked for, from the top left one on.

    Args:
        shape: (height, width).
        fits: Whether (height, width) pixels can be asked for in one request; single rows are not asked about.
    """
    height, width = shape
    rows = cols = 1
    while not fits(math.ceil(height / rows), math.ceil(width / cols)):
        if rows >= height and cols >= width:
            break
        # The longer side is cut, so that parts stay close to squares.
        if height / rows >= width / cols:
            rows += 1
        else:
            cols += 1
    return [(down, across) for down in _even(height, rows) for across in _even(width, cols)]


def _even(length: int, parts: int) -> list[slice]:
    edges = [length * i // parts for i in range(parts + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def windows(keys: Sequence[TileKey], fits: Callable[[int, int], bool]) -> list[TileBlock]:
    """Rectangles of tiles to predict as one, so that margins between them are not computed twice.

    Together they are the tiles, each once and none besides; equal sets of tiles give equal windows. Equal shapes follow
    one another.

    Args:
        keys: Tiles of one grid.
        fits: Whether (height, width) pixels, without a margin, may be predicted as one; single tiles are not asked about.
    """
    found: list[TileBlock] = []
    size = keys[0].size
    for whole in plan_blocks(keys):
        for rows, cols in pieces((whole.rows, whole.cols), lambda rows, cols: fits(rows * size, cols * size)):
            found.append(whole.part(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start))
    return sorted(found, key=lambda window: (-window.rows, -window.cols, window))


@dataclass(frozen=True, eq=False)
class PaddedBlock:
    """The pixels of a rectangle of tiles and of a margin around it.

    Attributes:
        block: The tiles.
        overlap: Pixels of the margin on each side.
        layout: What the arrays are.
        pixels: By input band, native dtype: ([steps,] height + 2 overlap, width + 2 overlap); 0 where not valid.
        valid: The same, bool.
    """

    block: TileBlock
    overlap: int
    layout: Layout
    pixels: Mapping[str, np.ndarray]
    valid: Mapping[str, np.ndarray]

    def window(self, block: TileBlock) -> PaddedBlock:
        """Some tiles of the block with the same margin around them: views, no copies."""
        top, left = block.row - self.block.row, block.col - self.block.col
        height, width = (side + 2 * self.overlap for side in block.shape)
        rows, cols = slice(top, top + height), slice(left, left + width)
        pixels, valid = ({name: a[..., rows, cols] for name, a in of.items()} for of in (self.pixels, self.valid))
        return PaddedBlock(block, self.overlap, self.layout, pixels, valid)

    def inner(self, bands: Sequence[str]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Pixels and validity of bands without the margin, ([steps,] height, width): views, no copies."""
        inside = slice(self.overlap, -self.overlap or None)
        pixels, valid = ({name: of[name][..., inside, inside] for name in bands} for of in (self.pixels, self.valid))
        return pixels, valid

    @cached_property
    def seen(self) -> np.ndarray:
        """Pixels of the block, without its margin, of which there is a valid input; bool (height, width)."""
        _, valid = self.inner([band.name for band in self.layout.inputs])
        flags = valid.values()
        return np.logical_or.reduce([flag.any(axis=0) if flag.ndim == 3 else flag for flag in flags])

    def seen_of(self, key: TileKey) -> np.ndarray:
        """`seen` of one tile, bool (size, size)."""
        top, left = key.row - self.block.row, key.col - self.block.col
        return self.seen[top : top + key.size, left : left + key.size]
