"""Counting a run's requests by patterns equals asking for each shard."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rsbot_beam.data.shards import Shard
from rsbot_beam.earthengine.source import FetchBand, PixelSource
from rsbot_beam.geometry import Cover, Region, TileKey, plan_blocks, resolve_grid
from rsbot_beam.runs.counting import Count, GridShards, SampledShards, count_left
from rsbot_beam.transforms.enumerate import shards, squares
from rsbot_beam.transforms.shard_requests import request_blocks

SOURCE = PixelSource((FetchBand("B4", "uint16"), FetchBand("flags", "uint8")), expression="{}")
# A block of 2 x 3 tiles of 32 pixels fits, one of 3 x 3 does not.
BLOCK_BYTES = 6 * 32 * 32 * 3


def count_of(keys: Sequence[TileKey]) -> Count:
    blocks = request_blocks(keys, SOURCE, BLOCK_BYTES)
    return Count(len(keys), 1, len(blocks), sum(block.shape[0] * block.shape[1] for block in blocks))


def all_shards(cover: Cover, side: int) -> list[Shard]:
    """As the pipeline lists them."""
    return [
        shard
        for root in cover.roots(side)
        for square in squares(root, cover, 64)
        for shard in shards(square, cover, side)
    ]


def brute_force(cover: Cover, side: int) -> Count:
    return sum((count_of(shard.keys) for shard in all_shards(cover, side)), Count())


# Corners in thousandths of a degree around 12 E, where zones 32 and 33 meet.
CORNERS = st.lists(st.tuples(st.integers(11_960, 12_040), st.integers(49_990, 50_040)), min_size=3, max_size=7)


@settings(max_examples=40)
@example([(11_960, 49_990), (11_960, 49_993), (11_961, 50_013)], 1, "centre", "utm")  # a region without a centre
@given(
    CORNERS, st.sampled_from([1, 2, 4, 16]), st.sampled_from(["intersects", "centre"]), st.sampled_from(["utm", "auto"])
)
def test_counting_by_patterns_is_counting(corners: list[tuple[int, int]], side: int, rule: str, crs: str) -> None:
    polygon = shapely.MultiPoint([(x / 1000, y / 1000) for x, y in corners]).convex_hull
    if polygon.area == 0:
        return
    region = Region.from_geometry(polygon)
    cover = Cover(region, resolve_grid(region, crs=crs, resolution=10.0, patch_size=32), rule)
    counted = GridShards(cover, side, count_of)
    assert counted.count() == brute_force(cover, side)
    assert {shard.name: shard.keys for shard in counted} == {s.name: s.keys for s in all_shards(cover, side)}
    assert counted.count().tiles == cover.count()


@pytest.fixture
def cover() -> Cover:
    """Two zones, an outline that is no rectangle, and a hole."""
    ring = shapely.Point(12.0, 50.0).buffer(0.1).difference(shapely.box(11.98, 49.99, 12.02, 50.01))
    region = Region.from_geometry(ring)
    return Cover(region, resolve_grid(region, crs="utm", resolution=10.0, patch_size=32))


@pytest.mark.parametrize("many", [1, 7, 10_000])
def test_picks_are_requests_of_the_run_each_once(cover: Cover, many: int) -> None:
    counted = GridShards(cover, 4, count_of)
    picks = counted.pick(many)
    assert len(picks) == len(set(picks)) == min(many, counted.count().requests)
    keys = {shard.name: shard.keys for shard in all_shards(cover, 4)}
    for shard, number in picks:
        assert shard.keys == keys[shard.name]
        assert 0 <= number < count_of(shard.keys).requests
    assert picks == GridShards(cover, 4, count_of).pick(many)


def test_picks_are_spread_over_the_region(cover: Cover) -> None:
    picks = GridShards(cover, 4, count_of).pick(24)
    assert {shard.keys[0].crs for shard, _ in picks} == {"EPSG:32632", "EPSG:32633"}
    rows = np.array([shard.keys[0].row for shard, _ in picks])
    whole = [key.row for key in cover.tiles()]
    assert np.ptp(rows) > 0.7 * np.ptp(whole)


def test_each_pattern_is_looked_at_once_and_few_are_kept(cover: Cover, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[TileKey, ...]] = []

    def noted(keys: Sequence[TileKey]) -> Count:
        asked.append(tuple(keys))
        return count_of(keys)

    counted = GridShards(cover, 4, noted)
    total = counted.count()
    assert len(asked) < total.shards / 2
    assert counted.count() == total
    monkeypatch.setattr("rsbot_beam.runs.counting.KNOWN_PATTERNS", 3)
    forgetful = GridShards(cover, 4, noted)
    assert forgetful.count() == total
    assert len(forgetful._known) <= 3


def test_samples_are_counted_shard_by_shard(make_key: Callable[..., TileKey]) -> None:
    scattered = Shard("a", tuple(make_key(3 * row, 0) for row in range(5)))
    together = Shard("b", tuple(make_key(row, 7) for row in range(4)))
    counted = SampledShards([scattered, together], count_of)
    assert counted.count() == Count(9, 2, 6, 9 * 64)
    assert [(pick.shard.name, pick.number) for pick in counted.pick(100)] == [*(("a", n) for n in range(5)), ("b", 0)]
    assert [pick.shard.name for pick in counted.pick(1)] == ["a"]
    assert list(counted) == [scattered, together]


def test_no_shards_are_nothing() -> None:
    counted = SampledShards([], count_of)
    assert counted.count() == Count()
    assert counted.pick(8) == []


def test_what_is_left_is_what_is_missing(cover: Cover) -> None:
    listed = all_shards(cover, 4)
    done = {shard.name for shard in listed[::2]}

    def missing(shard: Shard) -> Sequence[TileKey]:
        return () if shard.name in done else shard.keys[:1] if shard.name == listed[1].name else shard.keys

    left = count_left(GridShards(cover, 4, count_of), missing, count_of)
    expected = [missing(shard) for shard in listed if missing(shard)]
    assert left == sum((count_of(keys) for keys in expected), Count())
    assert left.requests == sum(len(plan_blocks(keys, lambda h, w: h * w * 3 <= BLOCK_BYTES)) for keys in expected)
