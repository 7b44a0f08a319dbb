"""Objects of a mask: boxes around what hangs together."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import shapely
from rasterio.features import rasterize, shapes
from shapely.geometry import shape

from rsbot_beam.data.objects import Objects

_NEIGHBOURS = 8
"""Pixels of one class that meet at a corner belong together: a slanting row of panels is one plant."""


def objects_of_mask(
    mask: np.ndarray, valid: np.ndarray | None = None, codes: Collection[int] | None = None, prefix: str = ""
) -> Objects:
    """Returns boxes around the connected parts of each class of a mask.

    Args:
        mask: Integer class codes (height, width).
        valid: bool (height, width), which pixels are seen; a part without a valid pixel is no object. None for all.
        codes: Classes that have objects; None for all but 0.
        prefix: What names begin with: a mask does not know which part of the next tile is the same object.

    Returns:
        Objects from top to bottom and left to right by their first pixel, named `prefix` and a number; truncated where
        they touch the tile's edge.
    """
    wanted = mask != 0 if codes is None else np.isin(mask, list(codes))
    if not wanted.any():
        return Objects.none()
    found = [(shape(outline), code) for outline, code in shapes(mask.astype(np.int32), wanted, _NEIGHBOURS)]
    outlines = np.array([outline for outline, _ in found], object)
    numbers = np.zeros(mask.shape, np.int32)
    rasterize([(outline, number + 1) for number, outline in enumerate(outlines)], out=numbers)
    visible = numbers[wanted if valid is None else wanted & valid]
    first = _first_pixels(numbers, len(outlines))
    kept = np.flatnonzero(np.bincount(visible, minlength=len(outlines) + 1)[1:])
    kept = kept[np.argsort(first[kept], kind="stable")]
    bounds = shapely.bounds(outlines[kept])
    height, width = mask.shape
    truncated = (bounds[:, :2] <= 0).any(axis=1) | (bounds[:, 2] >= width) | (bounds[:, 3] >= height)
    classes = np.array([found[index][1] for index in kept.tolist()], np.int32)
    ids = tuple(f"{prefix}{number}" for number in range(len(kept)))
    return Objects(bounds[:, [1, 0, 3, 2]], classes, truncated, ids)


def _first_pixels(numbers: np.ndarray, count: int) -> np.ndarray:
    """Index in the flat array of the first pixel of each of `count` parts."""
    found, first = np.unique(numbers, return_index=True)
    places = np.full(count + 1, numbers.size)
    places[found] = first
    return places[1:]
