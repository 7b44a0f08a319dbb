"""Statistics over the first axis against NumPy's own, on random stacks with masked values."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsbot_beam.local_ee.stack import Stack, largest, number_text, smallest, sorting_network

DTYPES = ["uint8", "uint16", "int16", "int32", "float32", "float64"]


def random_stack(seed, size, dtype, pixels=50):
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        values = rng.normal(size=(size, pixels)).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        values = rng.integers(limits.min, min(limits.max, 300), (size, pixels), endpoint=True).astype(dtype)
        values[rng.random(values.shape) < 0.05] = limits.max  # equals the fill of masked values
    return Stack(values, rng.random(values.shape) < 0.7)


@given(st.integers(0, 70))
@settings(max_examples=70, deadline=None)
def test_networks_sort(size):
    rows = np.random.default_rng(size).integers(0, 9, (size, 200))
    wanted = np.sort(rows, axis=0)
    for low, high in sorting_network(size):
        assert low < high
        rows[[low, high]] = np.sort(rows[[low, high]], axis=0)
    np.testing.assert_array_equal(rows, wanted)


@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from(DTYPES))
@settings(max_examples=60, deadline=None)
def test_statistics(seed, size, dtype):
    stack = random_stack(seed, size, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = np.where(stack.valid, stack.values.astype(np.float64), np.nan)
        some = stack.count > 0
        np.testing.assert_array_equal(stack.count, (~np.isnan(plain)).sum(axis=0))
        for found, wanted in (
            (stack.percentile(50), np.nanmedian(plain, axis=0)),
            (stack.percentile(13), np.nanpercentile(plain, 13, axis=0)),
            (stack.mean(), np.nanmean(plain, axis=0)),
            (stack.min(), np.nanmin(plain, axis=0)),
            (stack.max(), np.nanmax(plain, axis=0)),
            (np.sqrt(stack.variance()), np.nanstd(plain, axis=0)),
        ):
            np.testing.assert_allclose(found[some], wanted[some], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(stack.sum(), np.nansum(plain, axis=0), rtol=1e-9)


@given(st.integers(0, 10_000), st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_mode_distinct_first_last(seed, size):
    rng = np.random.default_rng(seed)
    stack = Stack(rng.integers(0, 4, (size, 30)).astype(np.uint8), rng.random((size, 30)) < 0.6)
    for pixel in range(30):
        column = stack.values[stack.valid[:, pixel], pixel]
        assert stack.count_distinct()[pixel] == len(np.unique(column))
        if column.size:
            values, counts = np.unique(column, return_counts=True)
            assert stack.mode()[pixel] == values[counts.argmax()]
            assert stack.first()[pixel] == column[0]
            assert stack.last()[pixel] == column[-1]
            assert stack.any()[pixel] == column.any()
            assert stack.all()[pixel] == column.all()
            assert stack.bitwise(np.bitwise_and)[pixel] == np.bitwise_and.reduce(column)
            assert stack.bitwise(np.bitwise_or)[pixel] == np.bitwise_or.reduce(column)


def test_more_pixels_than_a_chunk():
    stack = random_stack(1, 9, "uint16", 40_000)
    plain = np.where(stack.valid, stack.values, largest(np.dtype("uint16")))
    np.testing.assert_array_equal(stack.sorted, np.sort(plain, axis=0))


def test_weights():
    stack = Stack(
        np.array([[1.0], [3.0], [100.0]]), np.array([[True], [True], [False]]), np.array([[1.0], [3.0], [5.0]])
    )
    assert stack.sum()[0] == 10
    assert stack.mean()[0] == 2.5


def test_lists_with_gaps_and_texts():
    stack = Stack.of_list([3, None, 1, 3])
    assert stack.count[0] == 3
    assert stack.frequencies() == {"1": 1, "3": 2}
    assert Stack.of_list(["b", "a", None]).to_list() == ["b", "a"]
    assert Stack.of_list([]).count[0] == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_extremes(dtype):
    found = np.dtype(dtype)
    assert largest(found) > smallest(found)
    assert largest(found).dtype == found


def test_number_text():
    assert [number_text(value) for value in (1, 2.0, 2.5, "a")] == ["1", "2", "2.5", "a"]


def test_skew_and_kurtosis():
    stack = Stack(np.array([[1.0], [2.0], [3.0], [10.0]]), np.ones((4, 1), bool))
    values = np.array([1, 2, 3, 10.0])
    standard = (values - values.mean()) / values.std()
    assert stack.moment(3)[0] == pytest.approx((standard**3).mean())
    assert stack.moment(4)[0] == pytest.approx((standard**4).mean())
