"""Earth Engine at its worst, and places without pixels: every tile is predicted once, empty or a dead letter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsbot_beam import TileKey
from tests.integration.made_models import Models, lines, mosaic, read_rasters, read_run
from tests.integration.test_faults import BAD_DAY, MEMORY

pytestmark = pytest.mark.integration
SETTINGS: dict[str, Any] = {"block_side": 2, "overlap": 4, "bands": "class,probabilities"}


def dead_letters(output: Path) -> dict[str, dict[str, Any]]:
    files = sorted((output / "dead_letters").glob("*.jsonl"))
    return {letter["tile"]: letter for file in files for letter in lines(file.read_text())}


def inner_pixels(key: TileKey, **answer: Any) -> dict[str, Any]:
    """A place of the fault plan in the middle of a tile: no neighbour needs it."""
    left, bottom, right, top = key.bounds
    return {"bounds": [left + 100, bottom + 100, right - 100, top - 100], "crs": key.crs, **answer}


def is_nothing(pixels: np.ndarray, corner: tuple[int, int], key: TileKey) -> np.ndarray:
    """Where a tile of a mosaic has no class."""
    top, left = key.row - corner[0], key.col - corner[1]
    return pixels[0, top : top + key.size, left : left + key.size] == 255


@pytest.fixture(scope="module")
def clean(
    predict: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, earth_of_session: Any
) -> tuple[np.ndarray, tuple[int, int], Path]:
    """The map as an undisturbed run makes it, and where it is."""
    folder = tmp_path_factory.mktemp("clean") / "out"
    assert predict(folder, **SETTINGS).code == 0
    return *mosaic(folder), folder


def tile_at(corner: tuple[int, int], row: int, col: int) -> TileKey:
    return TileKey("EPSG:32632", 10.0, 32, corner[0] + 32 * row, corner[1] + 32 * col)


def test_a_bad_day(
    predict: Callable[..., Any],
    earth: Any,
    clean: tuple[np.ndarray, tuple[int, int], Path],
    tmp_path: Path,
    snapshot: Callable[[Path], dict[str, bytes]],
) -> None:
    """One tile always fails, one is too large for any request; all else fails now and then."""
    pixels, corner, folder = clean
    broken, heavy = tile_at(corner, 2, 3), tile_at(corner, 4, 4)
    plan = [inner_pixels(broken, status=500), inner_pixels(heavy, status=400, message=MEMORY)]
    faults = {**BAD_DAY, "fail_tiles": plan, "seed": 3}
    earth.faults(**faults)

    first = predict(tmp_path, ee_deadline=3, ee_total_time=20, **SETTINGS)

    asked = read_run(folder)["tiles"]["asked"]
    assert first.code == 3
    assert f"2 of {asked} tiles failed for good" in first.error
    assert "--allow_dead_letters" in first.error
    assert str(broken) in first.error
    assert read_run(tmp_path)["tiles"] == {"asked": asked, "predicted": asked - 2, "empty": 0, "dead": 2}
    letters = dead_letters(tmp_path)
    assert set(letters) == {str(broken), str(heavy)}
    assert letters[str(broken)]["kind"] == "transient"
    assert letters[str(heavy)]["kind"] == "too_large"
    found, there = mosaic(tmp_path)
    assert there == corner
    for key in (broken, heavy):
        assert is_nothing(found, corner, key).all()
    assert (found != 255).sum() == (pixels != 255).sum() - 2 * 32 * 32
    seen = found != 255
    np.testing.assert_array_equal(found[seen], pixels[seen])

    earth.reset()
    earth.faults(**faults)
    accepted = predict(tmp_path, ee_deadline=3, ee_total_time=20, allow_dead_letters=True, **SETTINGS)
    assert accepted.code == 0, accepted.text
    assert f"2 of {asked} tiles failed for good" in accepted.err

    earth.reset()
    cured = predict(tmp_path, **SETTINGS)
    assert cured.code == 0, cured.text
    assert earth.pixel_requests() == len({(key.row // 64, key.col // 64) for key in (broken, heavy)})
    assert not dead_letters(tmp_path)
    assert read_run(tmp_path)["tiles"]["dead"] == 0
    kept = ("class/", "probabilities/", "blocks/", "stac/")
    here, there_files = snapshot(tmp_path), snapshot(folder)
    assert [name for name in there_files if name.startswith(kept) and here.get(name) != there_files[name]] == []


def test_blocks_too_large_for_a_request_are_asked_for_in_pieces(
    predict: Callable[..., Any], earth: Any, clean: tuple[np.ndarray, tuple[int, int], Path], tmp_path: Path
) -> None:
    earth.faults(too_large_over_pixels=45 * 45)  # a tile with its margin has 40 x 40 pixels, a block 72 x 72
    done = predict(tmp_path, **SETTINGS)
    assert done.code == 0, done.text
    np.testing.assert_array_equal(mosaic(tmp_path)[0], clean[0])


def test_answers_are_kept_below_what_was_asked(
    predict: Callable[..., Any], earth: Any, clean: tuple[np.ndarray, tuple[int, int], Path], tmp_path: Path
) -> None:
    """A margin does not make a request larger than --block_mib; the pieces make the same map."""
    done = predict(tmp_path, **SETTINGS, block_mib=0.01)
    assert done.code == 0, done.text
    np.testing.assert_array_equal(mosaic(tmp_path)[0], clean[0])
    pixels = [grid["shape"][0] * grid["shape"][1] for grid in earth.grids()]
    assert max(pixels) * 9 <= 0.01 * 2**20  # two bands of float32 and a byte of validity


def test_empty_tiles_are_counted_and_not_written(
    predict: Callable[..., Any], models: Models, earth: Any, tmp_path: Path
) -> None:
    done = predict(tmp_path, model=models.hole, **SETTINGS)
    assert done.code == 0, done.text
    tiles = read_run(tmp_path)["tiles"]
    assert tiles["empty"] > 10
    assert tiles["asked"] == tiles["predicted"] + tiles["empty"]
    receipts = sorted(path.stem for path in (tmp_path / "blocks").glob("*.json"))
    written = [raster.name for raster in read_rasters(tmp_path)]
    assert 0 < len(written) < len(receipts)
    assert {path.stem for path in (tmp_path / "stac" / "items").glob("*.json")} == set(written)
    seen = 0
    for raster in read_rasters(tmp_path):
        lon, _ = raster.centres
        there = raster.pixels[0] != 255
        assert not there[lon < 10.01 - 1e-6].any()
        seen += int(there.sum())
    # Tiles through which the edge goes are seen in part.
    assert 0.8 < seen / (tiles["predicted"] * 32 * 32) < 1


def test_a_region_without_any_pixel_is_an_error(predict: Callable[..., Any], models: Models, tmp_path: Path) -> None:
    done = predict(tmp_path, model=models.hole, region="9.0,50.0,9.01,50.01", **SETTINGS)
    assert done.code == 2
    assert "tiles are empty" in done.error
    assert "no valid pixel" in done.error
    assert not (tmp_path / "run.json").exists()
    assert not (tmp_path / "class").exists()


def test_no_permission_is_one_error(predict: Callable[..., Any], earth: Any, tmp_path: Path) -> None:
    everywhere = {"bounds": [-180, -90, 180, 90], "status": 403, "message": "Permission denied on project"}
    earth.faults(fail_tiles=[everywhere])
    done = predict(tmp_path, **SETTINGS)
    assert done.code == 2
    assert "Permission denied" in done.error
    assert earth.pixel_requests() <= 40
    assert not (tmp_path / "run.json").exists()
    assert not (tmp_path / "blocks").exists()
