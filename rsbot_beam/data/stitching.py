"""Putting the predictions of patches together, so that no seam is seen where they meet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rsbot_beam.geometry import TileBlock, TileKey

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
    """

    size: int
    overlap: int
    ramp: int
    is_exact: bool = True

    @classmethod
    def of(cls, size: int, overlap: int, radius: int | None) -> Seams:
        """The seams for a model.

        Args:
            size: Pixels per side of a tile.
            overlap: Pixels on each side.
            radius: Pixels from a predicted pixel to the farthest one that can change it; None where all of a patch can.
        """
        is_exact = radius is not None and overlap >= radius
        return cls(size, overlap, 0 if is_exact else min(overlap, size // 2), is_exact)

    def weights(self) -> np.ndarray:
        """Weight along one side of a patch, float32 (size + 2 ramp,): those of neighbours sum to 1."""
        rise = (np.arange(2 * self.ramp, dtype=np.float32) + 0.5) / max(1, 2 * self.ramp)
        return np.concatenate([rise, np.ones(self.size - 2 * self.ramp, np.float32), rise[::-1]])


class Stitcher:
    """Collects the predictions of the tiles of a block.

    Args:
        block: The tiles.
        seams: How they overlap.
        channels: Numbers of a pixel.
    """

    def __init__(self, block: TileBlock, seams: Seams, channels: int) -> None:
        self._block, self._seams = block, seams
        self._sum = np.zeros((*block.shape, channels), np.float32)
        self._weight = np.zeros(block.shape, np.float32) if seams.ramp else None
        line = seams.weights()
        self._window = np.outer(line, line)
        # The same for all channels, so that a product runs along whole rows: numpy is slow along an axis of a few numbers.
        self._weights = np.repeat(self._window, channels, axis=1).reshape(*self._window.shape, channels)
        self._product = np.empty_like(self._weights)

    def add(self, key: TileKey, prediction: np.ndarray) -> None:
        """Add a patch.

        Args:
            key: Its tile, of the block.
            prediction: float32 (size + 2 overlap, size + 2 overlap, channels).
        """
        ramp, cut = self._seams.ramp, self._seams.overlap - self._seams.ramp
        side = self._seams.size + 2 * ramp
        inner = prediction[cut : cut + side, cut : cut + side]
        rows, from_row = _clipped(key.row - self._block.row - ramp, side, self._block.shape[0])
        cols, from_col = _clipped(key.col - self._block.col - ramp, side, self._block.shape[1])
        part = inner[from_row, from_col]
        if self._weight is None:
            self._sum[rows, cols] = part
            return
        weighted = np.multiply(part, self._weights[from_row, from_col], out=self._product[from_row, from_col])
        self._sum[rows, cols] += weighted
        self._weight[rows, cols] += self._window[from_row, from_col]

    def add_all(self, predictions: Iterable[tuple[TileKey, np.ndarray]]) -> None:
        """Add patches; see `add`."""
        for key, prediction in predictions:
            self.add(key, prediction)

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
