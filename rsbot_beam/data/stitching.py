"""Putting the predictions of patches together, so that no seam is seen where they meet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rsbot_beam.geometry import TileBlock

# By which weights that sum to 1 are off in float32.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Seams:
    """How patches overlap, and how their predictions are weighed against one another.

    A pixel that is at least the model's radius away from its patch's edge is predicted as if there were no edge. With that
    much overlap neighbours predict the same where they meet: they are cut there, and the map is the same wherever tiles
    lie. With a smaller overlap, or where every pixel of a patch has a say, patches differ where they meet, and are faded
    into each other over the whole of the overlap.

    Attributes:
        size: Pixels per side of a tile.
        overlap: Pixels that patches have on each side beyond their tile.
        ramp: Pixels on both sides of a tile's edge over which its weight falls from 1 to 0; 0 cuts there.
        is_exact: Whether neighbours predict the same where they meet.
        is_local: Whether a prediction depends on its surroundings only, so that it is the same in a larger patch.
    """

    size: int
    overlap: int
    ramp: int
    is_exact: bool = True
    is_local: bool = True

    @classmethod
    def of(cls, size: int, overlap: int, radius: int | None) -> Seams:
        """The seams for a model.

        Args:
            size: Pixels per side of a tile.
            overlap: Pixels on each side.
            radius: Pixels from a predicted pixel to the farthest one that can change it; None where all of a patch can.
        """
        is_exact = radius is not None and overlap >= radius
        return cls(size, overlap, 0 if is_exact else min(overlap, size // 2), is_exact, radius is not None)

    def weights(self, tiles: int = 1) -> np.ndarray:
        """Weight along one side of a patch, float32 (tiles x size + 2 ramp,): those of neighbours sum to 1."""
        rise = (np.arange(2 * self.ramp, dtype=np.float32) + 0.5) / max(1, 2 * self.ramp)
        return np.concatenate([rise, np.ones(tiles * self.size - 2 * self.ramp, np.float32), rise[::-1]])


class Stitcher:
    """Collects the predictions of the windows of a block: tiles, or rectangles of tiles that were predicted as one.

    Args:
        block: The tiles.
        seams: How they overlap.
        channels: Numbers of a pixel.
    """

    def __init__(self, block: TileBlock, seams: Seams, channels: int) -> None:
        self._block, self._seams, self._channels = block, seams, channels
        self._sum = np.zeros((*block.shape, channels), np.float32)
        self._weight = np.zeros(block.shape, np.float32) if seams.ramp else None
        self._windows: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def add(self, window: TileBlock, prediction: np.ndarray) -> None:
        """Add what was predicted of some tiles as one.

        Args:
            window: They, of the block.
            prediction: float32 (height + 2 overlap, width + 2 overlap, channels).
        """
        ramp, cut = self._seams.ramp, self._seams.overlap - self._seams.ramp
        height, width = (side + 2 * ramp for side in window.shape)
        inner = prediction[cut : cut + height, cut : cut + width]
        rows, from_row = _clipped(window.row - self._block.row - ramp, height, self._block.shape[0])
        cols, from_col = _clipped(window.col - self._block.col - ramp, width, self._block.shape[1])
        part = inner[from_row, from_col]
        if self._weight is None:
            self._sum[rows, cols] = part
            return
        fade, weights = self._weights_of(window)
        self._sum[rows, cols] += part * weights[from_row, from_col]
        self._weight[rows, cols] += fade[from_row, from_col]

    def add_all(self, predictions: Iterable[tuple[TileBlock, np.ndarray]]) -> None:
        """Add windows; see `add`."""
        for window, prediction in predictions:
            self.add(window, prediction)

    def _weights_of(self, window: TileBlock) -> tuple[np.ndarray, np.ndarray]:
        shape = window.rows, window.cols
        if shape not in self._windows:
            fade = np.outer(self._seams.weights(window.rows), self._seams.weights(window.cols))
            # The same for all channels, so that a product runs along whole rows: numpy is slow along an axis of a few numbers.
            weights = np.repeat(fade, self._channels, axis=1).reshape(*fade.shape, self._channels)
            self._windows[shape] = fade, weights
        return self._windows[shape]

    def result(self) -> np.ndarray:
        """The block, float32 (height, width, channels); 0 where no patch was added."""
        if self._weight is None:
            return self._sum
        # Where a neighbour is missing, beyond the block or without pixels, what is there stands alone.
        alone = (self._weight > 0) & (np.abs(self._weight - 1) > ROUNDING)
        self._sum[alone] /= self._weight[alone][:, np.newaxis]
        return self._sum


def _clipped(start: int, length: int, limit: int) -> tuple[slice, slice]:
    """Where a stretch that may stick out lies within 0..limit, and which part of it that is."""
    first, last = max(0, start), min(limit, start + length)
    return slice(first, last), slice(first - start, last - start)
