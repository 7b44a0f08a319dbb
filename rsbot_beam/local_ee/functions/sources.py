"""Where images and collections begin: assets, constants, coordinates, random numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from rsbot_beam.errors import GridError
from rsbot_beam.geometry.areas import pixel_areas
from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.collection import Collection
from rsbot_beam.local_ee.environment import Environment
from rsbot_beam.local_ee.image import Image, PixelContext, Raster, constant_image
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.types import DOUBLE, FLOAT, Band, Projection
from rsbot_beam.local_ee.values import Value


@function("Image.load")
def load_image(id: str, environment: Environment, version: Value = None) -> Image:
    """An image asset."""
    return environment.catalog.image(id)


@function("ImageCollection.load")
def load_collection(id: str, environment: Environment, version: Value = None) -> Collection:
    """An image collection asset."""
    return environment.catalog.images(id)


@function("Collection.loadTable")
def load_table(
    table_id: str,
    environment: Environment,
    geometry_column: Value = None,
    version: Value = None,
) -> Collection:
    """A table asset, or an image collection's footprints."""
    return environment.catalog.collection(table_id)


@function("Image.constant")
def constant(value: Value) -> Image:
    """The same value everywhere."""
    return constant_image(value)


def computed(names: Sequence[str], compute: Callable[[PixelContext], Sequence[NDArray[Any]]], type: Value) -> Image:
    """An image that is valid everywhere, of arrays made from a context."""

    def rasters(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        found = compute(context)
        return [Raster(found[index].astype(type.dtype, copy=False), context.all_valid) for index in indices]

    return Image([Band(name, type) for name in names], rasters)


@function("Image.pixelLonLat")
def pixel_lon_lat() -> Image:
    """Longitude and latitude of the pixel centres, degrees."""
    return computed(["longitude", "latitude"], lambda context: (context.grid.lon, context.grid.lat), DOUBLE)


@function("Image.pixelCoordinates")
def pixel_coordinates(projection: Projection) -> Image:
    """Pixel coordinates (column, row) of the pixel centres in a projection."""

    def compute(context: PixelContext) -> Sequence[NDArray[Any]]:
        x, y = context.grid.coordinates(projection.crs)
        columns, rows = ~projection.transform * (x, y)
        return np.asarray(columns), np.asarray(rows)

    return computed(["x", "y"], compute, DOUBLE)


@function("Image.pixelArea")
def pixel_area() -> Image:
    """Square metres of each pixel on the WGS 84 ellipsoid; masked where the CRS has no ground at all."""

    def rasters(_indices: Sequence[int], context: PixelContext) -> list[Raster]:
        grid = context.grid
        try:
            areas = pixel_areas(GeoBox(grid.shape, grid.transform, grid.crs))
        except GridError:
            return [context.masked(DOUBLE.dtype)]
        return [Raster(areas, context.all_valid)]

    return Image([Band("area", DOUBLE)], rasters)


@function("Image.random")
def random_image(seed: int = 0, distribution: str = "uniform") -> Image:
    """A random number for each place: the same place (to a micrometre) and seed always give the same one."""
    if distribution not in ("uniform", "normal"):
        raise RequestError(f"Image.random: Unknown distribution '{distribution}'; it may be 'uniform' or 'normal'.")
    return computed(
        ["random"], lambda context: (_random(context, seed, distribution),), DOUBLE if distribution else FLOAT
    )


def _random(context: PixelContext, seed: int, distribution: str) -> NDArray[Any]:
    uniform = hashed(context.grid.lon, context.grid.lat, seed)
    if distribution == "uniform":
        return uniform
    angle = hashed(context.grid.lon, context.grid.lat, seed + 0x5BD1)
    return np.asarray(np.sqrt(-2 * np.log(1 - uniform)) * np.cos(2 * np.pi * angle))


def hashed(x: NDArray[Any], y: NDArray[Any], seed: int) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) from coordinates in degrees, by the finaliser of splitmix64."""
    mixed = np.round(x * 1e7).astype(np.int64).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = mixed + np.round(y * 1e7).astype(np.int64).astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed = mixed + np.uint64((seed * 0x165667B19E3779F9) & 0xFFFFFFFFFFFFFFFF)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return (mixed >> np.uint64(11)).astype(np.float64) / float(1 << 53)
