"""Which tiles belong to a region: rules, order, laziness, the quadtree, and its properties."""

from __future__ import annotations

import itertools
import math
import pickle
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Point, Polygon, box

from rsbot_beam.errors import GridError
from rsbot_beam.geometry import Cover, Grid, Region, TileBlock, TileKey, read_region, resolve_grid
from rsbot_beam.geometry.crs import transformer
from rsbot_beam.geometry.projection import from_lonlat
from rsbot_beam.geometry.zones import zone_of

EQUAL_AREA = Grid("EPSG:6933", 10.0, 256)
UTM = Grid("utm", 10.0, 256)


def boxes_of(keys):
    return [box(*key.bounds) for key in keys]


def slow_members(region, grid, rule="intersects"):
    """The members by definition, one by one, for a grid in one CRS."""
    geometry = region.to_crs(grid.crs)
    left, bottom, right, top = geometry.bounds
    first, last = grid.tile_of(left, top), grid.tile_of(right, bottom)
    rows = range(first.row - first.size, last.row + 2 * first.size, first.size)
    cols = range(first.col - first.size, last.col + 2 * first.size, first.size)
    for row, col in itertools.product(rows, cols):
        key = TileKey(grid.crs, grid.resolution, grid.patch_size, row, col, grid.origin)
        ground = box(*key.bounds)
        if ground.intersection(geometry).area > 0 if rule == "intersects" else geometry.contains(ground.centroid):
            yield key


@st.composite
def blobs(draw, west=-170, east=170, south=-60, north=60):
    """Regions of some tens of tiles a side: stars, with or without a hole, in one or two parts."""
    # Rounded, and away from round numbers: slivers of a millionth of a pixel are beyond what a cover promises.
    lon, lat = (round(draw(st.floats(*limits)), 3) + 0.000123 for limits in ((west, east), (south, north)))
    corners = draw(st.lists(st.floats(0.05, 0.4), min_size=3, max_size=12))
    angles = np.linspace(0, 2 * math.pi, len(corners), endpoint=False)
    reach = np.array(corners)
    star = Polygon(np.column_stack([lon + reach * np.cos(angles), lat + reach * np.sin(angles)]))
    if draw(st.booleans()):
        star = star.difference(Point(lon, lat).buffer(0.04))
    if draw(st.booleans()):
        star = shapely.union_all([star, box(lon + 0.5, lat, lon + 0.6, lat + 0.05)])
    return Region.from_geometry(star)


# --- by definition


@settings(max_examples=20, deadline=None)
@given(blobs(), st.sampled_from(["intersects", "centre"]))
def test_members_are_those_of_the_definition_in_row_major_order(region, rule):
    grid = Grid("EPSG:6933", 50.0, 64)
    cover = Cover(region, grid, rule)
    expected = list(slow_members(region, grid, rule))
    assert sorted(cover.tiles()) == expected
    assert cover.count() == len(expected)


@settings(max_examples=15, deadline=None)
@given(blobs(11.5, 18.5, -1, 1) | blobs(), st.randoms(use_true_random=False))
def test_every_point_of_a_region_is_in_exactly_one_tile_of_it(region, chance):
    for grid in (EQUAL_AREA, Grid("EPSG:4326", 0.0002, 100), UTM):
        members = set(Cover(region, grid).tiles())
        west, south, east, north = region.bbox
        for _ in range(40):
            # To a tenth of a millimetre: what is closer to an edge is on it, once projected.
            point = Point(round(chance.uniform(west, east), 9), round(chance.uniform(south, north), 9))
            if region.geometry.contains(point):
                assert grid.tile_at(point.x, point.y) in members


@pytest.mark.parametrize("lon", [12.0, 18.0, np.nextafter(12, 0), -180.0, 179.999999, 0.0])
@pytest.mark.parametrize("lat", [0.0, np.nextafter(0, -1), 45.0, -79.99, 83.99])
def test_points_on_the_borders_of_zones_are_owned_by_a_member(lon, lat):
    region = Region.from_geometry(box(lon - 0.05, lat - 0.05, lon + 0.05, lat + 0.05))
    assert UTM.tile_at(lon, lat) in set(Cover(region, UTM).tiles())


@settings(max_examples=30, deadline=None)
@given(blobs())
def test_area_adds_up_in_one_crs(region):
    plane = region.to_crs("EPSG:6933")
    shares = shapely.area(shapely.intersection(boxes_of(Cover(region, EQUAL_AREA).tiles()), plane))
    assert shares.sum() == pytest.approx(plane.area, rel=1e-9)
    assert (shares > 0).all()


@settings(max_examples=15, deadline=None)
@given(blobs(11, 19, -1, 1) | blobs(11, 19, 44, 46))
def test_area_adds_up_across_zones(region):
    total = 0.0
    for crs, keys in itertools.groupby(sorted(Cover(region, UTM).tiles()), key=lambda key: key.crs):
        zone = zone_of(crs)
        part = from_lonlat(region.geometry.intersection(box(zone.west, zone.south, zone.east, zone.north)), crs)
        shares = shapely.segmentize(shapely.intersection(boxes_of(keys), part), 500)
        to_equal_area = transformer(crs, "EPSG:6933").transform
        total += shapely.area(shapely.transform(shares, to_equal_area, interleaved=False)).sum()
    assert total == pytest.approx(
        region.area_m2, abs=0.1 * region.to_crs("EPSG:6933").length
    )  # 0.1 m along the outline


@settings(max_examples=25, deadline=None)
@given(blobs(), st.floats(-0.2, 0.2), st.floats(-0.2, 0.2))
def test_overlapping_regions_have_the_same_tiles_where_they_overlap(region, east, north):
    shifted = Region.from_geometry(shapely.affinity.translate(region.geometry, east, north))
    common = region.geometry.intersection(shifted.geometry)
    if common.area == 0:
        return
    for grid in (EQUAL_AREA, UTM):
        one, two = (set(Cover(each, grid).tiles()) for each in (region, shifted))
        assert set(Cover(Region.from_geometry(common), grid).tiles()) <= one & two


@settings(max_examples=25, deadline=None)
@given(blobs(), st.sampled_from(["intersects", "centre"]), st.sampled_from([1, 2, 8, 32]))
def test_blocks_partition_the_tiles(region, rule, side):
    for grid in (Grid("EPSG:6933", 50.0, 64), UTM):
        cover = Cover(region, grid, rule)
        blocks = list(cover.blocks(side))
        assert all(block.row % (side * block.size) == block.col % (side * block.size) == 0 for block in blocks)
        parts = [list(cover.tiles(block)) for block in blocks]
        assert all(parts)
        tiles = [key for part in parts for key in part]
        assert len(tiles) == len(set(tiles)) == cover.count()
        assert set(tiles) == set(cover.tiles())


@settings(max_examples=25, deadline=None)
@given(blobs(), st.sampled_from(["intersects", "centre"]))
def test_splitting_the_roots_to_the_end_finds_all_tiles(region, rule):
    for grid in (Grid("EPSG:6933", 50.0, 64), UTM):
        cover = Cover(region, grid, rule)
        waiting, found = cover.roots(), []
        while waiting:
            block = waiting.pop()
            if len(block) == 1:
                found += cover.tiles(block)
            else:
                children = cover.split(block)
                assert all(child.rows * 2 == block.rows for child in children)
                waiting += children
        assert sorted(found) == sorted(cover.tiles())


@settings(max_examples=20, deadline=None)
@given(blobs(), st.sampled_from([1, 4, 16]), st.sampled_from(["intersects", "centre"]))
def test_blocks_within_squares_are_all_blocks(region, side, rule):
    cover = Cover(region, Grid("EPSG:6933", 50.0, 64), rule)
    squares = [quarter for root in cover.roots(side * 2) for quarter in cover.split(root)]
    assert sorted(block for square in squares for block in cover.blocks(side, within=square)) == sorted(
        cover.blocks(side)
    )


# --- edges


def test_touching_is_not_belonging():
    square = TileBlock("EPSG:6933", 10.0, 256, -512, 1024, 3, 5)
    region = Region.from_geometry(box(*square.bounds), "EPSG:6933")
    assert list(Cover(region, EQUAL_AREA).tiles()) == list(square.tiles())
    assert Cover(region, EQUAL_AREA, "centre").count() == 15


@pytest.mark.parametrize("rows_and_cols", [(1e-4, 0.0), (0.0, 1e-4), (1e-4, 1e-4)])
def test_a_ten_thousandth_of_a_pixel_is_belonging(rows_and_cols):
    square = TileBlock("EPSG:6933", 10.0, 256, -512, 1024, 3, 5)
    left, bottom, right, top = square.bounds
    down, aside = (10.0 * pixels for pixels in rows_and_cols)
    region = Region.from_geometry(box(left, bottom - down, right + aside, top), "EPSG:6933")
    assert Cover(region, EQUAL_AREA).count() == (3 + (down > 0)) * (5 + (aside > 0))


def test_touching_is_not_belonging_after_the_way_through_lonlat():
    square = TileBlock("EPSG:6933", 10.0, 256, -512, 1024, 3, 5)
    lonlat = Region.from_geometry(box(*square.bounds), "EPSG:6933").geometry
    assert sorted(Cover(Region.from_geometry(lonlat), EQUAL_AREA).tiles()) == list(square.tiles())


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:32733", "EPSG:3035"])
def test_a_region_drawn_along_tile_edges_keeps_to_them(crs):
    grid = Grid(crs, 10.0, 128)
    square = TileBlock(crs, 10.0, 128, -128 * 3500, 128 * 330, 8, 6)
    region = Region.from_geometry(box(*square.bounds), crs)
    assert sorted(Cover(region, grid).tiles()) == list(square.tiles())


def test_a_region_in_a_zone_keeps_to_its_tiles_in_a_utm_grid_as_well():
    square = TileBlock("EPSG:32633", 10.0, 256, -256 * 2000, 256 * 190, 8, 6)
    region = Region.from_geometry(box(*square.bounds), "EPSG:32633")
    assert sorted(Cover(region, UTM).tiles()) == list(square.tiles())


def test_lonlat_grids_and_bboxes_coincide_exactly():
    region = read_region("14,45,15,46")
    grid = resolve_grid(region, crs="EPSG:4326", resolution=0.01, patch_size=25)
    assert Cover(region, grid).count() == 16
    assert {key.bounds for key in Cover(region, grid).tiles()} >= {(14.0, 45.75, 14.25, 46.0)}


@pytest.mark.parametrize("zone_width", [6, 12])
def test_a_region_of_whole_zones_has_no_tiles_of_their_neighbours(zone_width):
    region = Region.from_geometry(box(12, 40, 12 + zone_width, 41))
    zones = {block.crs for block in Cover(region, UTM).blocks(64)}
    assert zones == {f"EPSG:326{33 + number}" for number in range(zone_width // 6)}


def test_the_equator_separates_hemispheres():
    region = Region.from_geometry(box(14, -1, 15, 1))
    counts = {crs: len(list(keys)) for crs, keys in itertools.groupby(Cover(region, UTM).tiles(), lambda key: key.crs)}
    assert set(counts) == {"EPSG:32633", "EPSG:32733"}
    north = [key for key in Cover(region, UTM).tiles() if key.crs == "EPSG:32633"]
    assert min(key.bounds[1] for key in north) == 0


def test_a_region_smaller_than_a_pixel_has_its_tile():
    for grid in (EQUAL_AREA, UTM):
        region = Region.from_geometry(box(14.123, 45.1, 14.12301, 45.10001))
        assert list(Cover(region, grid).tiles()) == [grid.tile_at(14.123005, 45.100005)]
        assert Cover(region, grid, "centre").count() == 0
        assert list(Cover(region, grid, "centre").blocks(8)) == []


def test_holes_leave_tiles_out():
    whole, hole = box(14, 45, 15, 46), box(14.3, 45.3, 14.7, 45.7)
    donut = Region.from_geometry(whole.difference(hole))
    inner = Region.from_geometry(box(14.35, 45.35, 14.65, 45.65))
    assert not set(Cover(donut, EQUAL_AREA).tiles()) & set(Cover(inner, EQUAL_AREA).tiles())


def test_hundreds_of_parts():
    chance = np.random.default_rng(1)
    islands = [Point(x, y).buffer(0.01) for x, y in chance.uniform([100, -10], [140, 10], (400, 2))]
    region = Region.from_geometry(MultiPolygon(islands))
    cover = Cover(region, EQUAL_AREA)
    assert 400 <= cover.count() <= 400 * 9
    assert sum(len(list(cover.tiles(block))) for block in cover.blocks(4)) == cover.count()


# --- the globe's difficult places


@pytest.mark.parametrize("crs", ["utm", "EPSG:6933", "EPSG:4326", "EPSG:8857"])
def test_the_whole_world_once(crs):
    region = read_region("-180,-90,180,90")
    resolution = 0.01 if crs == "EPSG:4326" else 1000.0
    cover = Cover(region, resolve_grid(region, crs=crs, resolution=resolution, patch_size=64))
    tile = (resolution * 64) ** 2
    area = 360 * 180 if crs == "EPSG:4326" else 5.10066e14
    assert area / tile <= cover.count() <= area / tile * (1.4 if crs == "utm" else 1.05)
    assert sum(1 for _ in cover.tiles()) == cover.count()


def test_across_the_antimeridian_in_a_crs_without_an_edge_there():
    region = read_region("177,-20,-178,-15")
    cover = Cover(region, resolve_grid(region, crs="EPSG:3832", resolution=100, patch_size=64))
    cols = {key.col for key in cover.tiles()}
    assert max(cols) - min(cols) == (len(cols) - 1) * 64  # one piece, no smear around the globe


def test_across_the_antimeridian_in_utm():
    region = read_region("177,-20,-178,-15")
    assert {block.crs for block in Cover(region, UTM).blocks(64)} == {"EPSG:32760", "EPSG:32701"}


@pytest.mark.parametrize(
    ("bbox", "crs", "caps"),
    [("-180,-90,180,-70", "EPSG:3031", "EPSG:32761"), ("-180,70,180,90", "EPSG:3413", "EPSG:32661")],
)
def test_the_poles(bbox, crs, caps):
    region = read_region(bbox)
    grid = resolve_grid(region, resolution=1000, patch_size=64)
    assert grid.crs == crs
    cover = Cover(region, grid)
    pole = grid.tile_at(0, math.copysign(90, region.bbox[1] + region.bbox[3]))
    assert pole in set(cover.tiles())
    assert pole in cover
    zoned = Cover(region, Grid("utm", 1000.0, 64))
    assert {key.crs for key in zoned.tiles()} >= {caps}


def test_the_antimeridian_cut_leaves_no_gap_near_the_pole():
    region = read_region("-180,-90,180,-75")
    grid = Grid("EPSG:3031", 1000.0, 64)
    cover = Cover(region, grid)
    plain = Cover(Region.from_geometry(region.to_crs("EPSG:3031"), "EPSG:3031"), grid)
    assert sorted(cover.tiles()) == sorted(plain.tiles())


def test_a_crs_that_cannot_hold_the_region():
    with pytest.raises(GridError, match="cannot hold the region"):
        Cover(read_region("-180,-90,180,-60"), Grid("EPSG:3413", 10.0, 256)).roots()


# --- as a value, and its behaviour


def test_an_unknown_rule_is_refused():
    with pytest.raises(GridError, match=r"'touches'.*intersects, centre"):
        Cover(read_region("14,45,15,46"), EQUAL_AREA, "touches")


def test_blocks_of_another_grid_are_refused():
    cover = Cover(read_region("14,45,15,46"), EQUAL_AREA)
    for block in (
        TileBlock("EPSG:6933", 20.0, 256, 0, 0, 2, 2),
        TileBlock("EPSG:6933", 10.0, 128, 0, 0, 2, 2),
        TileBlock("EPSG:32633", 10.0, 256, 0, 0, 2, 2),
        TileBlock("EPSG:6933", 10.0, 256, 0, 0, 2, 2, (15.0, 15.0)),
        TileBlock("EPSG:6933", 10.0, 256, 5, 0, 2, 2),
    ):
        for use in (cover.split, cover.mask, lambda other: list(cover.tiles(other))):
            with pytest.raises(GridError, match="not of Grid"):
                use(block)


def test_squares_only_and_powers_of_two_only():
    cover = Cover(read_region("14,45,15,46"), EQUAL_AREA)
    with pytest.raises(GridError, match="not square"):
        cover.split(TileBlock("EPSG:6933", 10.0, 256, 0, 0, 2, 4))
    for side in (0, 3, -8):
        with pytest.raises(GridError, match="power of two"):
            cover.blocks(side)
        with pytest.raises(GridError, match="power of two"):
            cover.roots(side)
    with pytest.raises(GridError, match="too small"):
        cover.blocks(8, within=TileBlock("EPSG:6933", 10.0, 256, 0, 0, 4, 4))


def test_single_tiles_have_no_quarters():
    cover = Cover(read_region("14,45,15,46"), EQUAL_AREA)
    assert cover.split(TileBlock.of(next(cover.tiles()))) == []


def test_blocks_beyond_the_region_are_empty():
    cover = Cover(read_region("14,45,15,46"), UTM)
    far = TileBlock("EPSG:32733", 10.0, 256, 0, 0, 8, 8)
    assert not cover.mask(far).any()
    assert cover.split(far) == []
    assert list(cover.tiles(far)) == []


def test_tiles_of_any_rectangle_are_row_major():
    region = Region.from_geometry(Point(14.5, 45.5).buffer(0.5))
    cover = Cover(region, EQUAL_AREA)
    everything = sorted(cover.tiles())
    first = everything[0]
    block = TileBlock.of(TileKey("EPSG:6933", 10.0, 256, first.row, min(key.col for key in everything)), 37, 41)
    inside = [key for key in everything if key.overlaps(block)]
    assert list(cover.tiles(block)) == inside
    assert cover.mask(block).sum() == len(inside)


def test_membership_of_single_tiles_on_and_off_the_grid():
    region = read_region("14,45,15,46")
    cover, centre = Cover(region, EQUAL_AREA), Cover(region, EQUAL_AREA, "centre")
    members = set(cover.tiles())
    corner = min(members)
    assert corner in cover
    assert corner.shifted(-256, 0) not in cover
    assert corner.shifted(-100, 0) in cover or corner.shifted(-100, 0).overlaps(corner)
    assert EQUAL_AREA.tile_at(14.5, 45.5).shifted(13, 77) in centre
    assert EQUAL_AREA.tile_at(20, 45.5) not in centre
    assert TileKey("EPSG:32633", 10.0, 256, 0, 0) not in cover
    assert TileKey("EPSG:6933", 20.0, 256, corner.row, corner.col) not in cover


def test_order_is_the_same_in_every_run():
    region = Region.from_geometry(Point(12, 0.5).buffer(1))
    one, two = (Cover(pickle.loads(pickle.dumps(region)), UTM) for _ in range(2))
    assert list(one.tiles()) == list(two.tiles())
    assert list(one.blocks(4)) == list(two.blocks(4))
    assert one.roots() == two.roots()


def test_roots_are_few():
    region = Region.from_geometry(Point(20, 10).buffer(8))
    assert len(Cover(region, EQUAL_AREA).roots()) <= 16
    assert all(root.rows >= 64 for root in Cover(region, EQUAL_AREA).roots(64))


def test_a_pickle_holds_the_outline_only_once_and_no_projection():
    region = Region.from_geometry(Point(20, 10).buffer(8, quad_segs=500))
    cover = Cover(region, UTM)
    before = len(pickle.dumps(cover))
    assert cover.count() > 0
    copy = pickle.loads(pickle.dumps(cover))
    assert copy == cover
    assert len(pickle.dumps(copy)) == before < 2001 * 16 + 1000


def test_tiles_come_lazily_with_flat_memory():
    region = read_region("-10,-30,40,30")
    cover = Cover(region, EQUAL_AREA)
    assert cover.count() > 3_000_000
    tracemalloc.start()
    try:
        for _ in itertools.islice(cover.tiles(), 200_000):
            pass
        for _ in itertools.islice(cover.blocks(8), 20_000):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20e6  # 200,000 keys alone would take 30 MB


def test_threads_may_share_a_cover():
    region = Region.from_geometry(Point(20, 10).buffer(2, quad_segs=100))
    cover = Cover(region, EQUAL_AREA)
    expected = [list(cover.tiles(block)) for block in cover.blocks(16)]
    fresh = Cover(
        Region.from_geometry(Point(20, 10).buffer(2, quad_segs=100), source="fresh"), Grid("EPSG:6933", 10, 256)
    )
    barrier = threading.Barrier(4)

    def work(_):
        barrier.wait()
        return [list(fresh.tiles(block)) for block in fresh.blocks(16)]

    with ThreadPoolExecutor(4) as pool:
        assert all(found == expected for found in pool.map(work, range(4)))


def test_tile_centres_project_back_into_the_region():
    region = Region.from_geometry(Point(12, 45).buffer(0.5))
    inverse = {crs: transformer(crs, "EPSG:4326") for crs in ("EPSG:32632", "EPSG:32633")}
    for key in Cover(region, UTM, "centre").tiles():
        left, bottom, right, top = key.bounds
        lon, lat = inverse[key.crs].transform((left + right) / 2, (bottom + top) / 2)
        assert region.geometry.buffer(1e-6).contains(Point(lon, lat))
        assert zone_of(key.crs).west - 1e-6 <= lon <= zone_of(key.crs).east + 1e-6
