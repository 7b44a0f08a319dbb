"""Codes and class numbers, and weights of classes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.errors import InputError
from rsbot_beam.models.classes import LARGEST_RATIO, UNLABELLED, ClassIndex, class_weights

CODES = st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=12, unique=True)


@settings(max_examples=40, deadline=None)
@given(CODES, st.data())
def test_numbers_are_places_in_the_list(codes: list[int], data: st.DataObject) -> None:
    index = ClassIndex(tuple(codes))
    asked = data.draw(st.lists(st.sampled_from(codes) | st.integers(-300, 300), min_size=1, max_size=20))
    expected = [codes.index(code) if code in codes else UNLABELLED for code in asked]
    assert index.numbers(np.array(asked)).tolist() == expected
    assert index.tensor_numbers(tf.constant([asked], tf.int64)).numpy().tolist() == [expected]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "uint32"])
def test_every_type_of_label(dtype: str) -> None:
    index = ClassIndex((100, 3, 0))
    found = index.tensor_numbers(tf.constant(np.array([[0, 3], [100, 7]], dtype)))
    assert found.dtype == tf.int32 and found.numpy().tolist() == [[2, 1], [0, UNLABELLED]]


def test_detectors_do_not_search_the_background() -> None:
    classes = [LabelClass(0, "background"), LabelClass(2, "wind"), LabelClass(1, "solar")]
    assert ClassIndex.of(classes).codes == (0, 2, 1)
    assert ClassIndex.of(classes, background=False).codes == (2, 1)
    assert len(ClassIndex.of(classes)) == 3


def test_classes_without_a_label_are_not_learned() -> None:
    classes = [LabelClass(0, "background"), LabelClass(2, "wind"), LabelClass(1, "solar")]
    index = ClassIndex.of(classes, counts={0: 5, 1: 3, 2: 0, 77: 9})
    assert (index.codes, index.unlearned, index.learned) == ((0, 2, 1), {2}, (True, False, True))
    assert ClassIndex.of(classes, background=False, counts={0: 5, 1: 3}).learned == (False, True)
    assert all(ClassIndex.of(classes).learned)


@pytest.mark.parametrize(
    ("codes", "message"), [((1, 2, 1), r"codes \[1\] are listed twice"), ((), "no class to learn")]
)
def test_lists_that_are_none(codes: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ClassIndex(codes)


def test_counted_codes_that_are_of_no_class() -> None:
    assert ClassIndex((1, 2)).unknown({1: 5, 7: 3, 9: 0}) == {7: 3}


def test_square_roots_of_the_counts() -> None:
    weights = class_weights(ClassIndex((5, 9)), {5: 900, 9: 100})
    assert weights[1] / weights[0] == pytest.approx(3)
    assert (weights[0] * 900 + weights[1] * 100) / 1000 == pytest.approx(1)


@pytest.mark.parametrize("weighting", ["none", "sqrt", "effective"])
def test_rare_classes_count_more_but_not_beyond_the_ratio(weighting: str) -> None:
    counts = {0: 10**7, 1: 10**4, 2: 1}
    weights = class_weights(ClassIndex((0, 1, 2, 3)), counts, weighting)  # type: ignore[arg-type]
    assert 0 < weights[0] <= weights[1] <= weights[2] <= weights[0] * (LARGEST_RATIO + 1e-9)
    assert weights[3] == 0
    assert sum(weights[c] * n for c, n in counts.items()) == pytest.approx(sum(counts.values()))


def test_effective_number_of_samples() -> None:
    weights = class_weights(ClassIndex((0, 1)), {0: 200_000, 1: 100_000}, "effective")
    assert weights[1] / weights[0] == pytest.approx((1 - np.exp(-2)) / (1 - np.exp(-1)), rel=1e-4)


def test_a_split_without_any_of_the_classes() -> None:
    with pytest.raises(
        InputError, match=r"none of the classes \[1, 2\] occurs in the train split: it holds the codes \[7\]"
    ):
        class_weights(ClassIndex((1, 2)), {7: 100, 1: 0})
