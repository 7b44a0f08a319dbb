"""Fixtures of the world's tests: one world, and ways to ask it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import numpy as np
import pytest
from affine import Affine

from rsbot_beam.local_ee.provider import PixelGrid, transformer
from rsbot_beam.local_ee.world import World

S2 = "COPERNICUS/S2_SR_HARMONIZED"
CLOUD_SCORE = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
CDL = "USDA/NASS/CDL"

IOWA = (-93.5, 42.0)
BAVARIA = (11.6, 48.9)
PAMPA = (-61.5, -34.0)


@pytest.fixture(scope="session")
def world() -> World:
    return World(seed=0)


@pytest.fixture(scope="session")
def ms() -> Callable[..., int]:
    def milliseconds(*parts: int) -> int:
        return int(datetime(*parts, tzinfo=timezone.utc).timestamp() * 1000)

    return milliseconds


@pytest.fixture(scope="session")
def grid_at() -> Callable[..., PixelGrid]:
    """A square request in UTM around a place in degrees, aligned to whole pixels."""

    def grid(place: tuple[float, float], size: int = 64, resolution: float = 10.0) -> PixelGrid:
        lon, lat = place
        zone = int((lon + 180) // 6) + 1
        south = lat < 0
        crs = f"EPSG:{327 if south else 326}{zone:02d}"
        x, y = transformer("EPSG:4326", crs).transform(lon, lat)
        left = np.floor(x / resolution - size / 2) * resolution
        top = np.floor(y / resolution + size / 2) * resolution
        return PixelGrid(crs, Affine(resolution, 0, left, 0, -resolution, top), (size, size))

    return grid


@pytest.fixture(scope="session")
def image_near(world: World, ms: Callable[..., int]) -> Callable[..., str]:
    """Id of the first image of a collection over a place from a day on."""

    def image(place: tuple[float, float], *day: int, asset: str = S2) -> str:
        lon, lat = place
        start = ms(*day)
        found = world.images(asset, start, start + 400 * 86_400_000, (lon, lat, lon, lat))
        return next(iter(found)).id

    return image
