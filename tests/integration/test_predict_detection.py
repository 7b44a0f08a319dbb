"""Objects of a detector's map: each once, where it is, however tiles and blocks cut the region."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

from tests.integration.made_models import Models, read_run

pytestmark = pytest.mark.integration
REGION = "10.0,50.0,10.03,50.02"
METRES = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32632", always_xy=True)
HALF = 3.0  # pixels on each side of a centre
SCORES = {1: 0.9, 2: 0.7, 7: 0.5}


def planted() -> list[tuple[float, float, int, float]]:
    """Objects all over the region: within tiles of 32 pixels, on their edges and corners, and a fraction of a pixel off."""
    back = pyproj.Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True)
    left, bottom = METRES.transform(10.004, 50.004)
    col, row = round(left / 320), round(bottom / 320)
    places = []
    for i, dx in enumerate((0.0, 60.0, 159.0, 315.0, 640.3, 999.7)):
        for j, dy in enumerate((0.0, 4.0, 163.0, 318.0, 640.0, 955.2)):
            code = (1, 2, 7)[(i + j) % 3]
            lon, lat = back.transform(col * 320 + 200 * i + dx, row * 320 + 150 * j + dy)
            places.append((lon, lat, code, SCORES[code]))
    return places


@pytest.fixture(scope="module")
def model(models: Models) -> str:
    return models.sites(planted(), HALF)


def found_in(output: Path) -> list[tuple[float, float, int]]:
    """Centre in metres and class of each object, from the GeoParquet."""
    rows = [
        row for path in sorted((output / "detections").glob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]
    shapes = shapely.from_wkb([row["geometry"] for row in rows])
    centres = [shape.centroid for shape in shapes]
    x, y = METRES.transform([c.x for c in centres], [c.y for c in centres])
    return sorted(zip(x, y, (row["code"] for row in rows), strict=True))


def check_planted(output: Path) -> None:
    """Each planted object is there once, to half a pixel, with its class; nothing else is."""
    found = found_in(output)
    wanted = planted()
    assert len(found) == len(wanted) == 36
    x, y = METRES.transform([p[0] for p in wanted], [p[1] for p in wanted])
    for one_x, one_y, code, _ in zip(x, y, (p[2] for p in wanted), wanted, strict=True):
        near = [item for item in found if np.hypot(item[0] - one_x, item[1] - one_y) < 5]
        assert [item[2] for item in near] == [code]


def run(predict: Callable[..., Any], output: Path, model: str, **flags: Any) -> Any:
    done = predict(output, model=model, region=REGION, **flags)
    assert done.code == 0, done.text
    return done


@pytest.mark.parametrize(("tile_size", "side"), [(32, 1), (32, 4), (48, 2), (256, 8)])
def test_objects_across_borders_are_found_once(
    tile_size: int,
    side: int,
    predict: Callable[..., Any],
    model: str,
    tmp_path: Path,
) -> None:
    done = run(predict, tmp_path, model, tile_size=tile_size, block_side=side)
    check_planted(tmp_path)
    run_file = read_run(tmp_path)
    assert {item["code"]: item["objects"] for item in run_file["classes"]} == {1: 12, 2: 12, 7: 12}
    assert "12 found" in done.out
    assert not (tmp_path / "class").exists()
    assert (tmp_path / "detections.png").read_bytes()[:4] == b"\x89PNG"


def test_boxes_in_degrees_have_the_right_place_and_size(
    predict: Callable[..., Any], model: str, tmp_path: Path
) -> None:
    """Corners of the GeoJSON, in metres, lie half a pixel at most from where the box's corners are."""
    run(predict, tmp_path, model)
    features = json.loads((tmp_path / "detections.geojson").read_text())["features"]
    assert len(features) == 36
    wanted = {(round(lon, 5), round(lat, 5)): code for lon, lat, code, _ in planted()}
    for feature in features:
        shape = shapely.geometry.shape(feature["geometry"])
        x, y = METRES.transform(*np.array(shape.exterior.coords).T)
        centre = METRES.transform(*min(
            ((p[0], p[1]) for p in planted()), key=lambda p: np.hypot(p[0] - shape.centroid.x, p[1] - shape.centroid.y)
        ))  # fmt: skip
        assert np.abs(np.array([min(x), max(x)]) - centre[0] - [-30, 30]).max() < 5
        assert np.abs(np.array([min(y), max(y)]) - centre[1] - [-30, 30]).max() < 5
    assert len(wanted) == 36


def test_points_instead_of_boxes(predict: Callable[..., Any], model: str, tmp_path: Path) -> None:
    run(predict, tmp_path, model, geometry="point")
    features = json.loads((tmp_path / "detections.geojson").read_text())["features"]
    assert {feature["geometry"]["type"] for feature in features} == {"Point"}
    check_planted(tmp_path)


def test_a_grid_in_degrees_finds_the_same(predict: Callable[..., Any], model: str, tmp_path: Path) -> None:
    run(predict, tmp_path, model, crs="EPSG:4326")
    check_planted(tmp_path)


def test_objects_below_the_least_score_are_not_kept(predict: Callable[..., Any], model: str, tmp_path: Path) -> None:
    done = predict(tmp_path, model=model, region=REGION, min_score=0.6)
    assert done.code == 0, done.text
    assert {item["code"]: item["objects"] for item in read_run(tmp_path)["classes"]} == {1: 12, 2: 12, 7: 0}


def test_a_region_without_objects_is_a_map(predict: Callable[..., Any], model: str, tmp_path: Path) -> None:
    done = predict(tmp_path, model=model, region="11.1,51.1,11.11,51.11")
    assert done.code == 0, done.text
    assert sum(item["objects"] for item in read_run(tmp_path)["classes"]) == 0
    assert json.loads((tmp_path / "detections.geojson").read_text())["features"] == []
