"""Blocks: fetched together, cut up where they must be, and put together exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsbot_beam.earthengine import FailedFetch, PixelFetcher, Pixels, PixelSource, retry
from rsbot_beam.earthengine.source import FetchBand
from rsbot_beam.errors import AuthenticationError, PermanentError
from rsbot_beam.geometry.tile import TileBlock, TileKey

KEY = TileKey("EPSG:32633", 10.0, 64, -400_000, 50_000)
TOO_LARGE = "User memory limit exceeded."


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_BACKOFF", 0.001)
    monkeypatch.setattr(retry, "MAX_BACKOFF", 0.05)


@pytest.fixture
def check(source: PixelSource, expected: Callable[..., Any]) -> Callable[[dict[TileKey, Any]], None]:
    """Every tile's pixels are those of the world."""

    def compare(found: dict[TileKey, Pixels], source: PixelSource = source) -> None:
        for key, pixels in found.items():
            for index, band in enumerate(source.data_bands):
                values, valid = expected(index, band.dtype, key.geobox)
                np.testing.assert_array_equal(pixels.values[band.name], values)
                np.testing.assert_array_equal(pixels.valid[band.name], valid)

    return compare


def pixels_of(asked: Any) -> int:
    return asked.shape[0] * asked.shape[1]


def test_a_block_is_one_request(earth: Any, source: PixelSource, check: Callable[..., None]) -> None:
    block = TileBlock.of(KEY, 3, 5)
    fetcher = PixelFetcher(earth.endpoint())
    found = fetcher.fetch_tiles(source, block)
    assert list(found) == list(block.tiles())
    check(found)
    assert len(earth.asked) == 1 and earth.asked[0].shape == (192, 320)
    assert fetcher.stats.drain().counters["tiles"] == 15


def test_tiles_do_not_keep_the_block_alive(earth: Any, source: PixelSource) -> None:
    found = PixelFetcher(earth.endpoint()).fetch_tiles(source, TileBlock.of(KEY, 2, 2))
    assert all(array.base is None for pixels in found.values() for array in pixels.values.values())


def test_more_than_48_mib_is_never_asked_for(earth: Any, source: PixelSource) -> None:
    big = TileKey("EPSG:32633", 10.0, 1024, 0, 0)
    found = PixelFetcher(earth.endpoint()).fetch_tiles(source, TileBlock.of(big, 2, 2))
    assert [asked.shape for asked in earth.asked] == [(1024, 2048), (1024, 2048)]
    assert len(found) == 4


def test_too_large_is_cut_at_tile_edges(earth: Any, source: PixelSource, say: Any, check: Callable[..., None]) -> None:
    earth.behave = lambda asked: say(400, TOO_LARGE) if pixels_of(asked) > 3 * 64 * 64 else None
    found = PixelFetcher(earth.endpoint()).fetch_tiles(source, TileBlock.of(KEY, 4, 4))
    check(found)
    assert list(found) == list(TileBlock.of(KEY, 4, 4).tiles())
    assert all(height % 64 == 0 and width % 64 == 0 for height, width in (asked.shape for asked in earth.asked))


def test_neighbours_profit_from_what_was_too_large(earth: Any, source: PixelSource, say: Any) -> None:
    earth.behave = lambda asked: say(400, TOO_LARGE) if pixels_of(asked) > 4 * 64 * 64 else None
    fetcher = PixelFetcher(earth.endpoint())
    refused = []
    for index in range(6):
        fetcher.fetch_tiles(source, TileBlock.of(KEY.shifted(256 * index, 0), 4, 4))
        refused.append(sum(pixels_of(asked) > 4 * 64 * 64 for asked in earth.asked))
    assert refused == [2] * 6, "16 tiles and 8 tiles were asked for once, and then no more"
    assert fetcher.stats.drain().counters["splits"] == 6 * 3


@pytest.mark.parametrize("limit", [64 * 64 // 2, 64 * 64 // 4])
def test_a_single_tile_is_cut_in_pixels(
    earth: Any, source: PixelSource, say: Any, check: Callable[..., None], limit: int
) -> None:
    earth.behave = lambda asked: say(400, "Computation timed out.") if pixels_of(asked) > limit else None
    found = PixelFetcher(earth.endpoint()).fetch_tiles(source, TileBlock.of(KEY, 1, 2))
    check(found)


def test_then_in_bands(earth: Any, source_of: Callable[..., PixelSource], say: Any, check: Callable[..., None]) -> None:
    source = source_of(tuple(FetchBand(f"b{i:02d}", "uint16" if i % 3 else "float32") for i in range(21)))

    def behave(asked: Any) -> Any:
        names = asked.body.get("bandIds") or [band.name for band in source.bands]
        data = [name for name in names if not name.startswith("valid")]
        return say(400, TOO_LARGE) if pixels_of(asked) > 32 * 32 or len(data) > 3 else None

    earth.behave = behave
    found = PixelFetcher(earth.endpoint()).fetch_tiles(source, TileBlock.of(KEY))
    assert list(found[KEY].values) == [band.name for band in source.data_bands]
    check(found, source)


def test_what_is_too_large_at_any_size_fails_alone_and_soon(
    earth: Any, source: PixelSource, say: Any, check: Callable[..., None]
) -> None:
    heavy = KEY.shifted(64, 128)
    earth.behave = lambda asked: say(400, TOO_LARGE) if asked.holds(*_centre(heavy)) else None
    fetcher = PixelFetcher(earth.endpoint())
    found = fetcher.fetch_tiles(source, TileBlock.of(KEY, 4, 4))
    failed = found.pop(heavy)
    assert isinstance(failed, FailedFetch) and failed.kind == "too_large" and failed.attempts >= 2
    assert TOO_LARGE.rstrip(".") in failed.message
    check(found)
    assert len(earth.asked) < 20
    before = len(earth.asked)
    fetcher.fetch_tiles(source, TileBlock.of(KEY.shifted(256, 0), 4, 4))
    assert len(earth.asked) == before + 1, "the neighbours are not cut for it"


@pytest.mark.parametrize(("status", "kind"), [(400, "permanent"), (500, "transient"), (404, "permanent")])
def test_only_the_guilty_tile_fails(
    earth: Any, source: PixelSource, say: Any, check: Callable[..., None], status: int, kind: str
) -> None:
    guilty = KEY.shifted(128, 64)
    earth.behave = lambda asked: say(status, "Image.load: broken") if asked.holds(*_centre(guilty)) else None
    fetcher = PixelFetcher(earth.endpoint())
    found = fetcher.fetch_tiles(source, TileBlock.of(KEY, 4, 4))
    failed = found.pop(guilty)
    check(found)
    assert isinstance(failed, FailedFetch) and (failed.kind, len(found)) == (kind, 15)
    assert "Image.load: broken" in failed.message
    assert failed.attempts == (retry.MAX_ATTEMPTS if kind == "transient" else 1)
    assert failed.request["dimensions"] == {"width": 64, "height": 64}
    assert failed.request["affineTransform"]["translateX"] == guilty.transform.c
    assert failed.request["crsCode"] == "EPSG:32633" and failed.request["bands"][0] == "B2"
    counters = fetcher.stats.drain().counters
    assert counters["tiles"] == 16 and counters[f"failures_{kind}"] == 1


def test_429_never_cuts(earth: Any, source: PixelSource, say: Any) -> None:
    earth.behave = lambda asked: say(429, "User memory limit exceeded?") if asked.number < 12 else None
    fetcher = PixelFetcher(earth.endpoint())
    fetcher.fetch_tiles(source, TileBlock.of(KEY, 4, 4))
    assert {asked.shape for asked in earth.asked} == {(256, 256)}
    assert "splits" not in fetcher.stats.drain().counters


def test_throttled_for_good_fails_every_tile_without_more_requests(earth: Any, source: PixelSource, say: Any) -> None:
    earth.behave = lambda asked: say(429, "Too Many Requests", latency=0.05)
    fetcher = PixelFetcher(earth.endpoint(total_time=0.2))
    found = fetcher.fetch_tiles(source, TileBlock.of(KEY, 2, 2))
    assert [tile.kind for tile in found.values()] == ["throttled"] * 4
    assert {asked.shape for asked in earth.asked} == {(128, 128)}


def test_a_recipe_that_is_refused_everywhere_stops_early(earth: Any, source: PixelSource, say: Any) -> None:
    earth.behave = lambda asked: say(400, "Image.select: Band pattern 'B99' did not match any bands.")
    fetcher = PixelFetcher(earth.endpoint())
    with pytest.raises(PermanentError, match=r"B99.*20 times in a row"):
        for index in range(100):
            fetcher.fetch_tiles(source, TileBlock.of(KEY.shifted(256 * index, 0), 2, 2))
    assert len(earth.asked) == retry.MAX_PERMANENT
    with pytest.raises(PermanentError, match="B99"):
        fetcher.fetch_tiles(source, TileBlock.of(KEY, 2, 2))
    assert len(earth.asked) == retry.MAX_PERMANENT


def test_no_permission_stops_at_the_first_block(earth: Any, source: PixelSource, say: Any) -> None:
    earth.behave = lambda asked: say(403, "Caller does not have permission")
    with pytest.raises(AuthenticationError, match="permission"):
        PixelFetcher(earth.endpoint()).fetch_tiles(source, TileBlock.of(KEY, 4, 4))
    assert len(earth.asked) == 1


def test_before_body_is_called_for_every_body(earth: Any, source: PixelSource, say: Any) -> None:
    earth.behave = lambda asked: say(400, TOO_LARGE) if pixels_of(asked) > 64 * 64 else None
    calls: Counter[str] = Counter()
    PixelFetcher(earth.endpoint()).fetch_tiles(source, TileBlock.of(KEY, 2, 2), lambda: calls.update(["body"]))
    assert calls["body"] == 4


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(1, 5), cols=st.integers(1, 5), limit=st.integers(200, 60_000), size=st.sampled_from([16, 33, 50])
)
def test_however_it_is_cut_it_is_the_same(
    earth: Any, source: PixelSource, say: Any, check: Callable[..., None], rows: int, cols: int, limit: int, size: int
) -> None:
    earth.behave = lambda asked: say(400, TOO_LARGE) if pixels_of(asked) > limit and max(asked.shape) >= 64 else None
    key = TileKey("EPSG:32633", 10.0, size, -40_000 * size, 700 * size)
    block = TileBlock.of(key, rows, cols)
    found = PixelFetcher(earth.endpoint()).fetch_tiles(source, block)
    assert list(found) == list(block.tiles())
    check(found)


def _centre(key: TileKey) -> tuple[float, float]:
    left, bottom, right, top = key.bounds
    return (left + right) / 2, (bottom + top) / 2
