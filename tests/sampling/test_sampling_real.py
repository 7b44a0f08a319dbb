"""Sampling of real outlines and around real plants."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from rsbot_beam.data.feature_index import Places
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.geometry import Cover, Region, read_region, resolve_grid
from rsbot_beam.sampling import SamplingSettings, feature_samples, group_samples, random_samples, sample_shards
from rsbot_beam.sampling.around import sees
from rsbot_beam.sampling.ground import outlines_lonlat

SHARED = Path(os.environ.get("RSBOT_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.skipif(not (SHARED / "regions").is_dir(), reason=f"no real data in {SHARED}: set RSBOT_SHARED_DATA"),
]


def nasty(name: str) -> Region:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return read_region(SHARED / "regions" / "nasty" / f"{name}.geojson")


@pytest.mark.parametrize("name", ["antarctica", "fiji", "indonesia", "kiribati", "russia", "south_africa_hole", "usa"])
def test_countries_of_all_shapes(name: str, pairs_sharing_ground: Callable) -> None:
    region = nasty(name)
    cover = Cover(region, resolve_grid(region, crs="utm", resolution=10.0, patch_size=64))
    found, short = random_samples(cover, SamplingSettings("random", 120))
    assert (len(found), short) == (120, [])
    assert all(sample.key in Cover(region, cover.grid, "centre") for sample in found)
    assert not pairs_sharing_ground([sample.key for sample in found])


def test_parts_get_their_share_of_the_ground() -> None:
    """France with its departments overseas: Guyana alone is an eighth of it."""
    region = nasty("france")
    cover = Cover(region, resolve_grid(region, crs="utm", resolution=10.0, patch_size=64))
    found, _ = random_samples(cover, SamplingSettings("random", 2000))
    guyana = region.clipped((-55.0, 1.0, -51.0, 6.5))
    assert guyana is not None
    zones = Counter(sample.key.crs for sample in found)
    share = guyana.area_m2 / region.area_m2
    assert zones["EPSG:32622"] + zones["EPSG:32621"] == pytest.approx(2000 * share, abs=4 * (2000 * share) ** 0.5)


@pytest.fixture(scope="module")
def farms() -> Places:
    """The 1,363 solar farms of India."""
    path = SHARED / "energy" / "vectors" / "india_solar_farms_2021.geojson"
    if not path.is_file():
        pytest.skip(f"no {path}: set RSBOT_SHARED_DATA")
    shapes = [shape(feature["geometry"]) for feature in json.loads(path.read_text())["features"]]
    points = shapely.get_coordinates(shapely.point_on_surface(shapes))
    names = [f"farm {n}" for n in range(len(shapes))]
    codes = np.ones(len(shapes), np.int32)
    return Places(np.arange(len(shapes)), points[:, 0], points[:, 1], shapely.bounds(shapes), codes, names)


def test_solar_farms_of_india(farms: Places, pairs_sharing_ground: Callable) -> None:
    region = read_region("68,6,98,36")
    cover = Cover(region, resolve_grid(region, crs="utm", resolution=10.0, patch_size=128))
    towns = np.random.default_rng(0).uniform((70, 8), (90, 30), (3000, 2))
    found, short = feature_samples(cover, farms, SamplingSettings("features", seed=1), towns)
    kinds = Counter(sample.kind for sample in found)
    around = [sample.key for sample in found if sample.kind == "feature"]
    assert kinds["feature"] > 700
    assert kinds["background"] + kinds["hard background"] == kinds["feature"]
    assert {item.what for item in short} <= {"features seen"}
    assert not pairs_sharing_ground([sample.key for sample in found])
    centres = outlines_lonlat(around)[:, -1]
    for key, centre in zip(around, centres, strict=True):
        near = np.flatnonzero(np.hypot(farms.lon - centre[0], farms.lat - centre[1]) < 0.03)
        assert any(sees(key, farms.lon[n], farms.lat[n]) for n in near)
    grouped = group_samples(found, 1000.0)
    split = SpatialSplit((80, 10, 10), zoned=True)
    partitions = Counter(split.split_of(sample.key, sample.group) for sample in grouped)
    assert min(partitions.values()) > 0.05 * len(grouped)
    assert sum(len(indices) for _, indices in sample_shards(grouped)) == len(grouped)
