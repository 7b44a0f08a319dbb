"""Expressions: written with the real client, computed by the local Earth Engine, fetched over HTTP, compared to numpy."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import ee
import numpy as np
import pytest

from rsbot_beam.earth_process import local_earth
from rsbot_beam.earthengine import Endpoint, FetchBand, PixelFetcher, Pixels, images, plain_asset
from rsbot_beam.earthengine.images import check_source, compose
from rsbot_beam.earthengine.session import initialize
from rsbot_beam.errors import AuthenticationError, InputError, OutageError, PermanentError, RecipeError
from rsbot_beam.geometry.tile import TileBlock, TileKey

pytestmark = pytest.mark.integration

KEY = TileKey("EPSG:4326", 0.001, 64, -45_000, 7_000)
MILLIDEGREES = np.broadcast_to(np.arange(7_000, 7_064), (64, 64))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with local_earth() as url:
        endpoint = Endpoint(url=url)
        initialize(endpoint)
        yield endpoint


@pytest.fixture
def fetch(endpoint: Endpoint) -> Any:
    fetcher = PixelFetcher(endpoint)

    def pixels(image: ee.Image, bands: list[FetchBand], place: Any = KEY) -> Pixels:
        return fetcher.fetch(compose(image, bands), place.geobox)

    return pixels


def column() -> ee.Image:
    """An image of whole millidegrees of longitude."""
    return ee.Image.pixelLonLat().select("longitude").multiply(1000).floor()


@pytest.mark.parametrize("count", [1, 8, 9, 16, 17, 37])
def test_every_band_has_its_own_validity(fetch: Any, count: int) -> None:
    parts = [column().add(i).updateMask(column().add(i).mod(i + 2).neq(0)).rename(f"b{i}") for i in range(count)]
    bands = [FetchBand(f"b{i}", ("uint16", "float32", "int32", "float64")[i % 4]) for i in range(count)]
    pixels = fetch(ee.Image.cat(parts), bands)
    assert list(pixels.values) == [band.name for band in bands]
    for i, band in enumerate(bands):
        valid = (MILLIDEGREES + i) % (i + 2) != 0
        np.testing.assert_array_equal(pixels.valid[band.name], valid)
        np.testing.assert_array_equal(pixels.values[band.name], np.where(valid, MILLIDEGREES + i, 0))
        assert pixels.values[band.name].dtype == np.dtype(band.dtype)


@pytest.mark.parametrize("count", [1, 8, 9, 16, 17, 24, 25])
def test_the_flag_bands_are_as_narrow_as_they_can_be(endpoint: Endpoint, count: int) -> None:
    names = [f"b{i}" for i in range(count)]
    source = compose(ee.Image.constant([1] * count).rename(names), [FetchBand(name, "uint8") for name in names])
    flags = [band.dtype for band in source.bands[count:]]
    assert flags == {1: ["uint8"], 8: ["uint8"], 9: ["uint16"], 16: ["uint16"], 17: ["uint16", "uint8"]}.get(
        count, ["uint16", "uint8" if count == 24 else "uint16"]
    )


def test_a_partial_mask_is_valid_and_keeps_its_value(fetch: Any) -> None:
    image = ee.Image.constant(7).updateMask(0.25).rename("b").addBands(ee.Image.constant(9).updateMask(0).rename("c"))
    pixels = fetch(image, [FetchBand("b", "uint8"), FetchBand("c", "uint8")])
    assert pixels.valid["b"].all() and (pixels.values["b"] == 7).all()
    assert not pixels.valid["c"].any() and not pixels.values["c"].any()


def test_beyond_the_footprint_is_not_valid_and_not_an_error(fetch: Any) -> None:
    inside = ee.Geometry.Rectangle([7.0, 44.0, 7.032, 46.0], None, False)
    pixels = fetch(ee.Image.constant(5).rename("b").clip(inside), [FetchBand("b", "int16")])
    np.testing.assert_array_equal(pixels.valid["b"], MILLIDEGREES < 7_032)
    np.testing.assert_array_equal(pixels.values["b"], np.where(MILLIDEGREES < 7_032, 5, 0))


@pytest.mark.parametrize(
    ("dtype", "given", "arrives"),
    [
        ("uint8", 300, 255),
        ("uint8", -3, 0),
        ("int8", -200, -128),
        ("uint16", 65_535, 65_535),
        ("int16", -32_768, -32_768),
        ("uint32", 4_000_000_000, 4_000_000_000),
        ("int32", -2_000_000_000, -2_000_000_000),
        ("float32", 0.1, float(np.float32(0.1))),
        ("float64", 0.1, 0.1),
        ("float64", -1e300, -1e300),
    ],
)
def test_values_are_cast_as_declared(fetch: Any, dtype: str, given: float, arrives: float) -> None:
    pixels = fetch(ee.Image.constant(given).rename("b"), [FetchBand("b", dtype)])
    assert pixels.valid["b"].all() and (pixels.values["b"] == arrives).all()


def test_bands_arrive_in_the_order_asked_for(fetch: Any) -> None:
    image = ee.Image.constant([1, 2, 3, 4]).rename(["a", "b", "c", "d"])
    order = [FetchBand("c", "uint8"), FetchBand("a", "float32"), FetchBand("d", "uint8")]
    pixels = fetch(image, order)
    assert {name: int(array[0, 0]) for name, array in pixels.values.items()} == {"c": 3, "a": 1, "d": 4}
    assert list(pixels.values) == ["c", "a", "d"]


def test_a_block_equals_its_tiles(endpoint: Endpoint) -> None:
    image = column().rename("b").updateMask(column().mod(5).neq(0))
    source, fetcher = compose(image, [FetchBand("b", "uint16")]), PixelFetcher(endpoint)
    block = TileBlock.of(KEY, 3, 2)
    together = fetcher.fetch_tiles(source, block)
    for key in block.tiles():
        alone, tile = fetcher.fetch(source, key.geobox), together[key]
        assert isinstance(tile, Pixels)
        np.testing.assert_array_equal(tile.values["b"], alone.values["b"])
        np.testing.assert_array_equal(tile.valid["b"], alone.valid["b"])


def test_halves_by_bands_are_answered_too(endpoint: Endpoint) -> None:
    names = [f"b{i}" for i in range(20)]
    image = ee.Image.constant(list(range(20))).rename(names).updateMask(column().mod(3).neq(0))
    source, fetcher = compose(image, [FetchBand(name, "uint8") for name in names]), PixelFetcher(endpoint)
    for half, first in zip(source.halves() or (), (0, 10), strict=True):
        pixels = fetcher.fetch(half, KEY.geobox)
        assert list(pixels.values) == names[first : first + 10]
        for name in pixels.values:
            np.testing.assert_array_equal(pixels.valid[name], MILLIDEGREES % 3 != 0)
            assert pixels.values[name].max() == int(name[1:])


def test_a_plain_asset_arrives_as_the_expression_does(endpoint: Endpoint) -> None:
    fetcher, bands = PixelFetcher(endpoint), [FetchBand("elevation", "int16")]
    plain = fetcher.fetch(plain_asset("USGS/SRTMGL1_003", bands), KEY.geobox)
    composed = fetcher.fetch(compose(ee.Image("USGS/SRTMGL1_003"), bands), KEY.geobox)
    np.testing.assert_array_equal(plain.values["elevation"], composed.values["elevation"])
    assert plain.values["elevation"].any()


def test_the_expression_is_plain_json_for_the_cloud_interface(endpoint: Endpoint) -> None:
    source = compose(ee.Image.constant(1).rename("b"), [FetchBand("b", "uint8")])
    graph = json.loads(source.expression or "")
    assert set(graph) == {"result", "values"}
    assert source == compose(ee.Image.constant(1).rename("b"), [FetchBand("b", "uint8")]), "and always the same"


def test_the_check_accepts_what_fits(endpoint: Endpoint) -> None:
    image = ee.Image.constant([1, 2]).toUint16().rename(["a", "b"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_source(compose(image, [FetchBand("b", "uint16"), FetchBand("a", "float32")]), image)
        both = image.select("a").add(image.select("b")).rename("b")
        check_source(compose(both, [FetchBand("b", "uint16")]), both)


def test_the_check_names_missing_bands_and_those_there_are(endpoint: Endpoint) -> None:
    image = ee.Image.constant([1, 2]).rename(["red", "nir"])
    with pytest.raises(RecipeError, match="no band swir; it has red, nir"):
        check_source(compose(image, [FetchBand("red", "uint8"), FetchBand("swir", "uint8")]), image)


def test_the_check_warns_of_clamping(endpoint: Endpoint) -> None:
    image = ee.Image.constant(1).toUint16().rename("b")
    with pytest.warns(UserWarning, match=r"b \(0\.\.65535, declared uint8\)"):
        check_source(compose(image, [FetchBand("b", "uint8")]), image)


def test_an_unknown_asset_is_the_recipes_fault(endpoint: Endpoint) -> None:
    image = ee.Image("NO/SUCH/ASSET")
    with pytest.raises(RecipeError, match="NO/SUCH/ASSET"):
        check_source(compose(image, [FetchBand("b", "uint8")]), image)
    with pytest.raises(PermanentError, match="NO/SUCH/ASSET"):
        PixelFetcher(endpoint).fetch(compose(image, [FetchBand("b", "uint8")]), KEY.geobox)


@pytest.mark.parametrize(
    ("bands", "words"),
    [
        ([], "at least one"),
        ([FetchBand("b", "uint8"), FetchBand("b", "uint8")], "each once"),
        ([FetchBand("a-b", "uint8")], "a-b"),
        ([FetchBand("valid_0", "uint8")], "valid_0"),
        ([FetchBand(f"b{i}", "uint8") for i in range(964)], "more than the 1024"),
    ],
)
def test_bands_that_cannot_be_composed(endpoint: Endpoint, bands: list[FetchBand], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        compose(ee.Image.constant(1), bands)


def test_an_expression_beyond_the_limit_is_refused_here(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PAYLOAD", 10_000)
    image = ee.Image.constant(list(range(900))).rename([f"b{i}" for i in range(900)])
    with pytest.raises(RecipeError, match=r"characters, Earth Engine takes 10,000.*filter by bounds"):
        compose(image, [FetchBand("b1", "uint8")])


def test_initialize_again_is_free_and_elsewhere_reconnects(endpoint: Endpoint) -> None:
    initialize(endpoint)
    with local_earth(world=False) as url:
        initialize(Endpoint(url=url))
        assert ee.Number(1).add(1).getInfo() == 2
    initialize(endpoint)
    assert ee.Image("USGS/SRTMGL1_003").bandNames().getInfo() == ["elevation"]


def test_a_session_with_nobody_listening_says_so(endpoint: Endpoint) -> None:
    try:
        with pytest.raises(OutageError, match="rsbot earth"):
            initialize(Endpoint(url="http://127.0.0.1:9"))
    finally:
        initialize(endpoint)


def test_a_session_without_project_or_credentials_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    with pytest.raises(InputError, match="--ee_project"):
        initialize(Endpoint("https://earthengine.example.com", credentials="none"))
    for name, value in {"CLOUDSDK_CONFIG": tmp_path, "HOME": tmp_path, "NO_GCE_CHECK": "true"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with pytest.raises(AuthenticationError, match="gcloud auth"):
        initialize(Endpoint(project="p"))
