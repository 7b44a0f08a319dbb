"""Boxes of features in the pixels of a tile, and which of them the tile sees."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from rsbot_beam.geometry.tile import TileKey

_ROUNDING = 1e-6
"""Pixels: what reaches less far beyond a tile's edge, or into it, is the rounding of a projection."""


class Boxes(NamedTuple):
    """Boxes of some of a tile's features, m of them.

    Attributes:
        rows: int (m,), which features.
        boxes: float64 (m, 4), ymin, xmin, ymax, xmax in pixels, within the tile.
        truncated: bool (m,), whether the feature reaches beyond the tile.
    """

    rows: np.ndarray
    boxes: np.ndarray
    truncated: np.ndarray


def boxes_in(geometries: np.ndarray, key: TileKey) -> Boxes:
    """Returns the boxes of the parts of features that lie inside a tile; features that only touch it have none.

    A point is the one pixel that owns it: pixels own their top and left edge.

    Args:
        geometries: object (n,), points and polygons in the tile's CRS; empty ones are nowhere.
        key: The tile.
    """
    pixels = in_pixels(geometries, key)
    bounds = np.asarray(shapely.bounds(pixels))  # left, top, right, bottom; NaN for nothing
    is_point = shapely.get_type_id(pixels) == shapely.GeometryType.POINT
    bounds[is_point] = np.hstack([np.floor(bounds[is_point, :2]), np.floor(bounds[is_point, :2]) + 1])
    near = (bounds[:, :2] < key.size).all(axis=1) & (bounds[:, 2:] > 0).all(axis=1)
    beyond = (bounds[:, :2] < -_ROUNDING).any(axis=1) | (bounds[:, 2:] > key.size + _ROUNDING).any(axis=1)
    for row in np.flatnonzero(near & beyond).tolist():
        bounds[row] = _part_inside(pixels[row], key.size)
    # Of what the edge cuts, a sliver of rounding is not inside; what is whole may be as thin as it is.
    sliver = beyond & ~((bounds[:, 2:] - bounds[:, :2]) > _ROUNDING).all(axis=1)
    rows = np.flatnonzero(near & ~sliver)
    boxes = np.clip(bounds[rows][:, [1, 0, 3, 2]], 0, key.size)
    return Boxes(rows, boxes, np.take(beyond, rows))


def in_pixels(geometries: np.ndarray, key: TileKey) -> np.ndarray:
    """Returns geometries of a tile's CRS in pixels, (column, row) from its top left corner, y growing south.

    Counted from the origin of the grid, so that tiles that share an edge have the same number for a place on it.
    """
    x, y = shapely.get_coordinates(geometries).T
    columns = (x - key.origin[0]) / key.resolution - key.col
    rows = (key.origin[1] - y) / key.resolution - key.row
    return np.asarray(shapely.set_coordinates(geometries.copy(), np.column_stack([columns, rows])))


def _part_inside(geometry: BaseGeometry, size: int) -> np.ndarray:
    """Bounds of the part of a polygon that has area inside the tile; NaN where there is none."""
    if not shapely.is_valid(geometry):  # Vertices that were valid in their own CRS may cross by rounding.
        geometry = shapely.make_valid(geometry)
    parts = shapely.get_parts(shapely.intersection(geometry, shapely.box(0, 0, size, size)))
    parts = parts[shapely.area(parts) > 0]
    return np.asarray(shapely.total_bounds(parts)) if len(parts) else np.full(4, np.nan)


def seen(geometries: np.ndarray, boxes: np.ndarray, valid: np.ndarray, key: TileKey) -> np.ndarray:
    """Tells of which features at least one pixel is valid.

    Args:
        geometries: object (m,), in the tile's CRS.
        boxes: float64 (m, 4), their boxes in pixels.
        valid: bool (height, width), which pixels the tile sees.
        key: The tile.

    Returns:
        bool (m,). The pixels of a feature are those that are painted; of one too small to be painted, those that it meets.
    """
    if valid.all() or not len(boxes):
        return np.ones(len(boxes), bool)
    found = np.zeros(len(boxes), bool)
    top, left = np.floor(boxes[:, :2] + _ROUNDING).astype(int).T
    bottom, right = np.maximum(np.ceil(boxes[:, 2:] - _ROUNDING).astype(int), np.stack([top, left], 1) + 1).T
    for index, window in enumerate(zip(top.tolist(), left.tolist(), bottom.tolist(), right.tolist(), strict=True)):
        part = valid[window[0] : window[2], window[1] : window[3]]
        found[index] = part.any() and (part.all() or _paints_any(geometries[index], window, part, key))
    return found


def _paints_any(geometry: BaseGeometry, window: tuple[int, int, int, int], valid: np.ndarray, key: TileKey) -> bool:
    transform = key.transform * Affine.translation(window[1], window[0])
    painted = rasterize([geometry], out_shape=valid.shape, transform=transform, dtype="uint8").astype(bool)
    if not painted.any():
        painted = rasterize(
            [geometry], out_shape=valid.shape, transform=transform, dtype="uint8", all_touched=True
        ).astype(bool)
    return bool((painted & valid).any())
