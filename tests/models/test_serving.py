"""Boxes out of maps: peaks, edges, suppression, codes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from rsbot_beam.models.classes import ClassIndex
from rsbot_beam.models.definition import InputShape, build_model
from rsbot_beam.models.registry import load_model_definition
from rsbot_beam.models.serving import BoxSettings, DecodeBoxes, serving_model

Maps = dict[str, np.ndarray]
CENTERNET = load_model_definition("centernet", {"width": "4", "depth": "2", "head": "4"})
IMAGE = tf.zeros((1, 32, 40, 3))
VALID = tf.ones((1, 32, 40), tf.uint8)


def maps(peaks: list[tuple[int, int, int, float]], side: float = 2.0) -> Maps:
    """Maps at stride 4 with peaks (row, column, class, score), each of a box of `side` cells around the cell's middle."""
    heatmap = np.full((1, 8, 10, 2), 0.001, np.float32)
    for row, column, number, score in peaks:
        heatmap[0, row, column, number] = score
    return {
        "heatmap": heatmap,
        "size": np.full((1, 8, 10, 2), np.log(side), np.float32),
        "offset": np.full((1, 8, 10, 2), 0.5, np.float32),
    }


def decoded(
    found: Maps, most: int = 5, least_score: float = 0.1, overlap: float = 0.5, valid: tf.Tensor = VALID
) -> dict[str, np.ndarray]:
    layer = DecodeBoxes(4, (7, 3), most, least_score, overlap)
    rows, columns = (4 * length for length in found["heatmap"].shape[1:3])
    seen = valid[..., :rows, :columns]
    outputs = layer({name: tf.constant(array) for name, array in found.items()}, IMAGE, seen)
    return {name: np.asarray(value)[0] for name, value in outputs.items()}


def test_best_first_then_zeros() -> None:
    found = decoded(maps([(2, 3, 1, 0.6), (5, 7, 0, 0.9)]))
    assert found["count"] == 2
    assert np.allclose(found["boxes"][:2], [[18, 26, 26, 34], [6, 10, 14, 18]])
    assert np.allclose(found["scores"], [0.9, 0.6, 0, 0, 0]) and found["classes"].tolist() == [7, 3, 0, 0, 0]
    assert not found["boxes"][2:].any()


def test_boxes_end_at_the_patch() -> None:
    found = decoded(maps([(0, 0, 0, 0.9), (7, 9, 0, 0.8)], side=4.0))
    assert np.allclose(found["boxes"][:2], [[0, 0, 10, 10], [22, 30, 32, 40]])


def test_neighbours_of_a_peak_are_none() -> None:
    assert decoded(maps([(4, 4, 0, 0.9), (4, 5, 0, 0.8), (5, 4, 0, 0.7)]))["count"] == 1


@pytest.mark.parametrize("steps", [0, 3])
def test_where_nothing_is_valid_nothing_is_found(steps: int) -> None:
    """One valid pixel of a cell, in one step, is enough."""
    valid = np.zeros((1, *((steps,) if steps else ()), 32, 40), np.uint8)
    peaks = maps([(4, 4, 0, 0.9), (1, 8, 1, 0.8)])
    assert decoded(peaks, valid=tf.constant(valid))["count"] == 0
    valid[(0, 1, 7, 35) if steps else (0, 7, 35)] = 1
    found = decoded(peaks, valid=tf.constant(valid))
    assert found["count"] == 1 and found["classes"][0] == 3


def test_a_detector_that_does_not_look_at_validity() -> None:
    inputs = keras.Input((None, None, 3), name="image")
    x = keras.layers.MaxPooling2D(4, padding="same")(inputs)
    heads = {"heatmap": (2, "sigmoid"), "size": (2, None), "offset": (2, None)}
    outputs = {name: keras.layers.Conv2D(n, 1, activation=kind, name=name)(x) for name, (n, kind) in heads.items()}
    served = serving_model(keras.Model({"image": inputs}, outputs), CENTERNET, ClassIndex((7, 3)))
    image = np.ones((2, 16, 16, 3), "f4")
    valid = np.stack([np.ones((16, 16)), np.zeros((16, 16))]).astype("u1")
    found = served.predict_on_batch({"image": image, "valid": valid})
    assert found["count"][0] > 0 and found["count"][1] == 0


@pytest.mark.parametrize(("overlap", "count"), [(0.2, 1), (0.6, 2)])
def test_overlapping_boxes_of_a_class_are_suppressed(overlap: float, count: int) -> None:
    # Two cells apart, six wide: 4 / 8 of them overlap.
    assert decoded(maps([(4, 4, 0, 0.9), (4, 6, 0, 0.8)], side=6.0), overlap=overlap)["count"] == count


def test_other_classes_do_not_suppress() -> None:
    found = decoded(maps([(4, 4, 0, 0.9), (4, 4, 1, 0.8)]))
    assert found["count"] == 2 and sorted(found["classes"][:2]) == [3, 7]


def test_low_scores_and_too_many_are_left_out() -> None:
    peaks = [(row, column, 0, 0.2 + 0.01 * row) for row in (0, 2, 4, 6) for column in (0, 3, 6)]
    found = decoded(maps(peaks), most=5, least_score=0.23)
    assert found["count"] == 5 and found["scores"].min() > 0.23
    assert decoded(maps([(1, 1, 0, 0.05)]))["count"] == 0


def test_fewer_cells_than_boxes() -> None:
    tiny = {name: array[:, :1, :1] for name, array in maps([(0, 0, 0, 0.9)]).items()}
    found = decoded(tiny, most=50)
    assert found["boxes"].shape == (50, 4) and found["count"] == 1


def test_a_detector_is_served_with_codes() -> None:
    definition = load_model_definition("centernet", {"width": "4", "depth": "2", "head": "4"})
    model = build_model(definition, InputShape(3), 2)
    served = serving_model(model, definition, ClassIndex((7, 3)), BoxSettings(most=9, least_score=0.0))
    found = served.predict_on_batch({"image": np.ones((2, 16, 16, 3), "f4"), "valid": np.ones((2, 16, 16), "u1")})
    shapes = {name: (value.shape, str(value.dtype)) for name, value in found.items()}
    assert shapes == {
        "boxes": ((2, 9, 4), "float32"),
        "scores": ((2, 9), "float32"),
        "classes": ((2, 9), "int32"),
        "count": ((2,), "int32"),
    }
    assert set(np.unique(found["classes"])) <= {0, 3, 7}
    model.get_layer("heatmap_map").bias.assign([9.0, 9.0])
    assert served.predict_on_batch({"image": np.ones((1, 16, 16, 3), "f4"), "valid": np.ones((1, 16, 16), "u1")})[
        "scores"
    ][0, 0] == pytest.approx(1, abs=0.1)


def test_a_segmentation_is_served_as_probabilities() -> None:
    definition = load_model_definition("unet", {"width": "4", "depth": "1"})
    model = build_model(definition, InputShape(3), 2)
    served = serving_model(model, definition, ClassIndex((7, 3)))
    assert list(served.output) == ["probabilities"]
