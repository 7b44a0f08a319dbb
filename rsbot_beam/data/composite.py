"""A picture of what a model saw: three bands of its input in 8 bits, beside the map that was made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsbot_beam.data.bands import Layout

NAME = "composite"
# Red, green and blue by the band names of common archives: Sentinel-2, Landsat 8 surface reflectance and TOA, NAIP.
TRUE_COLOUR = (("B4", "B3", "B2"), ("SR_B4", "SR_B3", "SR_B2"), ("R", "G", "B"))
# Quantiles of the train split that become black and white.
BLACK, WHITE = "0.02", "0.98"


def picture_bands(layout: Layout) -> tuple[str, ...]:
    """The three bands to show as red, green and blue, or one to show in grey."""
    names = [band.name for band in layout.bands]
    return next((rgb for rgb in TRUE_COLOUR if set(rgb) <= set(names)), (names[0],))


@dataclass(frozen=True)
class Composite:
    """How input bands become a picture, the same in all blocks of a map.

    Attributes:
        bands: Three for red, green and blue, or one in grey.
        low: What is black, in units of the bands.
        high: What is white.
    """

    bands: tuple[str, ...]
    low: float
    high: float

    @classmethod
    def of(cls, layout: Layout, bands: Sequence[Mapping[str, Any]]) -> Composite | None:
        """That of a model's inputs; one range for all bands keeps their colours.

        Args:
            layout: Of the model.
            bands: `bands` of a `dataset.json` or `model.json`: names and statistics of the train split.

        Returns:
            None where there are no statistics of the bands.
        """
        chosen = picture_bands(layout)
        # The label has none.
        known = {band["name"]: band["statistics"]["quantiles"] for band in bands if band.get("statistics")}
        if not set(chosen) <= set(known):
            return None
        low = min(float(known[name][BLACK]) for name in chosen)
        high = max(float(known[name][WHITE]) for name in chosen)
        return cls(chosen, low, max(high, low + 1e-6))

    def draw(self, pixels: Mapping[str, np.ndarray], valid: Mapping[str, np.ndarray]) -> np.ndarray:
        """The picture.

        Args:
            pixels: By band, ([steps,] height, width). Of a time series a pixel is that of the middle step, or of the
                nearest one in which it is valid.
            valid: The same, bool.

        Returns:
            uint8 (3, height, width), 1 to 255; 0 where there is no valid pixel.
        """
        first = pixels[self.bands[0]]
        if first.ndim == 2:
            return self._step([pixels[name] for name in self.bands], [valid[name] for name in self.bands])
        picture = np.zeros((3, *first.shape[1:]), np.uint8)
        for step in _from_the_middle(len(first)):
            found = self._step([pixels[name][step] for name in self.bands], [valid[name][step] for name in self.bands])
            np.copyto(picture, found, where=(picture[0] == 0) & (found[0] > 0))
            if picture[0].all():
                break
        return picture

    def _step(self, bands: Sequence[np.ndarray], valid: Sequence[np.ndarray]) -> np.ndarray:
        there = np.logical_and.reduce(valid)
        scale = np.float32(254 / (self.high - self.low))
        shown = [_scaled(band, self.low, scale) for band in bands]
        picture = np.stack(shown * (3 if len(shown) == 1 else 1))
        return picture if there.all() else np.where(there, picture, np.uint8(0))


def _from_the_middle(count: int) -> list[int]:
    """Steps, the middle one first and the farthest last; of two that are as far the earlier first."""
    return sorted(range(count), key=lambda step: (abs(step - count // 2), step))


def _scaled(values: np.ndarray, low: float, scale: np.float32) -> np.ndarray:
    """1 to 255, uint8; what is no number becomes 1."""
    if values.dtype in (np.uint8, np.uint16):  # a look into a table is a fifth of the work
        return _computed(np.arange(np.iinfo(values.dtype).max + 1), low, scale)[values]
    return _computed(values, low, scale)


def _computed(values: np.ndarray, low: float, scale: np.float32) -> np.ndarray:
    shades = (values.astype(np.float32) - np.float32(low)) * scale
    return np.asarray(np.clip(np.nan_to_num(shades), 0, 254) + 1.5, np.uint8)
