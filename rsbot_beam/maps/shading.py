"""What pixels of a map look like on a screen, and pictures of them as files."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from rio_tiler.colormap import cmap
from rio_tiler.models import ImageData

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.maps.styles import rgb

UNKNOWN = (128, 128, 128)
"""Of a code that is of no class."""

COLOUR_MAPS = {"probability": "viridis", "probabilities": "viridis", "entropy": "magma"}
"""Perceptually uniform colour maps of quantities of 0 to 1; a blind eye for red or green sees them as well."""

_STEPS = 256


def class_table(classes: Sequence[LabelClass], dtype: np.dtype) -> np.ndarray:
    """Colours by code.

    Args:
        classes: With their colours.
        dtype: uint8 or uint16, of the codes.

    Returns:
        uint8 (256 or 65536, 3), red, green and blue.
    """
    table = np.full((np.iinfo(dtype).max + 1, 3), UNKNOWN, np.uint8)
    for item in classes:
        table[item.code] = rgb(item.colour)
    return table


@functools.lru_cache(maxsize=8)
def ramp(name: str) -> np.ndarray:
    """Colours of quantities from 0 to 1: uint8 (256, 3) of one of the colour maps."""
    table = cmap.get(name)
    return np.array([table[step][:3] for step in range(_STEPS)], np.uint8)


def shade(raster: str, pixels: np.ndarray, classes: Sequence[LabelClass]) -> np.ndarray:
    """The colours of a raster's pixels.

    Args:
        raster: Its name: codes are those of classes, of quantities the first band is shown, others are red, green, blue.
        pixels: (bands, height, width).
        classes: Of the map.

    Returns:
        uint8 (3, height, width).
    """
    if raster == "class":
        return np.moveaxis(class_table(classes, pixels.dtype)[pixels[0]], -1, 0)
    if raster in COLOUR_MAPS:
        # NaN, where there is no data, is any colour: it is not seen.
        steps = np.nan_to_num(np.clip(pixels[0], 0, 1)) * (_STEPS - 1)
        return np.moveaxis(ramp(COLOUR_MAPS[raster])[np.round(steps).astype(np.uint8)], -1, 0)
    return pixels[:3].astype(np.uint8, copy=False)


def picture(colours: np.ndarray, valid: np.ndarray) -> bytes:
    """A PNG of a picture, transparent where there is no data.

    Args:
        colours: uint8 (3, height, width).
        valid: bool (height, width).
    """
    hidden = np.broadcast_to(~valid, colours.shape)
    # What is transparent has one colour, and takes no room in the file.
    shown = np.where(hidden, np.uint8(0), colours)
    return bytes(ImageData(np.ma.MaskedArray(shown, hidden)).render(img_format="PNG"))


@functools.lru_cache(maxsize=4)
def empty_picture(side: int) -> bytes:
    """A square PNG in which nothing is seen."""
    return picture(np.zeros((3, side, side), np.uint8), np.zeros((side, side), bool))
