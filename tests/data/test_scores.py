"""Scores of maps and of detections, beside values worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsbot_beam.data.detection_scores import DetectionTally, box_overlaps, centre_distances, match
from rsbot_beam.data.scores import ConfusionMatrix
from rsbot_beam.errors import InputError

LABELS = np.array([[0, 0, 1], [1, 2, -1]])
PREDICTIONS = np.array([[0, 1, 1], [1, 0, 2]])
# Rows are labels: two of class 0, one of them taken for 1; two of class 1, right; one of class 2, taken for 0.
COUNTS = [[1, 1, 0], [0, 2, 0], [1, 0, 0]]


def test_counts_by_hand() -> None:
    matrix = ConfusionMatrix.of(LABELS, PREDICTIONS, 3)
    assert matrix.counts.tolist() == COUNTS
    assert matrix.accuracy == pytest.approx(3 / 5)
    zero, one, two = matrix.class_scores()
    assert (zero.precision, zero.recall, zero.f1, zero.iou, zero.support) == pytest.approx(
        (1 / 2, 1 / 2, 1 / 2, 1 / 3, 2)
    )
    assert (one.precision, one.recall, one.f1, one.iou, one.support) == pytest.approx((2 / 3, 1, 4 / 5, 2 / 3, 2))
    assert np.isnan(two.precision) and (two.recall, two.f1, two.iou, two.support) == (0, 0, 0, 1)
    assert matrix.mean("iou") == pytest.approx((1 / 3 + 2 / 3 + 0) / 3)
    assert matrix.mean("precision") == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)


def test_only_valid_pixels_count() -> None:
    valid = np.array([[1, 0, 1], [1, 1, 1]], np.uint8)
    assert ConfusionMatrix.of(LABELS, PREDICTIONS, 3, valid).counts.tolist() == [[1, 0, 0], [0, 2, 0], [1, 0, 0]]
    spoilt = np.where(valid, PREDICTIONS, 99)
    assert ConfusionMatrix.of(LABELS, spoilt, 3, valid).counts.sum() == 4


def test_weighted_by_area() -> None:
    rows = np.array([[100.0], [50.0]])
    matrix = ConfusionMatrix.of(LABELS, PREDICTIONS, 3, area=rows)
    assert matrix.counts.tolist() == [[100, 100, 0], [0, 150, 0], [50, 0, 0]]
    assert matrix.accuracy == pytest.approx(250 / 400)
    assert ConfusionMatrix.of(LABELS, PREDICTIONS, 3, area=2.0).counts.tolist() == (2 * np.array(COUNTS)).tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_parts_add_up_to_the_whole(seed: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    labels, predictions = rng.integers(-1, 4, 100), rng.integers(0, 4, 100)
    total = ConfusionMatrix.empty(4)
    for a, b in zip(np.array_split(labels, parts), np.array_split(predictions, parts), strict=True):
        total = total + ConfusionMatrix.of(a, b, 4)
    whole = ConfusionMatrix.of(labels, predictions, 4)
    assert np.array_equal(total.counts, whole.counts)
    expected = [[((labels == i) & (predictions == j)).sum() for j in range(4)] for i in range(4)]
    assert whole.counts.tolist() == expected


def test_the_majority_baseline() -> None:
    baseline = ConfusionMatrix(np.array([[1, 1, 0], [0, 1, 0], [2, 1, 1]])).majority()
    assert baseline.counts.tolist() == [[0, 0, 2], [0, 0, 1], [0, 0, 4]]
    assert baseline.accuracy == pytest.approx(4 / 7)


def test_nothing_counted_and_absent_classes() -> None:
    empty = ConfusionMatrix.empty(2)
    assert np.isnan(empty.accuracy) and np.isnan(empty.mean("iou"))
    one = ConfusionMatrix.of(np.zeros(3, int), np.zeros(3, int), 2)
    assert one.mean("f1") == 1 and np.isnan(one.class_scores()[1].f1)


def test_plain_form_is_json() -> None:
    plain = json.loads(json.dumps(ConfusionMatrix.of(LABELS, PREDICTIONS, 3).to_dict(["a", "b", "c"]), allow_nan=False))
    assert plain["accuracy"] == pytest.approx(0.6) and plain["confusion"] == COUNTS
    assert plain["classes"]["c"] == {"precision": None, "recall": 0, "f1": 0, "iou": 0, "support": 1}
    assert json.dumps(ConfusionMatrix.empty(1).to_dict(["a"]), allow_nan=False)


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([0, 1], [0], r"labels \(2,\) and predictions \(1,\) must have one shape"),
        ([0, 5], [0, 1], "labels from 0 to 5 are not all of 2 classes"),
        ([0, 1], [0, -1], "predictions from -1 to 0 are not all of 2 classes"),
    ],
)
def test_pixels_that_cannot_be_counted(labels: list[int], predictions: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ConfusionMatrix.of(np.array(labels), np.array(predictions), 2)


def test_matrices_that_cannot_be() -> None:
    with pytest.raises(InputError, match="is square"):
        ConfusionMatrix(np.zeros((2, 3)))
    with pytest.raises(InputError, match="2 and 3 classes cannot be added"):
        _ = ConfusionMatrix.empty(2) + ConfusionMatrix.empty(3)


def test_overlaps_by_hand() -> None:
    found = box_overlaps(
        np.array([[0, 0, 10, 10], [5, 5, 5, 5]]), np.array([[0, 5, 10, 15], [0, 0, 10, 10], [20, 20, 30, 30]])
    )
    assert np.allclose(found, [[1 / 3, 1, 0], [0, 0, 0]])
    assert box_overlaps(np.empty((0, 4)), np.ones((2, 4))).shape == (0, 2)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_overlaps_of_whole_numbers_are_counted_pixels(seed: int) -> None:
    corners = np.sort(np.random.default_rng(seed).integers(0, 12, (2, 2, 2)), axis=1)
    a, b = (np.concatenate([c[0], c[1]]) for c in corners)
    masks = [np.zeros((12, 12), bool) for _ in range(2)]
    for mask, (y, x, bottom, right) in zip(masks, (a, b), strict=True):
        mask[y:bottom, x:right] = True
    union = (masks[0] | masks[1]).sum()
    expected = (masks[0] & masks[1]).sum() / union if union else 0
    assert box_overlaps(a, b)[0, 0] == pytest.approx(expected)


def test_distances_are_in_metres() -> None:
    assert centre_distances(np.array([[0, 0, 2, 2]]), np.array([[3, 4, 5, 6]]), 10.0)[0, 0] == pytest.approx(50)


def test_each_label_is_found_once_by_the_best() -> None:
    overlaps = np.array([[0.9, 0.0], [0.8, 0.6], [0.7, 0.2]])
    assert match(np.array([0.5, 0.9, 0.8]), overlaps, 0.5).tolist() == [False, True, False]
    # The best takes its closest label; the next one what is left and close enough.
    assert match(np.array([0.9, 0.8, 0.7]), overlaps, 0.5).tolist() == [True, True, False]
    assert match(np.array([0.9]), np.empty((1, 0)), 0.5).tolist() == [False]


def test_precision_recall_and_average_precision_by_hand() -> None:
    tally = DetectionTally.by_overlap(0.5)
    labels = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 50, 50], [60, 60, 70, 70]])
    elsewhere = [100, 100, 110, 110]
    # By falling score: right, wrong, right, wrong, right; one label is not found.
    boxes = np.array([labels[0], elsewhere, labels[1], elsewhere, labels[2]])
    tally.add(boxes, np.array([0.9, 0.8, 0.7, 0.6, 0.5]), labels)
    curve = tally.curve()
    assert np.allclose(curve.precision, [1, 1 / 2, 2 / 3, 1 / 2, 3 / 5])
    assert np.allclose(curve.recall, [1 / 4, 1 / 4, 1 / 2, 1 / 2, 3 / 4])
    assert curve.average_precision == pytest.approx(1 / 4 * 1 + 1 / 4 * 2 / 3 + 1 / 4 * 3 / 5)
    assert curve.best() == pytest.approx((0.5, 2 * 0.6 * 0.75 / 1.35))
    plain = tally.to_dict()
    assert plain["labels"] == 4 and plain["detections"] == 5
    assert plain["average_precision"] == pytest.approx(0.56666667)


def test_patches_are_matched_apart_and_scored_together() -> None:
    tally = DetectionTally.by_overlap(0.3)
    box = np.array([[0, 0, 10, 10]])
    tally.add(box, np.array([0.9]), np.empty((0, 4)))
    tally.add(box, np.array([0.8]), box)
    tally.add(np.empty((0, 4)), np.empty(0), box)
    curve = tally.curve()
    assert curve.precision.tolist() == [0, 0.5] and curve.recall.tolist() == [0, 0.5]
    assert curve.average_precision == pytest.approx(0.25)


def test_equal_scores_are_one_point() -> None:
    box, other = [0, 0, 10, 10], [50, 50, 60, 60]
    curves = []
    for order in ([box, other], [other, box]):
        tally = DetectionTally.by_overlap()
        tally.add(np.array(order), np.array([0.5, 0.5]), np.array([box]))
        curves.append(tally.curve())
    assert all(curve.precision.tolist() == [0.5] and curve.recall.tolist() == [1] for curve in curves)


@pytest.mark.parametrize(("metres", "right"), [(49.0, False), (50.0, True)])
def test_points_are_matched_by_distance(metres: float, right: bool) -> None:
    tally = DetectionTally.by_distance(metres, resolution=10.0)
    tally.add(np.array([[0, 0, 2, 2]]), np.array([0.9]), np.array([[3, 4, 5, 6]]))
    assert tally.right == [right]
    assert tally.curve().average_precision == float(right)


def test_nothing_found_and_nothing_to_find() -> None:
    none = DetectionTally.by_overlap()
    none.add(np.empty((0, 4)), np.empty(0), np.ones((2, 4)))
    assert none.curve().average_precision == 0 and none.to_dict()["best_score"] is None
    empty = DetectionTally.by_overlap()
    empty.add(np.ones((1, 4)), np.array([0.5]), np.empty((0, 4)))
    assert np.isnan(empty.curve().average_precision) and np.isnan(empty.curve().recall).all()
    assert json.dumps([none.to_dict(), empty.to_dict()], allow_nan=False)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_perfect_detections_score_one_and_precision_never_helps_below(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner = np.arange(6)[:, None] * 20.0 + rng.uniform(0, 5, (6, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(1, 10, (6, 2))], axis=1)
    perfect = DetectionTally.by_overlap(0.99)
    perfect.add(boxes, rng.random(6), boxes)
    assert perfect.curve().average_precision == pytest.approx(1)
    worse = DetectionTally.by_overlap(0.99)
    worse.add(np.concatenate([boxes, boxes + 500]), np.concatenate([np.full(6, 0.9), rng.random(6) * 0.8]), boxes)
    assert worse.curve().average_precision == pytest.approx(1), "false ones below all true ones change nothing"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DetectionTally.by_overlap(0), "least overlap 0 must be above 0"),
        (lambda: DetectionTally.by_distance(0, 10), "must be positive"),
        (
            lambda: DetectionTally.by_overlap().add(np.ones((2, 4)), np.ones(1), np.ones((1, 4))),
            "2 boxes have 1 scores",
        ),
    ],
)
def test_tallies_that_cannot_be(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()  # type: ignore[operator]
