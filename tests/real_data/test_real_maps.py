"""Maps of real scenes against rasterio's reading of the scenes: where there is a class, which one, and where it lies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
import shapely.geometry

from rsbot_beam.earth_process import local_earth

from .manifests import write_manifest
from .mapped import (
    CODES,
    MAPPED,
    NODATA,
    RADIUS,
    Mapped,
    add_west_sahara,
    apply_by_hand,
    run_predict,
    source,
    write_model,
)
from .oracle import read_file
from .regions import around

pytestmark = [pytest.mark.real_data, pytest.mark.integration]

PIXELS = 300
# Where two classes are as likely as this, rounding may choose either.
CLOSE = 1e-4


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_model(folder)
    return folder


@pytest.fixture(scope="module")
def scenes(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a local Earth Engine that has the tile 29RKH as well."""
    folder = tmp_path_factory.mktemp("map_assets")
    write_manifest(folder, data)
    add_west_sahara(folder, data)
    with local_earth(assets=folder, world=False, max_qps=0) as url:
        yield url


@pytest.fixture(scope="module", params=MAPPED, ids=lambda place: place.name)
def mapped(request, scenes, model, data, region_file, tmp_path_factory) -> Mapped:
    region = region_file(around(data / file, 0) for file in request.param.files)
    folder = tmp_path_factory.mktemp("map") / "out"
    return run_predict(folder, scenes, request.param, model=model, region=region, year=2020, tile_size=128)


def test_pixels_have_a_class_just_where_the_scene_has_data(mapped, data):
    covered = 0
    for codes, key in mapped.classes:
        height, width = codes.shape
        valid = np.any([one.valid for one in source(data, mapped.place, key)], axis=0)[:height, :width]
        assert np.array_equal(codes != NODATA, valid), f"{(valid != (codes != NODATA)).sum()} pixels of {key}"
        assert set(np.unique(codes[valid]).tolist()) <= set(CODES)
        covered += int(valid.sum())
    hectares = sum(item["hectares"] for item in json.loads((mapped.folder / "run.json").read_text())["classes"])
    # UTM's scale is within 0.1 % of 1 in its zone, and areas within twice that.
    assert hectares == pytest.approx(covered * mapped.place.resolution**2 / 10_000, rel=0.003)


def test_classes_are_the_saved_models(mapped, model, data):
    """The SavedModel on squares of pixels read with rasterio around random places."""
    random = np.random.default_rng(11)
    squares, found = [], []
    for _ in range(PIXELS):
        codes, key = mapped.classes[random.integers(len(mapped.classes))]
        rows, cols = np.nonzero(codes != NODATA)
        one = random.integers(len(rows))
        row, col = key.row + int(rows[one]) - RADIUS, key.col + int(cols[one]) - RADIUS
        square = type(key)(key.crs, key.resolution, 2 * RADIUS + 1, row, col)
        squares.append(source(data, mapped.place, square))
        found.append(int(codes[rows[one], cols[one]]))
    said = apply_by_hand(model, squares)
    second, first = np.sort(said, axis=-1)[:, -2:].T
    clear = first - second > CLOSE
    assert clear.sum() > 0.95 * PIXELS
    expected = np.array(list(CODES))[said.argmax(-1)]
    assert np.array_equal(np.array(found)[clear], expected[clear])
    assert len(set(found)) > 1, "a map of one class shows little"


def test_the_catalogue_covers_the_scenes_pixels(mapped, data):
    """Every pixel of the scene with data lies in the footprint of an item, and the mosaic has a class there."""
    items = [json.loads(path.read_text()) for path in (mapped.folder / "stac" / "items").glob("*.json")]
    assert len(items) == len(mapped.classes)
    footprint = shapely.union_all([shapely.geometry.shape(item["geometry"]) for item in items])
    shapely.prepare(footprint)
    with rasterio.open(mapped.folder / "class.vrt") as whole:
        assert f"EPSG:{whole.crs.to_epsg()}" == mapped.place.zone
        for file in mapped.place.files:
            lon, lat = places_with_data(data / file)
            assert shapely.contains_xy(footprint, lon, lat).all()
            x, y = pyproj.Transformer.from_crs("EPSG:4326", whole.crs, always_xy=True).transform(lon, lat)
            codes = np.array([value[0] for value in whole.sample(zip(x, y, strict=True))])
            # The map's grid may lie half a pixel from the scene's: at a slanted edge the nearest pixel may be empty.
            assert (codes != NODATA).mean() > 0.98
            assert (np.array(y) < 0).all() == (mapped.place.zone == "EPSG:32621"), "northings"


def places_with_data(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes of random pixels of a scene that have a value in the visible bands."""
    pixels, profile = read_file(path)
    bands = [profile["names"].index(name) for name in ("B2", "B3", "B4")]
    rows, cols = np.nonzero((pixels[bands] != 0).any(axis=0))
    some = np.random.default_rng(2).integers(len(rows), size=PIXELS)
    x, y = profile["transform"] * (cols[some] + 0.5, rows[some] + 0.5)
    lon, lat = pyproj.Transformer.from_crs(profile["epsg"], 4326, always_xy=True).transform(x, y)
    return np.asarray(lon), np.asarray(lat)
