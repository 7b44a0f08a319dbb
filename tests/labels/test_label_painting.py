"""Masks and boxes of tiles: equal to rasterio, to geometry, and to each other over tile edges."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from rasterio.features import rasterize
from shapely.affinity import rotate, translate
from shapely.geometry import MultiPolygon, Point, Polygon, box

from rsbot_beam.data.feature_index import FeatureIndex
from rsbot_beam.data.feature_records import FeatureRecords
from rsbot_beam.data.label_features import LabelFeatures
from rsbot_beam.errors import GridError, InputError
from rsbot_beam.geometry.features import Features
from rsbot_beam.geometry.tile import TileKey
from rsbot_beam.labels.labeller import Labeller
from rsbot_beam.labels.painting import label_patch
from rsbot_beam.labels.placing import place_features, tile_bboxes
from rsbot_beam.labels.records import label_records

RecordsOf = Callable[..., FeatureRecords]
TileAt = Callable[..., TileKey]
GEOD = Geod(ellps="WGS84")
KEY = TileKey("EPSG:32633", 10.0, 32, -160_000, 16_000)
LEFT, TOP = KEY.bounds[0], KEY.bounds[3]


def seen_by(key: TileKey) -> np.ndarray:
    return np.ones(key.shape, bool)


def in_tile(x0: float, y0: float, x1: float, y1: float, key: TileKey = KEY) -> Polygon:
    """A rectangle from pixel (column, row) to pixel (column, row)."""
    left, _, _, top = key.bounds
    r = key.resolution
    return box(left + x0 * r, top - y1 * r, left + x1 * r, top - y0 * r)


def painted(key: TileKey, geometries: Sequence[shapely.Geometry], codes: Sequence[int], crs: str) -> np.ndarray:
    """What rasterio paints of geometries brought to the tile's CRS vertex by vertex."""
    change = Transformer.from_crs(crs, key.crs, always_xy=True)
    moved = shapely.transform(
        np.array(geometries, object), lambda xy: np.column_stack(change.transform(xy[:, 0], xy[:, 1]))
    )
    return rasterize(list(zip(moved, codes, strict=True)), out_shape=key.shape, transform=key.transform, dtype="uint8")


def made_records(geometries: Sequence[shapely.Geometry], crs: str) -> FeatureRecords:
    """Records without the fixture, which hypothesis would share between examples."""
    array = np.array([*geometries, None], object)[:-1]
    features = Features("made", crs, array, [str(n) for n in range(len(array))])
    return FeatureRecords.concatenate(list(label_records([(LabelFeatures("made"), [features])])))


# --- masks ---

PLACES = [
    ("EPSG:32633", 15.0, 48.0, 10.0),
    ("EPSG:32733", 15.0, -23.0, 10.0),
    ("EPSG:5070", -96.0, 41.0, 30.0),
    ("EPSG:3035", 12.0, 52.0, 10.0),
    ("EPSG:4326", 25.0, 60.0, 0.0001),
    ("EPSG:3857", 25.0, 60.0, 20.0),
    ("EPSG:6933", 25.0, -10.0, 10.0),
]


@pytest.mark.parametrize("source", ["EPSG:4326", "EPSG:3857", "own"])
@pytest.mark.parametrize(("crs", "lon", "lat", "resolution"), PLACES)
def test_masks_equal_rasterio_s(
    records_of: RecordsOf, tile_at: TileAt, crs: str, lon: float, lat: float, resolution: float, source: str
) -> None:
    key = tile_at(crs, lon, lat, resolution)
    source = crs if source == "own" else source
    rng = np.random.default_rng(0)
    left, bottom, right, top = key.bounds
    centres = rng.uniform([left, bottom], [right, top], (40, 2))
    shapes = [rotate(box(0, 0, *rng.uniform(0.2, 15, 2) * key.resolution), rng.uniform(0, 90)) for _ in centres]
    own = np.array([translate(s, *c) for s, c in zip(shapes, centres, strict=True)], object)
    back = Transformer.from_crs(crs, source, always_xy=True)
    geometries = shapely.transform(own, lambda xy: np.column_stack(back.transform(xy[:, 0], xy[:, 1])))
    codes = [1 + n % 5 for n in range(40)]
    mask, objects = label_patch(key, seen_by(key), records_of(geometries, source, codes=codes))
    np.testing.assert_array_equal(mask, painted(key, geometries, codes, source))
    assert mask.dtype == np.uint8 and mask.any()
    assert len(objects) >= 38


def test_later_features_cover_earlier_ones(records_of: RecordsOf) -> None:
    both = records_of([in_tile(2, 2, 10, 10), in_tile(5, 5, 12, 12)], KEY.crs, codes=[1, 2])
    mask, objects = label_patch(KEY, seen_by(KEY), both)
    assert (mask[5:12, 5:12] == 2).all() and (mask == 1).sum() == 64 - 25
    mask, _ = label_patch(KEY, seen_by(KEY), both.take(np.array([1, 0])))
    assert (mask == 1).sum() == 64
    assert objects.classes.tolist() == [1, 2]


def test_holes_and_parts(records_of: RecordsOf) -> None:
    ring = shapely.difference(in_tile(2, 2, 12, 12), in_tile(4, 4, 10, 10))
    two = MultiPolygon([ring, in_tile(20, 22, 23, 25)])
    mask, objects = label_patch(KEY, seen_by(KEY), records_of([two], KEY.crs))
    assert mask.sum() == 100 - 36 + 9 and mask[6, 6] == 0
    assert objects.boxes.tolist() == [[2, 2, 25, 23]]


def test_codes_beyond_the_type(records_of: RecordsOf) -> None:
    records = records_of([in_tile(2, 2, 4, 4)], KEY.crs, code=301)
    mask, _ = label_patch(KEY, seen_by(KEY), records, "uint16")
    assert mask.dtype == np.uint16 and mask.max() == 301
    with pytest.raises(InputError, match=r"codes \[301\] do not fit the label's type uint8, which ends at 255"):
        label_patch(KEY, seen_by(KEY), records)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
def test_every_type_of_a_label_band(records_of: RecordsOf, dtype: str) -> None:
    records = records_of([in_tile(2, 2, 4, 4), Point(LEFT + 105, TOP - 105)], KEY.crs, codes=[7, 9])
    mask, _ = label_patch(KEY, seen_by(KEY), records, dtype)
    assert mask.dtype == dtype and (mask == 7).sum() == 4 and mask[10, 10] == 9


def test_a_label_band_of_fractions(records_of: RecordsOf) -> None:
    with pytest.raises(InputError, match="type float32 cannot hold class codes: declare uint8 or uint16"):
        label_patch(KEY, seen_by(KEY), records_of([in_tile(2, 2, 4, 4)], KEY.crs), "float32")


def test_validity_of_another_shape(records_of: RecordsOf) -> None:
    with pytest.raises(InputError, match=r"shape \(3, 3\) does not fit the \(32, 32\) pixels"):
        label_patch(KEY, np.ones((3, 3), bool), records_of([Point(1, 1)]))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_tiles_side_by_side_paint_what_one_large_tile_paints(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners, sides = rng.uniform(-5, 64, (20, 2)), rng.uniform(0.3, 20, (20, 2))
    shapes = [in_tile(x, y, x + w, y + h) for (x, y), (w, h) in zip(corners, sides, strict=True)]
    records = made_records([rotate(shape, rng.uniform(0, 90)) for shape in shapes], KEY.crs)
    large = TileKey(KEY.crs, KEY.resolution, 64, KEY.row, KEY.col)
    whole, all_objects = label_patch(large, seen_by(large), records)
    found: dict[str, list[np.ndarray]] = {}
    for row in (0, 32):
        for col in (0, 32):
            key = KEY.shifted(row, col)
            mask, objects = label_patch(key, seen_by(key), records)
            np.testing.assert_array_equal(mask, whole[row : row + 32, col : col + 32])
            for name, part in zip(objects.ids, objects.boxes, strict=True):
                found.setdefault(name, []).append(part + np.array([row, col, row, col]))
    assert set(found) >= set(all_objects.ids)
    for name, expected in zip(all_objects.ids, all_objects.boxes, strict=True):
        parts = np.array(found[name])
        joined = [*parts[:, :2].min(axis=0), *parts[:, 2:].max(axis=0)]
        np.testing.assert_allclose(joined, expected, atol=1e-3)


# --- boxes ---


def test_boxes_are_at_the_edges_of_the_feature_not_of_pixels(records_of: RecordsOf) -> None:
    _, objects = label_patch(KEY, seen_by(KEY), records_of([in_tile(2.25, 3.5, 7.75, 4.125)], KEY.crs))
    np.testing.assert_allclose(objects.boxes, [[3.5, 2.25, 4.125, 7.75]], atol=1e-6)
    assert not objects.truncated.any()


def test_features_on_the_edge(records_of: RecordsOf) -> None:
    cases = {
        "crosses": (in_tile(30, 3, 35, 6), [3, 30, 6, 32], True),
        "flush": (in_tile(28, 10, 32, 12), [10, 28, 12, 32], False),
        "fills": (in_tile(-5, -5, 40, 40), [0, 0, 32, 32], True),
        "top left": (in_tile(-1, -1, 0.5, 0.25), [0, 0, 0.25, 0.5], True),
    }
    outside = [in_tile(32, 3, 36, 6), in_tile(3, -4, 6, 0), in_tile(32, 32, 35, 35), in_tile(50, 50, 60, 60)]
    geometries = [*(geometry for geometry, _, _ in cases.values()), *outside]
    _, objects = label_patch(KEY, seen_by(KEY), records_of(geometries, KEY.crs))
    assert objects.ids == ("0", "1", "2", "3")
    np.testing.assert_allclose(objects.boxes, [expected for _, expected, _ in cases.values()], atol=1e-5)
    assert objects.truncated.tolist() == [cut for _, _, cut in cases.values()]


def test_the_box_is_of_the_part_inside(records_of: RecordsOf) -> None:
    slanted = Polygon([(LEFT + x * 10, TOP - y * 10) for x, y in ((20, 0), (40, 20), (40, 28), (20, 8))])
    _, objects = label_patch(KEY, seen_by(KEY), records_of([slanted], KEY.crs))
    np.testing.assert_allclose(objects.boxes, [[0, 20, 20, 32]], atol=1e-4)


def test_a_bounding_box_in_the_tile_is_not_enough(records_of: RecordsOf) -> None:
    corner = Polygon([(LEFT + x * 10, TOP - y * 10) for x, y in ((-40, 30), (-40, 60), (30, 60), (2, 36))])
    assert shapely.bounds(corner)[2] > LEFT
    _, objects = label_patch(KEY, seen_by(KEY), records_of([corner], KEY.crs))
    assert len(objects) == 0


def test_a_feature_smaller_than_a_pixel_still_has_a_box(records_of: RecordsOf) -> None:
    mask, objects = label_patch(KEY, seen_by(KEY), records_of([in_tile(5.1, 5.1, 5.3, 5.2)], KEY.crs))
    assert not mask.any()
    np.testing.assert_allclose(objects.boxes, [[5.1, 5.1, 5.2, 5.3]], atol=1e-6)


def test_both_tiles_flag_a_feature_over_their_edge(records_of: RecordsOf) -> None:
    records = records_of([in_tile(30, 3, 35, 6)], KEY.crs)
    for key, width in ((KEY, 2), (KEY.shifted(0, 32), 3)):
        mask, objects = label_patch(key, seen_by(key), records)
        assert objects.truncated.tolist() == [True] and objects.ids == ("0",)
        assert objects.boxes[0, 3] - objects.boxes[0, 1] == pytest.approx(width, abs=1e-4)
        assert mask.sum() == 3 * width


# --- what a tile sees ---


def test_a_feature_without_a_valid_pixel_is_no_object(records_of: RecordsOf) -> None:
    valid = seen_by(KEY)
    valid[:, 16:] = False
    ring = shapely.difference(in_tile(10, 2, 30, 12), in_tile(11, 3, 29, 11))
    cases = [
        in_tile(2, 2, 5, 5),  # valid
        in_tile(20, 20, 25, 25),  # not valid
        in_tile(15, 20, 20, 25),  # one column valid
        in_tile(15.6, 26, 20, 28),  # covers less than half of the valid column: paints none of it
        in_tile(15.1, 30.1, 15.3, 30.2),  # paints nothing, but lies in a valid pixel
        in_tile(16.1, 30.1, 16.3, 30.2),
        shapely.difference(in_tile(14, 14, 20, 20), in_tile(14.4, 14, 16, 20)),  # valid only in the hole
        ring,
    ]
    mask, objects = label_patch(KEY, valid, records_of(cases, KEY.crs))
    assert objects.ids == ("0", "2", "4", "7")
    assert mask[22, 22] == 1, "the mask is painted whatever is valid"


def test_nothing_is_seen_of_nothing(records_of: RecordsOf) -> None:
    _, objects = label_patch(KEY, ~seen_by(KEY), records_of([in_tile(2, 2, 5, 5)], KEY.crs))
    assert len(objects) == 0


def test_a_covered_feature_is_still_an_object(records_of: RecordsOf) -> None:
    _, objects = label_patch(KEY, seen_by(KEY), records_of([in_tile(4, 4, 6, 6), in_tile(2, 2, 9, 9)], KEY.crs))
    assert len(objects) == 2


# --- points ---


def test_a_point_without_a_size_is_the_pixel_that_owns_it(records_of: RecordsOf) -> None:
    places = [(3.5, 4.5), (0.0, 0.0), (7.0, 9.0), (31.999, 31.999), (32.0, 5.0), (5.0, 32.0), (-0.001, 5.0)]
    records = records_of([Point(LEFT + x * 10, TOP - y * 10) for x, y in places], KEY.crs)
    mask, objects = label_patch(KEY, seen_by(KEY), records)
    assert sorted(zip(*np.nonzero(mask), strict=True)) == [(0, 0), (4, 3), (9, 7), (31, 31)]
    assert objects.boxes.tolist() == [[4, 3, 5, 4], [0, 0, 1, 1], [9, 7, 10, 8], [31, 31, 32, 32]]
    assert not objects.truncated.any()


@settings(max_examples=50, deadline=None)
@given(st.integers(-200, 200), st.integers(-200, 200), st.sampled_from([10.0, 0.1, 1 / 3, 0.0001]))
def test_one_tile_owns_a_point_on_an_edge(row: int, col: int, resolution: float) -> None:
    key = TileKey("EPSG:4326" if resolution < 0.001 else "EPSG:32633", resolution, 8, 8 * row, 8 * col)
    left, _, _, top = key.bounds
    owners = 0
    for rows in (-8, 0):
        for cols in (-8, 0):
            tile = key.shifted(rows, cols)
            mask, objects = label_patch(tile, seen_by(tile), made_records([Point(left, top)], key.crs))
            owners += int(mask.sum())
            assert mask.sum() == len(objects)
    assert owners == 1


@pytest.mark.parametrize(
    ("crs", "lon", "lat", "resolution"),
    [
        ("EPSG:32733", 17.5, -33.0, 10.0),
        ("EPSG:5070", -121.0, 47.0, 10.0),
        ("EPSG:4326", 25.0, 60.0, 0.0001),
        ("EPSG:3857", 25.0, 60.0, 20.0),
        ("EPSG:6933", 25.0, 52.0, 10.0),
        ("EPSG:3031", 70.0, -72.0, 10.0),
    ],
)
@pytest.mark.parametrize("size", [100.0, 150.0])
def test_squares_are_metres_on_the_ground(
    records_of: RecordsOf, tile_at: TileAt, crs: str, lon: float, lat: float, resolution: float, size: float
) -> None:
    key = tile_at(crs, lon, lat, resolution)
    middle = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(
        (key.bounds[0] + key.bounds[2]) / 2, (key.bounds[1] + key.bounds[3]) / 2
    )
    mask, objects = label_patch(key, seen_by(key), records_of([Point(middle)], size=size))
    top, left, bottom, right = objects.boxes[0].astype(float)
    back = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)

    def ground(x0: float, y0: float, x1: float, y1: float) -> float:
        ends = [key.transform * (x, y) for x, y in ((x0, y0), (x1, y1))]
        degrees = [back.transform(*end) for end in ends]
        return GEOD.inv(*degrees[0], *degrees[1])[2]

    pixel = ground(32, 32, 33, 32), ground(32, 32, 32, 33)
    half_rows, half_cols = (top + bottom) / 2, (left + right) / 2
    assert abs(ground(left, half_rows, right, half_rows) - size) < pixel[0] / 20
    assert abs(ground(half_cols, top, half_cols, bottom) - size) < pixel[1] / 20
    assert (half_cols, half_rows) == (pytest.approx(32, abs=0.01), pytest.approx(32, abs=0.01))
    assert mask.sum() == pytest.approx(size**2 / pixel[0] / pixel[1], rel=0.35)


def test_squares_over_the_edge_are_cut(records_of: RecordsOf) -> None:
    x, y = KEY.transform * (31.5, 10.0)
    _, objects = label_patch(KEY, seen_by(KEY), records_of([Point(x, y)], KEY.crs, size=40.0))
    np.testing.assert_allclose(objects.boxes, [[8, 29.5, 12, 32]], atol=0.01)
    assert objects.truncated.tolist() == [True]
    x, y = KEY.transform * (33.0, 10.0)
    _, objects = label_patch(KEY, seen_by(KEY), records_of([Point(x, y)], KEY.crs, size=40.0))
    assert objects.truncated.tolist() == [True], "the tile sees a part of a square whose centre lies outside"


# --- far and wide ---


@pytest.mark.parametrize("crs", ["EPSG:32701", "EPSG:32760", "EPSG:4326", "EPSG:3857", "EPSG:3832"])
@pytest.mark.parametrize("lon", [179.99, -179.99])
def test_a_field_across_the_antimeridian(
    tmp_path: Path, records_of: RecordsOf, tile_at: TileAt, crs: str, lon: float
) -> None:
    jumping = Polygon([(179.98, -17.0), (-179.98, -17.0), (-179.98, -16.98), (179.98, -16.98)])
    index = FeatureIndex.build(str(tmp_path), [records_of([jumping, box(0, -17, 1, -16.98)])])
    key = tile_at(crs, lon, -16.99, 0.0002 if crs == "EPSG:4326" else 20.0, 32)
    mask, objects = Labeller(index).label(key, seen_by(key))
    left, _, _, top = key.bounds
    centres = (np.arange(32) + 0.5) * key.resolution
    x, y = np.meshgrid(left + centres, top - centres)
    at = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    expected = (np.abs((at[0] - 180 + 180) % 360 - 180) < 0.02) & (np.abs(at[1] + 16.99) < 0.01)
    assert (mask != expected).mean() < 0.005
    assert mask.any() and objects.ids == ("0",)


def test_a_turbine_on_the_antimeridian(tmp_path: Path, records_of: RecordsOf, tile_at: TileAt) -> None:
    index = FeatureIndex.build(str(tmp_path), [records_of([Point(179.9999, -17)], size=100)])
    widths = []
    for lon in (179.999, -179.999):
        key = tile_at("EPSG:4326", lon, -17.0, 0.00005, 64)
        key = TileKey(key.crs, key.resolution, 64, key.row, 3_600_000 - 64 if lon > 0 else -3_600_000)
        _, objects = Labeller(index).label(key, seen_by(key))
        assert objects.truncated.tolist() == [True]
        widths.append(objects.boxes[0, 3] - objects.boxes[0, 1])
    width = GEOD.inv(179.99, -17, 179.99 + 0.00005, -17)[2]
    assert sum(widths) * width == pytest.approx(100, rel=0.01)


def test_a_country_is_cut_around_the_tile(records_of: RecordsOf, tile_at: TileAt) -> None:
    world = box(-180, -90, 180, 90)
    north = shapely.segmentize(box(-179, 50, 179, 89), 90)  # edges beyond 180 degrees would go the short way
    for crs in ("EPSG:32633", "EPSG:3035", "EPSG:3857"):
        key = tile_at(crs, 15.0, 50.0, 100.0)
        mask, objects = label_patch(key, seen_by(key), records_of([world, north], codes=[1, 2]))
        left, _, _, top = key.bounds
        centres = (np.arange(64) + 0.5) * key.resolution
        x, y = np.meshgrid(left + centres, top - centres)
        lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)[1]
        unclear = np.abs(lat - 50) < 1e-5
        np.testing.assert_array_equal(mask[~unclear], np.where(lat > 50, 2, 1)[~unclear])
        assert objects.truncated.all() and len(objects) == 2


@pytest.mark.parametrize("pole", [1, -1])
def test_a_tile_over_the_pole(tmp_path: Path, records_of: RecordsOf, pole: int) -> None:
    crs = "EPSG:3413" if pole > 0 else "EPSG:3031"
    circle = Point(0, 0).buffer(1000)
    index = FeatureIndex.build(str(tmp_path), [records_of([circle], crs)])
    key = TileKey(crs, 100.0, 64, -32, -32)
    mask, objects = Labeller(index).label(key, seen_by(key))
    assert mask.sum() == pytest.approx(np.pi * 100, rel=0.02)
    np.testing.assert_allclose(objects.boxes, [[22, 22, 42, 42]], atol=0.01)


def test_a_tile_off_its_crs() -> None:
    with pytest.raises(GridError, match="has no longitude and latitude: choose another CRS"):
        tile_bboxes(TileKey("EPSG:3035", 10.0, 64, 10**13, 10**13))


def test_a_feature_off_the_tile_s_crs(records_of: RecordsOf) -> None:
    key = TileKey("EPSG:3035", 10.0, 64, 0, 0)
    opposite = r"EPSG:3035 has no coordinates for feature '0' at \[-170\.0, -52\.0\] in EPSG:4326, which meets the tile"
    with pytest.raises(GridError, match=opposite):
        place_features(records_of([Point(-170, -52)]), key)


@pytest.mark.parametrize(("crs", "lon", "lat", "resolution"), PLACES)
def test_bboxes_hold_their_tiles(tile_at: TileAt, crs: str, lon: float, lat: float, resolution: float) -> None:
    key = tile_at(crs, lon, lat, resolution * 20)
    ((west, south, east, north),) = tile_bboxes(key)
    left, bottom, right, top = key.bounds
    ring = shapely.segmentize(box(left, bottom, right, top).exterior, (right - left) / 200)
    x, y = shapely.get_coordinates(ring).T
    found = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    assert west <= found[0].min() and found[0].max() <= east
    assert south <= found[1].min() and found[1].max() <= north
    assert (east - west) < 1.2 * np.ptp(found[0]) and (north - south) < 1.2 * np.ptp(found[1])


# --- on a worker ---


def test_labeller_travels_and_finds_what_is_near(tmp_path: Path, records_of: RecordsOf) -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 300, (400, 2))
    records = records_of([in_tile(x, y, x + 3, y + 3) for x, y in corners], KEY.crs)
    labeller = pickle.loads(pickle.dumps(Labeller(FeatureIndex.build(str(tmp_path), [records]), "uint16")))
    total = 0
    for row in range(0, 320, 32):
        key = KEY.shifted(row, 64)
        mask, objects = labeller.label(key, seen_by(key))
        expected, all_objects = label_patch(key, seen_by(key), records, "uint16")
        np.testing.assert_array_equal(mask, expected)
        assert objects.ids == all_objects.ids
        total += len(objects)
    assert total > 40


def test_a_place_without_features(tmp_path: Path, records_of: RecordsOf) -> None:
    labeller = Labeller(FeatureIndex.build(str(tmp_path), [records_of([Point(-100, 40)])]))
    mask, objects = labeller.label(KEY, seen_by(KEY))
    assert not mask.any() and len(objects) == 0
