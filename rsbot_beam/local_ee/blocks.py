"""Large grids worked through in blocks, so that the memory of a request stays small."""

from __future__ import annotations

from collections.abc import Iterator

from rsbot_beam.local_ee.provider import PixelGrid

# Pixels evaluated together: a composite of 36 images with 6 bands of two bytes and their masks then takes 80 MB.
BLOCK_PIXELS = 1 << 17
BLOCK_WIDTH = 512


def blocks(grid: PixelGrid) -> Iterator[tuple[slice, slice, PixelGrid]]:
    """(rows, columns, grid) of blocks that together are the grid; the grid itself where it is small enough."""
    height, width = grid.shape
    if height * width <= BLOCK_PIXELS:
        yield slice(0, height), slice(0, width), grid
        return
    across = min(width, BLOCK_WIDTH)
    down = max(1, BLOCK_PIXELS // across)
    for row in range(0, height, down):
        for column in range(0, width, across):
            shape = (min(down, height - row), min(across, width - column))
            yield slice(row, row + shape[0]), slice(column, column + shape[1]), grid.window(row, column, shape)
