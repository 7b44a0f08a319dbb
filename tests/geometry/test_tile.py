"""Tile keys and blocks as values: text, order, pickles, geometry, cutting."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from rsbot_beam.errors import GridError
from rsbot_beam.geometry import TileBlock, TileKey

offsets = st.integers(-(10**9), 10**9)
coordinates = st.floats(-1e7, 1e7, allow_nan=False)
keys = st.builds(
    TileKey,
    crs=st.integers(2000, 32767).map(lambda code: f"EPSG:{code}"),
    resolution=st.floats(1e-9, 1e6, exclude_min=True),
    size=st.integers(1, 32768),
    row=offsets,
    col=offsets,
    origin=st.one_of(st.just((0.0, 0.0)), st.tuples(coordinates, coordinates)),
)
blocks = st.builds(TileBlock.of, keys, st.integers(1, 4096), st.integers(1, 4096))


@given(keys)
def test_key_round_trips_through_text_and_pickle(key):
    assert TileKey.parse(str(key)) == key
    assert pickle.loads(pickle.dumps(key)) == key
    assert str(TileKey.parse(str(key))) == str(key)


@given(blocks)
def test_block_round_trips_through_text_and_pickle(block):
    assert TileBlock.parse(str(block)) == block
    assert pickle.loads(pickle.dumps(block)) == block


@given(keys)
def test_key_text_is_fit_for_file_names(key):
    text = str(key)
    assert len(text) < 140
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (TileKey("EPSG:32633", 10, 128, -527104, 39168), "EPSG32633_10_128_r-527104_c39168"),
        (TileKey("EPSG:32621", 30, 256, 0, 0, (15, 15)), "EPSG32621_30_256_r0_c0_o15x15"),
        (TileKey("EPSG:4326", 0.0001, 64, 1, 2), "EPSG4326_0.0001_64_r1_c2"),
        (TileKey("EPSG:4326", 8.983152841195215e-05, 64, 1, 2), "EPSG4326_8.983152841195215e-05_64_r1_c2"),
        (TileKey("EPSG:6933", 2.5, 1, -1, -1, (-0.5, 1e-7)), "EPSG6933_2.5_1_r-1_c-1_o-0.5x1e-07"),
    ],
)
def test_key_text(key, text):
    assert str(key) == text
    assert TileKey.parse(text) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "EPSG32633_10_128_r0",
        "EPSG:32633_10_128_r0_c0",
        "EPSG32633_10_128_r0_c0 ",
        "EPSG32633_10_128_r0_c0\n",
        "EPSG32633_10_128_r0.5_c0",
        "EPSG32633_0_128_r0_c0",
        "EPSG32633_-10_128_r0_c0",
        "EPSG32633_10_0_r0_c0",
        "EPSG32633_nan_128_r0_c0",
        "EPSG32633_1e999_128_r0_c0",
        "EPSG32633_10_128_r0_c0_o15",
        "EPSG32633_10_128_r0_c0_8x8",
    ],
)
def test_what_is_no_key_is_refused_with_the_text(text):
    with pytest.raises(GridError):
        TileKey.parse(text)


@pytest.mark.parametrize("text", ["EPSG32633_10_128_r0_c0", "EPSG32633_10_128_r0_c0_0x8", "EPSG32633_10_128_r0_c0_8"])
def test_what_is_no_block_is_refused(text):
    with pytest.raises(GridError):
        TileBlock.parse(text)


def test_numbers_of_numpy_make_the_same_bytes():
    plain = TileKey("EPSG:6933", 10.0, 256, 512, -256)
    numpy = TileKey("EPSG:6933", np.float32(10), np.int32(256), np.int64(512), np.int64(-256))
    whole = TileKey("EPSG:6933", 10, 256, 512.0, -256)
    assert pickle.dumps(numpy) == pickle.dumps(plain) == pickle.dumps(whole)
    assert str(numpy) == str(plain)


@pytest.mark.parametrize(
    "field", [{"row": 0.5}, {"size": 0}, {"resolution": -1.0}, {"resolution": "ten"}, {"col": None}]
)
def test_numbers_that_make_no_place_are_refused(field):
    good = {"crs": "EPSG:6933", "resolution": 10.0, "size": 256, "row": 0, "col": 0}
    with pytest.raises(GridError, match=next(iter(field))):
        TileKey(**{**good, **field})
    with pytest.raises(GridError, match=next(iter(field))):
        TileBlock(**{**good, **field})


def test_block_without_tiles_is_refused():
    with pytest.raises(GridError, match="rows=0"):
        TileBlock("EPSG:6933", 10, 256, 0, 0, 0, 4)


def test_keys_are_frozen_hashable_and_ordered_north_to_south_then_west_to_east():
    north, middle, east = (TileKey("EPSG:32633", 10, 128, *place) for place in [(-128, 128), (0, 0), (0, 128)])
    zone = TileKey("EPSG:32634", 10, 128, -128, 0)
    assert sorted([zone, east, middle, north]) == [north, middle, east, zone]
    assert len({north, TileKey("EPSG:32633", 10.0, 128, -128, 128)}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        north.row = 3


def test_geometry_of_a_key():
    key = TileKey("EPSG:32633", 10, 128, -527104, 39168)
    assert key.bounds == (391680.0, 5269760.0, 392960.0, 5271040.0)
    assert key.transform == Affine(10, 0, 391680, 0, -10, 5271040)
    assert key.shape == key.geobox.shape == (128, 128)
    assert key.geobox.transform == key.transform
    assert tuple(key.geobox.boundingbox) == key.bounds
    assert key.geobox.crs.epsg == 32633


def test_origin_shifts_the_pixel_corners():
    key = TileKey("EPSG:32621", 30, 256, -256, 512, (15.0, 15.0))
    assert key.bounds == (15375.0, 15.0, 23055.0, 7695.0)


@given(keys, st.integers(1, 50), st.integers(1, 50))
def test_neighbours_share_their_edges_bit_for_bit(key, down, right):
    below, beside = key.shifted(key.size * down, 0), key.shifted(0, key.size * right)
    block = TileBlock.of(key, down, right)
    assert block.bounds[1] == below.bounds[3]
    assert block.bounds[2] == beside.bounds[0]
    assert (block.bounds[0], block.bounds[3]) == (key.bounds[0], key.bounds[3])


@given(keys, st.integers(-300, 300), st.integers(-300, 300))
def test_overlap_is_sharing_a_pixel(key, rows, cols):
    other = key.shifted(rows, cols)
    expected = abs(rows) < key.size and abs(cols) < key.size
    assert key.overlaps(other) == other.overlaps(key) == expected


def test_overlap_with_a_block_and_with_another_grid():
    block = TileBlock("EPSG:32633", 10, 128, 0, 0, 2, 3)
    assert all(key.overlaps(block) for key in block.tiles())
    assert not TileKey("EPSG:32633", 10, 128, 256, 0).overlaps(block)
    with pytest.raises(GridError, match="different pixel grids"):
        TileKey("EPSG:32634", 10, 128, 0, 0).overlaps(block)


def test_alignment():
    assert TileKey("EPSG:32633", 10, 128, -128, 256).aligned
    assert not TileKey("EPSG:32633", 10, 128, -128, 257).aligned


def test_tiles_of_a_block_are_row_major():
    block = TileBlock("EPSG:6933", 10, 256, -256, 512, 2, 3)
    places = [(key.row, key.col) for key in block.tiles()]
    assert places == [(-256, 512), (-256, 768), (-256, 1024), (0, 512), (0, 768), (0, 1024)]
    assert len(block) == len(places)
    assert list(block.tiles()) == sorted(block.tiles())
    assert block.shape == block.geobox.shape == (512, 768)


@pytest.mark.parametrize("trailing", [(), (3,)])
def test_cut_gives_views_with_the_right_pixels(trailing):
    block = TileBlock("EPSG:6933", 10, 4, -8, 12, 2, 3)
    array = np.arange(np.prod((*block.shape, *trailing))).reshape(*block.shape, *trailing)
    seen = np.zeros_like(array)
    for key, pixels in block.cut(array):
        top, left = key.row - block.row, key.col - block.col
        assert pixels.shape == (4, 4, *trailing)
        assert np.shares_memory(pixels, array)
        seen[top : top + 4, left : left + 4] = pixels
    np.testing.assert_array_equal(seen, array)


def test_cut_along_other_axes():
    block = TileBlock("EPSG:6933", 10, 4, 0, 0, 2, 3)
    array = np.arange(5 * 8 * 12).reshape(5, 8, 12)
    cut = dict(block.cut(array, axis=1))
    np.testing.assert_array_equal(cut[TileKey("EPSG:6933", 10, 4, 4, 8)], array[:, 4:8, 8:12])


def test_cut_refuses_an_array_of_another_shape():
    block = TileBlock("EPSG:6933", 10, 4, 0, 0, 2, 3)
    with pytest.raises(GridError, match=r"\(12, 8\).*\(8, 12\)"):
        next(block.cut(np.zeros((12, 8))))


@given(st.integers(1, 40), st.integers(1, 40))
def test_halves_partition_the_block_down_to_single_tiles(rows, cols):
    block = TileBlock("EPSG:6933", 10, 8, -80, 16, rows, cols)
    waiting, single = [block], []
    while waiting:
        halves = waiting.pop().halves()
        (single if len(halves) == 1 else waiting).extend(halves)
    assert sorted(key for half in single for key in half.tiles()) == list(block.tiles())
    assert all(len(half) == 1 for half in single)


def test_part_must_be_inside():
    block = TileBlock("EPSG:6933", 10, 8, -80, 16, 4, 4)
    assert block.part(1, 2, 3, 2) == TileBlock("EPSG:6933", 10, 8, -72, 32, 3, 2)
    with pytest.raises(GridError, match="not inside"):
        block.part(2, 0, 3, 1)
