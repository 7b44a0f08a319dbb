"""The folder of rasters: manifests, memory, windows, tables; and the grid that all providers are asked on."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
import rasterio
from affine import Affine

from rsbot_beam.errors import InputError
from rsbot_beam.local_ee.manifest import read_manifest
from rsbot_beam.local_ee.provider import AssetNotFoundError, PixelGrid, Provider, transformer
from rsbot_beam.local_ee.raster_file import PixelStore, RasterFile
from rsbot_beam.local_ee.rasters import RasterFolder

ROOT = "projects/sample-project/assets/"
UTM = ("EPSG:32633", Affine(10, 0, 500000, 0, -10, 5000000))


def test_it_is_a_provider(samples):
    folder = RasterFolder(samples.folder)
    assert isinstance(folder, Provider)
    assert ROOT + "utm" in folder.asset_ids()
    assert folder.info("TEST/SERIES")["type"] == "IMAGE_COLLECTION"
    assert folder.info("TEST/SERIES/I1")["type"] == "IMAGE"
    info = folder.image("TEST/SERIES/I1")
    assert [band.name for band in info.bands] == ["red", "nir"]
    assert info.properties["system:index"] == "I1"
    assert info.bands[0].shape == (60, 70)


@pytest.mark.parametrize("call", ["info", "image"])
def test_what_is_not_there(samples, call):
    with pytest.raises(AssetNotFoundError, match="nothing"):
        getattr(RasterFolder(samples.folder), call)("nothing")


def test_wrong_types(samples):
    folder = RasterFolder(samples.folder)
    with pytest.raises(AssetNotFoundError):
        list(folder.images(ROOT + "utm", None, None, None))
    with pytest.raises(AssetNotFoundError):
        folder.features("TEST/SERIES", None)


def test_images_in_time_and_place(samples):
    folder = RasterFolder(samples.folder)
    march, may = 1677628800000, 1682899200000
    indices = [image.properties["system:index"] for image in folder.images("TEST/SERIES", march, may, None)]
    assert indices == ["I2", "I3"]
    assert not list(folder.images("TEST/SERIES", None, None, (16, 44, 17, 45)))
    assert len(list(folder.images("TEST/SERIES", None, None, (15, 45.1, 15.001, 45.2)))) == 7


def test_features_near_a_bbox(samples):
    folder = RasterFolder(samples.folder)
    assert len(list(folder.features(ROOT + "fields", None))) == 3
    assert len(list(folder.features(ROOT + "fields", (15.0, 45.15, 15.002, 45.152)))) == 1


def grid_on(raster: RasterFile, column: int, row: int, width: int, height: int) -> PixelGrid:
    return PixelGrid(raster.crs, raster.transform * Affine.translation(column, row), (height, width))


def test_aligned_windows_are_not_copied(samples):
    raster, store = RasterFile.open(samples.folder / "utm.tif"), PixelStore()
    whole, _ = store.pixels(raster, 1, 0, grid_on(raster, 0, 0, 200, 180))
    part, valid = store.pixels(raster, 1, 0, grid_on(raster, 5, 6, 20, 10))
    assert np.shares_memory(whole, part)
    np.testing.assert_array_equal(valid, part != 0)


def test_windows_of_rasters_beyond_the_budget(samples):
    raster = RasterFile.open(samples.folder / "utm.tif")
    small, roomy = PixelStore(budget=1000), PixelStore()
    for window in ((0, 0, 30, 20), (190, 170, 30, 30), (-50, -50, 20, 20), (-5, 170, 20, 20)):
        grid = grid_on(raster, *window)
        for one, two in zip(small.pixels(raster, 3, 0, grid), roomy.pixels(raster, 3, 0, grid), strict=True):
            np.testing.assert_array_equal(one, two)


def test_memory_stays_within_the_budget(samples):
    raster = RasterFile.open(samples.folder / "utm.tif")
    band = 180 * 200 * 3
    store = PixelStore(budget=band * 4)
    for number in range(1, 7):
        store.pixels(raster, number, 0, grid_on(raster, 0, 0, 5, 5))
    assert store._bytes <= band * 4
    values, _ = store.pixels(raster, 1, 0, grid_on(raster, 0, 0, 200, 180))
    np.testing.assert_array_equal(values, samples.utm[0])


@pytest.mark.parametrize("budget", [1 << 30, 1], ids=["kept", "by windows"])
def test_what_the_file_masks_is_masked(tmp_path, budget):
    rng = np.random.default_rng(3)
    data, masked = rng.integers(0, 99, (2, 40, 50)).astype(np.uint8), rng.random((40, 50)) < 0.3
    profile = {"driver": "GTiff", "crs": UTM[0], "transform": UTM[1], "dtype": "uint8", "height": 40, "width": 50}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(tmp_path / "a.tif", "w", count=2, **profile) as file,
    ):
        file.write(data)
        file.write_mask(~masked)
    raster = RasterFile.open(tmp_path / "a.tif")
    store, grid = PixelStore(budget), PixelGrid(*UTM, (40, 50))
    for band in (1, 2):
        values, valid = store.pixels(raster, band, None, grid)
        np.testing.assert_array_equal(valid, ~masked)
        np.testing.assert_array_equal(values[valid], data[band - 1][~masked])


def test_an_alpha_band_is_a_band(tmp_path):
    """Four bands of bytes as Earth Engine exports them: the fourth is the near infrared, whatever the file calls it."""
    data = np.random.default_rng(3).integers(0, 3, (4, 40, 50)).astype(np.uint8)
    profile = {"driver": "GTiff", "crs": UTM[0], "transform": UTM[1], "dtype": "uint8", "height": 40, "width": 50}
    with rasterio.open(tmp_path / "a.tif", "w", count=4, photometric="RGB", alpha="yes", **profile) as file:
        file.write(data)
    raster = RasterFile.open(tmp_path / "a.tif")
    values, valid = PixelStore().pixels(raster, 1, None, PixelGrid(*UTM, (40, 50)))
    assert valid.all()
    np.testing.assert_array_equal(values, data[0])


def test_a_band_with_two_nodata_values_is_two_bands(samples):
    store, raster = PixelStore(), RasterFile.open(samples.folder / "utm.tif")
    grid = PixelGrid(*UTM, (180, 200))
    assert not store.pixels(raster, 1, 0, grid)[1].all()
    assert store.pixels(raster, 1, None, grid)[1].all()


def test_threads_share_one_reading(samples):
    raster, store = RasterFile.open(samples.folder / "utm.tif"), PixelStore()
    found = []
    work = lambda: found.append(store.pixels(raster, 2, 0, grid_on(raster, 0, 0, 200, 180))[0])  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(np.shares_memory(found[0], other) for other in found)


def test_footprints_hold_the_pixels(samples):
    import shapely

    folder = RasterFolder(samples.folder)
    for name in ("utm", "geo", "south"):
        info = folder.image(ROOT + name)
        band = info.bands[0]
        grid = PixelGrid(band.crs, band.transform, band.shape)
        assert shapely.contains_xy(info.footprint, grid.lon[1:-1, 1:-1], grid.lat[1:-1, 1:-1]).all()


def write(folder, content):
    (folder / "manifest.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{broken", "cannot be read"),
        ([], "must be"),
        ({"assets": {"a": {"type": "PICTURE"}}}, "'a' needs a type, one of IMAGE, IMAGE_COLLECTION, TABLE"),
        ({"version": 9, "assets": {}}, "has version 9"),
        ({"assets": {"a": {"type": "IMAGE"}}}, "needs a file"),
        ({"assets": {"a": {"type": "IMAGE", "file": "missing.tif"}}}, "missing.tif does not exist"),
        ({"assets": {"a": {"type": "IMAGE", "file": "x.tif", "colour": 1}}}, "unknown .'colour'."),
        ({"assets": {"a": {"type": "IMAGE", "file": "x.tif", "time_start": "then"}}}, "no ISO 8601 time: 'then'"),
        ({"assets": {"a": {"type": "IMAGE", "file": "x.tif", "bands": [7]}}}, "a band is a name or an object"),
        ({"assets": {"a": {"type": "IMAGE", "file": "x.tif", "bands": ["a", "b", "c"]}}}, "asks for band 3"),
        ({"assets": {"a": {"type": "IMAGE", "file": "x.tif", "bands": [{"source": "no"}]}}}, "has no band 'no'"),
        ({"assets": {"a": {"type": "IMAGE", "files": ["x.tif", "x.tif"]}}}, "has two bands 'b1'"),
        ({"assets": {"a": {"type": "IMAGE", "file": "manifest.json"}}}, "cannot be read as a raster"),
        ({"assets": {"a": {"type": "IMAGE", "file": "plain.tif"}}}, "has no CRS"),
        (
            {"assets": {"a": {"type": "IMAGE_COLLECTION", "images": [{"file": "x.tif"}, {"file": "x.tif"}]}}},
            "different indices",
        ),
        ({"assets": {"a": {"type": "TABLE"}}}, "needs a file"),
        ({"assets": {"a": {"type": "TABLE", "file": "manifest.json"}}}, "Table 'a': .* cannot be read"),
        (
            {"assets": {"a": {"type": "TABLE", "file": "t.geojson", "layer": "x"}}},
            "Table 'a': .*t.geojson has not a layer 'x'; there are: t",
        ),
        ({"assets": {"a": {"type": "TABLE", "file": "t.geojson", "layer": 5}}}, "layer must be a text, got 5"),
        ({"assets": {"a": {"type": "IMAGE_COLLECTION", "images": None}}}, "images must be a list, got None"),
        ({"assets": {"a": {"type": "IMAGE_COLLECTION", "images": {}}}}, "images must be a list"),
        ({"assets": {"a": {"type": "IMAGE_COLLECTION", "images": ["x.tif"]}}}, "image 0 is an object with a file"),
        ({"assets": {"a": {"type": "IMAGE_COLLECTION", "images": [{"file": None}]}}}, "a file is a name or an object"),
        ({"assets": {"a": {"type": "IMAGE", "files": "x.tif"}}}, "files must be a list, got 'x.tif'"),
        ({"assets": {"a": {"type": "IMAGE", "files": None}}}, "files must be a list"),
        ({"assets": {"a": {"type": "IMAGE", "files": [5]}}}, "a file is a name or an object"),
        ({"assets": {"a": {"type": "IMAGE", "files": [{"bands": ["b1"]}]}}}, "needs a file"),
        ({"assets": {"a": {"type": "IMAGE", "file": "x.tif", "bands": "b1"}}}, "bands must be a list, got 'b1'"),
        ({"assets": {"a": {"type": "IMAGE", "file": "x.tif", "bands": None}}}, "bands must be a list"),
        ({"assets": {"a": {"type": "IMAGE", "file": "x.tif", "bands": [{"name": 5}]}}}, "name must be a text, got 5"),
        ({"assets": {"a": {"type": "IMAGE", "file": "x.tif", "bands": [{"source": 1.5}]}}}, "source must be a number"),
        ({"assets": {"a": {"type": "IMAGE", "file": "x.tif", "nodata": "abc"}}}, "nodata must be a number, .*'abc'"),
        ({"assets": {"a": {"type": "IMAGE", "files": [{"file": "x.tif", "nodata": []}]}}}, "nodata must be a number"),
        (
            {"assets": {"a": {"type": "IMAGE", "file": "x.tif", "bands": [{"name": "b", "nodata": True}]}}},
            "nodata must be a number, or null for none, got True",
        ),
        ({"assets": {"a": {"type": "IMAGE", "file": "x.tif", "index": None}}}, "index must be a number or a text"),
        ({"assets": {"a": {"type": "IMAGE", "file": "x.tif", "properties": None}}}, "properties must be an object"),
        ({"assets": {"a": {"type": "TABLE", "file": "t.geojson", "properties": 1}}}, "properties must be an object"),
        ({"assets": {"a": {"type": "IMAGE", "file": "x.tif", "time_start": True}}}, "no ISO 8601 time: True"),
        ({"assets": {"a": {"type": "IMAGE", "file": "x.tif", "time_end": float("nan")}}}, "no ISO 8601 time: nan"),
        ({"version": None, "assets": {}}, "has version None"),
        ({"version": "1", "assets": {}}, "has version '1'"),
        ({"asset": 1, "assets": {}}, "unknown .'asset'.; there are assets, version"),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_wrong_manifests_say_what_is_wrong(tmp_path, content, message):
    profile = {"driver": "GTiff", "width": 4, "height": 3, "count": 2, "dtype": "uint8"}
    for name, more in (("x.tif", {"crs": UTM[0], "transform": UTM[1]}), ("plain.tif", {})):
        with rasterio.open(tmp_path / name, "w", **profile, **more) as target:
            target.write(np.zeros((2, 3, 4), np.uint8))
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {}}
    (tmp_path / "t.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [point]}))
    if isinstance(content, dict):
        content = {"version": 1, **content}
    with pytest.raises(InputError, match=message):
        RasterFolder(write(tmp_path, content))


def test_a_manifest_is_of_this_version(tmp_path):
    assert read_manifest(write(tmp_path, {"assets": {}})) == []
    assert read_manifest(write(tmp_path, {"version": 1, "assets": {}})) == []
    for version in (2, True, "1", None):
        with pytest.raises(InputError, match=f"has version {version!r}; this program reads version 1"):
            read_manifest(write(tmp_path, {"version": version, "assets": {}}))


def test_null_nodata_and_a_null_layer_are_none(samples, tmp_path):
    image = {"type": "IMAGE", "file": str(samples.folder / "utm.tif"), "nodata": None}
    table = {"type": "TABLE", "file": str(samples.folder / "fields.geojson"), "layer": None}
    folder = RasterFolder(write(tmp_path, {"version": 1, "assets": {"a": image, "t": table}}))
    assert folder.pixels("a", ["B1"], PixelGrid(*UTM, (180, 200)))["B1"][1].all()
    assert len(list(folder.features("t", None))) == 3


def test_a_folder_without_manifest(tmp_path):
    with pytest.raises(InputError, match=r"has no manifest.json"):
        read_manifest(tmp_path)


class TestPixelGrid:
    def test_coordinates_are_of_the_centres(self):
        grid = PixelGrid("EPSG:32633", UTM[1], (3, 4))
        np.testing.assert_array_equal(grid.x[0], [500005, 500015, 500025, 500035])
        np.testing.assert_array_equal(grid.y[:, 0], [4999995, 4999985, 4999975])
        np.testing.assert_array_equal(grid.x_axis, grid.x[0])
        lon, lat = transformer("EPSG:32633", "EPSG:4326").transform(grid.x, grid.y)
        np.testing.assert_array_equal(grid.lon, lon)
        np.testing.assert_array_equal(grid.coordinates("EPSG:4326")[1], lat)

    def test_rotated(self):
        grid = PixelGrid("EPSG:32633", Affine(1, 2, 10, 3, -4, 20), (2, 2))
        assert not grid.is_axis_aligned
        assert (grid.x[1, 0], grid.y[1, 0]) == (10 + 0.5 + 2 * 1.5, 20 + 3 * 0.5 - 4 * 1.5)

    def test_equal_grids_are_one_key(self):
        one, two = (PixelGrid("EPSG:32633", UTM[1], (3, 4)) for _ in range(2))
        assert one == two
        assert hash(one) == hash(two)
        assert one != PixelGrid("EPSG:32633", UTM[1], (4, 3))

    def test_arrays_are_read_only_and_computed_once(self):
        grid = PixelGrid("EPSG:4326", Affine(1, 0, 0, 0, -1, 10), (3, 3))
        assert grid.lon is grid.lon
        with pytest.raises(ValueError, match="read-only"):
            grid.lon[0, 0] = 1

    def test_windows(self):
        grid = PixelGrid("EPSG:32633", UTM[1], (30, 40))
        part = grid.window(5, 7, (4, 3))
        np.testing.assert_array_equal(part.x, grid.x[5:9, 7:10])
        np.testing.assert_array_equal(part.y, grid.y[5:9, 7:10])

    def test_bbox_holds_the_centres(self):
        west, south, east, north = PixelGrid("EPSG:32633", UTM[1], (30, 40)).bbox()
        grid = PixelGrid("EPSG:32633", UTM[1], (30, 40))
        assert west < grid.lon.min()
        assert east > grid.lon.max()
        assert south < grid.lat.min()
        assert north > grid.lat.max()
