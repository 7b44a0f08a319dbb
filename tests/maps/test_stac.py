"""The STAC collection: valid, self-contained, and right about where and when."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.validation.local_validator import LocalValidator
from shapely.geometry import shape

from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.period import Period
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileBlock
from rsbot_beam.maps.cog import write_cog
from rsbot_beam.maps.stac import COLLECTION_FILE, ItemEntry, collection_of, footprint, item_of, item_path
from rsbot_beam.maps.styles import map_styles, raster_path

CLASSES = (LabelClass(10, "Trees & shrubs", "#006400"), LabelClass(20, "Öde", "#ffff4c"))
ALL = map_styles(CLASSES)
STYLES = {name: ALL[name] for name in ("class", "probabilities")}
PERIOD = Period.parse("2023-04-01,2023-10-01")
BLOCKS = {
    "UTM north": TileBlock("EPSG:32633", 10.0, 128, -527_104, 39_168, 2, 3),
    "UTM south": TileBlock("EPSG:32719", 10.0, 128, -630_016, 25_088, 2, 2),
    "degrees": TileBlock("EPSG:4326", 0.01, 128, -2_560, 1_024),
    "degrees, across the antimeridian": TileBlock("EPSG:4326", 0.01, 128, -2_560, 17_920, 1, 2),
    "UTM, across the antimeridian": TileBlock("EPSG:32660", 10.0, 128, 190_080, 81_408, 8, 8),
    "Mercator, across the antimeridian": TileBlock("EPSG:3832", 100.0, 128, 20_096, 33_024, 4, 4),
    "over the pole": TileBlock("EPSG:3413", 100.0, 128, -512, -512, 8, 8),
    "over the edge of the globe": TileBlock("EPSG:6933", 100.0, 128, -73_600, 1_024, 4, 4),
}


def made(block: TileBlock) -> dict[str, Any]:
    return item_of(block, STYLES, PERIOD, "my-map", {"class": 1234}, {"rsbot:model": "unet"})


def write_map(folder: Path, blocks: list[TileBlock]) -> pystac.Collection:
    """A map's folder with rasters, items and collection."""
    entries = []
    for block in blocks:
        for name, style in STYLES.items():
            pixels = np.zeros((len(style.bands), *block.shape), style.dtype)
            write_cog(folder / raster_path(name, block), pixels, block, style)
        item = made(block)
        storage.write_bytes(folder / item_path(item["id"]), json.dumps(item))
        entries.append(ItemEntry(item["id"], tuple(item["bbox"])))
    collection = collection_of("my-map", entries, STYLES, PERIOD, "a map of classes", {"rsbot:model": "unet"})
    storage.write_bytes(folder / COLLECTION_FILE, json.dumps(collection))
    return pystac.Collection.from_file(str(folder / COLLECTION_FILE))


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> pystac.Collection:
    return write_map(tmp_path_factory.mktemp("map"), [BLOCKS["UTM north"], BLOCKS["UTM south"], BLOCKS["degrees"]])


def problems(validator: Any, found: dict[str, Any]) -> list[str]:
    return [error.message for error in validator.iter_errors(json.loads(json.dumps(found)))]


@pytest.mark.parametrize("name", BLOCKS)
def test_items_are_valid(name: str) -> None:
    item = made(BLOCKS[name])
    # The schemas of the core come with pystac; those of extensions are on the internet, see the next tests.
    assert problems(LocalValidator().item_validator(), item) == []
    assert item["id"] == str(BLOCKS[name])
    assert item["properties"]["datetime"] is None
    assert item["properties"]["start_datetime"] == "2023-04-01T00:00:00Z"
    assert item["properties"]["end_datetime"] == "2023-09-30T23:59:59Z"
    assert item["properties"]["rsbot:model"] == "unet"


def test_the_collection_is_valid(collection: pystac.Collection) -> None:
    assert problems(LocalValidator().collection_validator(), collection.to_dict(include_self_link=False)) == []
    for item in collection.get_items():
        assert problems(LocalValidator().item_validator(), item.to_dict(include_self_link=False)) == []
    assert collection.extent.temporal.to_dict() == {"interval": [["2023-04-01T00:00:00Z", "2023-09-30T23:59:59Z"]]}


def test_the_projection_extension_says_where() -> None:
    block = BLOCKS["UTM south"]
    item = pystac.Item.from_dict(made(block))
    found = ProjectionExtension.ext(item)
    assert found.code == "EPSG:32719"
    assert found.shape == list(block.shape)
    assert found.bbox == list(block.bounds)
    assert found.transform == list(block.transform)[:6]
    # What the schema of version 2.0 asks of these fields.
    raw = made(block)
    assert any(uri.endswith("/projection/v2.0.0/schema.json") for uri in raw["stac_extensions"])
    assert re.fullmatch(r"[A-Z]+:\d+", raw["properties"]["proj:code"])
    assert "proj:epsg" not in raw["properties"]
    assert all(type(side) is int for side in raw["properties"]["proj:shape"])


def test_the_raster_extension_says_what_pixels_are() -> None:
    item = pystac.Item.from_dict(made(BLOCKS["UTM south"]))
    (codes,) = RasterExtension.ext(item.assets["class"]).bands or []
    assert (codes.nodata, codes.data_type, codes.spatial_resolution) == (255, "uint8", 10.0)
    bands = RasterExtension.ext(item.assets["probabilities"]).bands or []
    assert [band.properties["description"] for band in bands] == ["Trees & shrubs", "Öde"]
    # A number that JSON has not: the schema takes the text "nan".
    assert {band.properties["nodata"] for band in bands} == {"nan"}
    assert {band.unit for band in bands} == {"1"}
    assert item.assets["class"].extra_fields["file:size"] == 1234


def test_the_classification_extension_names_classes() -> None:
    item = pystac.Item.from_dict(made(BLOCKS["UTM south"]))
    classes = ClassificationExtension.ext(item.assets["class"]).classes or []
    assert [(c.value, c.name, c.description, c.color_hint) for c in classes] == [
        (10, "Trees_shrubs", "Trees & shrubs", "006400"),
        (20, "de", "Öde", "FFFF4C"),
    ]
    for found in classes:  # required by version 2.0, and what it asks of them
        assert re.fullmatch(r"[0-9A-Za-z_-]+", found.name or "")
        assert re.fullmatch(r"[0-9A-F]{6}", found.color_hint or "")
    assert "classification:classes" not in made(BLOCKS["UTM south"])["assets"]["probabilities"]


def test_extensions_are_declared_where_their_fields_are(collection: pystac.Collection) -> None:
    for found in [*(item.to_dict() for item in collection.get_items()), collection.to_dict()]:
        declared = " ".join(found["stac_extensions"])
        for prefix in sorted(set(re.findall(r'"(\w+):\w+":', json.dumps(found))) - {"rsbot"}):
            name = {"proj": "projection"}.get(prefix, prefix)
            assert f"/{name}/v" in declared, prefix


def test_the_folder_can_be_moved(tmp_path: Path) -> None:
    write_map(tmp_path / "map", [BLOCKS["UTM north"], BLOCKS["degrees"]])
    for path in (tmp_path / "map").rglob("*.json"):
        assert str(tmp_path) not in path.read_text()
    shutil.move(tmp_path / "map", tmp_path / "elsewhere")
    moved = pystac.Collection.from_file(str(tmp_path / "elsewhere" / COLLECTION_FILE))
    items = list(moved.get_items())
    assert [item.id for item in items] == sorted(str(BLOCKS[name]) for name in ("UTM north", "degrees"))
    for item in items:
        assert item.get_collection().id == "my-map"
        assert item.get_parent().id == "my-map"
        assert item.get_root().id == "my-map"
        for asset in item.assets.values():
            with rasterio.open(asset.get_absolute_href()) as dataset:
                assert dataset.crs.to_string() == item.properties["proj:code"]
                assert list(dataset.shape) == item.properties["proj:shape"]


@pytest.mark.parametrize("name", BLOCKS)
def test_footprints_hold_the_pixels(name: str) -> None:
    block = BLOCKS[name]
    geometry, bbox = footprint(block)
    found = shape(geometry)
    assert found.is_valid
    west, south, east, north = bbox
    assert -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90
    lon, lat = centres(block)
    near = found.buffer(2e-5)
    assert shapely.contains_xy(near, lon, lat).all()
    assert ((lat >= south - 1e-6) & (lat <= north + 1e-6)).all()
    inside = (lon >= west - 1e-6) & (lon <= east + 1e-6)
    outside = (lon >= west - 1e-6) | (lon <= east + 1e-6)
    assert (inside if west <= east else outside).all()


def centres(block: TileBlock) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes of a lattice of pixels, where there are any."""
    import pyproj

    left, bottom, right, top = block.bounds
    t = np.linspace(0.001, 0.999, 23)
    x, y = np.meshgrid(left + t * (right - left), bottom + t * (top - bottom))
    lon, lat = pyproj.Transformer.from_crs(block.crs, "EPSG:4326", always_xy=True).transform(x.ravel(), y.ravel())
    known = np.isfinite(lon) & np.isfinite(lat)
    return (lon[known] + 180) % 360 - 180, lat[known]


@pytest.mark.parametrize("name", [name for name in BLOCKS if "across" in name])
def test_footprints_are_cut_at_the_antimeridian(name: str) -> None:
    geometry, (west, _, east, _) = footprint(BLOCKS[name])
    assert geometry["type"] == "MultiPolygon"
    assert west > 170
    assert east < -170
    for polygon in shape(geometry).geoms:
        assert polygon.bounds[2] - polygon.bounds[0] < 20
        assert polygon.exterior.is_ccw


def test_the_pole_is_inside() -> None:
    _, (west, south, east, north) = footprint(BLOCKS["over the pole"])
    assert (west, east, north) == (-180, 180, 90)
    assert 89 < south < 89.5


def test_footprints_are_small() -> None:
    geometry, _ = footprint(TileBlock("EPSG:32633", 10.0, 256, -527_104, 39_168, 32, 32))  # 82 km
    assert 4 < len(shape(geometry).exterior.coords) < 200


@pytest.mark.parametrize(
    ("bboxes", "around"),
    [
        ([(10, 40, 11, 41), (12, 30, 13, 42)], (10, 30, 13, 42)),
        ([(178, 40, 179, 41), (-179, 40, -178, 41)], (178, 40, -178, 41)),
        ([(179, -20, -179, -19), (170, -20, 171, -19)], (170, -20, -179, -19)),
        ([(-180, 80, 180, 90)], (-180, 80, 180, 90)),
        ([(-100, 0, -90, 1), (0, 0, 1, 1), (90, 0, 100, 1)], (-100, 0, 100, 1)),
    ],
)
def test_the_extent_goes_the_short_way_round(bboxes: list[Any], around: tuple[float, ...]) -> None:
    names = [str(TileBlock("EPSG:4326", 1.0, 1, 0, col)) for col in range(len(bboxes))]
    entries = [ItemEntry(name, bbox) for name, bbox in zip(names, bboxes, strict=True)]
    found = collection_of("m", entries, STYLES, PERIOD, "x")
    assert found["extent"]["spatial"]["bbox"] == [list(map(float, around))]
    assert found == collection_of("m", entries[::-1], STYLES, PERIOD, "x"), "order does not matter"
    assert problems(LocalValidator().collection_validator(), found) == []


def test_no_items_are_no_collection() -> None:
    with pytest.raises(InputError, match="no block"):
        collection_of("m", [], STYLES, PERIOD, "x")


def test_the_same_block_gives_the_same_text() -> None:
    assert json.dumps(made(BLOCKS["UTM north"])) == json.dumps(made(BLOCKS["UTM north"]))
