"""Tiles around the user's own points."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from rsbot_beam.errors import InputError
from rsbot_beam.geometry import Cover
from rsbot_beam.sampling import Points, SamplingSettings, point_samples

SETTINGS = SamplingSettings("points", points="points.csv", seed=3)
OVERLAP = SamplingSettings("points", points="points.csv", seed=3, overlap=True)


@functools.cache
def to_crs(crs: str) -> Transformer:
    return Transformer.from_crs(4326, crs, always_xy=True)


@pytest.mark.parametrize("crs", ["utm", "EPSG:4326", "EPSG:3035"])
@pytest.mark.parametrize("size", [1, 2, 63, 64])
def test_a_point_is_in_the_middle_pixel_of_its_tile(make_cover: Callable[..., Cover], crs: str, size: int) -> None:
    rng = np.random.default_rng(0)
    points = Points(rng.uniform(10, 14, 40), rng.uniform(45, 47, 40))
    found, short = point_samples(make_cover("9,44,15,48", crs, size), points, OVERLAP)
    assert not short
    for sample, lon, lat in zip(found, points.lon, points.lat, strict=True):
        x, y = to_crs(sample.key.crs).transform(lon, lat)
        col, row = ~sample.key.transform * (x, y)
        assert (math.floor(row), math.floor(col)) == (size // 2, size // 2)
        assert sample.kind == "point"


def test_attributes_are_carried(make_cover: Callable[..., Cover]) -> None:
    attributes = {
        "crop": ["maize", None, "rye"],
        "yield": [7, None, 2.5],
        "year": np.array([2019, 2020, 2021]),
        "irrigated": [True, False, True],
        "mixed": [1, "two", 3.0],
        "tile": ["a", "b", "c"],
    }
    found, _ = point_samples(make_cover("10,45,12,47"), Points([10.5, 11, 11.5], [46, 46, 46], attributes), SETTINGS)
    assert [sample.attributes["crop"] for sample in found] == ["maize", "", "rye"]
    assert [sample.attributes["year"] for sample in found] == [2019.0, 2020.0, 2021.0]
    assert [sample.attributes["irrigated"] for sample in found] == [1.0, 0.0, 1.0]
    assert [sample.attributes["mixed"] for sample in found] == ["1", "two", "3.0"]
    yields = [sample.attributes["yield"] for sample in found]
    assert yields[::2] == [7.0, 2.5] and math.isnan(float(yields[1]))
    assert all(type(value) in (float, str) for sample in found for value in sample.attributes.values())


def test_points_outside_are_counted(make_cover: Callable[..., Cover]) -> None:
    found, short = point_samples(make_cover("10,45,12,47"), Points([11, 13, 11, 0], [46, 46, 48, 0]), SETTINGS)
    assert len(found) == 1
    assert [(s.what, s.wanted, s.found) for s in short] == [("points in the region", 4, 1)]
    assert "3 points lie outside the region" in str(short[0])


def test_points_too_close_are_thinned_and_counted(make_cover: Callable[..., Cover], pairs_sharing_ground) -> None:
    rng = np.random.default_rng(1)
    points = Points(rng.uniform(11, 11.05, 200), rng.uniform(46, 46.05, 200))
    cover = make_cover("10,45,12,47")
    found, short = point_samples(cover, points, SETTINGS)
    assert not pairs_sharing_ground([sample.key for sample in found])
    assert (short[0].wanted, short[0].found) == (200, len(found))
    assert f"the tiles of {200 - len(found)} points would overlap" in short[0].why
    everything, none = point_samples(cover, points, OVERLAP)
    assert (len(everything), none) == (200, [])


@given(st.permutations(range(40)))
@settings(max_examples=10, deadline=None)
def test_which_points_stay_does_not_depend_on_their_order(make_cover: Callable[..., Cover], order: list[int]) -> None:
    rng = np.random.default_rng(1)
    lon, lat, names = rng.uniform(11, 11.05, 40), rng.uniform(46, 46.05, 40), np.arange(40)
    cover = make_cover("10,45,12,47")
    wanted = point_samples(cover, Points(lon, lat, {"n": names}), SETTINGS).samples
    found = point_samples(cover, Points(lon[order], lat[order], {"n": names[order]}), SETTINGS).samples
    assert {s.attributes["n"] for s in found} == {s.attributes["n"] for s in wanted}
    assert [s.attributes["n"] for s in found] == [n for n in order if n in {s.attributes["n"] for s in found}]


def test_two_points_in_one_pixel_make_one_tile(make_cover: Callable[..., Cover]) -> None:
    points = Points([11.0, 11.0, 11.1], [46, 46, 46], {"n": [1, 2, 3]})
    for chosen in (SETTINGS, OVERLAP):
        found, short = point_samples(make_cover("10,45,12,47"), points, chosen)
        assert len({sample.key for sample in found}) == len(found) == 2
        assert short[0].found == 2
    assert "share a pixel" in short[0].why


def test_points_across_the_antimeridian(make_cover: Callable[..., Cover]) -> None:
    cover = make_cover("179,-18,-179,-17")
    found, short = point_samples(cover, Points([179.9, -179.9, 180.1, 180.0], [-17.5, -17.5, -17.6, -17.7]), OVERLAP)
    assert not short
    assert [sample.key.crs for sample in found] == ["EPSG:32760", "EPSG:32701", "EPSG:32701", "EPSG:32701"]


def test_no_points(make_cover: Callable[..., Cover]) -> None:
    assert point_samples(make_cover("10,45,12,47"), Points([], []), SETTINGS) == ([], [])


@pytest.mark.parametrize(
    ("lon", "lat", "message"),
    [
        ([11, 500], [46, 46], "point 1 at longitude 500, latitude 46 is not on the globe"),
        ([11, 46], [46, 120], "longitude before latitude"),
        ([float("nan")], [46], "not on the globe"),
        ([11, 12], [46], "2 longitudes and 1 latitudes"),
    ],
)
def test_what_is_no_point(lon: list[float], lat: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Points(lon, lat)


def test_attributes_of_other_points() -> None:
    with pytest.raises(InputError, match="attribute 'crop' has 1 values for 2 points"):
        Points([11, 12], [46, 46], {"crop": ["maize"]})
