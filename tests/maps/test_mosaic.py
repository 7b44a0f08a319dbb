"""One layer over all blocks, and a small picture of it: against the rasters themselves."""

from __future__ import annotations

import shutil
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.shutil import copy
from rasterio.warp import transform_bounds
from rasterio.windows import from_bounds

from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileBlock
from rsbot_beam.maps.cog import write_cog
from rsbot_beam.maps.mosaic import ACROSS_ANTIMERIDIAN, common_crs, mosaic_geobox, write_mosaic
from rsbot_beam.maps.overview import picture_geobox, read_overview, write_layer
from rsbot_beam.maps.styles import map_styles, raster_path

CLASSES = (LabelClass(10, "Trees & <shrubs>", "#006400"), LabelClass(20, "Grass", "#ffff4c"), LabelClass(30, "Water"))
STYLES = map_styles(CLASSES)
ONE_ZONE = [
    TileBlock("EPSG:32633", 10.0, 256, -527_104 + 512 * row, 47_616 + 512 * col, 2, 2)
    for row in range(3)
    for col in range(3)
    if (row, col) != (1, 1)  # a hole
]
# Both sides of 12 degrees east, the edge between the zones; they share no ground.
TWO_ZONES = [
    TileBlock("EPSG:32632", 10.0, 256, -527_104, 72_192, 2, 2),
    TileBlock("EPSG:32633", 10.0, 256, -527_104, 28_160, 2, 2),
]
ANTIMERIDIAN = [
    TileBlock("EPSG:32760", 10.0, 256, -800_000 // 512 * 512, 80_896, 2, 2),
    TileBlock("EPSG:32701", 10.0, 256, -800_000 // 512 * 512, 18_432, 2, 2),
]
SOUTH = [TileBlock("EPSG:4326", 0.0001, 256, 300_032, -700_160 + 512 * col, 2, 2) for col in range(2)]


def codes_of(block: TileBlock) -> np.ndarray:
    """Large patches of classes that depend on the block; a corner has no data."""
    rng = np.random.default_rng(abs(block.col) * 31 + abs(block.row))
    found = np.kron(rng.choice(np.array([10, 20, 30], np.uint8), size=(8, 8)), np.ones((64, 64), np.uint8))
    found[:64, :64] = 255
    return found


def write_map(folder: str | Path, blocks: list[TileBlock], names: tuple[str, ...] = ("class",)) -> None:
    for block in blocks:
        for name in names:
            style = STYLES[name]
            pixels = codes_of(block)[None]
            if name != "class":
                pixels = np.repeat(np.where(pixels == 255, np.nan, pixels / 40).astype(np.float32), len(style.bands), 0)
                pixels += np.arange(len(style.bands), dtype=np.float32)[:, None, None]
            write_cog(storage.join(folder, raster_path(name, block)), pixels, block, style)


@pytest.mark.parametrize("blocks", [ONE_ZONE, SOUTH], ids=["UTM", "degrees"])
def test_one_grid_is_pixel_equal(tmp_path: Path, blocks: list[TileBlock]) -> None:
    write_map(tmp_path, blocks)
    path = write_mosaic(tmp_path, blocks, STYLES["class"])
    assert path == str(tmp_path / "class.vrt")
    assert not list(tmp_path.glob("*.gpkg"))
    with rasterio.open(path) as dataset:
        assert dataset.crs.to_string() == blocks[0].crs
        assert (dataset.nodata, dataset.dtypes, dataset.descriptions) == (255, ("uint8",), ("class",))
        whole, seen = dataset.read(1), np.zeros(dataset.shape, bool)
        for block in blocks:
            window = from_bounds(*block.bounds, transform=dataset.transform).round_offsets().round_lengths()
            assert dataset.window_bounds(window) == pytest.approx(block.bounds, abs=1e-9)
            rows, cols = window.toslices()
            np.testing.assert_array_equal(whole[rows, cols], codes_of(block))
            seen[rows, cols] = True
    assert (whole[~seen] == 255).all()
    assert (~seen).sum() == (512 * 512 if blocks is ONE_ZONE else 0)


def test_bands_of_probabilities(tmp_path: Path) -> None:
    write_map(tmp_path, ONE_ZONE[:2], ("probabilities",))
    path = write_mosaic(tmp_path, ONE_ZONE[:2], STYLES["probabilities"])
    with rasterio.open(path) as dataset:
        assert dataset.descriptions == ("Trees & <shrubs>", "Grass", "Water")
        assert dataset.units == ("1", "1", "1")
        assert np.isnan(dataset.nodata)
        pixels = dataset.read()
    known = ~np.isnan(pixels[0])
    assert known.sum() == 2 * (512 * 512 - 64 * 64)
    np.testing.assert_allclose(pixels[2][known] - pixels[0][known], 2)


@pytest.mark.parametrize(("blocks", "crs"), [(TWO_ZONES, "EPSG:4326"), (ANTIMERIDIAN, ACROSS_ANTIMERIDIAN)])
def test_several_zones_are_one_layer(tmp_path: Path, blocks: list[TileBlock], crs: str) -> None:
    """Each pixel of the layer is the pixel of a raster at that place."""
    write_map(tmp_path, blocks)
    path = write_mosaic(tmp_path, blocks, STYLES["class"])
    with rasterio.open(path) as dataset:
        assert dataset.crs.to_string() == crs
        whole, transform = dataset.read(1), dataset.transform
    cols, rows = np.meshgrid(np.arange(0, whole.shape[1], 7), np.arange(0, whole.shape[0], 7))
    x, y = transform.c + (cols + 0.5) * transform.a, transform.f + (rows + 0.5) * transform.e
    expected = np.full(rows.shape, 255, np.uint8)
    for block in blocks:
        u, v = pyproj.Transformer.from_crs(crs, block.crs, always_xy=True).transform(x, y)
        col, row = (u - block.bounds[0]) / block.resolution, (block.bounds[3] - v) / block.resolution
        inside = (col >= 0) & (row >= 0) & (col < block.shape[1]) & (row < block.shape[0])
        here = np.full(rows.shape, 255, np.uint8)
        here[inside] = codes_of(block)[row[inside].astype(int), col[inside].astype(int)]
        expected = np.where(here == 255, expected, here)
    compared, equal = expected.size, int((whole[rows, cols] == expected).sum())
    assert (expected != 255).sum() > 1000
    # GDAL reprojects within an eighth of a pixel: next to the edges of patches of 64 pixels some fall on the other side.
    assert equal / compared > 0.99
    assert set(np.unique(whole)) == {10, 20, 30, 255}


def test_class_names_and_colours_are_in_the_layer(tmp_path: Path) -> None:
    """As GDAL hands them to QGIS: what it copies into another VRT is what it has read."""
    for name, blocks in (("one", ONE_ZONE[:2]), ("two", TWO_ZONES)):
        folder = tmp_path / name
        write_map(folder, blocks)
        path = write_mosaic(folder, blocks, STYLES["class"])
        with rasterio.open(path) as dataset:
            assert dataset.colormap(1)[10] == (0, 100, 0, 255)
            assert dataset.colormap(1)[20] == (255, 255, 76, 255)
        copy(path, tmp_path / "seen.vrt", driver="VRT")
        text = (tmp_path / "seen.vrt").read_text()
        assert "<Category>Trees &amp; &lt;shrubs&gt;</Category>" in text
        assert text.count("<Category>") + text.count("<Category/>") + text.count("<Category />") == 31


@pytest.mark.parametrize("blocks", [ONE_ZONE[:2], TWO_ZONES], ids=["one zone", "two zones"])
def test_the_folder_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: list[TileBlock]) -> None:
    write_map(tmp_path / "map", blocks)
    path = write_mosaic(tmp_path / "map", blocks, STYLES["class"])
    with rasterio.open(path) as dataset:
        before = dataset.read(1)
    shutil.move(tmp_path / "map", tmp_path / "moved")
    monkeypatch.chdir("/")
    with rasterio.open(tmp_path / "moved" / "class.vrt") as dataset:
        np.testing.assert_array_equal(dataset.read(1), before)


@pytest.mark.parametrize("blocks", [ONE_ZONE, TWO_ZONES], ids=["one zone", "two zones"])
def test_the_same_blocks_are_the_same_bytes(tmp_path: Path, blocks: list[TileBlock]) -> None:
    for name, order in (("a", blocks), ("b", blocks[::-1])):
        write_mosaic(tmp_path / name, order, STYLES["class"])
        time.sleep(1.1 if name == "a" else 0)  # GeoPackages carry times, to the second
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "b").iterdir())
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_common_crs() -> None:
    assert common_crs(ONE_ZONE) == "EPSG:32633"
    assert common_crs(TWO_ZONES) == "EPSG:4326"
    assert common_crs(ANTIMERIDIAN) == ACROSS_ANTIMERIDIAN
    assert common_crs([ANTIMERIDIAN[0], TWO_ZONES[0]]) == "EPSG:4326"


def test_another_crs_by_choice(tmp_path: Path) -> None:
    write_map(tmp_path, ONE_ZONE[:2])
    with rasterio.open(write_mosaic(tmp_path, ONE_ZONE[:2], STYLES["class"], "EPSG:3857")) as dataset:
        assert dataset.crs.to_epsg() == 3857
        assert (dataset.read(1) != 255).mean() > 0.9


def test_no_blocks_are_no_mosaic(tmp_path: Path) -> None:
    for call in (write_mosaic, read_overview, write_layer):
        with pytest.raises(InputError, match="without blocks"):
            call(tmp_path, [], STYLES["class"])


def test_ten_thousand_blocks(tmp_path: Path) -> None:
    """Writing and opening do not touch the rasters, which are not there."""
    many = [TileBlock("EPSG:32633", 10.0, 256, 256 * row, 256 * col) for row in range(100) for col in range(100)]
    path = write_mosaic(tmp_path, many, STYLES["class"])
    with rasterio.open(path) as dataset:
        assert dataset.shape == (25_600, 25_600)


# The picture ----------------------------------------------------------------------------------------------------


def test_a_picture_of_one_zone_is_the_mosaic_made_smaller(tmp_path: Path) -> None:
    write_map(tmp_path, ONE_ZONE)
    picture, geobox = read_overview(tmp_path, ONE_ZONE, STYLES["class"], 192)
    full = mosaic_geobox(ONE_ZONE)
    assert picture.shape == geobox.shape == (192, 192)
    assert geobox.boundingbox.bbox == pytest.approx(full.boundingbox.bbox)
    with rasterio.open(write_mosaic(tmp_path, ONE_ZONE, STYLES["class"])) as dataset:
        # Patches are 64 pixels, 8 of the picture: their inner pixels are of one class.
        expected = dataset.read(1)[4::8, 4::8]
    np.testing.assert_array_equal(picture, expected)


def test_a_picture_that_is_larger_than_the_map(tmp_path: Path) -> None:
    write_map(tmp_path, ONE_ZONE[:1])
    picture, geobox = read_overview(tmp_path, ONE_ZONE[:1], STYLES["class"], 5000)
    np.testing.assert_array_equal(picture, codes_of(ONE_ZONE[0]))
    assert geobox.transform == ONE_ZONE[0].transform


@pytest.mark.parametrize("blocks", [TWO_ZONES, ANTIMERIDIAN], ids=["two zones", "antimeridian"])
def test_a_picture_of_several_zones(tmp_path: Path, blocks: list[TileBlock]) -> None:
    write_map(tmp_path, blocks)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        picture, geobox = read_overview(tmp_path, blocks, STYLES["class"], 400)
    assert max(picture.shape) == 400
    assert set(np.unique(picture)) == {10, 20, 30, 255}
    # As much ground has data as in the rasters: 64 x 64 of 512 x 512 pixels have none.
    from rsbot_beam.geometry.areas import class_areas

    shown = sum(class_areas(picture, geobox, 255).values())
    there = sum(sum(class_areas(codes_of(block), block.geobox, 255).values()) for block in blocks)
    assert shown == pytest.approx(there, rel=0.03)


def test_a_picture_of_probabilities_is_their_mean(tmp_path: Path) -> None:
    write_map(tmp_path, ONE_ZONE[:2], ("probabilities",))
    picture, _ = read_overview(tmp_path, ONE_ZONE[:2], STYLES["probabilities"], 128)
    assert picture.shape == (3, 64, 128)
    assert np.isnan(picture[:, :8, :8]).all()
    expected = codes_of(ONE_ZONE[0])[4::8, 4::8] / 40
    np.testing.assert_allclose(picture[0, 8:, :64], expected[8:], atol=1e-6)


def test_blocks_smaller_than_a_pixel_of_the_picture(tmp_path: Path) -> None:
    far = [ONE_ZONE[0], TileBlock("EPSG:32633", 10.0, 256, -527_104, 47_616 + 256 * 200, 2, 2)]
    write_map(tmp_path, far)
    picture, _ = read_overview(tmp_path, far, STYLES["class"], 50)
    assert picture.shape[1] == 50
    assert picture[0, 0] != 255
    assert (picture[0, 5:45] == 255).all()


def test_a_missing_raster_is_an_error(tmp_path: Path) -> None:
    write_map(tmp_path, ONE_ZONE[:1])
    with pytest.raises(FileNotFoundError, match=str(ONE_ZONE[1])):
        read_overview(tmp_path, ONE_ZONE[:2], STYLES["class"])


def test_picture_geobox_keeps_the_sides_in_proportion() -> None:
    wide = [TileBlock("EPSG:32633", 10.0, 256, 0, 0, 1, 16)]
    assert tuple(picture_geobox(wide, 1000).shape) == (62, 1000)


@pytest.mark.parametrize("blocks", [ONE_ZONE, TWO_ZONES], ids=["one zone", "two zones"])
def test_a_layer_shows_all_of_a_map_without_opening_it(tmp_path: Path, blocks: list[TileBlock]) -> None:
    write_map(tmp_path, blocks)
    picture, geobox = write_layer(tmp_path, blocks, STYLES["class"])
    assert geobox.shape == picture.shape
    shutil.rmtree(tmp_path / "class")
    with rasterio.open(tmp_path / "class.vrt") as dataset:
        assert dataset.overviews(1), "the overview is known"
        small = dataset.read(1, out_shape=tuple(side // 40 for side in dataset.shape))
    assert {10, 20, 30} <= set(np.unique(small))


def test_bounds_of_both_sides(tmp_path: Path) -> None:
    geobox = mosaic_geobox(TWO_ZONES)
    left, bottom, right, top = geobox.boundingbox.bbox
    for block in TWO_ZONES:
        found = transform_bounds(block.crs, "EPSG:4326", *block.bounds, densify_pts=21)
        assert left <= found[0] + 1e-9
        assert bottom <= found[1] + 1e-9
        assert right >= found[2] - 1e-9
        assert top >= found[3] - 1e-9


@pytest.mark.integration
@pytest.mark.parametrize("blocks", [ONE_ZONE[:3], TWO_ZONES], ids=["one zone", "two zones"])
def test_a_map_in_a_bucket(gcs: Any, tmp_path: Path, blocks: list[TileBlock]) -> None:
    write_map(gcs, blocks)
    write_map(tmp_path, blocks)
    picture, _ = write_layer(gcs, blocks, STYLES["class"])
    expected, _ = write_layer(tmp_path, blocks, STYLES["class"])
    np.testing.assert_array_equal(picture, expected)
    for file in tmp_path.glob("class*.*"):
        assert storage.read_bytes(storage.join(gcs, file.name)) == file.read_bytes()
    storage.copy_folder(gcs, tmp_path / "copy")
    with rasterio.open(tmp_path / "copy" / "class.vrt") as copied, rasterio.open(tmp_path / "class.vrt") as dataset:
        np.testing.assert_array_equal(copied.read(1), dataset.read(1))


def test_only_the_beginning_of_a_large_file_is_read(gcs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    block = TileBlock("EPSG:32633", 10.0, 256, -527_104, 47_616, 8, 8)
    noise = np.random.default_rng(0).random((1, *block.shape), np.float32)
    nbytes = write_cog(f"{gcs}/{raster_path('probability', block)}", noise, block, STYLES["probability"])
    read = []

    def counted(path: str, limit: int | None = None, plain: Any = storage.read_bytes) -> bytes:
        found = plain(path, limit)
        read.append(len(found))
        return found

    monkeypatch.setattr(storage, "read_bytes", counted)
    picture, _ = read_overview(gcs, [block], STYLES["probability"], 64)
    assert picture.shape == (64, 64)
    assert np.abs(picture - 0.5).max() < 0.1  # means of 32 x 32 pixels
    assert len(read) == 1
    assert read[0] < nbytes / 10
