"""The ground that tiles see: compared across zones, poles and the antimeridian."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from rsbot_beam.errors import GridError
from rsbot_beam.geometry import Grid, TileKey
from rsbot_beam.sampling.ground import Ground, gaps, geocentric, outlines_lonlat, overlap_on_grid, overlapping
from rsbot_beam.sampling.occupied import Occupied, without_overlaps

UTM = TileKey("EPSG:32633", 10.0, 128, -520_000, 45_000)


def gap(one: TileKey, other: TileKey) -> float:
    ground, first, second = Ground.of([one, other]), np.array([0]), np.array([1])
    return float(gaps(ground, first, ground, second)[0])


def overlap(one: TileKey, other: TileKey) -> bool:
    ground, first, second = Ground.of([one, other]), np.array([0]), np.array([1])
    return bool(overlapping(ground, first, ground, second)[0])


def test_circles_are_inside_and_around_a_tile() -> None:
    ground = Ground.of([UTM])
    assert ground.inner[0] == pytest.approx(640, rel=0.003)
    assert ground.outer[0] == pytest.approx(640 * 2**0.5, rel=0.003)
    assert np.linalg.norm(ground.centres[0]) == pytest.approx(6_366_000, rel=0.001)


@pytest.mark.parametrize("pixels", [0, 1, 57, 500, 2000])
def test_gaps_are_metres_of_ground(pixels: int) -> None:
    # 450 km east of the zone's middle minus 50: a metre of the plane is 0.9996 to 1.0004 m of ground.
    assert gap(UTM, UTM.shifted(0, 128 + pixels)) == pytest.approx(pixels * 10, rel=0.001, abs=0.3)


def test_gaps_in_degrees_are_those_of_the_ellipsoid() -> None:
    one, other = TileKey("EPSG:4326", 1e-4, 128, -600_000, 100_000), TileKey("EPSG:4326", 1e-4, 128, -600_000, 101_128)
    middle = 60.0 - 0.0064
    # At 60 degrees north a parallel's gap is smallest at its northern end.
    wanted = Geod(ellps="WGS84").inv(10.0128, middle + 0.0064, 10.1128, middle + 0.0064)[2]
    assert gap(one, other) == pytest.approx(wanted, rel=1e-3)


@given(st.integers(-300, 300), st.integers(-300, 300), st.sampled_from(["EPSG:32633", "EPSG:4326", "EPSG:3857"]))
@settings(max_examples=60, deadline=None)
def test_overlaps_of_one_grid_are_those_of_pixels(rows: int, cols: int, crs: str) -> None:
    key = TileKey(crs, 1e-4 if crs == "EPSG:4326" else 10.0, 64, -450_000, 12_000)
    other = key.shifted(rows, cols)
    assert overlap(key, other) == key.overlaps(other)
    near = abs(rows) <= 128 and abs(cols) <= 128
    assert overlap_on_grid(key, other) == (key.overlaps(other) if near else None)


@given(st.integers(-200, 200), st.integers(-200, 200))
@settings(max_examples=60, deadline=None)
def test_ground_alone_says_the_same_as_pixels(rows: int, cols: int) -> None:
    other = UTM.shifted(rows, cols)
    assert (gap(UTM, other) == 0) == UTM.overlaps(other)


def test_tiles_of_two_zones_see_the_same_ground() -> None:
    grid = Grid("utm", 10.0, 128)
    west, east = grid.tile_at(11.9999, 46.0), grid.tile_at(12.0001, 46.0)
    assert west.crs != east.crs
    assert overlap(west, east)
    assert overlap(grid.tile_at(20.0, -0.0001), grid.tile_at(20.0, 0.0001))
    assert not overlap(west, grid.tile_at(12.1, 46.0))


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:6933"])
def test_the_two_ends_of_a_crs_are_one_place(crs: str) -> None:
    grid = Grid(crs, 1e-4 if crs == "EPSG:4326" else 10.0, 128)
    east, west = grid.tile_at(179.99999, 10.0), grid.tile_at(-179.99999, 10.0)
    assert gap(east.shifted(0, 64), west) == 0
    assert overlap(east.shifted(0, 64), west)
    assert gap(east.shifted(0, -400), west) > 2000


def test_tiles_around_a_pole() -> None:
    grid = Grid("EPSG:3413", 30.0, 128)
    around = [grid.tile_at(lon, 89.99) for lon in (0, 90, 180, -90)]
    assert len({str(key) for key in around}) == 4
    assert all(gap(one, other) < 1 for one in around for other in around)
    assert not any(overlap(one, other) for one in around for other in around if one != other)
    ups = Grid("utm", 30.0, 128).tile_at(0, 89.995)
    assert any(overlap(ups, key) for key in around)


def test_outlines_stay_near_their_centres() -> None:
    key = Grid("EPSG:4326", 1e-3, 128).tile_at(179.99, 0.5).shifted(0, 100)
    outline = outlines_lonlat([key, UTM])
    assert outline.shape == (2, 17, 2)
    assert np.ptp(outline[0, :, 0]) == pytest.approx(0.128, rel=0.01)
    assert np.abs(outline[0, :, 0]).max() > 180


def test_a_tile_off_the_globe_is_an_error() -> None:
    with pytest.raises(GridError, match=r"centre of tile .* is not on the globe"):
        Ground.of([UTM, TileKey("EPSG:6933", 10.0, 128, -2_000_000, 0)])


def test_a_tile_as_large_as_a_continent_is_an_error() -> None:
    with pytest.raises(GridError, match="too far to be compared"):
        Ground.of([TileKey("EPSG:3857", 10_000.0, 512, -256, -256)])


def test_no_tiles_have_no_ground() -> None:
    assert len(Ground.of([])) == 0
    assert without_overlaps([]) == []


def test_points_on_the_ellipsoid() -> None:
    points = geocentric(np.array([0.0, 90.0, 0.0]), np.array([0.0, 0.0, 90.0]))
    wanted = [[6_378_137.0, 0, 0], [0, 6_378_137.0, 0], [0, 0, 6_356_752.314]]
    assert np.allclose(points, wanted, atol=1e-3)


def brute_force(keys: list[TileKey]) -> list[TileKey]:
    accepted: list[TileKey] = []
    for key in keys:
        if not any(key.overlaps(other) for other in accepted):
            accepted.append(key)
    return accepted


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400), st.sampled_from([16, 64, 100])), max_size=60))
@settings(max_examples=50, deadline=None)
def test_without_overlaps_is_the_greedy_choice(places: list[tuple[int, int, int]]) -> None:
    keys = [TileKey("EPSG:32633", 10.0, size, row, col) for row, col, size in places]
    assert without_overlaps(keys) == brute_force(keys)


def test_without_overlaps_across_zones() -> None:
    grid = Grid("utm", 10.0, 128)
    lons = np.linspace(11.9, 12.1, 200).tolist()
    keys = list(dict.fromkeys(grid.tile_at(lon, 46.0) for lon in lons))
    kept = without_overlaps(keys)
    assert len(keys) - 3 <= len(kept) < len(keys)
    assert not [(a, b) for a in kept for b in kept if a != b and overlap(a, b)]
    assert all(any(overlap(key, other) for other in kept) for key in keys if key not in kept)


def test_the_same_tile_fits_once_even_where_tiles_may_overlap() -> None:
    ground = Ground.of([UTM, UTM, UTM.shifted(1, 1)])
    free, strict = Occupied(overlap=True), Occupied()
    assert [free.take(ground, n) for n in range(3)] == [True, False, True]
    assert [strict.take(ground, n) for n in range(3)] == [True, False, False]
    assert (len(free), len(strict)) == (2, 1)


def test_near_finds_all_tiles_that_hold_a_point() -> None:
    keys = [UTM.shifted(row * 50, col * 50) for row in range(8) for col in range(8)]
    ground, occupied = Ground.of(keys), Occupied(overlap=True)
    assert all(occupied.take(ground, n) for n in range(len(keys)))
    point = (200.5, 180.5)
    holding = [k for k in keys if 0 <= UTM.row + point[0] - k.row < 128 and 0 <= UTM.col + point[1] - k.col < 128]
    lonlat = outlines_lonlat([UTM.shifted(200 - 64, 180 - 64)])[0, -1]
    found = occupied.near(geocentric(*lonlat[:, None])[0].tolist())
    assert holding and set(holding) <= set(found)
    assert Occupied().near([0.0, 0.0, 0.0]) == []
