"""The pixels of an image within a geometry, for statistics and samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import geometry_mask

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.blocks import blocks
from rsbot_beam.local_ee.functions.projections import placed
from rsbot_beam.local_ee.geometries import Geometry, project
from rsbot_beam.local_ee.image import Image, PixelContext
from rsbot_beam.local_ee.provider import PixelGrid
from rsbot_beam.local_ee.rasterize import inside, on_grid
from rsbot_beam.local_ee.types import Projection
from rsbot_beam.local_ee.values import Value

# Pixels of the rectangle around a region: beyond it Earth Engine would not end within its five minutes either.
MAX_PIXELS = 400_000_000


@dataclass(frozen=True)
class Pixels:
    """Pixels of one block that lie in a region, N of them.

    Attributes:
        values: By band, (N,) each.
        valid: By band, (N,) bool.
        lon: (N,) degrees, of the centres.
        lat: (N,) degrees.
    """

    values: list[NDArray[Any]]
    valid: list[NDArray[np.bool_]]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]

    @property
    def complete(self) -> NDArray[np.bool_]:
        """(N,) bool: where all bands are valid."""
        return np.logical_and.reduce(self.valid) if self.valid else np.zeros(0, bool)


def working_projection(
    image: Image, crs: Projection | None, crs_transform: Sequence[float] | None, scale: float | None
) -> Projection:
    """The projection that a region is worked through in: the one given, or the first band's, at the scale given."""
    return placed(crs if crs is not None else image.bands[0].projection, crs_transform, scale)


def region_of(image: Image, geometry: Geometry | None, caller: str) -> Geometry:
    """The geometry given, or the image's footprint.

    Raises:
        RequestError: When the image has none.
    """
    if geometry is not None:
        return geometry
    if image.footprint is None:
        raise RequestError(
            f"{caller}: Unable to perform this geometry operation. Please specify a region: the image is unbounded."
        )
    return Geometry(image.footprint)


def region_grid(geometry: Geometry, projection: Projection) -> PixelGrid:
    """The pixels of a projection around a geometry.

    Raises:
        RequestError: When the geometry is empty or has no place there.
    """
    local = project(geometry.shape, geometry.crs, projection.crs)
    if local.is_empty or not np.isfinite(local.bounds).all():
        raise RequestError("The region is empty or has no place in the projection.")
    left, bottom, right, top = local.bounds
    corners = [
        ~projection.transform * corner for corner in ((left, bottom), (left, top), (right, bottom), (right, top))
    ]
    columns, rows = [column for column, _ in corners], [row for _, row in corners]
    first_column, first_row = int(np.floor(min(columns))), int(np.floor(min(rows)))
    width = max(int(np.ceil(max(columns))) - first_column, 1)
    height = max(int(np.ceil(max(rows))) - first_row, 1)
    return PixelGrid(
        projection.crs, projection.transform * Affine.translation(first_column, first_row), (height, width)
    )


def coarser(projection: Projection, factor: float) -> Projection:
    """A projection with pixels larger by a factor."""
    return replace(projection, transform=projection.transform * Affine.scale(factor))


def region_pixels(image: Image, geometry: Geometry, grid: PixelGrid) -> Iterator[Pixels]:
    """The pixels of all bands whose centre lies in a geometry, block by block.

    A geometry that has no centre inside (a point, a line, a narrow polygon) takes the pixels that it touches.

    Raises:
        RequestError: When the region is too large.
    """
    if grid.shape[0] * grid.shape[1] > MAX_PIXELS:
        raise RequestError("Computation timed out.")
    found_any = False
    for _, _, block in blocks(grid):
        context = PixelContext(block)
        within = inside(geometry, context)
        if within.any():
            found_any = True
            yield picked(image, context, within)
    if not found_any:
        for _, _, block in blocks(grid):
            touched = ~geometry_mask([on_grid(geometry, block)], block.shape, block.transform, all_touched=True)
            if touched.any():
                yield picked(image, PixelContext(block), touched)


def picked(image: Image, context: PixelContext, chosen: Value) -> Pixels:
    """All bands at chosen pixels of a context's grid."""
    with np.errstate(all="ignore"):
        rasters = context.rasters(image, range(len(image.bands)))
    return Pixels(
        [raster.values[chosen] for raster in rasters],
        [raster.valid[chosen] for raster in rasters],
        context.grid.lon[chosen],
        context.grid.lat[chosen],
    )
