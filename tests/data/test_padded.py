"""A block with its margin: where its pixels lie, how it is asked for, and the patches that are cut out of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.padded import PaddedBlock, padded_geobox, pieces, windows
from rsbot_beam.geometry import TileBlock, TileKey

SHAPES = st.tuples(st.integers(1, 300), st.integers(1, 300))


@pytest.mark.parametrize("overlap", [0, 3])
@pytest.mark.parametrize(
    ("crs", "resolution", "origin"),
    [("EPSG:32633", 10.0, (0.0, 0.0)), ("EPSG:4326", 8.9e-05, (0.0, 0.0)), ("EPSG:32633", 30.0, (15.0, 15.0))],
)
def test_the_padded_place_lies_on_the_tiles_grid(
    crs: str, resolution: float, origin: tuple[float, float], overlap: int
) -> None:
    block = TileBlock(crs, resolution, 8, -560_000, 24, 2, 3, origin)
    geobox = padded_geobox(block, overlap)
    assert geobox.shape == (16 + 2 * overlap, 24 + 2 * overlap)
    for key in block.tiles():
        place = TileKey(crs, resolution, 1, key.row - overlap, key.col - overlap, origin)
        top, left = key.row - block.row, key.col - block.col
        x, y = (
            geobox.transform @ (left, top)
            if hasattr(geobox.transform, "__matmul__")
            else geobox.transform * (left, top)
        )
        assert (x, y) == pytest.approx((place.transform.c, place.transform.f), abs=1e-3 * resolution)
    corner = TileKey(crs, resolution, 1, block.row - overlap, block.col - overlap, origin)
    assert geobox.transform == corner.transform, "to the bit"


@given(SHAPES, st.integers(1, 9000))
def test_pieces_cover_each_pixel_once_and_fit(shape: tuple[int, int], most: int) -> None:
    counted = np.zeros(shape, int)
    for rows, cols in pieces(shape, lambda height, width: height * width <= most):
        counted[rows, cols] += 1
        assert (rows.stop - rows.start) * (cols.stop - cols.start) <= most
    assert (counted == 1).all()


@given(SHAPES)
def test_what_fits_is_one_piece(shape: tuple[int, int]) -> None:
    assert pieces(shape, lambda height, width: True) == [(slice(0, shape[0]), slice(0, shape[1]))]


def test_pieces_are_no_more_than_needed_by_much() -> None:
    assert len(pieces((100, 100), lambda height, width: height * width <= 2500)) == 4
    assert len(pieces((10, 1000), lambda height, width: height * width <= 2500)) == 4


def test_nothing_fits_is_single_pixels() -> None:
    assert len(pieces((3, 2), lambda height, width: False)) == 6


@pytest.fixture
def padded() -> PaddedBlock:
    """2 x 3 tiles of 8 pixels with a margin of 3; pixels hold their row * 1000 + column, counted from the margin's corner."""
    layout = Layout((Band("a", "int32"),), 2, (Band("s", "int32"),))
    block = TileBlock("EPSG:32633", 10.0, 8, 16, -24, 2, 3)
    rows, cols = np.mgrid[0:22, 0:30]
    numbers = (rows * 1000 + cols).astype(np.int32)
    valid = {"a": np.zeros((2, 22, 30), bool), "s": np.zeros((22, 30), bool)}
    return PaddedBlock(block, 3, layout, {"a": np.stack([numbers, -numbers]), "s": numbers}, valid)


def test_windows_are_views_of_the_right_pixels(padded: PaddedBlock) -> None:
    first, second, *_ = padded.block.tiles()
    for window in (TileBlock.of(first), TileBlock.of(second, 2, 1), TileBlock.of(second, 1, 2), padded.block):
        part = padded.window(window)
        top, left = window.row - 16, window.col + 24
        height, width = window.shape
        assert (part.block, part.overlap, part.layout) == (window, 3, padded.layout)
        assert part.pixels["a"].shape == part.valid["a"].shape == (2, height + 6, width + 6)
        assert part.pixels["s"][0, 0] == top * 1000 + left
        assert part.pixels["s"][-1, -1] == (top + height + 5) * 1000 + left + width + 5
        assert np.array_equal(part.pixels["a"][1], -part.pixels["s"])
        assert np.shares_memory(part.pixels["a"], padded.pixels["a"])


GROUND = TileBlock("EPSG:32633", 10.0, 8, 16, -24, 7, 9)


@given(st.sets(st.integers(0, len(GROUND) - 1), min_size=1), st.integers(1, 80_000))
def test_windows_are_the_tiles_each_once_and_fit(numbers: set[int], most: int) -> None:
    tiles = list(GROUND.tiles())
    keys = [tiles[number] for number in sorted(numbers)]

    def fits(height: int, width: int) -> bool:
        return (height + 6) * (width + 6) <= most

    found = windows(keys, fits)
    assert sorted(key for window in found for key in window.tiles()) == sorted(keys)
    assert all(len(window) == 1 or fits(*window.shape) for window in found)
    assert windows(keys[::-1], fits) == found
    shapes = [window.shape for window in found]
    assert len(set(shapes)) == sum(1 for i, shape in enumerate(shapes) if i == 0 or shape != shapes[i - 1])


def test_a_block_is_one_window_where_it_fits_and_evenly_cut_where_not() -> None:
    keys = list(GROUND.tiles())
    assert windows(keys, lambda height, width: True) == [GROUND]
    assert windows(keys, lambda height, width: False) == sorted(map(TileBlock.of, keys))
    cut = windows(keys, lambda height, width: height * width <= 5 * 5 * 64)
    assert sorted(window.shape for window in cut) == [(24, 32), (24, 40), (32, 32), (32, 40)]


def test_a_pixel_is_seen_where_any_band_at_any_time_is_valid(padded: PaddedBlock) -> None:
    padded.valid["a"][1, 3, 3] = True  # the block's corner
    padded.valid["s"][18, 26] = True  # its last pixel
    padded.valid["s"][2, 5] = True  # in the margin: nobody predicts it
    assert padded.seen.shape == (16, 24)
    assert padded.seen.sum() == 2
    first, *_, last = padded.block.tiles()
    assert padded.seen_of(first)[0, 0]
    assert padded.seen_of(last)[7, 7]
    assert sum(int(padded.seen_of(key).sum()) for key in padded.block.tiles()) == 2


def test_without_a_margin_all_is_seen() -> None:
    block = TileBlock("EPSG:32633", 10.0, 4, 0, 0, 1, 1)
    ones = np.ones((4, 4), bool)
    whole = PaddedBlock(block, 0, Layout((Band("a", "uint8"),)), {"a": ones.astype(np.uint8)}, {"a": ones})
    assert whole.seen.all() and whole.seen.shape == (4, 4)
