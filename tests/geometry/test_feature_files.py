"""Vector files as features: every format and CRS, chunks, and broken files with what is said about each."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio.raw
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from shapely.geometry import MultiPoint, Point, Polygon, box, mapping

from rsbot_beam.errors import InputError, RegionError
from rsbot_beam.geometry import feature_files
from rsbot_beam.geometry.feature_files import is_vector_file, read_features
from rsbot_beam.geometry.features import Features, value_text

SQUARES = [box(x, 5.0, x + 0.5, 6.0) for x in range(5)]
NAMES = ["wheat", "maize", "wheat", "rice", None]
CODES = [1, 2, 1, 301, 7]


def write_ogr(path: Path, driver: str, geometries: Sequence[Any] = SQUARES, crs: str | None = "EPSG:4326") -> Path:
    names = np.array([*NAMES, *["more"] * len(geometries)][: len(geometries)], object)
    codes = np.array([*CODES, *[0] * len(geometries)][: len(geometries)], np.int32)
    kind = "Point" if geometries and isinstance(geometries[0], Point) else "Polygon"
    layer = None if driver in ("ESRI Shapefile", "FlatGeobuf") else "fields"
    wkb = np.array([None if g is None else shapely.to_wkb(g) for g in geometries], object)
    pyogrio.raw.write(
        path, wkb, [names, codes], ["crop", "code"], layer=layer, driver=driver, geometry_type=kind, crs=crs
    )
    return path


def write_geojson(path: Path, geometries: Sequence[Any] = SQUARES, crs: str | None = None, **more: Any) -> Path:
    features = [
        {"type": "Feature", "geometry": None if g is None else mapping(g), "properties": {"crop": n, "code": c}}
        for g, n, c in zip(geometries, NAMES * len(geometries), CODES * len(geometries), strict=False)
    ]
    content: dict[str, Any] = {"type": "FeatureCollection", "features": features, **more}
    if crs:
        content["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(content))
    return path


def write_parquet(path: Path, crs: Any = "absent", encoding: str = "WKB") -> Path:
    column: dict[str, Any] = {"encoding": encoding, "geometry_types": ["Polygon"]}
    if crs != "absent":
        column["crs"] = crs
    geo = {"version": "1.1.0", "primary_column": "where", "columns": {"where": column}}
    table = pa.table({"crop": NAMES, "code": CODES, "where": [shapely.to_wkb(g) for g in SQUARES]})
    pq.write_table(table.replace_schema_metadata({b"geo": json.dumps(geo).encode()}), path)
    return path


def joined(chunks: Any) -> Features:
    parts = list(chunks)
    geometries = np.concatenate([part.geometries for part in parts])
    values = {name: [v for part in parts for v in part.values[name]] for name in parts[0].values}
    return Features(parts[0].source, parts[0].crs, geometries, [i for part in parts for i in part.ids], values)


FORMATS = {
    "gpkg": lambda folder: write_ogr(folder / "f.gpkg", "GPKG"),
    "shp": lambda folder: write_ogr(folder / "f.shp", "ESRI Shapefile"),
    "fgb": lambda folder: write_ogr(folder / "f.fgb", "FlatGeobuf"),
    "geojson": lambda folder: write_geojson(folder / "f.geojson"),
    "parquet": lambda folder: write_parquet(folder / "f.parquet"),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_has_the_same_features(kind: str, tmp_path: Path) -> None:
    features = joined(read_features(FORMATS[kind](tmp_path)))
    order = np.argsort(shapely.bounds(features.geometries)[:, 0])  # FlatGeobuf orders them by place
    assert CRS(features.crs) == CRS("EPSG:4326")
    assert [features.values["crop"][i] for i in order] == NAMES
    assert [features.values["code"][i] for i in order] == CODES
    assert all(shapely.equals(a, b) for a, b in zip(features.geometries[order], SQUARES, strict=True))
    assert len(set(features.ids)) == 5


@pytest.mark.parametrize("kind", FORMATS)
def test_chosen_columns_and_names(kind: str, tmp_path: Path) -> None:
    features = joined(read_features(FORMATS[kind](tmp_path), columns=["crop"], id_column="code"))
    assert set(features.values) == {"crop", "code"}
    assert sorted(features.ids) == sorted(["1", "2", "1", "301", "7"])


@pytest.mark.parametrize("kind", FORMATS)
def test_a_column_that_is_not_there(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"f\.\w+ has no column 'corp': did you mean 'crop'\? It has 'crop', 'code'"):
        list(read_features(FORMATS[kind](tmp_path), columns=["corp"]))


@pytest.mark.parametrize("crs", ["EPSG:32733", "EPSG:5070", "EPSG:28992"])
@pytest.mark.parametrize("kind", ["gpkg", "geojson", "parquet"])
def test_the_crs_is_the_file_s(kind: str, crs: str, tmp_path: Path) -> None:
    squares = [box(x * 100, 500_000, x * 100 + 50, 500_100) for x in range(5)]
    if kind == "gpkg":
        path = write_ogr(tmp_path / "f.gpkg", "GPKG", squares, crs)
    elif kind == "geojson":
        path = write_geojson(tmp_path / "f.geojson", squares, f"urn:ogc:def:crs:EPSG::{crs[5:]}")
    else:
        path = write_parquet(tmp_path / "f.parquet", json.loads(CRS(crs).to_json()))
    features = joined(read_features(path))
    assert features.crs == crs
    if kind != "parquet":
        assert features.geometries[1].bounds == (100, 500_000, 150, 500_100)


def test_the_crs_of_a_geojson_s_geometries_is_theirs(tmp_path: Path) -> None:
    crs = {"type": "name", "properties": {"name": "EPSG:32733"}}
    square = shapely.box(500_000, 8_000_000, 500_100, 8_000_100)
    inner = {**mapping(square), "crs": crs}
    one = {"type": "Feature", "properties": {"crop": "a"}, "geometry": inner}
    path = tmp_path / "f.geojson"
    for content in (inner, one, {"type": "FeatureCollection", "features": [one, one]}):
        path.write_text(json.dumps(content))
        features = joined(read_features(path))
        assert features.crs == "EPSG:32733"
        assert all(geometry.equals(square) for geometry in features.geometries)
    other = {**one, "crs": {"type": "EPSG", "properties": {"code": 32734}}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [one, other]}))
    with pytest.raises(InputError, match="more than one CRS"):
        joined(read_features(path))


def test_a_crs_without_a_code_keeps_its_definition(tmp_path: Path) -> None:
    own = CRS("+proj=laea +lat_0=10 +lon_0=20 +datum=WGS84 +units=m")
    features = joined(read_features(write_ogr(tmp_path / "f.gpkg", "GPKG", crs=own.to_wkt())))
    assert CRS(features.crs).to_epsg() is None
    assert CRS(features.crs).coordinate_operation.method_name == "Lambert Azimuthal Equal Area"


def test_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_files, "CHUNK", 2)
    for kind, make in FORMATS.items():
        folder = tmp_path / kind
        folder.mkdir()
        chunks = list(read_features(make(folder)))
        assert [len(chunk) for chunk in chunks] == [2, 2, 1], kind
        assert len({name for chunk in chunks for name in chunk.ids}) == 5, kind


def test_layers(tmp_path: Path) -> None:
    path = write_ogr(tmp_path / "f.gpkg", "GPKG")
    wkb = np.array([shapely.to_wkb(Point(1, 2))], object)
    pyogrio.raw.write(
        path, wkb, [], [], layer="towers", driver="GPKG", geometry_type="Point", crs="EPSG:4326", append=False
    )
    assert len(joined(read_features(path, layer="towers"))) == 1
    with pytest.warns(UserWarning, match="has the layers 'fields', 'towers': the first is taken"):
        assert len(joined(read_features(path))) == 5
    with pytest.raises(InputError, match="has no layer 'tower': it has 'fields', 'towers'"):
        read_features(path, layer="tower")


def test_geojson_ids_and_single_geometries(tmp_path: Path) -> None:
    path = tmp_path / "f.geojson"
    feature = {"type": "Feature", "id": 17, "geometry": mapping(SQUARES[0]), "properties": None}
    path.write_text(json.dumps(feature))
    assert joined(read_features(path)).ids == ["17"]
    path.write_text(json.dumps(mapping(MultiPoint([(1, 2), (3, 4)]))))
    assert joined(read_features(path)).geometries[0].equals(MultiPoint([(1, 2), (3, 4)]))
    collection = {"type": "GeometryCollection", "geometries": [mapping(SQUARES[0]), mapping(Point(1, 1))]}
    path.write_text(json.dumps(collection))
    assert joined(read_features(path)).geometries[0].geom_type == "GeometryCollection"


def test_properties_that_look_like_geojson_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "f.geojson"
    feature = {"type": "Feature", "geometry": mapping(SQUARES[0]), "properties": {"a": 1, "crop": {"type": "wheat"}}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert joined(read_features(path)).values == {"a": [1], "crop": [{"type": "wheat"}]}


# --- CSV ---


@pytest.mark.parametrize(
    ("header", "separator"),
    [("lon,lat", ","), ("Longitude;Latitude", ";"), ("X\tY", "\t"), ("lng|LAT", "|")],
)
def test_csv_columns(header: str, separator: str, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    x, y = header.split(separator)
    rows = [["name", x, y, "MW", "code"], ["a", "10.5", "47", "1.5", "007"], ["b, c", "11", "48.25", "", "012"]]
    quoted = [[f'"{cell}"' if "," in cell else cell for cell in row] for row in rows]
    path.write_text("\n".join(separator.join(row) for row in quoted) + "\n", encoding="utf-8-sig")
    features = joined(read_features(path))
    assert [point.coords[0] for point in features.geometries] == [(10.5, 47.0), (11.0, 48.25)]
    assert features.crs == "EPSG:4326"
    assert features.ids == ["0", "1"]
    assert features.values["name"] == ["a", "b, c"]
    assert features.values["MW"] == [1.5, None]
    assert features.values["code"] == ["007", "012"]


def test_csv_whole_numbers_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("lon,lat,year,mixed\n1,2,2015,3\n3,4,2016,x\n")
    values = joined(read_features(path, columns=["year", "mixed"])).values
    assert values == {"year": [2015, 2016], "mixed": ["3", "x"]}
    assert all(type(year) is int for year in values["year"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lon,x,lat\n1,1,1\n", "has 2 columns that may hold longitudes, 'lon', 'x': rename all but one"),
        ("lon,lat,Latitude\n1,1,1\n", "has 2 columns that may hold latitudes, 'lat', 'Latitude': rename"),
        ("east,north\n1,1\n", "has no column of longitudes: name it lon or .* It has 'east', 'north'"),
        ("lon,lat\n1,1\n2,abc\n", "column 'lat' has a coordinate that is no number"),
        ("lon,lat\n1,1\n2\n", "is no table of text in UTF-8"),
        ("lon,lat\n", "has no feature with a geometry"),
        ("lon,lat\n500000,5000000\n", "these are no degrees but look like metres"),
        ("lon,lat\n48,116\n", "latitude and longitude are probably swapped"),
    ],
)
def test_broken_csv(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        list(read_features(path))


def test_csv_points_without_coordinates_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("lon,lat,n\n1,2,a\n,4,b\nnan,3,c\n5,6,d\n")
    with pytest.warns(UserWarning, match="left out 2 of 4 features"):
        features = joined(read_features(path))
    assert features.values["n"] == ["a", "d"]
    assert features.ids == ["0", "3"]


# --- broken geometries ---


def test_geometries_that_are_missing_or_empty_are_counted(tmp_path: Path) -> None:
    path = write_geojson(tmp_path / "f.geojson", [SQUARES[0], None, Polygon(), SQUARES[1]])
    with pytest.warns(UserWarning, match="left out 2 of 4 features, which have no geometry"):
        assert joined(read_features(path)).ids == ["0", "3"]


def test_invalid_polygons_keep_what_the_even_odd_rule_gives_them(tmp_path: Path) -> None:
    bow_tie = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    line_like = Polygon([(0, 0), (1, 1), (2, 2), (0, 0)])
    path = write_geojson(tmp_path / "f.geojson", [SQUARES[4], bow_tie, line_like])
    with pytest.warns(UserWarning) as warned:
        features = joined(read_features(path))
    assert [w.message.args[0].split(": ", 1)[1] for w in warned] == [
        "left out 1 of 3 features, which have no geometry, or no area",
        "repaired 1 of 2 geometries (Self-intersection[1 1])",
    ]
    assert features.geometries[1].area == 2.0
    assert features.geometries[1].geom_type == "MultiPolygon"
    assert shapely.is_valid(features.geometries).all()


def test_heights_are_left_out(tmp_path: Path) -> None:
    path = write_geojson(tmp_path / "f.geojson", [Point(1, 2, 3)])
    assert not joined(read_features(path)).geometries[0].has_z


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
@pytest.mark.parametrize("kind", ["fgb", "parquet"])
def test_a_file_without_a_crs_is_taken_as_degrees_where_it_can_be(kind: str, tmp_path: Path) -> None:
    path = (
        write_ogr(tmp_path / "f.fgb", "FlatGeobuf", crs=None)
        if kind == "fgb"
        else write_parquet(tmp_path / "f.pq", None)
    )
    with pytest.warns(UserWarning, match="does not say its CRS: taken as longitude and latitude"):
        assert joined(read_features(path)).crs == "EPSG:4326"


@pytest.mark.filterwarnings("ignore:.*does not say its CRS", "ignore:'crs' was not provided")
def test_metres_without_a_crs_are_refused(tmp_path: Path) -> None:
    path = write_ogr(tmp_path / "f.fgb", "FlatGeobuf", [box(5e5, 5e6, 5.1e5, 5.1e6)], crs=None)
    with pytest.raises(InputError, match=r"reaches from longitude 500000 to 510000 .* give the source its CRS"):
        list(read_features(path))


def test_swapped_coordinates_are_noticed_where_they_can_be(tmp_path: Path) -> None:
    path = write_geojson(tmp_path / "f.geojson", [box(40, 110, 41, 111)])
    with pytest.raises(InputError, match=r"feature '0' .* latitude and longitude are probably swapped"):
        list(read_features(path))


# --- broken files ---


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("f.geojson", "", "is an empty file"),
        ("f.geojson", "{", "is no valid JSON"),
        ("f.geojson", "[1, 2]", "is no GeoJSON: found 'list'"),
        ("f.geojson", '{"type": "Topology"}', "is no GeoJSON: found 'Topology'"),
        ("f.geojson", '{"type": "FeatureCollection", "features": 3}', "its `features` must be a list"),
        ("f.geojson", '{"type": "FeatureCollection", "features": [{"type": "Feature"}]}', "each with a `geometry`"),
        ("f.geojson", '{"type": "FeatureCollection", "features": []}', "has no feature with a geometry"),
        ("f.geojson", '{"type": "Feature", "geometry": {"type": "Point"}}', "a feature whose geometry is no GeoJSON"),
        ("f.geojson", '{"type": "Point", "coordinates": ["a"]}', "has a broken Point"),
        ("f.gpkg", "no database", "cannot be read as a vector file"),
        ("f.parquet", "no table", "is no GeoParquet"),
    ],
)
def test_broken_files(name: str, content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=f"{re.escape(name)}.*{message}") as caught:
        list(read_features(path))
    assert not isinstance(caught.value, RegionError)


def test_a_crs_that_nobody_knows(tmp_path: Path) -> None:
    path = write_geojson(tmp_path / "f.geojson", crs="EPSG:999999")
    with pytest.raises(InputError, match="'EPSG:999999' is no coordinate reference system that PROJ knows"):
        read_features(path)
    path = write_geojson(tmp_path / "g.geojson", crs_=0)
    path.write_text(path.read_text().replace('"crs_": 0', '"crs": {"type": "name"}'))
    with pytest.raises(InputError, match="has a `crs` member that names no CRS"):
        read_features(path)


def test_files_that_are_not_there() -> None:
    with pytest.raises(InputError, match=r"'nowhere.gpkg' does not exist: give the path"):
        read_features("nowhere.gpkg")
    with pytest.raises(InputError, match=r"'gs://bucket/f.gpkg' is not on this machine's disk"):
        read_features("gs://bucket/f.gpkg")


def test_a_parquet_table_of_another_encoding(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="geometries encoded as 'point': write it with encoding WKB"):
        read_features(write_parquet(tmp_path / "f.parquet", encoding="point"))


def test_a_layer_without_geometries(tmp_path: Path) -> None:
    path = tmp_path / "f.gpkg"
    pyogrio.raw.write(path, None, [np.array([1])], ["a"], layer="numbers", driver="GPKG", geometry_type=None, crs=None)
    with pytest.raises(InputError, match=r"layer 'numbers' of .* has no geometries"):
        read_features(path)


def test_vector_files_and_assets_are_told_apart(tmp_path: Path) -> None:
    assert is_vector_file("fields.gpkg")
    assert is_vector_file("some/Fields.GeoJSON")
    assert not is_vector_file("WRI/GPPD/power_plants")
    assert not is_vector_file("projects/me/assets/plants")
    odd = tmp_path / "plants"
    odd.write_text("{}")
    assert is_vector_file(odd)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (float("nan"), ""), (301.0, "301"), (1.5, "1.5"), (7, "7"), ("a", "a"), (True, "True")],
)
def test_values_as_text(value: object, text: str) -> None:
    assert value_text(value) == text


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=1, max_size=20))
def test_coordinates_survive_text_bit_for_bit(tmp_path_factory: Any, places: list[tuple[float, float]]) -> None:
    path = tmp_path_factory.mktemp("points") / "f.geojson"
    write_geojson(path, [Point(place) for place in places])
    found = joined(read_features(path))
    assert [point.coords[0] for point in found.geometries] == places
