"""Flips and turns: everything in an example turns together; and seasons that move."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rsbot_beam.models.augment import SYMMETRIES, apply_symmetry, augment, shift_season

SIZE = 12


def painted(seed: int, count: int, steps: int = 0, shape: tuple[int, int] = (SIZE, SIZE)) -> dict[str, np.ndarray]:
    """Patches with one object each: a box, painted into the label, the image and the validity."""
    rng = np.random.default_rng(seed)
    height, width = shape
    top, left = rng.integers(0, height - 2, count), rng.integers(0, width - 2, count)
    bottom, right = rng.integers(top + 1, height + 1), rng.integers(left + 1, width + 1)
    rows, columns = np.arange(height)[:, None], np.arange(width)
    corner = [x[:, None, None] for x in (top, left, bottom, right)]
    inside = (rows >= corner[0]) & (rows < corner[2]) & (columns >= corner[1]) & (columns < corner[3])
    label = inside.astype(np.uint8)
    image = np.stack([inside, rng.random(inside.shape)], axis=-1).astype(np.float32)
    boxes = np.zeros((count, 3, 4), np.float32)
    boxes[:, 0] = np.stack([top, left, bottom, right], axis=-1)
    seen = label
    if steps:
        image, seen = np.repeat(image[:, None], steps, 1), np.repeat(label[:, None], steps, 1)
    return {
        "image": image,
        "valid": seen,
        "static": image[:, 0] if steps else image,
        "static_valid": label,
        "label": label,
        "label_valid": label,
        "boxes": boxes,
        "box_classes": np.ones((count, 3), np.int32),
        "box_count": np.ones(count, np.int32),
        "tile": np.array([b"a"] * count),
    }


def tensors(batch: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(array) for name, array in batch.items()}


def box_of(mask: np.ndarray) -> list[float]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]


def dihedral(array: np.ndarray, symmetry: int, rows: int) -> np.ndarray:
    """The same with NumPy, on one example."""
    if symmetry & 1:
        array = np.flip(array, rows)
    if symmetry & 2:
        array = np.flip(array, rows + 1)
    return np.swapaxes(array, rows, rows + 1) if symmetry & 4 else array


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 2]))
def test_boxes_follow_the_mask(seed: int, steps: int) -> None:
    batch = painted(seed, SYMMETRIES, steps)
    turned = apply_symmetry(tensors(batch), tf.range(SYMMETRIES))
    found = {name: value.numpy() for name, value in turned.items()}
    for i in range(SYMMETRIES):
        assert found["boxes"][i, 0].tolist() == box_of(found["label"][i])
        assert np.array_equal(found["label"][i], dihedral(batch["label"][i], i, 0))
        assert np.array_equal(found["image"][i], dihedral(batch["image"][i], i, 1 if steps else 0))
        first = found["image"][i, 0] if steps else found["image"][i]
        masks = [found["label_valid"][i], found["static_valid"][i], first[..., 0], found["static"][i][..., 0]]
        masks += list(found["valid"][i]) if steps else [found["valid"][i]]
        assert all(np.array_equal(mask, found["label"][i]) for mask in masks)
    assert not found["boxes"][:, 1:].any(), "filling stays zero"
    assert {name: value.dtype for name, value in found.items()} == {n: found[n].dtype for n in batch}
    assert np.array_equal(found["image"][0], batch["image"][0])


def test_all_eight_symmetries_differ() -> None:
    batch = {name: np.repeat(array[:1], SYMMETRIES, 0) for name, array in painted(1, 1).items()}
    found = apply_symmetry(tensors(batch), tf.range(SYMMETRIES))["image"].numpy()
    assert len({array.tobytes() for array in found}) == SYMMETRIES
    assert np.array_equal(found[3], np.rot90(batch["image"][0], 2))
    assert {np.rot90(batch["image"][0], k).tobytes() for k in (1, 3)} == {found[5].tobytes(), found[6].tobytes()}


def test_patches_that_are_not_square_are_only_mirrored() -> None:
    batch = painted(2, SYMMETRIES, shape=(6, 9))
    found = apply_symmetry(tensors(batch), tf.range(SYMMETRIES))
    assert found["image"].shape == (SYMMETRIES, 6, 9, 2)
    assert all(found["boxes"].numpy()[i, 0].tolist() == box_of(found["label"].numpy()[i]) for i in range(SYMMETRIES))


@pytest.fixture
def dataset() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(tensors(painted(5, 24))).batch(4)


def images(dataset: tf.data.Dataset) -> np.ndarray:
    return np.concatenate([batch["image"].numpy() for batch in dataset])


def test_seeds_repeat_and_epochs_differ(dataset: tf.data.Dataset) -> None:
    first = augment(dataset, seed=1)
    one, two = images(first), images(first)
    again = augment(dataset, seed=1)
    assert np.array_equal(one, images(again)) and np.array_equal(two, images(again))
    assert not np.array_equal(one, two) and not np.array_equal(one, images(augment(dataset, seed=2)))
    # Examples of one batch are turned each in its own way.
    same = tf.data.Dataset.from_tensors({n: tf.repeat(v[:1], 64, axis=0) for n, v in tensors(painted(5, 1)).items()})
    assert len({array.tobytes() for array in images(augment(same, seed=1))}) == SYMMETRIES


def test_patches_of_unknown_size_are_refused() -> None:
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(()), output_signature={"image": tf.TensorSpec((None, None, None, 3), tf.float32)}
    )
    with pytest.raises(Exception, match="all must be of one known size"):
        augment(dataset, seed=1)


def series(values: list[float], valid: list[int]) -> dict[str, tf.Tensor]:
    """One pixel of one band in two examples alike."""
    shape = (1, len(values), 1, 1)
    image = np.tile(np.array(values, np.float32).reshape(*shape, 1), (2, 1, 1, 1, 1))
    return {
        "image": tf.constant(image),
        "valid": tf.constant(np.tile(np.array(valid, np.uint8).reshape(shape), (2, 1, 1, 1))),
    }


def test_seasons_move_by_a_share_of_a_step() -> None:
    moved = shift_season(series([0, 4, 8, 2], [1, 1, 1, 1]), tf.constant([0.25, -0.5]))["image"].numpy()[..., 0, 0, 0]
    assert moved[0].tolist() == [0, 3, 7, 3.5]  # the first has none before it
    assert moved[1].tolist() == [2, 6, 5, 2]


def test_what_is_missing_takes_no_part_in_the_move() -> None:
    example = series([0, float("nan"), 8, 2], [1, 0, 1, 1])
    moved = shift_season(example, tf.constant([0.5, 0.0]))
    assert moved["valid"] is example["valid"]
    assert moved["image"].numpy()[0, [0, 2, 3], 0, 0, 0].tolist() == [0, 8, 5]
    assert moved["image"].numpy()[1, [0, 2, 3], 0, 0, 0].tolist() == [0, 8, 2]


def test_a_single_image_has_no_season() -> None:
    example = {"image": tf.ones([2, 4, 4, 3]), "valid": tf.ones([2, 4, 4], tf.uint8)}
    assert shift_season(example, tf.constant([0.5, -0.5]))["image"] is example["image"]
