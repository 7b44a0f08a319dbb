"""Cloud Optimized GeoTIFFs: valid, exact, small, and the same bytes each time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.shutil import copy
from rio_cogeo import cog_info, cog_validate

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileBlock
from rsbot_beam.maps.cog import is_whole, overview_share, write_cog
from rsbot_beam.maps.styles import map_styles, raster_path, rgb

pytestmark = pytest.mark.slow

CLASSES = (LabelClass(10, "Trees & <shrubs>", "#006400"), LabelClass(20, "Grass", "#ffff4c"), LabelClass(90, "Water"))
STYLES = map_styles(CLASSES)
BLOCK = TileBlock("EPSG:32719", 10.0, 256, -630_016, 25_088, 8, 8)  # 2048 x 2048: two overviews
PLACES = {
    "UTM south": TileBlock("EPSG:32719", 10.0, 256, -630_016, 25_088, 3, 2),
    "degrees": TileBlock("EPSG:4326", 0.0001, 256, -520_192, 100_096, 3, 2),
    "Albers, odd origin": TileBlock("EPSG:5070", 30.0, 256, -66_816, 3_328, 3, 2, (15.0, 15.0)),
    "polar": TileBlock("EPSG:3413", 40.0, 256, -512, -256, 3, 2),
}


def codes(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Patches of classes, without data in the north west."""
    rng = np.random.default_rng(seed)
    small = rng.choice(np.array([10, 20, 90], np.uint8), size=(-(-shape[0] // 16), -(-shape[1] // 16)))
    found = np.kron(small, np.ones((16, 16), np.uint8))[: shape[0], : shape[1]]
    found[: shape[0] // 4, : shape[1] // 3] = 255
    return found


def probabilities(shape: tuple[int, int], bands: int = 3) -> np.ndarray:
    found = np.random.default_rng(1).dirichlet(np.ones(bands), size=shape).astype(np.float32).transpose(2, 0, 1)
    found[:, : shape[0] // 4] = np.nan
    return np.ascontiguousarray(found)


@pytest.fixture(scope="module")
def class_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / raster_path("class", BLOCK)
    write_cog(path, codes(BLOCK.shape), BLOCK, STYLES["class"], {"model": "m 1", "period": "2023-01-01/2024-01-01"})
    return path


def test_a_class_map_is_valid_and_has_overviews(class_file: Path) -> None:
    valid, errors, warnings = cog_validate(class_file, strict=True)
    assert (valid, errors, warnings) == (True, [], [])
    info = cog_info(class_file)
    assert info.Profile.Nodata == 255
    assert [ifd.Blocksize for ifd in info.IFD] == [(512, 512)] * 3
    assert [ifd.Decimation for ifd in info.IFD] == [0, 2, 4]


@pytest.mark.parametrize("name", ["probability", "probabilities", "entropy"])
def test_floats_are_valid_and_exact(tmp_path: Path, name: str) -> None:
    style = STYLES[name]
    pixels = probabilities(BLOCK.shape, 3)[: len(style.bands)]
    nbytes = write_cog(tmp_path / "x.tif", pixels, BLOCK, style)
    assert cog_validate(tmp_path / "x.tif", strict=True) == (True, [], [])
    assert nbytes == (tmp_path / "x.tif").stat().st_size < pixels.nbytes * 1.4
    with rasterio.open(tmp_path / "x.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), pixels)
        assert dataset.nodatavals == pytest.approx([math.nan] * len(style.bands), nan_ok=True)
        assert dataset.descriptions == style.bands
        assert dataset.units == ("1",) * len(style.bands)


def test_pixels_place_and_meaning_come_back(class_file: Path) -> None:
    with rasterio.open(class_file) as dataset:
        np.testing.assert_array_equal(dataset.read(1), codes(BLOCK.shape))
        assert dataset.transform == BLOCK.transform
        assert tuple(dataset.bounds) == BLOCK.bounds
        assert dataset.crs.to_epsg() == 32719
        assert dataset.nodata == 255
        assert dataset.descriptions == ("class",)
        assert dataset.tags()["model"] == "m 1"
        assert dataset.tags()["period"] == "2023-01-01/2024-01-01"
        assert dataset.tags(1) == {"class_10": "Trees & <shrubs>", "class_20": "Grass", "class_90": "Water"}
        assert dataset.colorinterp == (ColorInterp.palette,)
        assert [dataset.colormap(1)[code] for code in (10, 20)] == [(0, 100, 0, 255), (255, 255, 76, 255)]
        assert dataset.colormap(1)[255][3] == 0, "no data is transparent"


@pytest.mark.parametrize("name", PLACES)
def test_georeferencing_is_exact(tmp_path: Path, name: str) -> None:
    block = PLACES[name]
    write_cog(tmp_path / "x.tif", codes(block.shape), block, STYLES["class"])
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert dataset.shape == block.shape
        assert dataset.crs.to_string() == block.crs
        np.testing.assert_array_equal(np.array(dataset.transform)[:6], np.array(block.transform)[:6])


def test_class_overviews_hold_the_most_frequent_class_that_has_data(tmp_path: Path) -> None:
    pixels = np.full(BLOCK.shape, 255, np.uint8)
    pixels[::2, ::2] = 20  # one of each four pixels, the others without data
    pixels[1024:] = 10
    pixels[1024::2, ::2] = 90  # one of each four
    write_cog(tmp_path / "x.tif", pixels, BLOCK, STYLES["class"])
    for level in (0, 1):
        with rasterio.open(tmp_path / "x.tif", overview_level=level) as dataset:
            small = dataset.read(1)
        half = small.shape[0] // 2
        assert set(np.unique(small[:half])) == {20}
        assert set(np.unique(small[half:])) == {10}


def test_float_overviews_hold_the_mean_of_what_has_data(tmp_path: Path) -> None:
    pixels = np.full((1, *BLOCK.shape), np.nan, np.float32)
    pixels[:, ::2, ::2] = 0.25
    pixels[:, :1024, ::2] = np.where(np.arange(1024)[:, None] % 2 == 0, 0.25, 0.75)
    pixels[:, :, 1024:] = np.nan
    write_cog(tmp_path / "x.tif", pixels, BLOCK, STYLES["probability"])
    with rasterio.open(tmp_path / "x.tif", overview_level=0) as dataset:
        small = dataset.read(1)
    np.testing.assert_array_equal(small[:512, :512], 0.5)
    np.testing.assert_array_equal(small[512:, :512], 0.25)
    assert np.isnan(small[:, 512:]).all()


def test_the_same_pixels_are_the_same_bytes(tmp_path: Path) -> None:
    for style, pixels in (("class", codes(BLOCK.shape)), ("probabilities", probabilities(BLOCK.shape))):
        for name, tags in (("a.tif", {"x": "1", "y": "2"}), ("b.tif", {"y": "2", "x": "1"})):
            write_cog(tmp_path / name, pixels, BLOCK, STYLES[style], tags)
        assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_nothing_else_is_left(tmp_path: Path) -> None:
    nbytes = write_cog(tmp_path / "class" / "x.tif", codes(BLOCK.shape), BLOCK, STYLES["class"])
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["x.tif"]
    assert is_whole(tmp_path / "class" / "x.tif", nbytes)
    assert not is_whole(tmp_path / "class" / "x.tif", nbytes - 1)
    assert not is_whole(tmp_path / "class" / "y.tif", nbytes)


def test_small_blocks_have_no_overviews(tmp_path: Path) -> None:
    block = TileBlock("EPSG:32633", 10.0, 128, -527_104, 39_168, 1, 2)
    write_cog(tmp_path / "x.tif", codes(block.shape), block, STYLES["class"])
    assert cog_validate(tmp_path / "x.tif", strict=True)[0]
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert dataset.overviews(1) == []


def test_codes_beyond_254_take_16_bits(tmp_path: Path) -> None:
    style = map_styles([LabelClass(1, "low"), LabelClass(300, "high")])["class"]
    assert (style.dtype, style.nodata) == ("uint16", 65535)
    pixels = np.where(codes(BLOCK.shape) == 255, 65535, 300).astype(np.uint16)
    write_cog(tmp_path / "x.tif", pixels, BLOCK, style)
    assert cog_validate(tmp_path / "x.tif", strict=True)[0]
    with rasterio.open(tmp_path / "x.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), pixels)
        assert dataset.tags(1)["class_300"] == "high"


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(np.zeros((4, 4), np.uint8), id="shape"),
        pytest.param(np.zeros(BLOCK.shape, np.int16), id="type"),
        pytest.param(np.zeros((2, *BLOCK.shape), np.uint8), id="bands"),
    ],
)
def test_pixels_that_do_not_fit_are_refused(tmp_path: Path, pixels: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"uint8 of shape \(1, 2048, 2048\)"):
        write_cog(tmp_path / "x.tif", pixels, BLOCK, STYLES["class"])
    assert not list(tmp_path.iterdir())


def test_the_largest_8_bit_code_keeps_a_value_for_no_data() -> None:
    assert map_styles([LabelClass(254, "last")])["class"].dtype == "uint8"
    assert map_styles([LabelClass(255, "too many")])["class"].dtype == "uint16"
    for bad in (-1, 65535):
        with pytest.raises(InputError, match="0 to 65534"):
            map_styles([LabelClass(bad, "bad")])


def test_styles_know_what_has_no_data() -> None:
    assert STYLES["class"].is_nodata(np.array([10, 255], np.uint8)).tolist() == [False, True]
    assert STYLES["entropy"].is_nodata(np.array([0.0, np.nan], np.float32)).tolist() == [False, True]
    assert STYLES["probabilities"].bands == ("Trees & <shrubs>", "Grass", "Water")


@pytest.mark.parametrize("colour", ["red", "#12345", "#gggggg", "1234567"])
def test_colours_that_are_none(colour: str) -> None:
    with pytest.raises(InputError, match="#ff8800"):
        rgb(colour)


def test_gdal_keeps_no_category_names_in_a_tiff(class_file: Path, tmp_path: Path) -> None:
    """Why the names are tags of the band, and the mosaic's: if GDAL ever reads them from TIFFs, this tells."""
    copy(class_file, tmp_path / "x.vrt", driver="VRT")
    text = (tmp_path / "x.vrt").read_text()
    assert "<ColorTable>" in text
    assert "<CategoryNames>" not in text


def test_files_on_google_cloud_storage(gcs: Any) -> None:
    path = f"{gcs}/map/class/x.tif"
    nbytes = write_cog(path, codes(BLOCK.shape), BLOCK, STYLES["class"])
    assert is_whole(path, nbytes)


@pytest.mark.parametrize("side", [64, 512, 513, 1000, 1024, 1025, 2048])
def test_the_share_of_overviews_is_that_of_the_file(side: int, tmp_path: Path) -> None:
    block = TileBlock("EPSG:32719", 10.0, side, -630 * side, 25 * side)
    write_cog(tmp_path / "map.tif", codes((side, side)), block, STYLES["class"])
    pixels = sum(ifd.Width * ifd.Height for ifd in cog_info(tmp_path / "map.tif").IFD)
    assert overview_share(side, side) == pytest.approx(pixels / side**2, rel=0.01)
