"""Everything at once that goes wrong on a bad day, over HTTP, against the local Earth Engine."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import ee
import numpy as np
import pytest

from rsbot_beam.earth_process import local_earth
from rsbot_beam.earthengine import Endpoint, FailedFetch, FetchBand, PixelFetcher, Pixels
from rsbot_beam.earthengine.images import compose
from rsbot_beam.earthengine.session import initialize
from rsbot_beam.geometry.tile import TileBlock, TileKey

pytestmark = pytest.mark.integration

# Columns are millidegrees of longitude from 7 degrees, rows millidegrees of latitude down from 45.
BLOCK = TileBlock("EPSG:4326", 0.001, 32, -45_000, 7_000, 16, 16)
POISONED = TileKey("EPSG:4326", 0.001, 32, -45_000 + 3 * 32, 7_000 + 5 * 32)
HEAVY = TileKey("EPSG:4326", 0.001, 32, -45_000 + 10 * 32, 7_000 + 9 * 32)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with local_earth(world=False, max_concurrent=20, max_qps=0, record=True) as url:
        yield url


def post(url: str, path: str, body: object) -> None:
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{url}{path}", data, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()


@pytest.mark.parametrize("side", [1, 4])
def test_every_tile_arrives_exactly_or_fails_alone(url: str, side: int) -> None:
    initialize(Endpoint(url=url))
    column = ee.Image.pixelLonLat().select("longitude").multiply(1000).floor().rename("b")
    source = compose(column.updateMask(column.mod(7).neq(0)), [FetchBand("b", "uint16")])
    message = "User memory limit exceeded."
    faults = {
        "rate_429": 0.2,
        "rate_reset": 0.05,
        "rate_truncate": 0.02,
        "rate_hang": 0.005,
        "fail_tiles": [{"bounds": POISONED.bounds, "crs": "EPSG:4326", "status": 500, "message": "poisoned"}],
        "too_large_tiles": [{"bounds": HEAVY.bounds, "crs": "EPSG:4326", "status": 400, "message": message}],
    }
    post(url, "/_local/reset", {})
    post(url, "/_local/faults", faults)
    fetcher = PixelFetcher(Endpoint(url=url, max_requests=20, max_qps=5000, deadline=1.0))
    rows = range(0, BLOCK.rows, side)
    blocks = [BLOCK.part(row, col, side, side) for row in rows for col in range(0, BLOCK.cols, side)]
    start = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda block: fetcher.fetch_tiles(source, block), blocks))
    assert time.monotonic() - start < 120
    found = {key: tile for answer in answers for key, tile in answer.items()}
    assert sorted(found) == sorted(BLOCK.tiles()) and sum(map(len, answers)) == len(BLOCK)
    failed = {key: tile.kind for key, tile in found.items() if isinstance(tile, FailedFetch)}
    assert failed == {POISONED: "transient", HEAVY: "too_large"}
    for key, tile in found.items():
        if isinstance(tile, Pixels):
            columns = np.broadcast_to(np.arange(key.col, key.col + 32), (32, 32))
            np.testing.assert_array_equal(tile.valid["b"], columns % 7 != 0)
            np.testing.assert_array_equal(tile.values["b"], np.where(columns % 7, columns, 0))
    counters = fetcher.stats.drain().counters
    assert counters["tiles"] == len(BLOCK)
    assert counters["retries_throttled"] > 0 and counters["retries_transient"] > 0
    assert counters["failures_transient"] == counters["failures_too_large"] == 1
