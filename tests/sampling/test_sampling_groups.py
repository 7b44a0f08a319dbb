"""Groups: no two partitions see the same ground, whatever the CRSs, and clusters stay together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsbot_beam.data.samples import Sample
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import Cover, Grid, TileKey
from rsbot_beam.sampling import SamplingSettings, feature_samples, group_samples, random_samples
from rsbot_beam.sampling.ground import Ground, gaps

UTM = TileKey("EPSG:32633", 10.0, 64, -520_000, 45_000)


def samples(keys: list[TileKey]) -> list[Sample]:
    return [Sample(key, kind="x", attributes={"n": float(n)}) for n, key in enumerate(keys)]


def groups(keys: list[TileKey], distance: float = 0.0) -> list[str]:
    return [sample.group for sample in group_samples(samples(keys), distance)]


def brute_force(keys: list[TileKey], distance: float) -> list[str]:
    """Labels by comparing each with each, and passing the smaller text on until nothing changes."""
    ground = Ground.of(keys)
    i, j = np.triu_indices(len(keys), 1)
    apart = gaps(ground, i, ground, j)
    linked = [(a, b) for a, b, gap in zip(i.tolist(), j.tolist(), apart, strict=True) if gap < distance or gap == 0]
    found = [str(key) for key in keys]
    changed = True
    while changed:
        changed = False
        for a, b in linked:
            low = min(found[a], found[b])
            changed |= found[a] != low or found[b] != low
            found[a] = found[b] = low
    return found


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900), st.sampled_from([32, 64])), min_size=1, max_size=40),
    st.sampled_from([0.0, 5.0, 500.0, 2000.0]),
)
@settings(max_examples=40, deadline=None)
def test_groups_are_those_of_comparing_each_with_each(places: list[tuple[int, int, int]], distance: float) -> None:
    keys = [TileKey("EPSG:32633", 10.0, size, row, col) for row, col, size in places]
    assert groups(keys, distance) == brute_force(keys, distance)


@given(st.lists(st.tuples(st.floats(11.9, 12.1), st.floats(-0.05, 0.05)), min_size=1, max_size=40, unique=True))
@settings(max_examples=20, deadline=None)
def test_groups_across_four_zones(places: list[tuple[float, float]]) -> None:
    grid = Grid("utm", 10.0, 64)
    keys = [grid.tile_at(lon, lat).shifted(7, 9) for lon, lat in places]
    for distance in (0.0, 800.0):
        assert groups(keys, distance) == brute_force(keys, distance)


@given(st.permutations(range(30)))
@settings(max_examples=10, deadline=None)
def test_order_does_not_matter(order: list[int]) -> None:
    rng = np.random.default_rng(0)
    keys = [UTM.shifted(*place) for place in rng.integers(0, 600, (30, 2)).tolist()]
    wanted = dict(zip(keys, groups(keys, 300.0), strict=True))
    found = groups([keys[n] for n in order], 300.0)
    assert found == [wanted[keys[n]] for n in order]


def test_a_group_is_called_after_its_smallest_tile() -> None:
    chain = [UTM.shifted(0, 60 * n) for n in range(5)]
    alone = UTM.shifted(10_000, 0)
    assert groups([*chain, alone]) == [min(map(str, chain))] * 5 + [str(alone)]


def test_all_else_stays() -> None:
    before = samples([UTM, UTM.shifted(1, 1)])
    after = group_samples(before)
    assert [(s.key, s.kind, s.attributes) for s in after] == [(s.key, s.kind, s.attributes) for s in before]


@pytest.mark.parametrize(
    ("pixels", "distance", "together"),
    [
        (64, 0.0, False),
        (63, 0.0, True),
        (64, 1.0, True),
        (163, 1000.0, True),
        (165, 1000.0, False),
    ],
)
def test_the_distance_is_from_edge_to_edge(pixels: int, distance: float, together: bool) -> None:
    assert (len(set(groups([UTM, UTM.shifted(0, pixels)], distance))) == 1) == together


def test_across_the_antimeridian_and_the_pole() -> None:
    grid = Grid("EPSG:4326", 1e-4, 64)
    ends = [grid.tile_at(179.9999, 10.0), grid.tile_at(-179.9999, 10.0)]
    assert len(set(groups(ends, 500.0))) == 1
    pole = [Grid("EPSG:3413", 30.0, 64).tile_at(lon, 89.99) for lon in (0, 90, 180, -90)]
    assert len(set(groups(pole, 10.0))) == 1
    assert len(set(groups(pole))) == 4


@pytest.mark.parametrize("overlap", [False, True])
def test_no_two_partitions_see_the_same_ground(
    make_cover: Callable[..., Cover], pairs_sharing_ground: Callable, overlap: bool
) -> None:
    """Six degrees around the border of two zones, with many tiles that overlap."""
    settings = SamplingSettings("random", 600, 5, overlap=overlap)
    drawn = group_samples(random_samples(make_cover("11.8,45.9,12.2,46.2"), settings).samples)
    split = SpatialSplit((60, 20, 20), zoned=True)
    partition = {sample.key: split.split_of(sample.key, sample.group) for sample in drawn}
    assert set(partition.values()) == {"train", "validation", "test"}
    shared = pairs_sharing_ground(list(partition))
    assert bool(shared) == overlap
    assert all(partition[a] == partition[b] for a, b in shared)


def test_a_plant_cluster_falls_in_one_partition(make_cover: Callable[..., Cover], make_places: Callable) -> None:
    rng = np.random.default_rng(0)
    plants = rng.uniform((10.2, 45.2), (11.8, 46.8), (20, 2))
    turbines = np.concatenate([plants + shift for shift in rng.normal(0, 0.006, (12, 1, 2))])
    settings = SamplingSettings("features", overlap=True, background=0.0)
    drawn = feature_samples(make_cover("10,45,12,47"), make_places(turbines), settings).samples
    drawn = group_samples(drawn, 1000.0)
    split = SpatialSplit((1, 1, 1))
    centres = np.array([Ground.of([s.key]).centres[0] for s in drawn])
    near = np.linalg.norm(centres[:, None] - centres[None], axis=2) < 1500
    partitions = np.array([split.split_of(s.key, s.group) for s in drawn])
    assert (partitions[:, None] == partitions[None])[near].all()
    assert len({s.group for s in drawn}) > 10


def test_one_group_of_nearly_all_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    chain = [UTM.shifted(0, 70 * n) for n in range(20)]
    with caplog.at_level(logging.WARNING):
        groups(chain, 100.0)
        assert "20 of 20 samples are one group" in caplog.text
        caplog.clear()
        groups(chain)
        assert not caplog.text


@pytest.mark.parametrize("kind", ["side by side", "one cluster"])
def test_many_tiles_take_seconds(kind: str) -> None:
    """40,000 tiles; comparing each with each would take hours."""
    rng = np.random.default_rng(0)
    places = rng.integers(0, 300, (40_000, 2)) if kind == "one cluster" else np.argwhere(np.ones((200, 200))) * 64
    keys = [UTM.shifted(row, col) for row, col in places.tolist()]
    start = time.monotonic()
    assert len(set(groups(keys))) == (1 if kind == "one cluster" else 40_000)
    assert time.monotonic() - start < 30


def test_no_samples() -> None:
    assert group_samples([]) == []


@pytest.mark.parametrize("distance", [-1.0, float("nan"), float("inf")])
def test_distances_that_cannot_be(distance: float) -> None:
    with pytest.raises(InputError, match="must be 0 or more, such as --link_distance 2000"):
        group_samples(samples([UTM]), distance)
