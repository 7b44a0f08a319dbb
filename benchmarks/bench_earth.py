"""Patches per second that the local Earth Engine gives without latency, to a client that drops the answers.

It must not be what other benchmarks measure. No patch is asked for twice, so nothing comes from its caches of answers.
"""

from __future__ import annotations

import time

import ee

from benchmarks import bare_loop
from benchmarks.asset import ASSET, BANDS, CRS, PATCH, RESOLUTION, isolated_tiles
from benchmarks.exports import IN_FLIGHT, bench_folder, read_asset
from benchmarks.report import figure, heading
from rsbot_beam.earth_process import local_earth
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.images import compose
from rsbot_beam.earthengine.session import initialize
from rsbot_beam.earthengine.source import FetchBand, PixelSource, plain_asset
from rsbot_beam.geometry import TileBlock, TileKey

STORED, COMPUTED = 1200, 240
GOAL_STORED, GOAL_COMPUTED = 60.0, 8.0
SENTINEL2 = "COPERNICUS/S2_SR_HARMONIZED"
SUMMER = ("2023-04-01", "2023-10-01")
# Where the tiles of the composite are: 60 km of farmland, Germany.
FIRST = (-583_000, 60_000)
ACROSS, PITCH = 20, 300


def stored() -> PixelSource:
    """Six bands of the GeoTIFF."""
    return plain_asset(ASSET, [FetchBand(name, "uint16") for name in BANDS])


def composite(url: str) -> PixelSource:
    """The median of half a year of Sentinel-2, about 72 images a place, in six bands."""
    initialize(Endpoint(url=url))
    image = ee.ImageCollection(SENTINEL2).filterDate(*SUMMER).select(list(BANDS)).median()
    return compose(image, [FetchBand(name, "uint16") for name in BANDS])


def places() -> list[TileKey]:
    """Tiles that do not touch."""
    rows_cols = [(FIRST[0] + PITCH * (n // ACROSS), FIRST[1] + PITCH * (n % ACROSS)) for n in range(COMPUTED)]
    return [TileKey(CRS, RESOLUTION, PATCH, row, col) for row, col in rows_cols]


def rate(url: str, source: PixelSource, keys: list[TileKey]) -> float:
    """Patches per second, one request each, as many in flight as Earth Engine allows."""
    start = time.perf_counter()
    bare_loop.fetch_all(url, source, [TileBlock.of(key) for key in keys], IN_FLIGHT)
    return len(keys) / (time.perf_counter() - start)


def main() -> None:
    heading(f"the local Earth Engine: {PATCH} x {PATCH} x {len(BANDS)}, no latency, {IN_FLIGHT} in flight")
    with bench_folder() as folder, local_earth(assets=folder, max_qps=0, max_concurrent=IN_FLIGHT) as url:
        read_asset(url)
        from_file = rate(url, stored(), isolated_tiles(STORED))
        computed = rate(url, composite(url), places())
    figure("a GeoTIFF", from_file, "patches/s", at_least=GOAL_STORED)
    figure("a median of half a year of the world", computed, "patches/s", at_least=GOAL_COMPUTED)


if __name__ == "__main__":
    main()
