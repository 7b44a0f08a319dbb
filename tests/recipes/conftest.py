"""A local Earth Engine with its world, and patches of it through whole recipes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from rsbot_beam.data.patch import Patch, stack_fetched
from rsbot_beam.data.period import Period
from rsbot_beam.earth_process import local_earth
from rsbot_beam.earthengine import Endpoint, PixelFetcher
from rsbot_beam.earthengine.session import initialize
from rsbot_beam.geometry import Region, TileKey, read_region
from rsbot_beam.geometry.grid import Grid
from rsbot_beam.recipes import Recipe
from rsbot_beam.recipes.sources import build_source

FetchPatch = Callable[..., Patch]


def region_around(lon: float, lat: float, degrees: float = 0.01) -> Region:
    return read_region(f"{lon - degrees},{lat - degrees},{lon + degrees},{lat + degrees}")


# Chips of the user's own: 64 x 64 pixels of 10 m in UTM zone 15, and where their middle lies.
CHIP = Affine(10.0, 0.0, 446_720.0, 0.0, -10.0, 4_651_520.0)
OWN = "projects/own/assets"


def write_chips(folder: Path) -> None:
    """Two chips of one place, one with a date and one without; and a mask of which the left half has no data."""

    def write(name: str, array: np.ndarray, nodata: int | None = None) -> None:
        count, height, width = array.shape
        profile = {"driver": "GTiff", "dtype": "uint8", "count": count, "height": height, "width": width}
        with rasterio.open(folder / name, "w", crs="EPSG:32615", transform=CHIP, nodata=nodata, **profile) as file:
            file.write(array)
            file.descriptions = [f"b{number}" for number in range(1, count + 1)]

    rows = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None], (64, 64))
    write("dated.tif", np.stack([rows, rows + 100]))
    write("undated.tif", np.stack([rows + 10, rows + 110]))
    mask = np.full((1, 64, 64), 255, np.uint8)
    mask[0, :, 32:] = np.arange(64)[:, None] // 16
    write("mask.tif", mask, nodata=255)
    assets = {
        f"{OWN}/chips": {
            "type": "IMAGE_COLLECTION",
            "images": [
                {"index": "dated", "file": "dated.tif", "time_start": "2014-07-01"},
                {"index": "undated", "file": "undated.tif"},
            ],
        },
        f"{OWN}/dated": {
            "type": "IMAGE_COLLECTION",
            "images": [{"index": "dated", "file": "dated.tif", "time_start": "2014-07-01"}],
        },
        f"{OWN}/chip": {"type": "IMAGE", "file": "dated.tif"},
        f"{OWN}/mask": {"type": "IMAGE", "file": "mask.tif"},
        f"{OWN}/masks": {"type": "IMAGE_COLLECTION", "images": [{"index": "m", "file": "mask.tif"}]},
    }
    (folder / "manifest.json").write_text(json.dumps({"version": 1, "assets": assets}))


@pytest.fixture(scope="session")
def world_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("own")
    write_chips(folder)
    with local_earth(assets=folder, max_qps=1000) as url:
        yield url


@pytest.fixture(scope="module")
def world_endpoint(world_url: str) -> Endpoint:
    """The endpoint, with the client connected to it: its state is one global that other tests may have changed."""
    endpoint = Endpoint(url=world_url, project="recipes")
    initialize(endpoint)
    return endpoint


@pytest.fixture(scope="session")
def key_at() -> Callable[..., TileKey]:
    """The tile of a place, in its UTM zone."""

    def key(place: tuple[float, float], size: int = 32, resolution: float = 10.0) -> TileKey:
        return Grid("utm", resolution, size).tile_at(*place)

    return key


@pytest.fixture(scope="module")
def fetch_patch(world_endpoint: Endpoint, key_at: Callable[..., TileKey]) -> FetchPatch:
    """Fetches the patch that a recipe has at a place: built by the client, checked, posted, and decoded."""
    fetcher = PixelFetcher(world_endpoint)

    def fetch(recipe: Recipe, place: tuple[float, float], period: str, size: int = 32) -> Patch:
        layout, source = build_source(recipe, region_around(*place), Period.parse(period))
        key = key_at(place, size, recipe.resolution)
        pixels = fetcher.fetch(source, key.geobox)
        return stack_fetched(key, layout, pixels.values, pixels.valid)

    return fetch
