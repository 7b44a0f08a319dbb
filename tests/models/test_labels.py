"""What models learn from examples: class numbers, and maps of centres."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rsbot_beam.models.classes import ClassIndex
from rsbot_beam.models.labels import LEAST_OVERLAP, centre_labels, gaussian_radius, model_inputs, pixel_labels
from rsbot_beam.models.serving import DecodeBoxes

INDEX = ClassIndex((2, 1))


def example(
    boxes: list[list[float]], codes: list[int], size: int = 32, most: int = 6, **more: Any
) -> dict[str, tf.Tensor]:
    """One patch with boxes, padded with zeros to `most`."""
    padded = np.zeros((1, most, 4), np.float32)
    classes = np.zeros((1, most), np.int32)
    if boxes:
        padded[0, : len(boxes)], classes[0, : len(codes)] = boxes, codes
    arrays = {
        "image": np.zeros((1, size, size, 1), np.float32),
        "valid": np.ones((1, size, size), np.uint8),
        "boxes": padded,
        "box_classes": classes,
        "box_count": np.array([len(boxes)], np.int32),
    }
    return {name: tf.constant(array) for name, array in (arrays | more).items()}


def test_only_the_inputs_reach_the_model() -> None:
    assert set(model_inputs(example([], []))) == {"image", "valid"}


@pytest.mark.parametrize("steps", [0, 3])
def test_pixels_count_where_label_and_imagery_are_valid(steps: int) -> None:
    label = np.array([[[1, 2, 2, 9]]], np.uint8)
    valid = np.array([[[1, 1, 0, 1]]], np.uint8)
    if steps:
        # Seen once is seen.
        valid = np.stack([valid, np.zeros_like(valid), valid], axis=1)
    batch = {"label": label, "label_valid": np.array([[[1, 1, 1, 1]]], np.uint8), "valid": valid}
    found = pixel_labels({name: tf.constant(array) for name, array in batch.items()}, INDEX)
    assert found.numpy().tolist() == [[[1, 0, -1, -1]]]
    batch["label_valid"] = np.array([[[0, 1, 1, 1]]], np.uint8)
    found = pixel_labels({name: tf.constant(array) for name, array in batch.items()}, INDEX)
    assert found.numpy().tolist() == [[[-1, 0, -1, -1]]]


def test_a_box_becomes_a_centre() -> None:
    maps = centre_labels(example([[4, 8, 14, 12]], [1]), INDEX, stride=4)
    heatmap, size, offset = (maps[name].numpy()[0] for name in ("heatmap", "size", "offset"))
    assert heatmap.shape == (8, 8, 2) and size.shape == offset.shape == (8, 8, 3)
    # Its centre (9, 10) is 2.25 and 2.5 cells from the corner.
    assert heatmap[2, 2].tolist() == [0, 1] and (heatmap == 1).sum() == 1
    assert np.allclose(size[2, 2], [np.log(2.5), np.log(1), 1]) and np.allclose(offset[2, 2], [0.25, 0.5, 1])
    assert size[..., 2].sum() == offset[..., 2].sum() == 1


def test_heat_falls_off_within_the_radius() -> None:
    maps = centre_labels(example([[10, 10, 50, 50]], [2], size=64), INDEX, stride=2)
    heat = maps["heatmap"].numpy()[0, ..., 0]
    radius = int(gaussian_radius(tf.constant([20.0, 20.0])))
    row = heat[15]
    assert radius == 4
    assert row[15] == 1 and (np.diff(row[15 : 15 + radius + 1]) < 0).all() and row[15 + radius] > 0
    assert row[15 + radius + 1] == 0 and np.allclose(heat, heat.T)
    assert row[16] == pytest.approx(np.exp(-1 / (2 * ((2 * radius + 1) / 6) ** 2)))


@settings(max_examples=30, deadline=None)
@given(st.floats(3, 60), st.floats(3, 60))
def test_the_radius_keeps_the_overlap(height: float, width: float) -> None:
    r = float(gaussian_radius(tf.constant([height, width], tf.float32)))
    area = height * width
    moved = (height - r) * (width - r)
    overlaps = [
        moved / (2 * area - moved),
        (height - 2 * r) * (width - 2 * r) / area,
        area / ((height + 2 * r) * (width + 2 * r)),
    ]
    assert min(overlaps) == pytest.approx(LEAST_OVERLAP, abs=1e-3)


def test_patches_without_objects_and_datasets_without_any() -> None:
    for most in (0, 3):
        maps = centre_labels(example([], [], most=most), INDEX, stride=4)
        assert all((value.numpy() == 0).all() for value in maps.values())


def test_other_classes_and_filling_are_background() -> None:
    full = example([[4, 4, 12, 12], [20, 20, 28, 28]], [1, 77])
    full["box_count"] = tf.constant([2])
    heat = centre_labels(full, INDEX, stride=4)["heatmap"].numpy()
    assert (heat == 1).sum() == 1 and heat[0, 2, 2, 1] == 1
    full["box_count"] = tf.constant([0])
    assert not centre_labels(full, INDEX, stride=4)["heatmap"].numpy().any()


def test_cells_without_a_valid_pixel_are_passed_over() -> None:
    valid = np.ones((1, 32, 32), np.uint8)
    valid[0, :8] = 0
    valid[0, 3, 3] = 1
    maps = centre_labels(example([[0, 10, 6, 16], [20, 20, 24, 24]], [1, 2], valid=valid), INDEX, stride=4)
    heat = maps["heatmap"].numpy()[0]
    assert (heat[0, 1:] == -1).all() and (heat[1] == -1).all() and (heat[0, 0] >= 0).all() and (heat[2:] >= 0).all()
    assert maps["size"].numpy()[0, 0, 3, 2] == 0 and maps["size"].numpy()[..., 2].sum() == 1
    labelled = np.ones((1, 32, 32), np.uint8)
    labelled[0, 16:] = 0
    heat = centre_labels(example([], [], label_valid=labelled), INDEX, stride=4)["heatmap"].numpy()[0]
    assert (heat[4:] == -1).all() and (heat[:4] == 0).all()


def test_of_two_objects_in_one_cell_the_smaller_is_learned() -> None:
    for order in (1, -1):
        boxes = [[8, 8, 12, 12], [0, 0, 20, 20]][::order]
        maps = centre_labels(example(boxes, [1, 2][::order]), INDEX, stride=4)
        assert np.allclose(maps["size"].numpy()[0, 2, 2], [0, 0, 1])
        assert maps["heatmap"].numpy()[0, 2, 2].tolist() == [1, 1]


def test_a_centre_on_the_far_edge_stays_inside() -> None:
    maps = centre_labels(example([[31.9, 31.9, 32, 32]], [1]), INDEX, stride=4)
    assert maps["heatmap"].numpy()[0, 7, 7, 1] == 1


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_patches_that_are_no_multiple_of_the_stride(stride: int) -> None:
    rows = -(-30 // stride)
    assert centre_labels(example([[4, 4, 8, 8]], [1], size=30), INDEX, stride)["heatmap"].shape == (1, rows, rows, 2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 4]))
def test_labels_decoded_are_the_boxes(seed: int, stride: int) -> None:
    rng = np.random.default_rng(seed)
    boxes: list[list[float]] = []
    for y in (0, 32):
        for x in (0, 32):
            top, left = rng.uniform(0, 12, 2)
            boxes.append([y + top, x + left, y + top + rng.uniform(5, 18), x + left + rng.uniform(5, 18)])
    codes = rng.choice([1, 2], 4).tolist()
    batch = example(boxes, codes, size=64)
    maps = centre_labels(batch, INDEX, stride)
    plain = {name: value[..., :2] for name, value in maps.items()}
    found = DecodeBoxes(stride, INDEX.codes, most=10, least_score=0.9, overlap=0.5)(
        plain, batch["image"], batch["valid"]
    )
    assert int(found["count"][0]) == 4
    order = np.lexsort(found["boxes"].numpy()[0, :4, :2].round().T)
    expected = np.lexsort(np.array(boxes)[:, :2].round().T)
    assert np.allclose(found["boxes"].numpy()[0, order], np.array(boxes)[expected], atol=1e-3)
    assert found["classes"].numpy()[0, order].tolist() == np.array(codes)[expected].tolist()
