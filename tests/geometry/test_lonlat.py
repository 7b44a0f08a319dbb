"""Regions on the globe: ranges, the antimeridian, the poles, and repairs."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import shapely
import shapely.ops
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely import affinity
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from rsbot_beam.errors import GridError, RegionError
from rsbot_beam.geometry import Region
from rsbot_beam.geometry.projection import central_meridian, from_lonlat

EARTH_M2 = 510_065_621_724_088.0
"""Area of the WGS 84 ellipsoid: 4 pi times the square of its authalic radius, 6,371,007.1809 m."""


def test_a_plain_polygon_is_kept_as_it_is():
    square = box(10, 45, 11, 46)
    region = Region.from_geometry(square, source="square")
    assert region.geometry.equals(square)
    assert region.bbox == (10, 45, 11, 46)
    assert region.bboxes == ((10, 45, 11, 46),)
    assert region.native is None
    assert "square" in str(region)


def test_the_whole_world():
    region = Region.from_geometry(box(-180, -90, 180, 90))
    assert region.bboxes == ((-180, -90, 180, 90),)
    assert region.area_m2 == pytest.approx(EARTH_M2, rel=1e-9)


def area_to(lat):
    """Square metres per radian of longitude from the equator to a latitude (Snyder 1987, eq. 3-12, times a^2 / 2)."""
    e = math.sqrt(0.0066943799901413165)
    sine = e * math.sin(math.radians(lat))
    return 6_356_752.314245**2 / 2 * (sine / (1 - sine**2) + math.atanh(sine)) / e


def test_area_of_a_square_degree_at_the_equator():
    assert Region.from_geometry(box(20, 0, 21, 1)).area_m2 == pytest.approx(math.radians(1) * area_to(1), rel=1e-9)


def crossing_pieces(region):
    west_side, east_side = region.bboxes
    assert west_side[2] == 180
    assert east_side[0] == -180
    assert region.bbox[0] == -180
    assert region.bbox[2] == 180
    return west_side, east_side


@pytest.mark.parametrize("shift", [0, -360])
def test_longitudes_beyond_180_are_cut_at_the_antimeridian(shift):
    region = Region.from_geometry(affinity.translate(box(175, -20, 190, -10), shift))
    assert crossing_pieces(region) == ((175, -20, 180, -10), (-180, -20, -170, -10))
    assert region.geometry.area == pytest.approx(150)


def test_a_ring_that_jumps_crosses_the_short_way_with_a_warning():
    ring = Polygon([(175, -20), (-170, -20), (-170, -10), (175, -10)])
    with pytest.warns(UserWarning, match="antimeridian"):
        region = Region.from_geometry(ring)
    assert crossing_pieces(region) == ((175, -20, 180, -10), (-180, -20, -170, -10))


@pytest.mark.parametrize("hole_shift", [0, -360])
def test_holes_keep_to_their_shell_across_the_antimeridian(hole_shift):
    shell = [(170, -20), (-170, -20), (-170, 20), (170, 20)]
    hole = affinity.translate(box(185, -5, 188, 5), hole_shift).exterior.coords
    with pytest.warns(UserWarning, match="antimeridian"):
        region = Region.from_geometry(Polygon(shell, [hole]))
    assert region.geometry.area == pytest.approx(20 * 40 - 30)
    assert not region.geometry.contains(Point(-173, 0))
    assert region.geometry.contains(Point(173, 0))


def test_a_hole_across_the_antimeridian():
    shell = [(170, -20), (-170, -20), (-170, 20), (170, 20)]
    hole = [(178, -5), (-178, -5), (-178, 5), (178, 5)]
    with pytest.warns(UserWarning, match="antimeridian"):
        region = Region.from_geometry(Polygon(shell, [hole]))
    assert region.geometry.area == pytest.approx(20 * 40 - 4 * 10)


def test_a_region_in_0_to_360_degrees():
    region = Region.from_geometry(box(200, 40, 230, 50))
    assert region.bboxes == ((-160, 40, -130, 50),)


def test_islands_on_both_sides_have_two_boxes_even_where_none_touches_the_antimeridian():
    region = Region.from_geometry(
        MultiPolygon([box(176, -20, 178, -18), box(-179, -20, -178, -19), box(179, -17, 179.5, -16)])
    )
    assert region.bboxes == ((176, -20, 179.5, -16), (-179, -20, -178, -19))


def test_parts_far_from_the_antimeridian_have_one_box():
    region = Region.from_geometry(MultiPolygon([box(-61, 14, -60, 15), box(2, 46, 5, 48), box(55, -21, 56, -20)]))
    assert region.bboxes == ((-61, -21, 56, 48),)


def polar_ring(lat, step):
    return [(lon, lat + math.cos(math.radians(lon * 3))) for lon in np.arange(-180 + step / 2, 180, step)]


@pytest.mark.parametrize("lat", [-70, 70])
@pytest.mark.parametrize("direction", [1, -1])
def test_a_ring_around_a_pole_reaches_to_the_pole(lat, direction):
    with pytest.warns(UserWarning, match="antimeridian"):
        region = Region.from_geometry(Polygon(polar_ring(lat, 10)[::direction]))
    pole = math.copysign(90, lat)
    assert region.geometry.covers(
        box(-180, *sorted((pole, lat + math.copysign(2, lat))), 180, lat + math.copysign(2, lat))
    ) or (region.geometry.contains(Point(77, math.copysign(89.9, lat))))
    assert region.geometry.contains(Point(179.99, math.copysign(85, lat)))
    assert region.geometry.contains(Point(0.01, math.copysign(89.99, lat)))
    assert not region.geometry.contains(Point(0, lat - math.copysign(3, lat)))
    assert pole in (region.bbox[1], region.bbox[3])


def test_antarctica_with_its_edge_along_the_pole_needs_no_repair(recwarn):
    coast = polar_ring(-75, 10)
    ring = [(-180, -90), (-180, -75), *coast, (180, -75), (180, -90)]
    region = Region.from_geometry(Polygon(ring))
    assert not [warning for warning in recwarn if issubclass(warning.category, UserWarning)]
    plane = region.to_crs("EPSG:3031")
    assert plane.geom_type == "Polygon"
    assert len(plane.interiors) == 0
    assert plane.contains(Point(0, 0))
    assert plane.contains(LineString([(-1e-3, -1e5), (1e-3, -1e5)]))
    assert region.area_m2 == pytest.approx(EARTH_M2 * (1 - math.sin(math.radians(75))) / 2, rel=0.02)


@pytest.mark.parametrize("crs", ["EPSG:3031", "EPSG:32761", "EPSG:3976"])
def test_a_region_drawn_around_the_pole_in_its_own_crs(crs):
    middle = Point(2_000_000, 2_000_000) if crs == "EPSG:32761" else Point(0, 0)
    disc = middle.buffer(800_000)
    region = Region.from_geometry(disc, crs)
    assert region.to_crs(crs).equals(disc)
    assert region.bbox[0] == -180
    assert region.bbox[1] == -90
    assert region.bbox[2] == 180
    assert shapely.is_valid(region.geometry)
    for lon in (-179.999, -90, 0, 1, 179.999):
        assert region.geometry.contains(Point(lon, -89.9))
    back = from_lonlat(region.geometry, crs)
    assert back.symmetric_difference(disc).area < 0.1 * disc.length


@pytest.mark.parametrize(
    ("crs", "square"),
    [
        ("EPSG:32660", box(800_000, 1_000_000, 900_000, 1_300_000)),
        ("EPSG:32701", box(120_000, 7_900_000, 300_000, 8_000_000)),
        ("EPSG:3832", box(3_200_000, -2_000_000, 3_600_000, -1_000_000)),
        ("EPSG:3413", box(-1_500_000, -1_000_000, 1_000_000, 1_000_000)),
        ("EPSG:2193", box(1_100_000, 4_750_000, 2_100_000, 6_200_000)),
        ("EPSG:3857", box(19_900_000, -2_000_000, 20_037_508, -1_900_000)),
        ("EPSG:5070", box(-2_000_000, 300_000, 2_000_000, 3_000_000)),
    ],
)
def test_regions_drawn_in_a_plane_come_back_to_within_a_tenth_of_a_metre(crs, square):
    region = Region.from_geometry(square, crs)
    assert region.to_crs(crs).equals(square)
    assert shapely.is_valid(region.geometry)
    back = from_lonlat(region.geometry, crs)
    assert shapely.is_valid(back)
    assert back.symmetric_difference(square).area <= 0.1 * square.length


def test_a_region_in_feet_is_understood():
    texas = Region.from_geometry(box(2_900_000, 13_700_000, 3_000_000, 13_800_000), "EPSG:2278")
    assert texas.native_crs == "EPSG:2278"
    assert texas.geometry.contains(Point(-96.0, 29.0)) or texas.bbox[0] == pytest.approx(-96.3, abs=1)
    assert texas.area_m2 == pytest.approx((100_000 * 1200 / 3937) ** 2, rel=1e-3)


def test_another_geographic_crs_is_shifted_to_wgs_84():
    region = Region.from_geometry(box(13, 52, 14, 53), "EPSG:4314")  # DHDN: some 100 m from WGS 84
    assert region.native is None
    shift = np.subtract(region.bbox, (13, 52, 14, 53))
    assert 1e-5 < np.abs(shift).max() < 1e-2


def test_antimeridian_halves_are_one_again_in_a_crs_that_has_no_edge_there():
    region = Region.from_geometry(box(170, -20, 190, -10))
    assert region.geometry.geom_type == "MultiPolygon"
    assert region.to_crs("EPSG:3832").geom_type == "Polygon"
    assert region.to_crs("EPSG:6933").geom_type == "MultiPolygon"


def test_the_seam_of_a_projection_does_not_smear():
    region = Region.from_geometry(box(-35, -10, -25, 10))
    plane = region.to_crs("EPSG:3832")  # centred on 150 E: torn along 30 W
    assert plane.geom_type == "MultiPolygon"
    whole = region.to_crs("EPSG:3395")
    assert plane.area == pytest.approx(whole.area, rel=1e-9)


@pytest.mark.parametrize(
    ("crs", "lon"), [("EPSG:3832", 150), ("EPSG:32633", 15), ("EPSG:4326", None), ("EPSG:3035", 10)]
)
def test_central_meridian(crs, lon):
    from rsbot_beam.geometry.crs import crs_object

    assert central_meridian(crs_object(crs)) == (None if lon is None else pytest.approx(lon))


@pytest.mark.parametrize(
    ("crs", "square"), [("EPSG:3413", box(0, -90, 10, -80)), ("EPSG:32633", box(100, -20, 200, 20))]
)
def test_a_crs_that_cannot_hold_the_region_says_so(crs, square):
    with pytest.raises(GridError, match=rf"{crs}.*cannot hold the region.*longitude.*utm"):
        Region.from_geometry(square).to_crs(crs)


def test_long_edges_bend_as_they_should():
    plane = Region.from_geometry(box(12, 59, 18, 60)).to_crs("EPSG:32633")
    coarse = shapely.Polygon([*np.array(plane.exterior.coords)[::50]])
    # The parallel at 60 N sags by kilometres below the chord between the corners of a six-degree zone.
    assert plane.symmetric_difference(coarse).area > 0
    southern_middle = shapely.ops.nearest_points(plane.exterior, Point(500_000, 0))[0]
    _, _, arc = Geod(ellps="WGS84").inv(15, 0, 15, 59)
    assert southern_middle.y == pytest.approx(0.9996 * arc, abs=0.1)


finite = st.floats(-179, 179)


@settings(max_examples=50, deadline=None)
@given(st.floats(-180, 540), st.floats(0.01, 170), st.floats(-89, 88), st.floats(0.01, 1))
def test_area_does_not_depend_on_the_turn_of_the_globe(west, width, south, height):
    if west + width > 360:
        west -= 360
    region = Region.from_geometry(box(west, south, west + width, south + height))
    plain = Region.from_geometry(box(-180, south, -180 + width, south + height))
    assert region.area_m2 == pytest.approx(plain.area_m2, rel=1e-6)
    assert shapely.is_valid(region.geometry)
    assert -180 <= region.bbox[0] <= region.bbox[2] <= 180


# --- repairs and refusals


def test_a_bow_tie_is_repaired_with_a_warning_that_says_where():
    with pytest.warns(UserWarning, match=r"repaired 1 of 1 polygons \(Self-intersection\[1 1\]\)"):
        region = Region.from_geometry(Polygon([(0, 0), (2, 2), (2, 0), (0, 2)]))
    assert region.geometry.area == pytest.approx(2)
    assert shapely.is_valid(region.geometry)


def test_a_hole_beyond_its_shell_cuts_only_what_it_covers():
    with pytest.warns(UserWarning, match="repaired"):
        region = Region.from_geometry(Polygon(box(0, 0, 4, 4).exterior, [box(3, 1, 6, 2).exterior]))
    assert region.geometry.area == pytest.approx(16 - 1)


def test_overlapping_parts_count_once():
    parts = MultiPolygon([box(0, 0, 2, 2), box(1, 1, 3, 3)])
    assert Region.from_geometry(parts).geometry.area == pytest.approx(7)


def test_holes_are_kept():
    region = Region.from_geometry(Polygon(box(0, 0, 4, 4).exterior, [box(1, 1, 2, 2).exterior]))
    assert region.geometry.area == pytest.approx(15)
    assert len(region.geometry.interiors) == 1


def test_height_is_dropped():
    region = Region.from_geometry(shapely.force_3d(box(0, 0, 1, 1), 5.0))
    assert not region.geometry.has_z


def test_points_and_lines_beside_polygons_are_left_out_with_a_warning():
    mixed = shapely.GeometryCollection(
        [box(0, 0, 1, 1), Point(5, 5), shapely.GeometryCollection([LineString([(0, 0), (1, 1)])])]
    )
    with pytest.warns(UserWarning, match="no area"):
        region = Region.from_geometry(mixed)
    assert region.bbox == (0, 0, 1, 1)


def test_nested_collections_are_searched_for_polygons():
    nested = shapely.GeometryCollection(
        [shapely.GeometryCollection([MultiPolygon([box(0, 0, 1, 1), box(2, 2, 3, 3)])])]
    )
    assert Region.from_geometry(nested).geometry.area == pytest.approx(2)


def with_corner(value):
    return shapely.transform(box(0, 0, 1, 1), lambda xy: np.where((xy == 1).all(axis=1, keepdims=True), value, xy))


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        (Polygon(), "is empty"),
        (shapely.GeometryCollection(), "is empty"),
        (Point(1, 1), "Point without area.*buffer"),
        (LineString([(0, 0), (1, 1)]), "LineString without area"),
        (Polygon([(0, 0), (1, 1), (2, 2)]), "no area"),
        (with_corner(math.nan), "not finite"),
        (with_corner(math.inf), "not finite"),
        (box(45, 100, 46, 120), "swapped"),
        (box(500_000, 5_000_000, 510_000, 5_010_000), "look like metres.*CRS"),
        (box(400, 0, 410, 10), "longitude 400 to 410"),
        (box(170, 0, 175, 91), "latitude 0 to 91"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*repaired")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_cannot_be_a_region_is_refused_with_the_reason(geometry, message):
    with pytest.raises(RegionError, match=message):
        Region.from_geometry(geometry, source="input.geojson")


def test_the_message_names_the_source():
    with pytest.raises(RegionError, match=r"input\.geojson"):
        Region.from_geometry(Point(0, 0), source="input.geojson")


@pytest.mark.parametrize("crs", ["EPSG:3413", "EPSG:32633", "EPSG:3857"])
def test_metres_of_another_crs_are_refused_where_they_are_off_the_globe(crs):
    with pytest.raises(RegionError, match="is it the file's CRS"):
        Region.from_geometry(box(1e9, 1e9, 2e9, 2e9), crs)


def test_an_unknown_crs_is_refused():
    with pytest.raises(GridError, match="EPSG:1"):
        Region.from_geometry(box(0, 0, 1, 1), "EPSG:1")


# --- as a value


def test_equal_areas_are_equal_regions_whatever_their_ring_starts_with():
    one = Region.from_geometry(Polygon([(0, 0), (1, 0), (1, 1), (0, 1)]), source="a")
    two = Region.from_geometry(Polygon([(1, 1), (0, 1), (0, 0), (1, 0)]), source="b")
    other = Region.from_geometry(box(0, 0, 1, 1.0000001))
    assert one == two
    assert hash(one) == hash(two)
    assert one.fingerprint == two.fingerprint
    assert one != other
    assert one != "a"


def test_fingerprint_is_the_same_on_every_machine():
    assert Region.from_geometry(box(0, 0, 1, 1)).fingerprint == "3a569b62e47b15444f964a9d408d1345"


def test_pickle_is_small_and_equal():
    region = Region.from_geometry(Point(10, 50).buffer(1, quad_segs=250), source="disc")
    assert region.area_m2 > 0  # fills what is kept in the process only
    copy = pickle.loads(pickle.dumps(region))
    assert copy == region
    assert copy.source == "disc"
    assert len(pickle.dumps(region)) < 1001 * 16 + 500


def test_geo_interface_round_trips():
    region = Region.from_geometry(box(0, 0, 1, 1))
    assert shapely.geometry.shape(region.__geo_interface__).equals(region.geometry)


def test_clipped():
    region = Region.from_geometry(box(0, 0, 10, 10))
    assert region.clipped((-1, -1, 11, 11)) is region
    assert region.clipped((5, 5, 20, 20)).bbox == (5, 5, 10, 10)
    assert region.clipped((10, 0, 20, 10)) is None
