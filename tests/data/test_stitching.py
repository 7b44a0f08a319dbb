"""Seams: what patches say is put together without a trace."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsbot_beam.data.stitching import Seams, Stitcher
from rsbot_beam.geometry import TileBlock

BLOCK = TileBlock("EPSG:32633", 10.0, 8, 16, -24, 3, 4)


def patch_of(field: np.ndarray, row: int, col: int, size: int, overlap: int) -> np.ndarray:
    """A patch out of a field that has 8 pixels more than the block on each side."""
    top, left = 8 + row - overlap, 8 + col - overlap
    return field[top : top + size + 2 * overlap, left : left + size + 2 * overlap]


@pytest.fixture
def field() -> np.ndarray:
    return np.random.default_rng(1).random((3 * 8 + 16, 4 * 8 + 16, 2)).astype(np.float32)


@given(st.integers(1, 40), st.integers(0, 30))
def test_weights_of_neighbours_sum_to_one(size: int, overlap: int) -> None:
    seams = Seams.of(size, overlap, None)
    total = np.zeros(size * 5 + 2 * seams.ramp)
    for start in range(0, 5 * size, size):
        total[start : start + size + 2 * seams.ramp] += seams.weights()
    inner = total[size + seams.ramp : -size - seams.ramp]
    np.testing.assert_allclose(inner, 1, atol=1e-6)


@pytest.mark.parametrize(
    ("overlap", "radius", "exact", "ramp"),
    [
        (4, 4, True, 0), (6, 4, True, 0), (0, 0, True, 0), (3, 4, False, 3),
        (0, 4, False, 0), (3, None, False, 3), (0, None, False, 0), (6, None, False, 4),
    ],
)  # fmt: skip
def test_seams_are_exact_where_the_overlap_is_what_the_model_sees(
    overlap: int, radius: int | None, exact: bool, ramp: int
) -> None:
    seams = Seams.of(8, overlap, radius)
    assert (seams.is_exact, seams.ramp) == (exact, ramp)


@pytest.mark.parametrize("radius", [2, 3, None])
def test_patches_that_agree_make_the_field(field: np.ndarray, radius: int | None) -> None:
    stitcher = Stitcher(BLOCK, Seams.of(8, 3, radius), 2)
    tiles = list(BLOCK.tiles())
    stitcher.add_all((TileBlock.of(key), patch_of(field, key.row - 16, key.col + 24, 8, 3)) for key in reversed(tiles))
    np.testing.assert_allclose(stitcher.result(), field[8:-8, 8:-8], atol=1e-6)


def test_exact_seams_take_each_tile_s_own_pixels_to_the_bit(field: np.ndarray) -> None:
    stitcher = Stitcher(BLOCK, Seams.of(8, 2, 2), 2)
    for number, key in enumerate(BLOCK.tiles()):
        stitcher.add(TileBlock.of(key), patch_of(field, key.row - 16, key.col + 24, 8, 2) + np.float32(number))
    numbers = np.kron(np.arange(12, dtype=np.float32).reshape(3, 4), np.ones((8, 8), np.float32))
    assert np.array_equal(stitcher.result(), field[8:-8, 8:-8] + numbers[..., None])


def test_patches_that_differ_are_faded_into_each_other() -> None:
    """Two tiles that say 0 and 1: between them it rises evenly over the whole of the overlap."""
    block = TileBlock("EPSG:32633", 10.0, 8, 0, 0, 1, 2)
    stitcher = Stitcher(block, Seams.of(8, 3, None), 1)
    for key, value in zip(block.tiles(), (0.0, 1.0), strict=True):
        stitcher.add(TileBlock.of(key), np.full((14, 14, 1), value, np.float32))
    found = stitcher.result()[4, :, 0]
    np.testing.assert_allclose(found[:5], 0)
    np.testing.assert_allclose(found[11:], 1)
    np.testing.assert_allclose(np.diff(found[4:12]), [1 / 12, *[1 / 6] * 5, 1 / 12], atol=1e-6)


def test_where_a_neighbour_is_missing_what_is_there_stands_alone(field: np.ndarray) -> None:
    stitcher = Stitcher(BLOCK, Seams.of(8, 3, None), 2)
    (first, *_) = BLOCK.tiles()
    stitcher.add(TileBlock.of(first), patch_of(field, 0, 0, 8, 3))
    found = stitcher.result()
    np.testing.assert_allclose(found[:8, :8], field[8:16, 8:16], atol=1e-6)
    assert not found[12:].any() and not found[:, 12:].any()


@pytest.mark.parametrize("radius", [3, 4, None])
def test_windows_of_several_tiles_make_the_field_too(field: np.ndarray, radius: int | None) -> None:
    """2 x 2 and 1 x 2 tiles beside single ones."""
    corner = TileBlock("EPSG:32633", 10.0, 8, 16, -24, 2, 2)
    windows = [corner, TileBlock(corner.crs, 10.0, 8, 16, -8, 3, 1), TileBlock(corner.crs, 10.0, 8, 16, 0, 3, 1)]
    windows += [TileBlock(corner.crs, 10.0, 8, 32, -24, 1, 2)]
    stitcher = Stitcher(BLOCK, Seams.of(8, 3, radius), 2)
    for window in windows:
        top, left = 8 + window.row - 16 - 3, 8 + window.col + 24 - 3
        height, width = window.shape
        stitcher.add(window, field[top : top + height + 6, left : left + width + 6])
    np.testing.assert_allclose(stitcher.result(), field[8:-8, 8:-8], atol=1e-6)
