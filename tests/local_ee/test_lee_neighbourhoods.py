"""Neighbourhoods: rectangles along rows and columns, everything else in pieces that fit the memory."""

from __future__ import annotations

import tracemalloc

import ee
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.functions import neighbourhood
from rsbot_beam.local_ee.functions.neighbourhood import _pieces, _reduce_pieces
from rsbot_beam.local_ee.kernels import MAX_REACH, reach_of
from rsbot_beam.local_ee.reducers import SIMPLE, combine
from rsbot_beam.local_ee.windows import fits, reduce_windows

WINDOW = ("sum", "mean", "min", "max", "count")


def noise(shape: tuple[int, int], dtype: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.integers(-90, 90, shape).astype(dtype), rng.random(shape) < 0.4


@pytest.mark.parametrize("dtype", ["int8", "int32", "float32", "float64"])
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (5, 9)])
def test_rectangles_are_what_numpy_makes_of_all_neighbours(dtype, size):
    values, valid = noise((20, 24), dtype)
    weights = np.full(size, 0.25)
    found = dict(zip(WINDOW, reduce_windows(values, valid, weights, outputs(*WINDOW)), strict=True))
    around = sliding_window_view(np.where(valid, values, np.nan).astype(float), size)
    known = sliding_window_view(valid, size).sum(axis=(2, 3))
    some = known > 0
    np.testing.assert_array_equal(found["count"][0], known)
    assert found["count"][1].all()
    for name in ("sum", "mean", "min", "max"):
        np.testing.assert_array_equal(found[name][1], some)
    np.testing.assert_allclose(found["sum"][0], 0.25 * np.nansum(around, axis=(2, 3)))
    np.testing.assert_allclose(found["mean"][0][some], np.nanmean(around[some], axis=(1, 2)))
    np.testing.assert_array_equal(found["min"][0][some], np.nanmin(around[some], axis=(1, 2)))
    np.testing.assert_array_equal(found["max"][0][some], np.nanmax(around[some], axis=(1, 2)))
    assert found["min"][0].dtype == np.dtype(dtype)


def outputs(*names: str):
    return [output for name in names for output in SIMPLE[name].outputs]


@pytest.mark.parametrize("name", WINDOW)
def test_rectangles_are_what_the_pieces_make_of_them(name):
    values, valid = noise((30, 20), "float64")
    weights = np.full((7, 3), 1 / 21)
    whole = reduce_windows(values, valid, weights, outputs(name))
    pieces = _reduce_pieces(values, valid, weights, outputs(name))
    np.testing.assert_allclose(whole[0][0], pieces[0][0], rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(whole[0][1], pieces[0][1])


def test_what_is_taken_as_a_rectangle():
    flat, circle = np.ones((5, 5)), (np.hypot(*np.mgrid[-2:3, -2:3]) <= 2).astype(float)
    assert fits(flat, outputs("mean", "max"))
    assert fits(flat, combine(SIMPLE["mean"], SIMPLE["count"], "", True).outputs)
    assert not fits(circle, outputs("mean"))
    assert not fits(flat, outputs("mean", "median"))
    assert not fits(-flat, outputs("mean"))


@pytest.mark.parametrize("pixels", [1, 7, 12, 30, 1000])
def test_pieces_cover_a_grid_once_and_in_order(pixels):
    numbers = np.arange(60).reshape(5, 12)
    parts = [numbers[rows, columns].reshape(-1) for rows, columns in _pieces((5, 12), pixels)]
    np.testing.assert_array_equal(np.concatenate(parts), numbers.reshape(-1))
    assert max(map(len, parts)) <= pixels


@pytest.mark.parametrize("name", ["median", "max", "variance", "mode"])
def test_pieces_of_any_size_give_the_same(name, monkeypatch):
    values, valid = noise((24, 31), "int16")
    circle = (np.hypot(*np.mgrid[-3:4, -3:4]) <= 3).astype(float)
    once = _reduce_pieces(values, valid, circle, outputs(name))
    for most in (1, 40, 300, 2000):
        monkeypatch.setattr(neighbourhood, "MAX_STACK", most)
        found = _reduce_pieces(values, valid, circle, outputs(name))
        np.testing.assert_allclose(found[0][0], once[0][0], rtol=1e-12)
        np.testing.assert_array_equal(found[0][1], once[0][1])


def test_memory_does_not_grow_with_the_kernel():
    values, valid = noise((200 + 20, 200 + 20), "float64")
    circle = (np.hypot(*np.mgrid[-100:101, -100:101]) <= 100).astype(float)
    tracemalloc.start()
    try:
        _reduce_pieces(values, valid, circle, outputs("stdDev"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * 8 * neighbourhood.MAX_STACK  # the whole needs three times as much for its values alone


@pytest.mark.parametrize(
    "kernel",
    [
        lambda: ee.Kernel.square(20000),
        lambda: ee.Kernel.circle(1e12),
        lambda: ee.Kernel.rectangle(1, 30000),
        lambda: ee.Kernel.gaussian(90000, 3),
        lambda: ee.Kernel.square(200).add(ee.Kernel.square(300)),
    ],
)
def test_weights_of_a_kernel_that_is_too_large_are_not_even_made(earth, kernel):
    with pytest.raises(ee.EEException, match="Kernel is too large"):
        earth.band(ee.Image(1).reduceNeighborhood(ee.Reducer.mean(), kernel()))


def test_reach():
    assert [reach_of(pixels) for pixels in (-1.0, 0.0, 1.9, MAX_REACH + 0.5)] == [0, 0, 1, MAX_REACH]
    for pixels in (MAX_REACH + 1.0, float("inf"), float("nan")):
        with pytest.raises(RequestError, match="Kernel is too large"):
            reach_of(pixels)


def test_a_wide_mean_over_http(earth):
    places = ee.Image.pixelCoordinates(ee.Projection("EPSG:32633")).select("x").toDouble()
    image = places.multiply(1e-4).sin()
    grid = earth.utm_grid(0, 0, 300, 200)
    found = earth.band(image.reduceNeighborhood(ee.Reducer.mean(), ee.Kernel.square(200)), grid)
    around = earth.band(image, earth.utm_grid(-200, -200, 700, 600))
    for row, column in ((0, 0), (57, 123), (199, 299)):
        wanted = around[row : row + 401, column : column + 401].mean()
        np.testing.assert_allclose(found[row, column], wanted, rtol=1e-9)
