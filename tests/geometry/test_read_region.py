"""Reading regions from what users write: texts, files of many formats, objects."""

from __future__ import annotations

import builtins
import json
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyproj import CRS
from shapely.geometry import Point, box, mapping

from rsbot_beam.errors import RegionError
from rsbot_beam.geometry import Region, read_region

SQUARE = box(14, 45, 15, 46)
UTM_SQUARE = box(400_000, 5_000_000, 410_000, 5_010_000)


def feature(geometry):
    return {"type": "Feature", "properties": {"name": "x"}, "geometry": geometry and mapping(geometry)}


# --- bbox


@pytest.mark.parametrize("text", ["14,45,15,46", " 14.0, 45 ,15,4.6e1\n", "+14,45.,15,46"])
def test_bbox(text):
    region = read_region(text)
    assert region.geometry.equals(SQUARE)
    assert region.source == text.strip()


def test_bbox_across_the_antimeridian():
    region = read_region("177,-20,-178,-15")
    assert region.bboxes == ((177, -20, 180, -15), (-180, -20, -178, -15))


def test_bbox_beyond_180():
    assert read_region("177,-20,182,-15") == read_region("177,-20,-178,-15")


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("-100,0,100,10", ((-100, 0, 100, 10),)),
        ("-180,0,179,10", ((-180, 0, 179, 10),)),
        ("0,0,200,10", ((0, 0, 180, 10), (-180, 0, -160, 10))),
        ("0,-90,360,90", ((-180, -90, 180, 90),)),
        ("-90,0,270,10", ((-180, 0, 180, 10),)),
        ("0,80,360,90", ((-180, 80, 180, 90),)),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_bbox_of_more_than_half_the_globe_is_not_its_complement(text, boxes):
    region = read_region(text)
    assert region.bboxes == boxes
    assert region.geometry.area == pytest.approx(sum((e - w) * (n - s) for w, s, e, n in boxes))


@pytest.mark.parametrize(
    ("text", "degrees", "boxes"),
    [
        ("10,0,-10,10", 340, ((10, 0, 180, 10), (-180, 0, -10, 10))),
        ("11,50,10,51", 359, ((11, 50, 180, 51), (-180, 50, 10, 51))),
    ],
)
def test_west_and_east_that_may_be_mistaken_are_warned_of(text, degrees, boxes):
    with pytest.warns(
        UserWarning, match=f"over the antimeridian and is {degrees} degrees wide: exchange west and east"
    ):
        assert read_region(text).bboxes == boxes


def test_geojson_text_as_windows_saves_it():
    assert read_region("\ufeff" + json.dumps(mapping(SQUARE))).bbox == (14, 45, 15, 46)


def test_bbox_ending_at_the_antimeridian():
    assert read_region("170,-20,180,-15").bboxes == ((170, -20, 180, -15),)
    assert read_region("170,-20,-180,-15").bboxes == ((170, -20, 180, -15),)


def test_negative_bbox_is_text_not_a_flag():
    assert read_region("-10.5,-5,-.5,5").bbox == (-10.5, -5, -0.5, 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("14,45,15", "3 numbers: a bbox is four"),
        ("14,45,15,46,47", "5 numbers"),
        ("14,46,15,45", "no area.*south < north"),
        ("14,45,14,46", "no area"),
        ("14,45,15,95", "latitude 45 to 95"),
        ("45,100,46,101", "swapped"),
        ("500000,5000000,510000,5010000", "metres"),
        ("300,0,200,10", "west > east"),
        ("", "empty text: expected a bbox"),
        ("  ", "empty text"),
    ],
)
def test_bad_bbox(text, message):
    with pytest.raises(RegionError, match=message):
        read_region(text)


# --- GeoJSON


@pytest.mark.parametrize(
    "document",
    [
        mapping(SQUARE),
        feature(SQUARE),
        {"type": "FeatureCollection", "features": [feature(SQUARE), feature(None)]},
        {"type": "GeometryCollection", "geometries": [mapping(SQUARE)]},
        {"type": "FeatureCollection", "features": [feature(box(14, 45, 14.5, 46)), feature(box(14.5, 45, 15, 46))]},
        {**mapping(SQUARE), "crs": None},
        {**mapping(SQUARE), "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}},
        {**mapping(SQUARE), "crs": {"type": "name", "properties": {"name": "EPSG:4326"}}},
    ],
)
def test_geojson_as_text_mapping_and_file(document, tmp_path):
    path = tmp_path / "region.geojson"
    path.write_text("\ufeff" + json.dumps(document), encoding="utf-8")
    for value in (document, json.dumps(document, indent=1), path, str(path)):
        region = read_region(value)
        assert region.geometry.equals(SQUARE)
        assert region.bbox == (14, 45, 15, 46)


def named(name: str) -> dict:
    return {"type": "name", "properties": {"name": name}}


def collection(*features: dict, **members: object) -> dict:
    return {"type": "FeatureCollection", "features": list(features), **members}


@pytest.mark.parametrize(
    "document",
    [
        collection(feature(UTM_SQUARE), crs=named("EPSG:32633")),
        collection(feature(UTM_SQUARE), crs=named("urn:ogc:def:crs:EPSG::32633")),
        collection(feature(UTM_SQUARE), crs={"type": "EPSG", "properties": {"code": 32633}}),
        {**feature(UTM_SQUARE), "crs": named("EPSG:32633")},
        {**mapping(UTM_SQUARE), "crs": named("EPSG:32633")},
        {**feature(UTM_SQUARE), "geometry": {**mapping(UTM_SQUARE), "crs": named("EPSG:32633")}},
        collection({**feature(UTM_SQUARE), "crs": named("EPSG:32633")}, crs=named("EPSG:4326")),
        {"type": "GeometryCollection", "geometries": [mapping(UTM_SQUARE)], "crs": named("EPSG:32633")},
    ],
)
def test_the_crs_member_of_old_geojson_is_honoured(document):
    region = read_region(document)
    assert region.native_crs == "EPSG:32633"
    assert region.to_crs("EPSG:32633").equals(UTM_SQUARE)
    assert region.geometry.contains(Point(13.8, 45.2))


def test_geometries_of_different_crss_are_refused():
    inner = {**feature(UTM_SQUARE), "geometry": {**mapping(UTM_SQUARE), "crs": named("EPSG:32633")}}
    with pytest.raises(RegionError, match=r"more than one CRS, longitude and latitude, .*EPSG:32633"):
        read_region(collection(feature(SQUARE), inner))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"type": "FeatureCollection", "features": []}, "no geometry"),
        ({"type": "FeatureCollection"}, "no geometry"),
        (feature(None), "no geometry"),
        (feature(Point(1, 2)), "without area"),
        ({"type": "Topology", "objects": {}}, "no GeoJSON.*'Topology'"),
        ({}, "no GeoJSON.*None"),
        ({"type": "Polygon"}, "no GeoJSON"),
        ({"type": "Polygon", "coordinates": None}, "is empty"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, "broken Polygon"),
        ({"type": "Polygon", "coordinates": [[["a", 0], [1, 1], [1, 0], ["a", 0]]]}, "broken Polygon"),
        ({"type": "Hexagon", "coordinates": [[0, 0]]}, "broken Hexagon"),
        ({"type": "FeatureCollection", "features": [3]}, "expected an object, found a int"),
        ({**mapping(SQUARE), "crs": {"type": "link"}}, "names no CRS"),
        ({**mapping(SQUARE), "crs": {"type": "name", "properties": {"name": "EPSG:1"}}}, "EPSG:1.*PROJ"),
        (mapping(UTM_SQUARE), "look like metres"),
    ],
)
def test_bad_geojson(document, message):
    with pytest.raises(RegionError, match=message):
        read_region(document)


@pytest.mark.parametrize("text", ["{", '{"type": "Polygon", "coordinates": [[', "{'type': 'Polygon'}"])
def test_broken_json(text, tmp_path):
    with pytest.raises(RegionError, match="no valid JSON"):
        read_region(text)
    path = tmp_path / "broken.geojson"
    path.write_text(text)
    with pytest.raises(RegionError, match=r"broken\.geojson is no valid JSON"):
        read_region(path)


def test_a_json_file_that_holds_a_list():
    with pytest.raises(RegionError):
        read_region("[1, 2]")


# --- WKT


@pytest.mark.parametrize(
    "text",
    [
        SQUARE.wkt,
        f"SRID=4326;{SQUARE.wkt}",
        SQUARE.wkt.replace("POLYGON ", "polygon"),
        f"\n MULTIPOLYGON({SQUARE.wkt[8:]}) ",
        f"GEOMETRYCOLLECTION ({SQUARE.wkt})",
        "POLYGON Z ((14 45 1, 15 45 1, 15 46 1, 14 46 1, 14 45 1))",
    ],
)
def test_wkt(text):
    assert read_region(text).geometry.equals(SQUARE)


def test_wkt_with_a_crs():
    region = read_region(f"SRID=32633;{UTM_SQUARE.wkt}")
    assert region.to_crs("EPSG:32633").equals(UTM_SQUARE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("POLYGON ((0 0, 1 1", "no valid WKT"),
        ("POLYGON ((0 0, 1 1, x y, 0 0))", "no valid WKT"),
        ("POLYGON EMPTY", "is empty"),
        ("POINT (1 2)", "without area"),
        ("SRID=1;POLYGON ((0 0, 1 0, 1 1, 0 0))", "EPSG:1"),
        ("POLYGON ((0 0, 2 0, 2 2, 0 0), (1 1, 1 NaN, 1 0, 1 1))", "not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_bad_wkt(text, message):
    with pytest.raises(RegionError, match=message):
        read_region(text)


@pytest.mark.parametrize("suffix", [".wkt", ".txt"])
def test_wkt_file(tmp_path, suffix):
    path = tmp_path / f"region{suffix}"
    path.write_text(f"SRID=32633;{UTM_SQUARE.wkt}\n")
    region = read_region(path)
    assert region.to_crs("EPSG:32633").equals(UTM_SQUARE)
    assert region.source == str(path)


def test_geojson_in_a_text_file(tmp_path):
    path = tmp_path / "region.txt"
    path.write_text(json.dumps(mapping(SQUARE)))
    assert read_region(path).geometry.equals(SQUARE)


def test_a_text_file_with_something_else(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("the region is Slovenia")
    with pytest.raises(RegionError, match="neither GeoJSON nor WKT"):
        read_region(path)
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(RegionError, match="cannot be read as text"):
        read_region(path)


# --- paths


@pytest.mark.parametrize(
    "name", ["nowhere/region.geojson", "point.gpkg", "polygon", "POLYGON", "Slovenia", "x" * 5000, "a\0b"]
)
def test_what_is_neither_a_file_nor_a_region(name):
    with pytest.raises(RegionError, match="neither a file that exists nor a region as text: expected a bbox"):
        read_region(name)


def test_a_path_that_does_not_exist():
    with pytest.raises(RegionError, match="neither a file that exists"):
        read_region(Path("nowhere.geojson"))


@pytest.mark.parametrize("url", ["gs://bucket/region.geojson", "https://example.com/region.gpkg"])
def test_paths_elsewhere_say_what_to_do(url):
    with pytest.raises(RegionError, match="not on this machine's disk"):
        read_region(url)


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "r.geojson").write_text(json.dumps(mapping(SQUARE)))
    assert read_region("~/r.geojson").bbox == (14, 45, 15, 46)


# --- vector files


def write_ogr(path, geometries, *, layer=None, crs="EPSG:4326", driver="GPKG", append=False):
    pyogrio_raw = pytest.importorskip("pyogrio.raw", reason="pyogrio (extra `vectors`) is not installed")
    pyogrio_raw.write(
        path,
        geometry=shapely.to_wkb(np.array(geometries, object)),
        field_data=[np.arange(len(geometries))],
        fields=["n"],
        geometry_type="Unknown" if driver == "GPKG" else geometries[0].geom_type,
        crs=crs,
        layer=layer,
        driver=driver,
        append=append,
    )


@pytest.mark.parametrize(("driver", "suffix"), [("GPKG", "gpkg"), ("ESRI Shapefile", "shp"), ("FlatGeobuf", "fgb")])
def test_vector_files_in_lonlat_and_in_a_plane(tmp_path, driver, suffix):
    path = tmp_path / f"lonlat.{suffix}"
    write_ogr(path, [box(14, 45, 14.5, 46), box(14.5, 45, 15, 46)], driver=driver)
    assert read_region(path).geometry.equals(SQUARE)
    plane = tmp_path / f"plane.{suffix}"
    write_ogr(plane, [UTM_SQUARE], crs="EPSG:32633", driver=driver)
    assert read_region(str(plane)).to_crs("EPSG:32633").equals(UTM_SQUARE)


def test_layers(tmp_path):
    path = tmp_path / "two.gpkg"
    write_ogr(path, [SQUARE], layer="fields")
    write_ogr(path, [box(0, 0, 1, 1)], layer="farms", append=True)
    assert read_region(path, layer="farms").bbox == (0, 0, 1, 1)
    with pytest.warns(UserWarning, match=r"layers 'fields', 'farms': the first is taken"):
        assert read_region(path).bbox == (14, 45, 15, 46)
    with pytest.raises(RegionError, match=r"no layer 'roads': it has 'fields', 'farms'"):
        read_region(path, layer="roads")


@pytest.mark.parametrize(
    "name", ["a.geojson", "a.wkt", "a.parquet", "14,45,15,46", "POLYGON((0 0,1 0,1 1,0 0))", '{"type"']
)
def test_a_layer_of_what_has_none(tmp_path, name):
    if name.startswith("a."):
        (tmp_path / name).write_text("{}")
        name = str(tmp_path / name)
    with pytest.raises(RegionError, match="has no layers, so there is no 'roads'"):
        read_region(name, layer="roads")


def test_curves_are_refused():
    with pytest.raises(RegionError, match="no valid WKT"):
        read_region("CURVEPOLYGON(CIRCULARSTRING(10 50,11 51,12 50,11 49,10 50))")


def test_a_single_layer_needs_no_choice(tmp_path, recwarn):
    path = tmp_path / "one.gpkg"
    write_ogr(path, [SQUARE], layer="fields")
    read_region(path)
    assert not [warning for warning in recwarn if "layer" in str(warning.message)]


def test_a_vector_file_without_a_crs_is_taken_as_lonlat_with_a_warning(tmp_path):
    path = tmp_path / "nocrs.shp"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_ogr(path, [SQUARE], crs=None, driver="ESRI Shapefile")
        write_ogr(tmp_path / "metres.shp", [UTM_SQUARE], crs=None, driver="ESRI Shapefile")
    with pytest.warns(UserWarning, match="does not say its CRS"):
        assert read_region(path).geometry.equals(SQUARE)
    with (
        pytest.warns(UserWarning, match="does not say"),
        pytest.raises(RegionError, match="look like metres; give the file"),
    ):
        read_region(tmp_path / "metres.shp")


def test_a_vector_file_of_points(tmp_path):
    path = tmp_path / "points.gpkg"
    write_ogr(path, [Point(1, 2), Point(3, 4)])
    with pytest.raises(RegionError, match="without area"):
        read_region(path)


def test_a_damaged_vector_file(tmp_path):
    path = tmp_path / "damaged.gpkg"
    path.write_bytes(b"not a database")
    with pytest.raises(RegionError, match=r"damaged\.gpkg cannot be read"):
        read_region(path)


def test_a_table_without_geometries(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(RegionError, match="no geometries"):
        read_region(path)


@pytest.mark.parametrize(
    ("library", "name", "remedy"),
    [("pyogrio", "r.gpkg", r"rsbot-beam\[vectors\]"), ("pyarrow", "r.parquet", "pip install pyarrow")],
)
def test_a_missing_library_is_named_with_the_remedy(tmp_path, monkeypatch, library, name, remedy):
    path = tmp_path / name
    path.write_bytes(b"")
    genuine = builtins.__import__

    def without(module, *args, **kwargs):
        if module.split(".")[0] == library:
            raise ImportError(f"No module named {library!r}")
        return genuine(module, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RegionError, match=remedy):
        read_region(path)


def write_geoparquet(path, geometries, crs="missing", encoding="WKB"):
    column = {"encoding": encoding, "geometry_types": []}
    if crs != "missing":
        column["crs"] = crs and json.loads(CRS(crs).to_json())
    geo = {"version": "1.1.0", "primary_column": "shape", "columns": {"shape": column}}
    table = pa.table({"n": list(range(len(geometries))), "shape": [g and g.wkb for g in geometries]})
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)


@pytest.mark.parametrize("suffix", ["parquet", "geoparquet"])
def test_geoparquet(tmp_path, suffix):
    path = tmp_path / f"region.{suffix}"
    write_geoparquet(path, [SQUARE, None, box(0, 0, 1, 1)])
    assert read_region(path).geometry.area == pytest.approx(2)
    write_geoparquet(path, [UTM_SQUARE], "EPSG:32633")
    assert read_region(path).to_crs("EPSG:32633").equals(UTM_SQUARE)
    write_geoparquet(path, [SQUARE], None)
    with pytest.warns(UserWarning, match="does not say its CRS"):
        assert read_region(path).geometry.equals(SQUARE)


def test_parquet_that_is_not_geo(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(RegionError, match="no GeoParquet"):
        read_region(path)
    path.write_bytes(b"PAR1")
    with pytest.raises(RegionError, match="no GeoParquet"):
        read_region(path)
    write_geoparquet(path, [SQUARE], encoding="point")
    with pytest.raises(RegionError, match="encoded as 'point'"):
        read_region(path)


# --- objects


def test_a_region_is_returned_as_it_is():
    region = Region.from_geometry(SQUARE)
    assert read_region(region) is region


def test_shapely_geometry():
    assert read_region(SQUARE).geometry.equals(SQUARE)


class Frame:
    """Stands for a GeoDataFrame: GeoJSON in its interface, the CRS beside it."""

    def __init__(self, geometry, crs):
        self.crs = crs
        self.__geo_interface__ = {"type": "FeatureCollection", "features": [feature(geometry)]}


def test_objects_with_a_geo_interface_and_a_crs():
    assert read_region(Frame(SQUARE, None)).geometry.equals(SQUARE)
    assert read_region(Frame(UTM_SQUARE, CRS(32633))).to_crs("EPSG:32633").equals(UTM_SQUARE)
    with pytest.raises(RegionError, match="Frame has a CRS that PROJ does not know"):
        read_region(Frame(SQUARE, "nonsense"))


@pytest.mark.parametrize("value", [None, 3, [14, 45, 15, 46]])
def test_other_objects_are_refused(value):
    with pytest.raises(RegionError, match="is no region: expected a bbox"):
        read_region(value)
