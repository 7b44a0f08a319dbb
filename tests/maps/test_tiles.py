"""Tiles and values of maps of any place: against the map's own pixels, found through pyproj alone."""

from __future__ import annotations

import functools
import io
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from PIL import Image
from rasterio.enums import Resampling
from rasterio.warp import reproject

from rsbot_beam import storage
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileBlock
from rsbot_beam.geometry.mercator import HALF, MercatorGrid, latitude, northing, picture_grid
from rsbot_beam.maps import tiles as tiles_module
from rsbot_beam.maps.shading import UNKNOWN, ramp
from rsbot_beam.maps.styles import map_styles, raster_path
from rsbot_beam.maps.tiles import MapTiles
from rsbot_beam.views.colour_vision import perceived
from tests.maps.drawn_maps import CLASSES, lonlat_of, said_at, write_map

pytestmark = pytest.mark.slow

COLOURS = {10: (0, 100, 0), 20: (255, 255, 76), 30: (0, 100, 200)}
# Places of all kinds: blocks of 512 pixels.
PLACES = {
    "UTM north": [
        TileBlock("EPSG:32633", 10.0, 256, -527_104 + 512 * row, 47_616 + 512 * col, 2, 2)
        for row in range(2)
        for col in range(2)
        if (row, col) != (1, 1)
    ],
    "UTM south": [TileBlock("EPSG:32721", 10.0, 256, -760_320 + 512 * row, 40_960, 2, 2) for row in range(2)],
    "LAEA": [TileBlock("EPSG:3035", 10.0, 256, -312_320, 432_128 + 512 * col, 2, 2) for col in range(2)],
    "degrees": [TileBlock("EPSG:4326", 0.0001, 256, 300_032, -700_160 + 512 * col, 2, 2) for col in range(2)],
    "degrees over 180": [TileBlock("EPSG:4326", 0.0001, 256, 170_240, 1_799_680 + 512 * col, 2, 2) for col in range(2)],
    "two zones": [
        TileBlock("EPSG:32632", 10.0, 256, -527_104, 72_192, 2, 2),
        TileBlock("EPSG:32633", 10.0, 256, -527_104, 27_648, 2, 2),
    ],
    "antimeridian": [
        TileBlock("EPSG:32760", 10.0, 256, -800_000 // 512 * 512, 81_408, 2, 2),
        TileBlock("EPSG:32701", 10.0, 256, -800_000 // 512 * 512, 17_920, 2, 2),
    ],
}


@pytest.fixture(scope="module", params=list(PLACES), ids=list(PLACES))
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[MapTiles, list[TileBlock]]:
    """A map of one of the places, with all rasters."""
    blocks = PLACES[request.param]
    return MapTiles(write_map(tmp_path_factory.mktemp("map"), blocks), CLASSES), blocks


@pytest.fixture(scope="module")
def utm(tmp_path_factory: pytest.TempPathFactory) -> MapTiles:
    """The map of one zone."""
    return MapTiles(write_map(tmp_path_factory.mktemp("utm"), PLACES["UTM north"]), CLASSES)


@functools.lru_cache(maxsize=32)
def transformer(source: str, target: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


@functools.lru_cache(maxsize=32)
def pixels_of(block: TileBlock) -> dict[str, np.ndarray]:
    return said_at(*lonlat_of(block))


def tile_at(lon: float, lat: float, z: int) -> tuple[int, int, int]:
    """The tile in which a place lies."""
    n = 2**z
    x = int((lon + 180) % 360 / 360 * n)
    return z, min(n - 1, x), int((HALF - float(northing(np.array(lat)))) / (2 * HALF) * n)


def expected_at(lon: np.ndarray, lat: np.ndarray, blocks: list[TileBlock], name: str) -> tuple[np.ndarray, np.ndarray]:
    """A raster's pixels at places: those of the last block, in the order of their names, that has data there."""
    bands = said_at(np.zeros((1, 1)), np.zeros((1, 1)))[name]
    found, valid = np.zeros((len(bands), *lon.shape), bands.dtype), np.zeros(lon.shape, bool)
    for block in sorted(blocks):
        if block.crs == "EPSG:4326":
            x, y = block.bounds[0] + (lon - block.bounds[0]) % 360, lat
        else:
            x, y = transformer("EPSG:4326", block.crs).transform(lon, lat)
        col, row = (x - block.bounds[0]) / block.resolution, (block.bounds[3] - y) / block.resolution
        height, width = block.shape
        inside = (col >= 0) & (row >= 0) & (col < width) & (row < height)
        i, j = np.where(inside, row, 0).astype(int), np.where(inside, col, 0).astype(int)
        pixels = pixels_of(block)
        here = inside & (pixels["class"][0] != 255)[i, j]
        np.copyto(found, pixels[name][:, i, j], where=here)
        valid |= here
    return found, valid


def decoded(png: bytes) -> np.ndarray:
    """uint8 (height, width, 4)."""
    return np.array(Image.open(io.BytesIO(png)).convert("RGBA"))


def middle_of(block: TileBlock) -> tuple[float, float]:
    """A place that has data."""
    lon, lat = lonlat_of(block)
    row = int(np.flatnonzero(pixels_of(block)["class"][0, 200:, 200] != 255)[12]) + 200
    return float(lon[row, 200]), float(lat[row, 200])


# Tiles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("z", [13, 14, 17])
def test_each_pixel_of_a_tile_is_that_of_the_raster(place: tuple[MapTiles, list[TileBlock]], z: int) -> None:
    tiles, blocks = place
    for block in blocks:
        address = tile_at(*middle_of(block), z)
        lon, lat = MercatorGrid.of_tile(*address).lonlat()
        for name in ("class", "probability"):
            wanted, there = expected_at(lon, lat, blocks, name)
            assert there.sum() > 1000
            pixels, valid = tiles.sample(name, MercatorGrid.of_tile(*address))
            if z == 13 and name == "probability":  # pixels of 19 m: means of 2 x 2
                continue
            if z == 13:
                # Seen from afar a pixel is the most frequent of four, which may be another at the edges of classes.
                assert (pixels[:, there & valid] == wanted[:, there & valid]).mean() > 0.95
                continue
            np.testing.assert_array_equal(valid, there)
            np.testing.assert_array_equal(pixels[:, there], wanted[:, there])


def test_a_tile_has_the_colours_of_the_classes_and_is_transparent_without_data(
    place: tuple[MapTiles, list[TileBlock]],
) -> None:
    tiles, blocks = place
    address = tile_at(*middle_of(blocks[0]), 14)
    png = tiles.tile("class", *address)
    assert png is not None
    image = decoded(png)
    codes, there = expected_at(*MercatorGrid.of_tile(*address).lonlat(), blocks, "class")
    np.testing.assert_array_equal(image[..., 3], np.where(there, 255, 0))
    for code, colour in COLOURS.items():
        assert (image[there & (codes[0] == code)][:, :3] == colour).all()
    assert 0 < there.sum() < there.size


def test_a_tile_is_what_gdal_warps(utm: MapTiles) -> None:
    """The same place by rasterio: equal but where GDAL's own approximation, of an eighth of a pixel, decides."""
    address = tile_at(*middle_of(PLACES["UTM north"][0]), 14)
    grid = MercatorGrid.of_tile(*address)
    pixels, valid = utm.sample("class", grid)
    left, _, _, top = grid.bounds
    transform = rasterio.Affine(grid.resolution, 0, left, 0, -grid.resolution, top)
    warped = np.full(grid.shape, 255, np.uint8)
    with rasterio.open(Path(utm.root, "class.vrt")) as dataset:
        reproject(
            rasterio.band(dataset, 1),
            warped,
            dst_transform=transform,
            dst_crs="EPSG:3857",
            dst_nodata=255,
            resampling=Resampling.nearest,
        )
    mine = np.where(valid, pixels[0], 255)
    assert (mine == warped).mean() > 0.995
    # GDAL with next to no approximation is pixel for pixel the same.
    exact = np.full(grid.shape, 255, np.uint8)
    with (
        rasterio.open(Path(utm.root, "class.vrt")) as dataset,
        rasterio.vrt.WarpedVRT(
            dataset, crs="EPSG:3857", transform=transform, width=256, height=256, nodata=255, tolerance=1e-4
        ) as vrt,
    ):
        exact = vrt.read(1)
    np.testing.assert_array_equal(mine, exact)


def test_neighbouring_tiles_are_one_picture(utm: MapTiles) -> None:
    z, x, y = tile_at(*middle_of(PLACES["UTM north"][0]), 13)
    for name in ("class", "probability"):
        whole, seen = utm.sample(name, MercatorGrid.of_tile(z, x, y, 512))
        for dx in range(2):
            for dy in range(2):
                part, valid = utm.sample(name, MercatorGrid.of_tile(z + 1, 2 * x + dx, 2 * y + dy))
                window = slice(256 * dy, 256 * dy + 256), slice(256 * dx, 256 * dx + 256)
                np.testing.assert_array_equal(valid, seen[window])
                np.testing.assert_array_equal(part[:, valid], whole[(slice(None), *window)][:, valid])


def test_quantities_have_a_colour_scale_and_the_composite_its_colours(utm: MapTiles) -> None:
    address = tile_at(*middle_of(PLACES["UTM north"][0]), 16)
    lon, lat = MercatorGrid.of_tile(*address).lonlat()
    for name, band, scale in (("probability", 1, "viridis"), ("probabilities", 2, "viridis"), ("entropy", 1, "magma")):
        wanted, there = expected_at(lon, lat, PLACES["UTM north"], name)
        png = utm.tile(name, *address, band=band)
        assert png is not None
        image = decoded(png)
        np.testing.assert_array_equal(image[..., 3] > 0, there)
        steps = np.round(wanted[band - 1][there] * 255).astype(int)
        np.testing.assert_array_equal(image[there][:, :3], ramp(scale)[steps])
    wanted, there = expected_at(lon, lat, PLACES["UTM north"], "composite")
    png = utm.tile("composite", *address)
    assert png is not None
    image = decoded(png)
    np.testing.assert_array_equal(image[..., 3] > 0, there)
    off = np.abs(image[there][:, :3].astype(int) - np.moveaxis(wanted, 0, -1)[there])
    assert off.mean() < 8  # JPEG, of a picture with hard edges


def test_the_colour_scales_grow_lighter_in_even_steps() -> None:
    for name in ("viridis", "magma"):
        light = perceived([f"#{r:02x}{g:02x}{b:02x}" for r, g, b in ramp(name)[::15].tolist()])
        steps = np.diff(light[..., 0], axis=1)  # of L*, as three kinds of eyes see it
        assert (steps > 0).all()
        assert steps[0].max() < 3 * steps[0].min()
    assert ramp("viridis")[0].tolist() == [68, 1, 84]


@pytest.mark.parametrize("z", [0, 1, 3, 6, 9, 11])
def test_from_afar_the_map_is_there_and_has_its_size(place: tuple[MapTiles, list[TileBlock]], z: int) -> None:
    tiles, blocks = place
    shown = wanted = 0
    for address in {tile_at(*middle_of(block), z) for block in blocks}:
        grid = MercatorGrid.of_tile(*address)
        pixels, valid = tiles.sample("class", grid)
        assert set(np.unique(pixels[0][valid])) <= {10, 20, 30}
        shown += int(valid.sum())
        wanted += int(expected_at(*grid.lonlat(), blocks, "class")[1].sum())
    # Where the map is a few pixels, only that no tile fails; else gaps narrower than a pixel are filled from beside them.
    assert wanted < 100 or 0.9 < shown / wanted < 1.3


def test_tiles_elsewhere_have_nothing(place: tuple[MapTiles, list[TileBlock]]) -> None:
    tiles, _ = place
    assert tiles.tile("class", *tile_at(100.0, 60.0, 12)) is None
    assert tiles.tile("class", *tile_at(-100.0, -60.0, 6)) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("class", 25, 0, 0), "zoom"),
        (("class", 3, 8, 0), "0 to 7"),
        (("class", 3, 0, -1), "0 to 7"),
        (("height", 3, 0, 0), "no raster 'height'"),
        (("class", 3, 0, 0, 256, 2), "no band 2"),
        (("probabilities", 3, 0, 0, 256, 4), "1 to 3"),
    ],
)
def test_what_is_not_there_is_said(utm: MapTiles, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        utm.tile(*arguments)


def test_codes_above_255_and_codes_of_no_class(tmp_path: Path) -> None:
    from rsbot_beam.data.bands import LabelClass
    from rsbot_beam.maps.cog import write_cog
    from rsbot_beam.maps.overview import write_layer

    classes = (LabelClass(3, "low", "#112233"), LabelClass(300, "high", "#445566"))
    style, block = map_styles(classes)["class"], PLACES["UTM north"][0]
    codes = np.full((1, *block.shape), 300, np.uint16)
    codes[0, :256], codes[0, 256:300] = 3, 65535
    codes[0, 300:310] = 77
    write_cog(tmp_path / raster_path("class", block), codes, block, style)
    write_layer(tmp_path, [block], style)
    tiles = MapTiles(str(tmp_path), classes)
    png = tiles.tile("class", *tile_at(*middle_of(block), 12))
    assert png is not None
    image = decoded(png)
    seen = {tuple(colour) for colour in image[image[..., 3] > 0][:, :3].tolist()}
    assert seen == {(0x11, 0x22, 0x33), (0x44, 0x55, 0x66), UNKNOWN}
    lon, lat = lonlat_of(block)
    assert tiles.values(lon[305, 5], lat[305, 5]) == {
        "lon": lon[305, 5],
        "lat": lat[305, 5],
        "code": 77,
        "class": "class 77",
    }
    assert tiles.values(lon[280, 5], lat[280, 5]) is None


# Few files ------------------------------------------------------------------------------------------------------


def test_no_picture_opens_more_files_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [
        TileBlock("EPSG:32633", 10.0, 256, -527_104 + 256 * row, 47_616 + 256 * col, 1, 1)
        for row in range(4)
        for col in range(4)
    ]
    root = write_map(tmp_path, blocks, ("class",))
    for path in Path(root, "class").glob("*.tif"):
        path.write_bytes(b"no TIFF")
    far, near = tile_at(*middle_of(blocks[0]), 11), tile_at(*middle_of(blocks[0]), 15)
    tiles = MapTiles(root, CLASSES)
    png = tiles.tile("class", *far)
    assert png is not None
    assert (decoded(png)[..., 3] > 0).sum() > 100
    with pytest.raises(InputError, match="cannot be read"):
        tiles.tile("class", *near)
    monkeypatch.setattr(tiles_module, "FEW_FILES", 0)
    monkeypatch.setattr(tiles_module, "MOST_FILES", 0)
    assert tiles.tile("class", *near) is not None


def test_without_an_overview_the_rasters_serve(tmp_path: Path) -> None:
    root = write_map(tmp_path, PLACES["two zones"], ("class",))
    before = MapTiles(root, CLASSES).sample("class", MercatorGrid.of_tile(*tile_at(12.0, 47.5, 9)))
    Path(root, "class_overview.tif").unlink()
    after = MapTiles(root, CLASSES).sample("class", MercatorGrid.of_tile(*tile_at(12.0, 47.5, 9)))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_folder_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_map(tmp_path / "map", PLACES["two zones"], ("class",))
    shutil.move(tmp_path / "map", tmp_path / "a & b")
    monkeypatch.chdir(tmp_path)
    for root in (str(tmp_path / "a & b"), "a & b"):  # absolute and relative
        for block in PLACES["two zones"]:
            assert MapTiles(root, CLASSES).values(*middle_of(block)) is not None


# Many threads ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_many_threads_get_the_same_tiles_and_few_files_stay_open(
    place: tuple[MapTiles, list[TileBlock]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles, blocks = place
    asked = [
        (name, *tile_at(*middle_of(block), z))
        for name in ("class", "probability", "composite")
        for block in blocks
        for z in (10, 13, 15)
    ]
    wanted = {one: tiles.tile(*one) for one in asked}
    fresh = MapTiles(tiles.root, CLASSES)
    monkeypatch.setattr(fresh._handles, "_most", 5)
    many = asked * 3
    random.Random(1).shuffle(many)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda one: fresh.tile(*one), many))
    assert all(wanted[one] == tile for one, tile in zip(many, found, strict=True))
    assert len(fresh._handles) <= 5
    fresh.close()
    assert len(fresh._handles) == 0
    assert fresh.tile(*asked[0]) == wanted[asked[0]]


# Values ---------------------------------------------------------------------------------------------------------


def test_values_are_those_of_the_pixel(place: tuple[MapTiles, list[TileBlock]]) -> None:
    tiles, blocks = place
    rng = np.random.default_rng(3)
    known = 0
    for block in blocks:
        lon, lat = lonlat_of(block)
        for row, col in rng.integers(0, 512, (25, 2)).tolist():
            # Anywhere in the pixel but for its very edge.
            x, y = block.transform * (col + rng.uniform(0.01, 0.99), row + rng.uniform(0.01, 0.99))
            if block.crs != "EPSG:4326":
                x, y = transformer(block.crs, "EPSG:4326").transform(x, y)
            here = {
                name: expected_at(np.array([[x]]), np.array([[y]]), blocks, name)
                for name in ("class", "probability", "probabilities", "entropy")
            }
            found = tiles.values(x, y)
            if not here["class"][1][0, 0]:
                assert found is None
                continue
            known += 1
            assert found is not None
            assert found["code"] == here["class"][0][0, 0, 0]
            assert found["class"] == next(item.name for item in CLASSES if item.code == found["code"])
            assert found["probability"] == here["probability"][0][0, 0, 0]
            assert found["entropy"] == here["entropy"][0][0, 0, 0]
            assert [p["probability"] for p in found["probabilities"]] == here["probabilities"][0][:, 0, 0].tolist()
            assert [p["class"] for p in found["probabilities"]] == [item.name for item in CLASSES]
        assert lon.shape == lat.shape
    assert known > 20


def test_values_are_the_colour_that_is_seen(place: tuple[MapTiles, list[TileBlock]]) -> None:
    """What a click on a pixel of a tile tells is the class of that pixel's colour."""
    tiles, blocks = place
    grid = MercatorGrid.of_tile(*tile_at(*middle_of(blocks[-1]), 15))
    pixels, valid = tiles.sample("class", grid)
    lon, lat = grid.lonlat()
    for i, j in np.random.default_rng(0).integers(0, 256, (40, 2)).tolist():
        found = tiles.values(lon[i, j], lat[i, j])
        assert (found is not None) == valid[i, j]
        if found is not None:
            assert found["code"] == pixels[0, i, j]


def test_longitudes_of_any_turn(place: tuple[MapTiles, list[TileBlock]]) -> None:
    tiles, blocks = place
    lon, lat = middle_of(blocks[0])
    here = tiles.values(lon, lat)
    for turn in (-360.0, 360.0):
        there = tiles.values(lon + turn, lat)
        assert (here is None) == (there is None)
        if here is not None and there is not None:
            assert here | {"lon": 0} == there | {"lon": 0}


def test_values_of_what_there_is(tmp_path: Path) -> None:
    block = PLACES["UTM north"][0]
    lon, lat = middle_of(block)
    only = MapTiles(write_map(tmp_path / "a", [block], ("class",)), CLASSES)
    found = only.values(lon, lat)
    assert found is not None
    assert set(found) == {"lon", "lat", "code", "class"}
    seen = MapTiles(write_map(tmp_path / "b", [block], ("composite",)), CLASSES)
    assert seen.rasters == ("composite",)
    assert seen.values(lon, lat) is None
    nothing = MapTiles(str(tmp_path), CLASSES)
    assert nothing.rasters == ()
    assert nothing.values(lon, lat) is None


@pytest.mark.integration
@pytest.mark.parametrize("name", ["UTM north", "two zones"])
def test_a_map_in_a_bucket(gcs: str, tmp_path: Path, name: str) -> None:
    blocks = PLACES[name]
    write_map(tmp_path, blocks, ("class", "composite"))
    storage.copy_folder(tmp_path, gcs)
    here, there = MapTiles(str(tmp_path), CLASSES), MapTiles(gcs, CLASSES)
    assert there.rasters == ("class", "composite")
    for z in (9, 14):
        address = tile_at(*middle_of(blocks[0]), z)
        assert there.tile("class", *address) == here.tile("class", *address)
        assert there.tile("composite", *address) == here.tile("composite", *address)
    lon, lat = middle_of(blocks[0])
    assert there.values(lon, lat) == here.values(lon, lat)


# Web Mercator ---------------------------------------------------------------------------------------------------


def test_tiles_of_web_mercator_lie_where_proj_puts_them() -> None:
    to_plane = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True).transform
    for z, x, y in ((0, 0, 0), (1, 1, 0), (7, 68, 44), (18, 141_000, 91_000)):
        grid = MercatorGrid.of_tile(z, x, y)
        u, v = to_plane(*grid.lonlat(64))
        left, bottom, right, top = grid.bounds
        rows, cols = (np.array([*range(0, 256, 64), 255]) + 0.5 for _ in range(2))
        np.testing.assert_allclose(u[0], left + cols * (right - left) / 256, atol=1e-6)
        np.testing.assert_allclose(v[:, 0], top - rows * (top - bottom) / 256, atol=1e-6)
    assert float(latitude(np.array(HALF))) == pytest.approx(85.0511287798066)
    np.testing.assert_allclose(latitude(northing(np.array([-80.0, 0.0, 47.3]))), [-80, 0, 47.3])


def test_pictures_of_places() -> None:
    grid = picture_grid(10.0, 50.0, 12.0, 51.0, 400)
    lon, lat = grid.lonlat()
    assert max(grid.shape) == 400
    assert lon[0, 0] - 10 == pytest.approx(12 - lon[0, -1])
    assert lat[0, 0] <= 51 and lat[-1, 0] >= 49.99
    assert np.diff(lon[0])[0] == pytest.approx(2 / 400, rel=1e-2)
    across, _ = picture_grid(179.0, -20.0, 182.0, -16.0, 100).lonlat()
    assert across.min() > 179 and across.max() < 182.1
    for nothing in ((10.0, 50.0, 10.0, 51.0), (10.0, 86.0, 12.0, 88.0)):
        with pytest.raises(InputError, match="nothing to draw"):
            picture_grid(*nothing, 100)
