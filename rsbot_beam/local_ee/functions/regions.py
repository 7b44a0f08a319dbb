"""Statistics of regions. Every pixel whose centre lies in the region counts once; Earth Engine weighs those on the edge."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.collection import Collection, Element, Feature, as_feature
from rsbot_beam.local_ee.functions.elements import changed
from rsbot_beam.local_ee.geometries import Geometry
from rsbot_beam.local_ee.image import Image, PixelContext
from rsbot_beam.local_ee.reducers import Reducer
from rsbot_beam.local_ee.region_pixels import coarser, region_grid, region_of, region_pixels, working_projection
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.types import Projection
from rsbot_beam.local_ee.values import Value


@function("Image.reduceRegion")
def reduce_region(
    image: Image,
    reducer: Reducer,
    geometry: Geometry | None = None,
    scale: float | None = None,
    crs: Projection | None = None,
    crs_transform: list | None = None,
    best_effort: bool = False,
    max_pixels: float = 1e7,
    tile_scale: float = 1,
) -> dict[str, Any]:
    """All pixels of a region, reduced."""
    region = region_of(image, geometry, "Image.reduceRegion")
    projection = working_projection(image, crs, crs_transform, scale)
    grid = region_grid(region, projection)
    count = grid.shape[0] * grid.shape[1]
    if count > max_pixels:
        if not best_effort:
            raise RequestError(
                f"Image.reduceRegion: Too many pixels in the region. Found {count}, but maxPixels allows only "
                f"{int(max_pixels)}.\nEnsure that you are not aggregating at a higher resolution than you intended; that is "
                "the resolution of the image, unless scale or crs are given, or use bestEffort."
            )
        grid = region_grid(region, coarser(projection, float(np.ceil(np.sqrt(count / max_pixels)))))
    return reduce_columns_of(image, reducer, [*region_pixels(image, region, grid)])


def reduce_columns_of(image: Image, reducer: Reducer, pieces: list[Any]) -> dict[str, Any]:
    """A reducer over the pixels of a region's blocks; keys as Earth Engine names them."""
    inputs = reducer.inputs

    def column(band: int, rows: str) -> NDArray[Any]:
        parts = [piece.values[band][piece.valid[band] if rows == "own" else piece.complete] for piece in pieces]
        return np.concatenate(parts) if parts else np.zeros(0)

    if inputs > 1 or reducer.group is not None:
        if inputs != len(image.bands):
            raise RequestError(
                f"Image.reduceRegion: The reducer has {inputs} inputs, the image {len(image.bands)} bands."
            )
        return reducer.scalars([column(band, "complete") for band in range(inputs)])
    found: dict[str, Any] = {}
    for number, name in enumerate(image.names):
        for output, value in reducer.scalars([column(number, "own")]).items():
            found[name if len(reducer.outputs) == 1 else f"{name}_{output}"] = value
    return found


@function("Image.reduceRegions")
def reduce_regions(
    image: Image,
    collection: Collection,
    reducer: Reducer,
    scale: float | None = None,
    crs: Projection | None = None,
    crs_transform: list | None = None,
    tile_scale: float = 1,
    max_pixels_per_region: float = 1e8,
) -> Collection:
    """Each feature with the reduced pixels of its region as properties."""

    def reduce(element: Element) -> Element | None:
        region = as_feature(element).geometry
        if region is None:
            return element
        found = reduce_region(image, reducer, region, scale, crs, crs_transform, max_pixels=max_pixels_per_region)
        if len(image.bands) == 1 and reducer.inputs == 1:
            found = dict(zip(reducer.names, found.values(), strict=True))
        return changed(element, lambda before: {**before, **found})

    return collection.map(reduce)


@function("Image.sampleRectangle")
def sample_rectangle(
    image: Image,
    region: Geometry | None = None,
    properties: list | None = None,
    default_value: float | None = None,
    default_array_value: Value = None,
) -> Feature:
    """The pixels of the rectangle around a region as lists of rows, in the image's own projection."""
    area = region_of(image, region, "Image.sampleRectangle")
    grid = region_grid(area, image.bands[0].projection)
    if grid.shape[0] * grid.shape[1] > 262_144:
        raise RequestError(
            f"Image.sampleRectangle: Too many pixels in sample; must be <= 262144. Got {grid.shape[0] * grid.shape[1]}."
        )
    context = PixelContext(grid)
    found: dict[str, Any] = {name: image.properties.get(name) for name in properties or ()}
    for name, raster in zip(image.names, context.rasters(image, range(len(image.bands))), strict=True):
        if default_value is None and not raster.valid.all():
            raise RequestError(f"Image.sampleRectangle: Masked pixels in band '{name}': give a defaultValue.")
        found[name] = np.where(raster.valid, raster.values, default_value or 0).tolist()
    return Feature(area, found)
