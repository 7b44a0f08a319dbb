"""Covering sets of tiles by the rectangles of requests."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsbot_beam.geometry import TileBlock, TileKey, plan_blocks

SIZE = 128
BYTES_PER_PIXEL = 13
"""Six uint16 bands and a mask byte each would be 18; the number only has to be typical."""


def key_at(row, col, size=SIZE, crs="EPSG:32633"):
    return TileKey(crs, 10.0, size, row * size, col * size)


def square(side):
    return [key_at(row, col) for row in range(side) for col in range(side)]


def fits_48_mib(height, width):
    return height * width * BYTES_PER_PIXEL <= 48 * 2**20


cells = st.sets(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), max_size=80)


@settings(max_examples=200, deadline=None)
@given(cells, st.integers(1, 30))
def test_covers_exactly_what_was_asked_within_the_limit(places, most):
    keys = [key_at(*place) for place in places]
    plan = plan_blocks(keys, lambda height, width: height * width <= most * SIZE * SIZE)
    covered = [key for block in plan for key in block.tiles()]
    assert len(covered) == len(set(covered))
    assert set(covered) == set(keys)
    assert all(len(block) <= most for block in plan)


@settings(max_examples=100, deadline=None)
@given(cells, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(places, chance):
    keys = [key_at(*place) for place in places]
    shuffled = keys + keys[: len(keys) // 2]
    chance.shuffle(shuffled)
    assert plan_blocks(keys, fits_48_mib) == plan_blocks(iter(shuffled), fits_48_mib)


def test_contiguous_tiles_without_limit_are_one_block():
    assert plan_blocks(square(8)) == [TileBlock("EPSG:32633", 10.0, SIZE, 0, 0, 8, 8)]


def test_equally_large_rectangles_are_as_square_as_possible():
    plan = plan_blocks(square(16), lambda height, width: height * width <= 64 * SIZE * SIZE)
    assert [(block.rows, block.cols) for block in plan] == [(8, 8)] * 4


def test_a_continent_s_block_needs_few_requests():
    plan = plan_blocks(square(64), fits_48_mib)
    least = 64 * 64 * SIZE * SIZE * BYTES_PER_PIXEL / (48 * 2**20)
    assert len(plan) <= 1.5 * least


def test_an_l_shape_takes_two():
    keys = [key_at(row, 0) for row in range(5)] + [key_at(4, col) for col in range(1, 5)]
    assert sorted(len(block) for block in plan_blocks(keys)) == [4, 5]


def test_scattered_tiles_stay_alone():
    chance = random.Random(1)
    keys = [key_at(2 * chance.randrange(10**6), 2 * chance.randrange(10**6)) for _ in range(100)]
    plan = plan_blocks(keys)
    assert len(plan) == 100
    assert all(len(block) == 1 for block in plan)


def test_sides_are_limited():
    row = [key_at(0, col, size=8192) for col in range(9)]
    assert [block.cols for block in plan_blocks(row)] == [4, 4, 1]
    assert [block.cols for block in plan_blocks(row, max_side_px=8192)] == [1] * 9


def test_a_tile_that_does_not_fit_is_still_planned():
    assert [len(block) for block in plan_blocks(square(2), lambda height, width: False)] == [1] * 4


def test_tiles_off_the_grid_are_blocks_of_their_own():
    shifted = [key_at(0, 0).shifted(5, 7), key_at(0, 0).shifted(5, 7 + SIZE)]
    plan = plan_blocks([*shifted, *square(2)])
    assert [len(block) for block in plan] == [4, 1, 1]
    assert {key for block in plan[1:] for key in block.tiles()} == set(shifted)


@pytest.mark.parametrize(
    "other",
    [
        TileKey("EPSG:32634", 10.0, SIZE, 0, SIZE),
        TileKey("EPSG:32633", 20.0, SIZE, 0, SIZE),
        TileKey("EPSG:32633", 10.0, SIZE * 2, 0, SIZE * 2),
        TileKey("EPSG:32633", 10.0, SIZE, 0, SIZE, (15.0, 15.0)),
    ],
)
def test_different_grids_are_not_mixed(other):
    assert len(plan_blocks([key_at(0, 0), other])) == 2


def test_nothing_gives_nothing():
    assert plan_blocks([]) == []
