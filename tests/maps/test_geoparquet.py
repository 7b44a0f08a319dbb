"""GeoParquet and GeoJSON: what other programs read in them."""

from __future__ import annotations

import datetime
import io
import json

import geopandas
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import shapely

from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.detections import Detections
from rsbot_beam.data.period import Period
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.geometry.crs import transformer
from rsbot_beam.maps.geojson import encode_geojson
from rsbot_beam.maps.geoparquet import encode_geoparquet, read_centres, read_geoparquet, write_geoparquet
from rsbot_beam.maps.vectors import MapFeatures, features_of_detections

CLASSES = (LabelClass(1, "wind turbine", "#0072b2"), LabelClass(2, "solar plant", "#e69f00"))
PERIOD = Period.parse("2024-04-01,2024-10-01")
COLUMNS = [
    *("id", "class", "code", "score", "area_m2", "lon", "lat", "width_m", "height_m", "tile"),
    *("period_start", "period_end", "bbox", "geometry"),
]


def features(places: list[tuple[float, float]], size: float = 200.0) -> MapFeatures:
    """Squares around places, in the UTM zones 1 and 33."""
    rows = []
    for number, (lon, lat) in enumerate(places):
        crs = "EPSG:32601" if abs(lon) > 170 else "EPSG:32633"
        x, y = transformer("EPSG:4326", crs).transform(lon, lat)
        edges = (x - size / 2, y - size / 2, x + size / 2, y + size / 2)
        rows.append((f"tile {number}", crs, *edges, 0.5 + number / 100, 1 + number % 3, True))
    return features_of_detections(Detections.of_rows(rows))


HERE = features([(15.0, 50.0), (15.2, 50.1), (15.3, 49.9)])
ACROSS = features([(179.9999, 60.0), (178.5, 60.5), (-178.5, 59.5)], 3000)


def test_geopandas_reads_it() -> None:
    frame = geopandas.read_parquet(io.BytesIO(encode_geoparquet(HERE, CLASSES, PERIOD)))
    assert frame.crs == "OGC:CRS84"
    assert frame["class"].tolist() == ["solar plant", "wind turbine", "class 3"]
    assert frame["code"].tolist() == HERE.codes.tolist()
    assert frame["score"].to_numpy() == pytest.approx(HERE.scores)
    assert frame["period_start"].tolist() == [datetime.date(2024, 4, 1)] * 3
    assert frame["period_end"].tolist() == [datetime.date(2024, 10, 1)] * 3
    assert frame["tile"].tolist() == HERE.tile.tolist()
    assert all(shapely.equals_exact(a, b) for a, b in zip(frame.geometry, HERE.geometries, strict=True))
    assert frame.to_crs("EPSG:32633").area.to_numpy() == pytest.approx([40_000] * 3, rel=1e-9)


def test_geopandas_reads_a_part_of_it_by_its_bbox() -> None:
    content = io.BytesIO(encode_geoparquet(HERE, CLASSES, PERIOD))
    assert geopandas.read_parquet(content, bbox=(14.9, 49.95, 15.1, 50.05))["lat"].tolist() == pytest.approx([50.0])


def test_a_feature_across_the_antimeridian_is_found_from_both_sides() -> None:
    content = bytes(encode_geoparquet(ACROSS, CLASSES, PERIOD))
    for bbox in ((179.98, 59.9, 180, 60.1), (-180, 59.9, -179.98, 60.1)):
        assert len(geopandas.read_parquet(io.BytesIO(content), bbox=bbox)) == 1
    frame = geopandas.read_parquet(io.BytesIO(content))
    assert sorted(frame.geometry.geom_type) == ["MultiPolygon", "Polygon", "Polygon"]


def test_the_metadata_are_those_of_version_1_1() -> None:
    file = pq.ParquetFile(io.BytesIO(encode_geoparquet(ACROSS, CLASSES, PERIOD)))
    assert file.schema_arrow.names == COLUMNS
    geo = json.loads(file.schema_arrow.metadata[b"geo"])
    assert (geo["version"], geo["primary_column"], list(geo["columns"])) == ("1.1.0", "geometry", ["geometry"])
    column = geo["columns"]["geometry"]
    assert column["encoding"] == "WKB"
    assert column["geometry_types"] == ["MultiPolygon", "Polygon"]
    assert (column["orientation"], column["edges"]) == ("counterclockwise", "planar")
    assert column["crs"]["id"] == {"authority": "OGC", "code": "CRS84"}
    assert column["covering"]["bbox"] == {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}
    west, south, east, north = column["bbox"]
    assert (round(west, 1), round(east, 1)) == (178.5, -178.5)
    assert south < 59.5
    assert north > 60.5


def test_boxes_of_rows_cover_their_geometries() -> None:
    table = pq.read_table(io.BytesIO(encode_geoparquet(HERE, CLASSES, PERIOD)))
    sides = [pc.struct_field(table["bbox"], side).to_numpy() for side in ("xmin", "ymin", "xmax", "ymax")]
    assert (np.column_stack(sides) == shapely.bounds(HERE.geometries)).all()


def test_points_are_the_centres() -> None:
    content = bytes(encode_geoparquet(ACROSS, CLASSES, PERIOD, "point"))
    frame = geopandas.read_parquet(io.BytesIO(content))
    assert frame.geometry.x.to_numpy() == pytest.approx(ACROSS.lon)
    assert frame.geometry.y.to_numpy() == pytest.approx(ACROSS.lat)
    column = json.loads(pq.read_schema(io.BytesIO(content)).metadata[b"geo"])["columns"]["geometry"]
    assert column["geometry_types"] == ["Point"]
    assert "orientation" not in column
    assert column["bbox"][0] > column["bbox"][2]


def test_another_geometry_is_refused() -> None:
    with pytest.raises(InputError, match="'circle'"):
        encode_geoparquet(HERE, CLASSES, PERIOD, "circle")


def test_equal_features_are_equal_bytes() -> None:
    assert bytes(encode_geoparquet(HERE, CLASSES, PERIOD)) == bytes(encode_geoparquet(HERE, CLASSES, PERIOD))
    assert encode_geojson(HERE, CLASSES, PERIOD) == encode_geojson(HERE, CLASSES, PERIOD)


def test_files_are_read_back(any_folder: str) -> None:
    paths = [storage.join(any_folder, name) for name in ("a.parquet", "b.parquet")]
    for path, part in zip(paths, (HERE, ACROSS), strict=True):
        assert write_geoparquet(path, part, CLASSES, PERIOD) == storage.size(path)
    again = read_geoparquet(paths)
    both = MapFeatures.concat([HERE, ACROSS])
    for name in ("ids", "codes", "scores", "area_m2", "lon", "lat", "width_m", "height_m", "tile"):
        assert getattr(again, name).tolist() == getattr(both, name).tolist()
    assert shapely.equals_exact(again.geometries, both.geometries).all()
    centres = read_centres(paths)
    assert centres.lon.tolist() == both.lon.tolist()
    assert (centres.scores.dtype, centres.codes.tolist()) == (np.float32, both.codes.tolist())


def test_no_files_have_no_features() -> None:
    assert len(read_geoparquet([])) == 0
    assert len(read_centres([]).lon) == 0


def test_a_damaged_file_is_named(tmp_path) -> None:
    path = tmp_path / "cell.parquet"
    path.write_bytes(bytes(encode_geoparquet(HERE, CLASSES, PERIOD))[:-30])
    with pytest.raises(DatasetError, match=r"cell\.parquet holds no features"):
        read_centres([str(path)])


def test_geojson_is_what_rfc_7946_says() -> None:
    document = json.loads(encode_geojson(ACROSS, CLASSES, PERIOD))
    assert document["type"] == "FeatureCollection"
    assert "crs" not in document
    assert document["bbox"][0] > document["bbox"][2]
    assert len(document["features"]) == 3
    for feature, expected in zip(document["features"], ACROSS.geometries, strict=True):
        geometry = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert shapely.is_valid(geometry)
        # 1e-7 degrees are 1 cm.
        assert shapely.hausdorff_distance(geometry, expected) < 1e-6
        assert all(shapely.is_ccw(part.exterior) for part in shapely.get_parts(geometry))
    properties = document["features"][1]["properties"]
    assert properties["period_start"] == "2024-04-01"
    assert properties["class"] == "wind turbine"
    assert properties["score"] == 0.5


def test_geopandas_reads_geojson(tmp_path) -> None:
    path = tmp_path / "detections.geojson"
    path.write_text(encode_geojson(HERE, CLASSES, PERIOD))
    frame = geopandas.read_file(path)
    assert frame.crs == "EPSG:4326"
    assert frame["id"].tolist() == HERE.ids.tolist()
    assert frame["area_m2"].to_numpy() == pytest.approx(HERE.area_m2, abs=0.06)


def test_geojson_of_nothing_and_of_points() -> None:
    nothing = json.loads(encode_geojson(HERE.take(np.empty(0, int)), CLASSES, PERIOD))
    assert nothing == {"type": "FeatureCollection", "features": []}
    points = json.loads(encode_geojson(HERE, CLASSES, PERIOD, "point"))
    assert points["features"][0]["geometry"]["type"] == "Point"


def test_a_missing_score_is_null() -> None:
    unscored = MapFeatures(**{**vars(HERE), "scores": np.full(3, np.nan, np.float32)})
    document = json.loads(encode_geojson(unscored, CLASSES, PERIOD))
    assert [feature["properties"]["score"] for feature in document["features"]] == [None] * 3
    frame = geopandas.read_parquet(io.BytesIO(encode_geoparquet(unscored, CLASSES, PERIOD)))
    assert frame["score"].isna().all()
