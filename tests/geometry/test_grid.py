"""Grids: which tile owns a point, which grid a region gets, and where zones meet."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, box

from rsbot_beam.errors import GridError
from rsbot_beam.geometry import Grid, Region, TileKey, near_zone_edge, read_region, resolve_grid, zone_edges
from rsbot_beam.geometry.crs import canonical_crs, transformer
from rsbot_beam.geometry.units import METRES_PER_DEGREE, metres_per_unit, resolution_in_metres
from rsbot_beam.geometry.zones import zone_at, zone_of

SLOVENIA = read_region("13.4,45.4,16.6,46.9")

GRIDS = [
    Grid("EPSG:6933", 10.0, 256),
    Grid("EPSG:4326", 0.0001, 128),
    Grid("EPSG:4326", 8.983152841195215e-05, 100, (-0.3, 0.7)),
    Grid("EPSG:32633", 10.0, 128),
    Grid("EPSG:32633", 30.0, 64, (15.0, 15.0)),
    Grid("utm", 10.0, 128),
    Grid("utm", 1 / 3, 77),
]

border_lon = st.integers(-30, 30).map(lambda number: 6.0 * number)
longitudes = st.one_of(st.floats(-180, 180), border_lon)
latitudes = st.one_of(st.floats(-89.9, 89.9), st.sampled_from([-80.0, 0.0, 84.0]))


def owns(key, x, y):
    left, bottom, right, top = key.bounds
    return left <= x < right and bottom < y <= top


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@settings(max_examples=150, deadline=None)
@given(lon=longitudes, lat=latitudes)
def test_every_point_is_in_exactly_one_tile(grid, lon, lat):
    if grid.crs == "EPSG:32633":
        lon, lat = 12 + (lon + 180) / 60, lat * 0.93
    key = grid.tile_at(lon, lat)
    assert key.crs == grid.crs_at(lon, lat)
    assert key.aligned
    x, y = transformer("EPSG:4326", key.crs).transform(-180.0 if lon == 180 else lon, lat)
    assert owns(key, x, y)
    around = [key.shifted(down * key.size, right * key.size) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    assert [other for other in around if owns(other, x, y)] == [key]


@settings(max_examples=300, deadline=None)
@given(
    x=st.floats(-2e7, 2e7),
    y=st.floats(-2e7, 2e7),
    resolution=st.floats(1e-3, 1e4),
    size=st.integers(1, 4096),
)
@example(x=2560.0, y=2560.0, resolution=10.0, size=256)
@example(x=0.0, y=0.0, resolution=10.0, size=256)
def test_tiles_partition_the_plane(x, y, resolution, size):
    key = Grid("EPSG:6933", resolution, size).tile_of(x, y)
    assert owns(key, x, y)
    assert key == TileKey("EPSG:6933", resolution, size, key.row, key.col)


def test_edges_belong_to_the_tile_below_and_right_of_them():
    grid = Grid("EPSG:6933", 10.0, 256)
    assert grid.tile_of(2560, 2560) == grid.tile(-1, 1)
    assert grid.tile_of(2559.999, 2560.001) == grid.tile(-2, 0)
    assert grid.tile(-1, 1).bounds == (2560, 0, 5120, 2560)


@pytest.mark.parametrize("resolution", [8.983152841195215e-05, 0.0001, 1 / 3, 0.1])
def test_corners_of_tiles_belong_to_them_whatever_the_rounding(resolution):
    for size in (77, 100):
        grid = Grid("EPSG:4326", resolution, size)
        for index in range(1, 3000, 7):
            for key in (grid.tile(index, index), grid.tile(-index, -index)):
                left, _, _, top = key.bounds
                assert grid.tile_of(left, top) == key


def test_tile_by_index():
    assert Grid("EPSG:6933", 10.0, 256).tile(-3, 7) == TileKey("EPSG:6933", 10.0, 256, -768, 1792)
    assert Grid("utm", 10.0, 256).tile(1, 2, "EPSG:32733").crs == "EPSG:32733"
    with pytest.raises(GridError, match="say which zone"):
        Grid("utm", 10.0, 256).tile(1, 2)
    with pytest.raises(GridError, match="no tiles in 'EPSG:32634'"):
        Grid("EPSG:32633", 10.0, 256).tile(1, 2, "EPSG:32634")


@pytest.mark.parametrize(
    ("lon", "lat", "crs"),
    [
        (11.9999, 46, "EPSG:32632"),
        (12, 46, "EPSG:32633"),
        (14, 1e-6, "EPSG:32633"),
        (14, 0, "EPSG:32733"),
        (180, 1, "EPSG:32601"),
    ],
)
def test_tiles_of_a_utm_grid_are_in_the_zone_of_the_point(lon, lat, crs):
    assert Grid("utm", 10.0, 128).tile_at(lon, lat).crs == crs


@pytest.mark.parametrize(("lon", "lat"), [(0, 91), (0, math.nan), (math.inf, 0), (math.nan, 0)])
def test_places_off_the_globe_have_no_tile(lon, lat):
    with pytest.raises(GridError, match="no place on the globe"):
        Grid("utm", 10.0, 128).tile_at(lon, lat)


def test_places_that_the_crs_cannot_hold_have_no_tile():
    with pytest.raises(GridError, match="has no coordinates"):
        Grid("EPSG:3413", 10.0, 128).tile_at(0, -90)


def test_grid_pickles_to_an_equal_value():
    grid = resolve_grid(SLOVENIA, resolution=10, patch_size=128)
    assert pickle.loads(pickle.dumps(grid)) == grid
    assert hash(pickle.loads(pickle.dumps(grid))) == hash(grid)


# --- choosing the CRS


@pytest.mark.parametrize(
    ("spelling", "crs"),
    [
        ("EPSG:32633", "EPSG:32633"),
        ("epsg:32633", "EPSG:32633"),
        ("32633", "EPSG:32633"),
        (" EPSG:32633 ", "EPSG:32633"),
        ("urn:ogc:def:crs:EPSG::32633", "EPSG:32633"),
        ("WGS84", "EPSG:4326"),
        ("UTM", "utm"),
        ("utm", "utm"),
        ("Auto", "EPSG:32633"),
        ("EPSG:2278", "EPSG:2278"),
    ],
)
def test_spellings_of_a_crs(spelling, crs):
    assert resolve_grid(SLOVENIA, crs=spelling, resolution=0.5, patch_size=128).crs == crs


@pytest.mark.parametrize(
    ("bbox", "crs"),
    [
        ("13.4,45.4,16.6,46.9", "EPSG:32633"),  # Slovenia
        ("18,-1,23,2", "EPSG:32634"),  # both sides of the equator, more of it north
        ("18,-4,23,2", "EPSG:32734"),
        ("11,45,18,47", "EPSG:32633"),  # a degree beyond the zone
        ("10.9,45,17,47", "utm"),
        ("11.9,45,18,47", "EPSG:32633"),
        ("5,45,13,47", "EPSG:32632"),
        ("5,45,15,47", "utm"),
        ("-18,-35,52,38", "utm"),  # Africa
        ("176,-20,-179.5,-16", "EPSG:32760"),  # across the antimeridian, mostly west of it
        ("179.5,16,-174,20", "EPSG:32601"),
        ("174,-20,-176,-16", "utm"),
        ("-180,-90,180,-60", "EPSG:3031"),
        ("-180,60,180,90", "EPSG:3413"),
        ("-75,60,-10,83.7", "EPSG:3413"),  # Greenland
        ("-25,63,-13,67", "utm"),  # Iceland: 12 degrees only
        ("10,80,13,85", "EPSG:3413"),
        ("10,-79,13,-75", "EPSG:32732"),
        ("-180,-90,180,90", "utm"),
    ],
)
def test_auto(bbox, crs):
    assert resolve_grid(read_region(bbox), resolution=10, patch_size=128).crs == crs


def test_auto_for_islands_on_both_sides_of_the_antimeridian():
    islands = Region.from_geometry(MultiPolygon([box(177, -19, 178, -18), box(-180, -17, -179.5, -16.5)]))
    assert resolve_grid(islands, resolution=10, patch_size=128).crs == "EPSG:32760"


@pytest.mark.parametrize(
    ("crs", "message"),
    [
        ("EPSG:999999", "no coordinate reference system.*EPSG:32633, `utm`.*`auto`"),
        ("Slovenia", "no coordinate reference system"),
        ("", "no coordinate reference system"),
        ("EPSG:5703", "Vertical CRS"),
        ("EPSG:4978", "Geocentric CRS"),
        ("EPSG:7415", "Compound"),
        ("ESRI:54009", "no EPSG code"),
        ("+proj=laea +lat_0=3 +lon_0=17", "no EPSG code"),
    ],
)
def test_bad_crs(crs, message):
    with pytest.raises(GridError, match=message):
        resolve_grid(SLOVENIA, crs=crs, resolution=10, patch_size=128)


def test_canonical_crs_is_chained_from_its_cause():
    with pytest.raises(GridError) as caught:
        canonical_crs("EPSG:999999")
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resolution": 0}, "resolution 0 must be a positive"),
        ({"resolution": -10}, "-10"),
        ({"resolution": math.nan}, "nan"),
        ({"resolution": math.inf}, "inf"),
        ({"resolution": "10"}, "'10'"),
        ({"resolution": 10, "crs": "EPSG:4326"}, r"10 looks like metres, but EPSG:4326 counts in degrees: give 9e-05"),
        ({"resolution": 0.0001, "crs": "utm"}, "0.0001 looks like degrees, but utm counts in metre"),
        ({"resolution": 0.0001, "crs": "EPSG:2278"}, "US survey foot"),
        ({"patch_size": 0}, "patch size 0"),
        ({"patch_size": 12.5}, "patch size 12.5"),
        ({"patch_size": 40_000}, "from 1 to 32768"),
        ({"origin": (1, 2, 3)}, "origin"),
        ({"origin": ("a", "b")}, "origin"),
        ({"origin": (math.nan, 0)}, "finite"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(GridError, match=message):
        resolve_grid(SLOVENIA, **{"resolution": 10, "patch_size": 128, **arguments})


def test_numbers_become_plain():
    grid = resolve_grid(SLOVENIA, resolution=np.float32(10), patch_size=np.int64(128), origin=(15, 15))
    assert grid == Grid("EPSG:32633", 10.0, 128, (15.0, 15.0))
    assert [type(value) for value in (grid.resolution, grid.patch_size, *grid.origin)] == [float, int, float, float]


def test_overlapping_runs_have_the_same_grid_from_a_fixed_origin():
    other = read_region("14,45.5,16,46.5")
    assert resolve_grid(other, resolution=10, patch_size=128) == resolve_grid(SLOVENIA, resolution=10, patch_size=128)


# --- where zones meet


def ground_overlaps(one, other):
    """Whether two tiles share ground, by a fine mesh of points of one looked up in the other."""
    left, bottom, right, top = one.bounds
    xs, ys = np.meshgrid(np.linspace(left, right, 60), np.linspace(bottom, top, 60))
    x, y = transformer(one.crs, other.crs).transform(xs, ys)
    left, bottom, right, top = other.bounds
    return bool(((x > left) & (x < right) & (y > bottom) & (y < top)).any())


@settings(max_examples=300, deadline=None)
@given(
    border=st.integers(-29, 30),
    lat=st.floats(-79.9, 83.9),
    east=st.floats(-0.1, 0.1),
    away=st.floats(-0.05, 0.05),
)
def test_tiles_of_two_zones_that_share_ground_are_both_near_the_edge(border, lat, east, away):
    grid = Grid("utm", 10.0, 256)
    one = grid.tile_at(6 * border + east, lat)
    other = grid.tile_at(6 * border - east + away / 10, lat + away)
    assume(one.crs != other.crs)
    if ground_overlaps(one, other):
        assert near_zone_edge(one)
        assert near_zone_edge(other)


@pytest.mark.parametrize("lat", [-79.5, -45, -10, 10, 45, 60, 83.5])
def test_near_the_edge_means_within_a_diagonal(lat):
    grid = Grid("utm", 10.0, 256)
    degree = 111_195 * math.cos(math.radians(lat))
    diagonal = 2560 * math.sqrt(2)
    for distance, expected in [(0.0, True), (0.9 * diagonal, True), (3.2 * diagonal, False), (0.4 * 6 * degree, False)]:
        for side in (1, -1):
            border = 12 if side > 0 else 18
            key = grid.tile_at(border + side * distance / degree, lat)
            assert near_zone_edge(key) is expected, (distance, side)


def test_near_the_edge_at_the_equator_and_the_polar_caps():
    grid = Grid("utm", 10.0, 256)
    assert near_zone_edge(grid.tile_at(15, 0.001))
    assert near_zone_edge(grid.tile_at(15, -0.001))
    assert not near_zone_edge(grid.tile_at(15, 0.2))
    assert not near_zone_edge(grid.tile_at(15, -0.2))
    for lat in (83.999, 84.001, -79.999, -80.001):
        assert near_zone_edge(grid.tile_at(15, lat))
    assert not near_zone_edge(grid.tile_at(15, 83.5))
    assert not near_zone_edge(grid.tile_at(15, 85))
    assert not near_zone_edge(grid.tile_at(15, 89.99))


def test_other_crss_have_no_zone_edges():
    assert not near_zone_edge(Grid("EPSG:6933", 10.0, 256).tile_at(12, 45))


@settings(max_examples=200, deadline=None)
@given(st.floats(-180, 180), st.floats(-89.9, 89.9))
def test_tiles_far_inside_their_zone_lie_in_it_altogether(lon, lat):
    key = Grid("utm", 10.0, 256).tile_at(lon, lat)
    if not near_zone_edge(key):
        left, bottom, right, top = key.bounds
        corners = transformer(key.crs, "EPSG:4326").transform([left, right, left, right], [bottom, bottom, top, top])
        assert {zone_at(*corner).crs for corner in zip(*corners, strict=True)} == {key.crs}


def test_units():
    assert metres_per_unit("EPSG:32633") == 1
    assert metres_per_unit("EPSG:2278") == pytest.approx(1200 / 3937)
    assert resolution_in_metres("EPSG:4326", 0.0001) == pytest.approx(0.0001 * METRES_PER_DEGREE)


@settings(max_examples=300, deadline=None)
@given(st.floats(-179.9, 179.9), st.floats(-79.9, 83.9))
def test_the_quick_answer_agrees_with_the_projected_one(lon, lat):
    key = Grid("utm", 10.0, 256).tile_at(lon, lat)
    zone = zone_of(key.crs)
    if zone_edges._far_inside(zone, key.bounds):
        assert zone_edges._inside(zone, key.bounds)
