"""Fixtures of the world's tests: one world, and ways to ask it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import NamedTuple

import numpy as np
import pytest
from affine import Affine

from rsbot_beam.local_ee.provider import PixelGrid, transformer
from rsbot_beam.local_ee.world import World

S2 = "COPERNICUS/S2_SR_HARMONIZED"
CLOUD_SCORE = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
CDL = "USDA/NASS/CDL"


class AssetCase(NamedTuple):
    """An asset to ask for: bands of it, and the side in metres of the world's cells that it shows."""

    asset: str
    bands: list[str]
    resolution: float


CASES = [
    AssetCase(S2, ["B1", "B2", "B4", "B8", "B11", "SCL", "QA60", "MSK_CLDPRB", "TCI_R"], 10.0),
    AssetCase(CLOUD_SCORE, ["cs", "cs_cdf"], 10.0),
    AssetCase("COPERNICUS/S1_GRD", ["VV", "VH", "angle"], 10.0),
    AssetCase(CDL, ["cropland", "cultivated", "confidence"], 10.0),
    AssetCase("ESA/WorldCover/v200", ["Map"], 10.0),
    AssetCase("JRC/D5/EUCROPMAP/V1", ["classification"], 10.0),
    AssetCase("USGS/SRTMGL1_003", ["elevation"], 10.0),
    AssetCase("USDA/NAIP/DOQQ", ["R", "G", "B", "N"], 1.0),
]


@pytest.fixture(params=CASES, ids=[case.asset for case in CASES])
def case(request: pytest.FixtureRequest) -> AssetCase:
    return request.param


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
