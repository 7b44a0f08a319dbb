"""Pictures of the ground around objects: where the outline lies in them, and what is under it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileBlock
from rsbot_beam.maps.detection_files import DetectionFiles
from rsbot_beam.maps.detection_pictures import SIDE, detection_picture, picture_raster
from rsbot_beam.maps.tiles import MapTiles
from tests.maps.drawn_maps import CLASSES, lonlat_of, objects_at, said_at, write_map

BLOCK = TileBlock("EPSG:32633", 10.0, 256, -527_104, 47_616, 2, 2)
COLOURS = {10: (0, 100, 0), 20: (255, 255, 76), 30: (0, 100, 200)}


def feature_at(root: Path, lon: float, lat: float, size: float, crs: str = "EPSG:32633") -> dict[str, Any]:
    """An object that is written and read again."""
    from tests.maps.drawn_maps import write_objects

    write_objects(str(root), objects_at(np.array([lon]), np.array([lat]), np.array([0.9]), size, crs))
    (feature,) = DetectionFiles(str(root), CLASSES).features([0])
    return feature


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> MapTiles:
    return MapTiles(write_map(tmp_path_factory.mktemp("map"), [BLOCK], ("class", "composite")), CLASSES)


@pytest.fixture(scope="module")
def classes_only(tmp_path_factory: pytest.TempPathFactory) -> MapTiles:
    return MapTiles(write_map(tmp_path_factory.mktemp("map"), [BLOCK], ("class",)), CLASSES)


def is_line(picture: np.ndarray) -> np.ndarray:
    return np.asarray((picture[..., :3] == 255).all(axis=-1) & (picture[..., 3] == 255))


def middle() -> tuple[int, int, float, float]:
    """A pixel that has data, and where its centre is."""
    lon, lat = lonlat_of(BLOCK)
    row = int(np.flatnonzero(said_at(lon, lat)["class"][0, 200:300, 250] != 255)[10]) + 200
    return row, 250, float(lon[row, 250]), float(lat[row, 250])


def test_the_outline_is_in_the_middle_and_as_large_as_the_object(tiles: MapTiles, tmp_path: Path) -> None:
    _, _, lon, lat = middle()
    picture = detection_picture(tiles, feature_at(tmp_path, lon, lat, 200.0))
    assert picture.shape == (SIDE, SIDE, 4)
    rows, cols = np.nonzero(is_line(picture))
    # 64 pixels of 10 m in 384: an object of 200 m is 120 pixels wide.
    for found in (rows, cols):
        assert found.max() - found.min() == pytest.approx(120, abs=4)
        assert (found.max() + found.min()) / 2 == pytest.approx(192, abs=6)
    assert not is_line(picture)[180:200, 180:200].any()


def test_large_objects_are_whole(tiles: MapTiles, tmp_path: Path) -> None:
    _, _, lon, lat = middle()
    picture = detection_picture(tiles, feature_at(tmp_path, lon, lat, 8_000.0))
    assert max(picture.shape) <= 2 * SIDE
    rows, cols = np.nonzero(is_line(picture))
    for found in (rows, cols):
        assert (found.max() - found.min()) / picture.shape[0] == pytest.approx(1 / 2.2, abs=0.02)
    assert 0.1 < (picture[..., 3] == 0).mean() < 0.95, "beyond the map there is nothing"


def test_the_ground_is_that_of_the_raster(classes_only: MapTiles, tmp_path: Path) -> None:
    row, col, lon, lat = middle()
    picture = detection_picture(classes_only, feature_at(tmp_path, lon, lat, 50.0))
    codes = said_at(*lonlat_of(BLOCK))["class"][0]
    seen = 0
    for away in (-30, -14, 9, 25):
        shown = picture[192 + 6 * away + 3, 192 + 6 * away + 3]
        code = codes[row + away, col + away]
        assert shown[3] == (0 if code == 255 else 255)
        if code != 255:
            seen += 1
            assert tuple(shown[:3]) == COLOURS[code]
    assert seen > 1


def test_a_point_has_the_box_of_its_size(tiles: MapTiles, tmp_path: Path) -> None:
    _, _, lon, lat = middle()
    box = feature_at(tmp_path, lon, lat, 200.0)
    point = {**box, "geometry": {"type": "Point", "coordinates": [lon, lat]}}
    one, other = (is_line(detection_picture(tiles, feature)) for feature in (box, point))
    (rows, cols), (other_rows, other_cols) = np.nonzero(one), np.nonzero(other)
    for found, wanted in ((other_rows, rows), (other_cols, cols)):
        assert abs(found.max() - wanted.max()) <= 6
        assert abs(found.min() - wanted.min()) <= 6


def test_at_the_edge_of_the_map(tiles: MapTiles, tmp_path: Path) -> None:
    lon, lat = lonlat_of(BLOCK)
    row = middle()[0]
    picture = detection_picture(tiles, feature_at(tmp_path, float(lon[row, 1]), float(lat[row, 1]), 100.0))
    assert picture.shape == (SIDE, SIDE, 4)
    away = slice(0, 140)  # left of the outline
    assert (picture[:, away, 3] == 0).all()
    assert (picture[150:230, 240:, 3] == 255).all()


def test_an_object_whose_middle_lies_beyond_the_edge(tiles: MapTiles, tmp_path: Path) -> None:
    lon, lat = lonlat_of(BLOCK)
    row = middle()[0]
    place = [float(3 * axis[row, 0] - 2 * axis[row, 1]) for axis in (lon, lat)]  # two and a half pixels west of it
    picture = detection_picture(tiles, feature_at(tmp_path, place[0], place[1], 100.0))
    assert is_line(picture).any()
    assert (picture[:, :140, 3] == 0).all()
    assert (picture[150:230, 260:, 3] == 255).all()


def test_across_the_antimeridian(tmp_path: Path) -> None:
    blocks = [
        TileBlock("EPSG:32760", 10.0, 256, -800_000 // 512 * 512, 81_408, 2, 2),
        TileBlock("EPSG:32701", 10.0, 256, -800_000 // 512 * 512, 17_920, 2, 2),
    ]
    lon, lat = (axis.ravel() for axis in lonlat_of(blocks[0]))
    codes = said_at(lon, lat)["class"][0]
    near = np.flatnonzero((codes != 255) & (np.abs(np.abs(lon) - 180) < 0.0003))
    tiles = MapTiles(write_map(tmp_path / "map", blocks, ("composite",)), CLASSES)
    place = int(near[len(near) // 2])
    feature = feature_at(tmp_path, float(lon[place]), float(lat[place]), 300.0, "EPSG:32760")
    assert feature["geometry"]["type"] == "MultiPolygon"
    rows, cols = np.nonzero(is_line(detection_picture(tiles, feature)))
    for found in (rows, cols):
        assert found.max() - found.min() == pytest.approx(180, abs=6)


def test_what_there_is_no_picture_of_is_said(tiles: MapTiles, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no data at"):
        detection_picture(tiles, feature_at(tmp_path, 10.0, 50.0, 100.0))
    nothing = MapTiles(str(tmp_path), CLASSES)
    with pytest.raises(InputError, match="--bands composite"):
        picture_raster(nothing)
    assert picture_raster(tiles) == "composite"
