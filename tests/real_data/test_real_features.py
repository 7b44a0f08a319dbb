"""Real vector files as labels: painted as rasterio paints them, squares on the ground, and every feature found again.

The oracle reads with pyogrio, projects with pyproj and paints with rasterio, and uses nothing of ours but tile keys.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyogrio
import pyogrio.raw
import pytest
import shapely
from pyproj import Geod, Transformer
from rasterio.features import rasterize

from rsbot_beam.data.feature_index import FeatureIndex
from rsbot_beam.data.label_features import LabelFeatures
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.feature_files import read_features
from rsbot_beam.geometry.features import value_text
from rsbot_beam.geometry.tile import TileKey
from rsbot_beam.labels.labeller import Labeller
from rsbot_beam.labels.records import label_records

pytestmark = [pytest.mark.real_data, pytest.mark.filterwarnings("ignore:.*repaired", "ignore:.*has the layers")]

# File -> CRS of the file, property of the crop, UTM zone of the fields.
FIELDS = {
    "us_csb_cdl2017_2024": ("EPSG:5070", "CDL2024", "EPSG:32613"),
    "nl_brp2023": ("EPSG:28992", "gewascode", "EPSG:32631"),
    "dk_marker2026": ("EPSG:25832", "Afgkode", "EPSG:32632"),
    "br_lem_monthly_2019_2020": ("EPSG:4326", "Jan_2020", "EPSG:32723"),
    "fi_2023": ("EPSG:3067", "KASVIKOODI", "EPSG:32634"),
    "at_2025": ("EPSG:31287", "SNAR_CODE", "EPSG:32633"),
    "fr_rpg": ("EPSG:2154", "code_cultu", "EPSG:32631"),
    "az_crops2016_2018": ("EPSG:32638", "CROP_TYPE", "EPSG:32638"),
}
SIZE = 128


def read_plain(path: Path, column: str, crs: str, layer: str | None = None) -> tuple[np.ndarray, list[str]]:
    """Geometries of a file brought to a CRS vertex by vertex, as they are, invalid ones too; and a property as text."""
    meta, _, wkb, (values,) = pyogrio.raw.read(path, layer=layer, columns=[column])
    change = Transformer.from_crs(meta["crs"], crs, always_xy=True)
    geometries = shapely.force_2d(shapely.from_wkb(wkb))
    moved = shapely.transform(geometries, lambda xy: np.column_stack(change.transform(xy[:, 0], xy[:, 1])))
    return moved, [value_text(value) for value in values.tolist()]


def tiles_around(geometries: np.ndarray, crs: str, resolution: float) -> list[TileKey]:
    """All tiles of a grid that the bounds of a geometry meet."""
    side = SIZE * resolution
    places = set()
    for left, bottom, right, top in shapely.bounds(geometries):
        for row in range(int(np.floor(-top / side)), int(np.floor(-bottom / side)) + 1):
            places |= {(row, col) for col in range(int(np.floor(left / side)), int(np.floor(right / side)) + 1)}
    return [TileKey(crs, resolution, SIZE, row * SIZE, col * SIZE) for row, col in sorted(places)]


@pytest.mark.parametrize("resolution", [10.0, 30.0])
@pytest.mark.parametrize("name", FIELDS)
def test_fields_are_painted_as_rasterio_paints_them(data: Path, tmp_path: Path, name: str, resolution: float) -> None:
    path = data / "crops" / "field_polygons" / f"{name}.gpkg"
    file_crs, column, crs = FIELDS[name]
    geometries, crops = read_plain(path, column, crs)
    codes = {crop: 1 + number for number, crop in enumerate(sorted(set(crops)))}
    spec = LabelFeatures(str(path), code=None, column=column, codes=codes)
    index = FeatureIndex.build(str(tmp_path), label_records([(spec, read_features(path, columns=[column]))]))
    assert set(index.query([(-180, -90, 180, 90)]).crs) == {file_crs}
    assert index.classes == Counter(codes[crop] for crop in crops)

    shapes = [(geometry, codes[crop]) for geometry, crop in zip(geometries, crops, strict=True)]
    boxes: dict[str, list[np.ndarray]] = {}
    total: Counter[int] = Counter()
    for key in tiles_around(geometries, crs, resolution):
        mask, objects = Labeller(index).label(key, np.ones(key.shape, bool))
        expected = rasterize(shapes, out_shape=key.shape, transform=key.transform, dtype="uint8")
        np.testing.assert_array_equal(mask, expected, err_msg=str(key))
        total.update(mask[mask > 0].tolist())
        for number, part in zip(objects.ids, objects.boxes.astype(float), strict=True):
            boxes.setdefault(number, []).append(part + np.array([key.row, key.col, key.row, key.col]))
    assert sum(total.values()) * resolution**2 == pytest.approx(
        shapely.area(shapely.union_all(shapely.make_valid(geometries))), rel=0.03
    )
    _check_boxes(boxes, geometries, resolution)


def _check_boxes(boxes: dict[str, list[np.ndarray]], geometries: np.ndarray, resolution: float) -> None:
    """The boxes of a field in all tiles together are its bounds."""
    bounds = shapely.bounds(geometries) / resolution
    assert len(boxes) == len(geometries)
    for number, (left, bottom, right, top) in enumerate(bounds, start=1):  # GeoPackage counts from 1
        parts = np.array(boxes[str(number)])
        joined = [*parts[:, :2].min(axis=0), *parts[:, 2:].max(axis=0)]
        np.testing.assert_allclose(joined, [-top, left, -bottom, right], atol=1e-3)


def test_crop_codes_of_the_cropland_data_layer_are_taken_as_they_are(data: Path) -> None:
    path = data / "crops" / "field_polygons" / "us_csb_cdl2017_2024.gpkg"
    spec = LabelFeatures(str(path), code=None, column="CDL2024")
    (records,) = label_records([(spec, read_features(path, columns=["CDL2024"]))])
    _, codes = read_plain(path, "CDL2024", "EPSG:5070")
    assert records.codes.tolist() == [int(code) for code in codes]
    assert list(records.ids) == [str(number) for number in range(1, 101)]


def test_an_unknown_crop_is_named(data: Path) -> None:
    path = data / "crops" / "field_polygons" / "az_crops2016_2018.gpkg"
    spec = LabelFeatures(str(path), code=None, column="CROP_TYPE", codes={"Wheat": 1})
    with pytest.raises(InputError, match=r"column 'CROP_TYPE' has classes without a code: .*\(\d+ features\)"):
        list(label_records([(spec, read_features(path))]))


# File, layer, property, place, grid -> squares of 100 m.
POINTS = [
    ("uk_repd_2020_operational.gpkg", None, "Technology Type", "EPSG:32630"),
    ("wri_solar_wind_plants.geojson", None, "fuel", "EPSG:4326"),
    ("de_brandenburg_pv_wind_2015.gpkg", "wind_turbines", "Technology", "EPSG:3035"),
]


@pytest.mark.parametrize(("name", "layer", "column", "crs"), POINTS)
def test_points_are_squares_of_metres(
    data: Path, tmp_path: Path, name: str, layer: str | None, column: str, crs: str
) -> None:
    path = data / "energy" / "vectors" / name
    points, kinds = read_plain(path, column, crs, layer)
    codes = {kind: 1 + number for number, kind in enumerate(sorted(set(kinds)))}
    spec = LabelFeatures(str(path), code=None, column=column, codes=codes, size=100.0, layer=layer)
    chunks = read_features(path, layer, [column])
    index = FeatureIndex.build(str(tmp_path), label_records([(spec, chunks)]))
    assert index.classes == Counter(codes[kind] for kind in kinds)
    places = index.places()

    resolution = 0.0001 if crs == "EPSG:4326" else 10.0
    back = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    for number in np.random.default_rng(0).choice(len(points), 40, replace=False).tolist():
        x, y = points[number].x, points[number].y
        lon, lat = back.transform(x, y)
        assert (places.lon[number], places.lat[number]) == (pytest.approx(lon, abs=1e-9), pytest.approx(lat, abs=1e-9))
        if abs(lat) > 75:
            continue
        # A tile with the point in its middle, on the pixel grid.
        row, col = int(np.floor(-y / resolution)) - SIZE // 2, int(np.floor(x / resolution)) - SIZE // 2
        key = TileKey(crs, resolution, SIZE, row, col)
        mask, objects = Labeller(index).label(key, np.ones(key.shape, bool))
        where = objects.ids.index(places.ids[number])
        top, left, bottom, right = objects.boxes[where].astype(float)
        corners = [
            back.transform(*(key.transform * corner)) for corner in ((left, bottom), (right, bottom), (left, top))
        ]
        width = Geod(ellps="WGS84").inv(*corners[0], *corners[1])[2]
        height = Geod(ellps="WGS84").inv(*corners[0], *corners[2])[2]
        pixel = 11.1 if crs == "EPSG:4326" else 10.0
        assert abs(width - 100) < pixel / 2 and abs(height - 100) < pixel / 2
        assert mask[SIZE // 2, SIZE // 2] > 0


@pytest.mark.parametrize(
    ("name", "layer", "crs", "resolution"),
    [
        ("india_solar_farms_2021.geojson", None, "EPSG:3857", 30.0),
        ("de_brandenburg_pv_wind_2015.gpkg", "pv_open_field", "EPSG:32633", 10.0),
    ],
)
def test_solar_plants_are_painted_and_found(
    data: Path, tmp_path: Path, name: str, layer: str | None, crs: str, resolution: float
) -> None:
    path = data / "energy" / "vectors" / name
    column = "State" if layer is None else "Technology"
    geometries, _ = read_plain(path, column, crs, layer)
    spec = LabelFeatures(str(path), layer=layer)
    index = FeatureIndex.build(str(tmp_path), label_records([(spec, read_features(path, layer))]))
    assert index.count == len(geometries)
    chosen = np.random.default_rng(0).choice(len(geometries), min(len(geometries), 60), replace=False)
    tree = shapely.STRtree(geometries)
    for key in tiles_around(geometries[chosen], crs, resolution)[:150]:
        mask, objects = Labeller(index).label(key, np.ones(key.shape, bool))
        near = np.sort(tree.query(shapely.box(*key.bounds)))
        expected = rasterize(
            [(g, 1) for g in geometries[near]] or [(shapely.Point(1e9, 1e9), 1)],
            out_shape=key.shape,
            transform=key.transform,
            dtype="uint8",
        )
        np.testing.assert_array_equal(mask, expected, err_msg=str(key))
        inside = shapely.area(shapely.intersection(shapely.make_valid(geometries[near]), shapely.box(*key.bounds)))
        assert len(objects) == pytest.approx(int((inside > 1).sum()), abs=int(((inside > 0) & (inside <= 1)).sum()))


def test_what_a_file_repairs_is_counted(data: Path) -> None:
    with pytest.warns(UserWarning, match=r"repaired \d+ of 1363 geometries"):
        chunks = list(read_features(data / "energy" / "vectors" / "india_solar_farms_2021.geojson"))
    assert all(shapely.is_valid(chunk.geometries).all() for chunk in chunks)


def test_a_border_in_metres_is_read_as_such(data: Path) -> None:
    (features,) = read_features(data / "regions" / "svn_border.geojson")
    assert features.crs == "EPSG:32633"
    content = json.loads((data / "regions" / "svn_border.geojson").read_text())
    assert len(features) == len(content["features"])
