"""Request bodies, byte counting and decoding, without a network."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from rsbot_beam.earthengine.pixels import (
    MAX_PAYLOAD,
    MAX_REQUEST_BYTES,
    Pixels,
    counted_bytes,
    decode,
    fits,
    join,
    merge,
    request_body,
)
from rsbot_beam.earthengine.source import DTYPES, FetchBand, Flag, PixelSource, plain_asset
from rsbot_beam.errors import InputError, PermanentError, TransientError

GEOBOX = GeoBox((3, 5), Affine(10.0, 0, 399_960.000000001, 0, -10.0, 5_000_040.1), "EPSG:32633")


def npy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version, allow_pickle=False)
    return file.getvalue()


def answer(source: PixelSource, shape: tuple[int, int]) -> np.ndarray:
    return np.zeros(shape, [(band.name, band.dtype) for band in source.bands])


def test_bytes_are_counted_with_a_mask_byte_for_each_band(source: PixelSource) -> None:
    assert counted_bytes((128, 128), source.bands) == 128 * 128 * (6 * 3 + 2)
    assert counted_bytes((10, 20), [FetchBand("f", "float32"), FetchBand("d", "float64")]) == 200 * (5 + 9)


def test_what_fits_is_what_earth_engine_documents(source_of: Callable[..., PixelSource]) -> None:
    one = PixelSource((FetchBand("b", "uint8"),), expression="{}")
    assert fits((4096, 6144), one) and counted_bytes((4096, 6144), one.bands) == MAX_REQUEST_BYTES
    assert not fits((4096, 6145), one)
    assert fits((1, 32_768), one) and not fits((1, 32_769), one)
    assert not fits((1, 1), source_of(tuple(FetchBand(f"b{i}", "uint8") for i in range(1024))))


def test_the_grid_is_the_geobox_in_full_precision(source: PixelSource) -> None:
    body = json.loads(request_body(source, GEOBOX))
    assert body["grid"] == {
        "dimensions": {"width": 5, "height": 3},
        "affineTransform": {
            "scaleX": 10.0,
            "shearX": 0.0,
            "translateX": 399_960.000000001,
            "shearY": 0.0,
            "scaleY": -10.0,
            "translateY": 5_000_040.1,
        },
        "crsCode": "EPSG:32633",
    }
    assert body["fileFormat"] == "NPY" and "workloadTag" not in body
    assert json.loads(request_body(source, GEOBOX, "tag"))["workloadTag"] == "tag"


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=6, max_size=6))
def test_no_digit_of_a_transform_is_lost(numbers: list[float]) -> None:
    a, b, c, d, e, f = numbers
    source = PixelSource((FetchBand("b", "uint8"),), expression="{}")
    geobox = GeoBox((1, 1), Affine(a, b, c, d, e, f), "EPSG:4326")
    sent = json.loads(request_body(source, geobox))["grid"]["affineTransform"]
    assert [sent[k] for k in ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")] == numbers


def test_a_crs_without_an_epsg_code_is_refused(source: PixelSource) -> None:
    crs = "+proj=laea +lat_0=1 +lon_0=2 +datum=WGS84"
    with pytest.raises(InputError, match="no EPSG code"):
        request_body(source, GeoBox((1, 1), Affine.identity(), crs))


def test_a_payload_beyond_the_limit_is_refused_with_its_size() -> None:
    source = PixelSource((FetchBand("b", "uint8"),), expression=f'"{"x" * MAX_PAYLOAD}"')
    with pytest.raises(InputError, match=r"10,485,\d+ bytes, Earth Engine takes 10,485,760"):
        request_body(source, GEOBOX)


def test_values_and_bits_arrive_exactly(source: PixelSource) -> None:
    array = answer(source, (3, 5))
    random = np.random.default_rng(0)
    for band in source.data_bands:
        array[band.name] = random.integers(0, 65_536, (3, 5))
    array["valid_0"] = random.integers(0, 64, (3, 5))
    pixels = decode(source, npy(array), (3, 5))
    for bit, band in enumerate(source.data_bands):
        np.testing.assert_array_equal(pixels.values[band.name], array[band.name])
        np.testing.assert_array_equal(pixels.valid[band.name], (array["valid_0"] >> bit) & 1 == 1)
        assert pixels.values[band.name].flags.c_contiguous and pixels.values[band.name].dtype == np.uint16
        assert pixels.valid[band.name].dtype == bool


@settings(max_examples=40, deadline=None)
@given(
    dtypes=st.lists(st.sampled_from(DTYPES), min_size=1, max_size=40),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    seed=st.integers(0, 99),
)
def test_any_mix_of_types_and_any_number_of_flags(dtypes: list[str], height: int, width: int, seed: int) -> None:
    bands = tuple(FetchBand(f"b{i}", dtype) for i, dtype in enumerate(dtypes))
    flags = tuple(Flag(f"valid_{i // 16}", i % 16) for i in range(len(bands)))
    flag_bands = tuple(FetchBand(name, "uint16") for name in dict.fromkeys(flag.band for flag in flags))
    source = PixelSource(bands + flag_bands, expression="{}", flags=flags)
    random = np.random.default_rng(seed)
    array = answer(source, (height, width))
    for band in source.bands:
        array[band.name] = random.integers(0, 100, (height, width))
    pixels = decode(source, npy(array), (height, width))
    for band, flag in zip(bands, flags, strict=True):
        np.testing.assert_array_equal(pixels.values[band.name], array[band.name])
        np.testing.assert_array_equal(pixels.valid[band.name], (array[flag.band] & (1 << flag.bit)) > 0)


def test_bands_that_are_valid_throughout_share_an_array(source: PixelSource) -> None:
    array = answer(source, (4, 4))
    array["valid_0"] = 0b111110
    pixels = decode(source, npy(array), (4, 4))
    assert pixels.valid["B3"] is pixels.valid["B12"] and pixels.valid["B3"].all()
    assert not pixels.valid["B2"].any()
    assert pixels.nbytes == 6 * 32 + 2 * 16


def test_numbers_that_are_none_are_never_valid() -> None:
    bands = (FetchBand("f", "float32"), FetchBand("valid_0", "uint8"))
    source = PixelSource(bands, expression="{}", flags=(Flag("valid_0", 0),))
    array = answer(source, (1, 4))
    array["f"], array["valid_0"] = [[1.5, np.nan, -np.inf, 0]], [[1, 1, 1, 0]]
    pixels = decode(source, npy(array), (1, 4))
    assert pixels.valid["f"].tolist() == [[True, False, False, False]]
    assert pixels.values["f"].tolist() == [[1.5, 0, 0, 0]]


def test_plain_assets_are_valid_but_for_their_nodata() -> None:
    source = plain_asset("a", [FetchBand("z", "int16"), FetchBand("f", "float64")], {"z": -32768})
    array = answer(source, (1, 3))
    array["z"], array["f"] = [[-32768, 0, 5]], [[1, np.nan, 0]]
    body = npy(array)
    pixels = decode(source, body, (1, 3))
    assert pixels.valid["z"].tolist() == [[False, True, True]] and pixels.values["z"].tolist() == [[0, 0, 5]]
    assert pixels.valid["f"].tolist() == [[True, False, True]]
    assert body == npy(array), "the answer itself must not be written to"


def test_a_single_band_is_not_a_view_of_the_answer() -> None:
    source = plain_asset("a", [FetchBand("z", "int16")], {"z": 1})
    body = bytearray(npy(np.ones((2, 2), [("z", "int16")])))
    pixels = decode(source, body, (2, 2))
    assert not pixels.values["z"].any()
    assert np.load(io.BytesIO(bytes(body)))["z"].all()


def test_narrower_and_big_endian_types_are_widened_exactly() -> None:
    source = plain_asset("a", [FetchBand("z", "int16"), FetchBand("u", "uint16")])
    array = np.array([(200, 60_000)], [("z", "u1"), ("u", ">u2")]).reshape(1, 1)
    pixels = decode(source, npy(array), (1, 1))
    assert pixels.values["z"].tolist() == [[200]] and pixels.values["z"].dtype == np.int16
    assert pixels.values["u"].tolist() == [[60_000]] and pixels.values["u"].dtype == np.dtype("uint16")


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_versions_of_npy_are_read(source: PixelSource, version: tuple[int, int]) -> None:
    array = answer(source, (2, 3))
    array["B4"] = 7
    assert (decode(source, npy(array, version), (2, 3)).values["B4"] == 7).all()


def test_every_truncation_is_transient(source: PixelSource) -> None:
    body = npy(answer(source, (2, 2)))
    for length in range(len(body)):
        with pytest.raises(TransientError):
            decode(source, body[:length], (2, 2))
    with pytest.raises(TransientError, match="1 too long"):
        decode(source, body + b"x", (2, 2))


@pytest.mark.parametrize("body", [b"", b"<html>login</html>", b"\x93NUMPY\x09\x00", b"\x93NUMPY\x01\x00\x04\x00{[}\n"])
def test_what_is_no_npy_file_is_transient(source: PixelSource, body: bytes) -> None:
    with pytest.raises(TransientError, match="not an NPY file"):
        decode(source, body, (2, 2))


def test_pickled_objects_are_never_loaded(source: PixelSource) -> None:
    file = io.BytesIO()
    np.save(file, np.array([[object()]], dtype=object), allow_pickle=True)
    with pytest.raises(TransientError):
        decode(source, file.getvalue(), (1, 1))


def test_another_answer_than_asked_for_is_permanent(source: PixelSource) -> None:
    array = answer(source, (2, 2))
    with pytest.raises(PermanentError, match=r"\(2, 2\) pixels where \(2, 3\)"):
        decode(source, npy(array), (2, 3))
    with pytest.raises(PermanentError, match="bands"):
        decode(source, npy(array[["B2", "B3"]].copy()), (2, 2))
    wide = np.zeros((2, 2), [(band.name, "f8") for band in source.bands])
    with pytest.raises(PermanentError, match="'B2' as float64, which does not fit into uint16"):
        decode(source, npy(wide), (2, 2))


def test_parts_put_together_are_the_whole(source: PixelSource) -> None:
    array = answer(source, (6, 8))
    random = np.random.default_rng(1)
    for band in source.bands:
        array[band.name] = random.integers(0, 200, (6, 8))
    whole = decode(source, npy(array), (6, 8))
    top, bottom = whole.cut(slice(0, 2), slice(None)), whole.cut(slice(2, 6), slice(None))
    left, right = whole.cut(slice(None), slice(0, 3)), whole.cut(slice(None), slice(3, 8))
    for again in (join([top, bottom], 0), join([left, right], 1)):
        same(again, whole)
    names = list(whole.values)
    parts = [Pixels({n: whole.values[n] for n in g}, {n: whole.valid[n] for n in g}) for g in (names[:3], names[3:])]
    same(merge(parts), whole)


def test_a_cut_does_not_keep_the_whole_alive(source: PixelSource) -> None:
    pixels = decode(source, npy(answer(source, (6, 8))), (6, 8))
    part = pixels.cut(slice(0, 2), slice(0, 2))
    assert all(array.base is None and array.shape == (2, 2) for array in (*part.values.values(), *part.valid.values()))


def same(a: Pixels, b: Pixels) -> None:
    assert list(a.values) == list(b.values) and list(a.valid) == list(b.valid)
    for name in a.values:
        np.testing.assert_array_equal(a.values[name], b.values[name])
        np.testing.assert_array_equal(a.valid[name], b.valid[name])
