"""Geometries on a pixel grid: which pixel centres lie inside, and values burnt in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.enums import MergeAlg
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from rsbot_beam.local_ee.geometries import Geometry, project
from rsbot_beam.local_ee.image import PixelContext
from rsbot_beam.local_ee.provider import PixelGrid
from rsbot_beam.local_ee.values import Value


def inside(geometry: Geometry, context: PixelContext) -> NDArray[np.bool_]:
    """(H, W) bool: which pixel centres lie in a geometry. Computed once for a geometry and grid."""
    key = (id(geometry.shape), geometry.crs)
    if key not in context.masks:
        # The shape is kept as well: its memory must not be given to another one while its id is a key.
        context.masks[key] = (geometry.shape, _inside(geometry, context))
    return context.masks[key][1]


def _inside(geometry: Geometry, context: PixelContext) -> NDArray[np.bool_]:
    grid = context.grid
    local = on_grid(geometry, grid)
    frame = grid_frame(grid)
    if local.is_empty or not shapely.intersects(local, frame):
        return context.none_valid
    if shapely.contains_properly(local, frame):
        return context.all_valid
    return burn([(local, 1)], grid, np.uint8).astype(bool)


def grid_frame(grid: PixelGrid) -> BaseGeometry:
    """The outline of a grid in its CRS."""
    rows, columns = grid.shape
    corners = [(0, 0), (columns, 0), (columns, rows), (0, rows)]
    return shapely.Polygon([grid.transform * corner for corner in corners])


def on_grid(geometry: Geometry, grid: PixelGrid) -> BaseGeometry:
    """A geometry in a grid's CRS, cut to the grid's surroundings first: far parts may have no place there."""
    if geometry.crs == grid.crs:
        return geometry.shape
    west, south, east, north = grid.bbox(margin=0.01)
    lonlat = geometry.lonlat
    if lonlat.geom_type in ("Polygon", "MultiPolygon"):
        lonlat = shapely.clip_by_rect(lonlat, west, south, east, north)
    return project(lonlat, "EPSG:4326", grid.crs)


def burn(
    shapes: Iterable[tuple[BaseGeometry, float]],
    grid: PixelGrid,
    dtype: Value,
    fill: float = 0,
    add: bool = False,
) -> NDArray[Any]:
    """Values burnt into a grid at the pixels whose centre lies in a shape; later ones win, or are added.

    Args:
        shapes: (geometry in the grid's CRS, value).
        grid: The grid.
        dtype: Of the result.
        fill: Value of pixels outside.
        add: Whether values of overlapping shapes are added up.
    """
    listed = [(shape, value) for shape, value in shapes if not shape.is_empty]
    if not listed:
        return np.full(grid.shape, fill, dtype)
    merge = "ADD" if add else "REPLACE"
    return _rasterize(listed, grid, dtype, fill, merge)


def _rasterize(
    shapes: Sequence[tuple[BaseGeometry, float]],
    grid: PixelGrid,
    dtype: Value,
    fill: float,
    merge: str,
) -> NDArray[Any]:
    return np.asarray(
        rasterize(
            shapes,
            grid.shape,
            fill=fill,
            transform=grid.transform,
            dtype=np.dtype(dtype).name,
            merge_alg=getattr(MergeAlg, merge.lower()),
        )
    )
