"""Slope, aspect and hillshade of an elevation, from the four neighbours on the grid that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.functions.bands import add_bands
from rsbot_beam.local_ee.functions.neighbourhood import shifted, surroundings
from rsbot_beam.local_ee.image import Image, PixelContext, Raster
from rsbot_beam.local_ee.provider import crs_of
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.types import FLOAT, METRES_PER_DEGREE, Band, integer_type
from rsbot_beam.local_ee.values import Value

REACH = (1, 1)


def gradients(image: Image, context: PixelContext) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """(metres per metre to the east, to the north, valid) of the first band."""
    padded = surroundings(image, [0], context, REACH)[0]
    shape = context.grid.shape
    height = padded.values.astype(np.float64)
    east = shifted(height, 0, 1, REACH, shape) - shifted(height, 0, -1, REACH, shape)
    south = shifted(height, 1, 0, REACH, shape) - shifted(height, -1, 0, REACH, shape)
    valid = np.ones(shape, bool)
    for dy, dx in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)):
        valid &= shifted(padded.valid, dy, dx, REACH, shape)
    grid = context.grid
    across, down = abs(grid.transform.a), abs(grid.transform.e)
    if crs_of(grid.crs).is_geographic:
        return (
            east / (2 * across * METRES_PER_DEGREE * np.cos(np.radians(grid.lat))),
            -south / (2 * down * METRES_PER_DEGREE),
            valid,
        )
    return east / (2 * across), -south / (2 * down), valid


def _slope(east: NDArray[Any], north: NDArray[Any]) -> NDArray[Any]:
    return np.degrees(np.arctan(np.hypot(east, north)))


def _aspect(east: NDArray[Any], north: NDArray[Any]) -> NDArray[Any]:
    """Where it falls, degrees clockwise from north; 0 where it is flat."""
    return np.where(np.hypot(east, north) > 0, np.degrees(np.arctan2(-east, -north)) % 360, 0)


def _shade(east: NDArray[Any], north: NDArray[Any], azimuth: float, elevation: float) -> NDArray[Any]:
    zenith, towards = np.radians(90 - elevation), np.radians(azimuth)
    slope, aspect = np.arctan(np.hypot(east, north)), np.radians(_aspect(east, north))
    light = np.cos(zenith) * np.cos(slope) + np.sin(zenith) * np.sin(slope) * np.cos(towards - aspect)
    return np.clip(255 * light, 0, 255)


def _derived(image: Image, name: str, formula: Value, type: Value = FLOAT) -> Image:
    def compute(_indices: Sequence[int], context: PixelContext) -> list[Raster]:
        east, north, valid = gradients(image, context)
        return [Raster(formula(east, north).astype(type.dtype), valid)]

    def bands() -> list[Band]:
        return [replace(image.bands[0], name=name, type=type)]

    return image.derive(bands, compute)


@function("Terrain.slope")
def slope(input: Image) -> Image:
    """Degrees."""
    return _derived(input, "slope", _slope)


@function("Terrain.aspect")
def aspect(input: Image) -> Image:
    """Degrees clockwise from north, the way down."""
    return _derived(input, "aspect", _aspect)


@function("Terrain.hillshade")
def hillshade(input: Image, azimuth: float = 270, elevation: float = 45) -> Image:
    """0 to 255."""
    return _derived(input, "hillshade", lambda e, n: _shade(e, n, azimuth, elevation), integer_type(0, 255))


@function("Terrain", "Terrain.products")
def products(input: Image) -> Image:
    """The elevation with slope, aspect and hillshade."""
    return add_bands(add_bands(add_bands(input, slope(input)), aspect(input)), hillshade(input))
