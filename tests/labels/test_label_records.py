"""From features to records: classes and their errors, names, parts, and where features lie on the globe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry import GeometryCollection, LineString, MultiPoint, MultiPolygon, Point, Polygon, box

from rsbot_beam.data.feature_records import FeatureRecords
from rsbot_beam.data.label_features import LabelFeatures
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.features import Features
from rsbot_beam.labels.extents import extents_of, lonlat_bboxes
from rsbot_beam.labels.records import class_codes, label_records, single_parts

CROPS = [" wheat", "maize", None, "rice", "maize"]
MakeFeatures = Callable[..., Features]


def collected(*sources: tuple[LabelFeatures, list[Features]]) -> FeatureRecords:
    return FeatureRecords.concatenate(list(label_records(sources)))


def squares(count: int) -> list[Polygon]:
    return [box(x, 50.0, x + 0.01, 50.01) for x in range(count)]


# --- classes ---


def test_one_class_for_all(features_of: MakeFeatures) -> None:
    records = collected((LabelFeatures("f", code=7), [features_of(squares(3))]))
    assert records.codes.tolist() == [7, 7, 7]
    assert records.codes.dtype == np.int32


def test_the_value_is_the_code(features_of: MakeFeatures) -> None:
    spec = LabelFeatures("f", code=None, column="code")
    assert collected((spec, [features_of(squares(3), code=[301.0, "12", 5])])).codes.tolist() == [301, 12, 5]


def test_codes_by_value(features_of: MakeFeatures) -> None:
    spec = LabelFeatures("f", code=None, column="crop", codes={"wheat": 3, "12": 4, "*": 9})
    features = features_of(squares(4), crop=["wheat", 12.0, "oats", None])
    assert collected((spec, [features])).codes.tolist() == [3, 4, 9, 9]


def test_class_0_is_left_out(features_of: MakeFeatures) -> None:
    spec = LabelFeatures("f", code=None, column="fuel", codes={"solar": 1, "*": 0})
    chunks = [features_of(squares(3), fuel=["solar", "wind", "solar"], ids=["a", "b", "c"])]
    records = collected((spec, chunks))
    assert list(records.ids) == ["a", "c"]
    assert records.seq.tolist() == [0, 1]


def test_unknown_classes_are_listed_with_counts_of_all_chunks(features_of: MakeFeatures) -> None:
    spec = LabelFeatures("fields.gpkg", code=None, column="crop", codes={"maize": 1})
    chunks = [features_of(squares(5), crop=CROPS), features_of(squares(1), crop=["rice"])]
    with pytest.raises(InputError) as caught:
        collected((spec, chunks))
    assert str(caught.value) == (
        "fields.gpkg: column 'crop' has classes without a code: 'rice' (2 features), ' wheat' (1 features), '' (1 features). "
        "Known are 'maize': add them to `codes`, or '*' for all others, with code 0 to leave them out"
    )


def test_many_unknown_classes_are_cut_short(features_of: MakeFeatures) -> None:
    spec = LabelFeatures("f", code=None, column="crop", codes={"maize": 1})
    with pytest.raises(InputError, match=r"'c7' \(1 features\) and 12 more\. Known"):
        collected((spec, [features_of(squares(20), crop=[f"c{n}" for n in range(20)])]))


@pytest.mark.parametrize("value", ["-1", "1.5", "wheat", "99999999999", "²"])
def test_values_that_are_no_codes(features_of: MakeFeatures, value: str) -> None:
    spec = LabelFeatures("f", code=None, column="code")
    with pytest.raises(InputError, match="Known are whole numbers"):
        collected((spec, [features_of(squares(1), code=[value])]))


def test_a_column_that_is_not_there(features_of: MakeFeatures) -> None:
    spec = LabelFeatures("f", code=None, column="Crop")
    with pytest.raises(InputError, match="no column 'Crop': did you mean 'crop'"):
        class_codes(spec, features_of(squares(1), crop=["1"]), Counter())


def test_everything_left_out(features_of: MakeFeatures) -> None:
    spec = LabelFeatures("f", code=None, column="fuel", codes={"*": 0})
    with pytest.raises(InputError, match="`codes` leaves out all of 2 features"):
        collected((spec, [features_of(squares(2), fuel=["a", "b"])]))


# --- names, parts and order ---


def test_each_point_of_a_feature_is_an_object(features_of: MakeFeatures) -> None:
    features = features_of([MultiPoint([(1, 2), (3, 4)]), Point(5, 6), MultiPoint([(7, 8)])], ids=["a", "b", "c"])
    records = collected((LabelFeatures("f"), [features]))
    assert list(records.ids) == ["a.0", "a.1", "b", "c"]
    assert records.points.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]


def test_polygons_with_several_parts_are_one_object(features_of: MakeFeatures) -> None:
    both = MultiPolygon(squares(2))
    records = collected((LabelFeatures("f"), [features_of([both])]))
    assert list(records.ids) == ["0"]
    assert records.geometries()[0].equals(both)


def test_collections_count_as_their_polygons_or_points(features_of: MakeFeatures) -> None:
    line = LineString([(0, 0), (1, 1)])
    nested = GeometryCollection([GeometryCollection([squares(1)[0], line]), Point(0, 0)])
    points = GeometryCollection([MultiPoint([(1, 2), (3, 4)]), line, GeometryCollection([Point(5, 6)])])
    features, dropped = single_parts(features_of([nested, points, line], ids=["a", "b", "c"]))
    assert dropped == 1
    assert features.geometries[0].equals(squares(1)[0])
    assert sorted(features.ids) == ["a", "b.0", "b.1", "b.2"]
    assert sorted(point.coords[0] for point in features.geometries[1:]) == [(1, 2), (3, 4), (5, 6)]


def test_lines_are_left_out_with_a_warning(features_of: MakeFeatures) -> None:
    line = LineString([(0, 0), (1, 1)])
    with pytest.warns(UserWarning, match="left out 1 of 2 features, lines"):
        assert len(collected((LabelFeatures("f"), [features_of([line, Point(1, 1)])]))) == 1
    with pytest.raises(InputError, match="has only lines, which have no area: buffer them"):
        collected((LabelFeatures("f"), [features_of([line, line])]))


def test_sources_are_painted_one_after_the_other_and_names_stay_apart(features_of: MakeFeatures) -> None:
    solar, wind = LabelFeatures("s", code=1), LabelFeatures("w", code=2, size=100)
    records = collected(
        (solar, [features_of(squares(2)), features_of(squares(1))]), (wind, [features_of([Point(1, 1)])])
    )
    assert records.seq.tolist() == [0, 1, 2, 3]
    assert list(records.ids) == ["0/0", "0/1", "0/0", "1/0"]
    assert records.codes.tolist() == [1, 1, 1, 2]
    assert records.sizes.tolist() == [0, 0, 0, 100]


def test_a_source_without_features_has_no_records() -> None:
    assert len(collected((LabelFeatures("f"), []))) == 0


# --- where they lie ---


def test_the_bbox_of_a_point_holds_its_square_wherever_it_is_turned() -> None:
    for lat in (0.0, 60.0, -85.0):
        features = Features("f", "EPSG:4326", np.array([Point(10, lat)]), ["0"])
        west, south, east, north = extents_of(features, 200.0).bboxes[0]
        lon, corner, _ = Geod(ellps="WGS84").fwd([10] * 4, [lat] * 4, [0, 90, 180, 270], [100 * 2**0.5] * 4)
        assert west <= min(lon) and max(lon) <= east, lat
        assert south <= min(corner) and max(corner) <= north, lat
        assert north - south < 1.02 * (max(corner) - min(corner))


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        (box(179, -18, 181, -17), (179, -18, 181, -17)),
        (Polygon([(179, -18), (-179, -18), (-179, -17), (179, -17)]), (179, -18, 181, -17)),
        (MultiPolygon([box(179, -18, 180, -17), box(-180, -18, -179, -17)]), (179, -18, 181, -17)),
        (box(-181, -18, -179, -17), (179, -18, 181, -17)),
        (box(200, 10, 201, 11), (-160, 10, -159, 11)),
        (box(-180, 10, -179, 11), (-180, 10, -179, 11)),
        (box(179, 10, 180, 11), (179, 10, 180, 11)),
    ],
)
def test_features_across_the_antimeridian(geometry: Polygon, expected: tuple[float, ...]) -> None:
    features = Features("f", "EPSG:4326", np.array([geometry]), ["0"])
    found = extents_of(features)
    np.testing.assert_allclose(found.bboxes[0], expected, atol=1e-9)
    left, _, right, _ = found.geometries[0].bounds
    assert left >= -180 and right <= 180
    assert found.geometries[0].area == pytest.approx((expected[2] - expected[0]) * (expected[3] - expected[1]))
    lon, lat = found.points[0]
    assert expected[1] < lat < expected[3]
    assert (lon - expected[0]) % 360 < expected[2] - expected[0]


def test_a_projected_feature_across_the_antimeridian_is_cut() -> None:
    around_180 = Features("f", "EPSG:3832", np.array([box(3.2e6, 1e6, 3.5e6, 1.2e6)]), ["0"])  # centred on 150 E
    found = extents_of(around_180)
    assert found.bboxes[0, 0] < 180 < found.bboxes[0, 2]
    assert found.crs == ["EPSG:4326"]
    assert shapely.get_num_geometries(found.geometries[0]) == 2


def test_a_feature_over_the_pole_reaches_it() -> None:
    found = extents_of(Features("f", "EPSG:3031", np.array([box(-1e5, -1e5, 1e5, 1e5)]), ["0"]))
    west, south, east, north = found.bboxes[0]
    assert (west, south) == (-180, -90)
    assert east - west == 360
    assert -90 < north < -88


def test_points_on_another_turn_of_the_globe() -> None:
    found = extents_of(Features("f", "EPSG:4326", np.array([Point(190, 5), Point(-190, 5)]), ["0", "1"]))
    assert [point.x for point in found.geometries] == [-170, 170]
    np.testing.assert_allclose(found.points, [[-170, 5], [170, 5]])


def test_a_crs_that_cannot_be_the_source_s() -> None:
    features = Features("f.shp", "EPSG:3035", np.array([Point(1e12, 1e12)]), ["17"])
    with pytest.raises(InputError, match=r"f\.shp: feature '17' at x=1e\+12, y=1e\+12 has no longitude and latitude"):
        extents_of(features)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-180, 180), st.floats(0, 40)), min_size=1, max_size=10),
    st.integers(0, 40),
)
def test_bboxes_are_narrow_and_hold_their_coordinates(spans: list[tuple[float, float]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    lon = np.concatenate([start + width * rng.random(5) for start, width in spans])
    lon = (lon + 180) % 360 - 180
    lat = rng.uniform(-80, 80, len(lon))
    starts = np.arange(0, len(lon), 5)
    for n, (west, south, east, north) in enumerate(lonlat_bboxes(lon, lat, starts)):
        own = slice(5 * n, 5 * n + 5)
        assert -180 <= west < 180
        assert east - west <= spans[n][1] + 1e-9
        assert (((lon[own] - west + 1e-9) % 360) <= east - west + 2e-9).all()
        assert south == lat[own].min() and north == lat[own].max()
