"""Flips and quarter turns, as what is seen from above has no upright position; and seasons that come early or late."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from rsbot_beam.errors import InputError

# Features with rows and columns, and those of them with an axis of bands behind.
_MAPS = ("image", "valid", "static", "static_valid", "label", "label_valid")
_WITH_BANDS = ("image", "static")
SYMMETRIES = 8
# Steps by which a season is moved at most. With monthly steps two weeks: a standard deviation of 8 days, between the 5 of
# years (Menzel et al. 2006, Global Change Biology 12) and the 4 days a degree of latitude of Hopkins' law. Beyond half a
# step, interpolation is another step's value.
LONGEST_SHIFT = 0.5


def augment(dataset: tf.data.Dataset, seed: int) -> tf.data.Dataset:
    """Turns, flips and moves in time each example of a batched dataset by chance, anew in each epoch.

    Args:
        dataset: Batches as `load_dataset` gives them.
        seed: Any number: makes it repeatable.

    Returns:
        Batches with the same features. Those that say where a patch lies (`transform`, `bounds`) keep its place, but no
        longer say where its pixels are.
    """
    numbers = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
    changed = tf.data.Dataset.zip(dataset, numbers)
    return changed.map(lambda example, number: augmented(example, 0, number), num_parallel_calls=tf.data.AUTOTUNE)


def augmented(example: Mapping[str, tf.Tensor], seed: int, step: tf.Tensor) -> dict[str, tf.Tensor]:
    """A batch, each example turned and moved in time by chance that follows from `seed` and `step` alone."""
    batch, state = tf.shape(example["image"])[0], tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
    symmetry = tf.random.stateless_uniform([batch], state, 0, SYMMETRIES, tf.int32)
    other = tf.random.experimental.stateless_fold_in(state, 1)
    shift = tf.random.stateless_uniform([batch], other, -LONGEST_SHIFT, LONGEST_SHIFT)
    return shift_season(apply_symmetry(example, symmetry), shift)


def shift_season(example: Mapping[str, tf.Tensor], shift: tf.Tensor) -> dict[str, tf.Tensor]:
    """Moves the time series of each example of a batch a little in time: another year, another latitude.

    A step becomes a mean of itself and of the one before or after. Where that one is missing, or there is none, it stays
    as it is; what is missing stays missing.

    Args:
        example: A batch; without a time axis nothing changes.
        shift: float32 (batch,), steps, -1 to 1: above 0, everything happens later.

    Returns:
        The batch, other features unchanged.
    """
    image, valid = example["image"], example["valid"]
    if valid.shape.rank < 4:
        return dict(example)
    later = tf.reshape(shift > 0, [-1, 1, 1, 1])
    there = (valid > 0) & (tf.where(later, _before(valid), _after(valid)) > 0)
    share = tf.where(there, tf.reshape(tf.abs(shift), [-1, 1, 1, 1]), 0.0)[..., tf.newaxis]
    other = tf.where(later[..., tf.newaxis], _before(image), _after(image))
    # A product with 0 would let a NaN through.
    moved = tf.where(share > 0, image * (1 - share) + other * share, image)
    return {**example, "image": tf.ensure_shape(moved, image.shape)}


def _before(x: tf.Tensor) -> tf.Tensor:
    """The step before each, 0 before the first."""
    return tf.concat([tf.zeros_like(x[:, :1]), x[:, :-1]], axis=1)


def _after(x: tf.Tensor) -> tf.Tensor:
    """The step after each, 0 after the last."""
    return tf.concat([x[:, 1:], tf.zeros_like(x[:, :1])], axis=1)


def apply_symmetry(example: Mapping[str, tf.Tensor], symmetry: tf.Tensor) -> dict[str, tf.Tensor]:
    """Applies one of the eight symmetries of a square to each example of a batch.

    Args:
        example: A batch; maps (batch, [steps,] height, width[, bands]) and `boxes` (batch, n, 4) with `box_count`.
        symmetry: int32 (batch,): bit 0 mirrors up and down, bit 1 left and right, bit 2 afterwards swaps rows and columns
            (left out for patches that are not square). 0 changes nothing; 5 and 6 are quarter turns, 3 is a half turn.

    Returns:
        The batch, other features unchanged.
    """
    height, width = _size(example)
    table = tf.constant(_orders(height, width))
    order = tf.gather(table, symmetry)
    changed = dict(example)
    for name in set(_MAPS) & set(example):
        changed[name] = _reordered(example[name], order, -3 if name in _WITH_BANDS else -2)
    if "boxes" in example:
        flags = [tf.cast(tf.bitwise.bitwise_and(symmetry, bit), tf.bool) for bit in (1, 2, 4)]
        if height != width:
            flags[2] = tf.zeros_like(flags[2])
        changed["boxes"] = _turn_boxes(example["boxes"], example["box_count"], (height, width), flags)
    return changed


def _size(example: Mapping[str, tf.Tensor]) -> tuple[int, int]:
    height, width = example["image"].shape[-3:-1]
    if height is None or width is None:
        raise InputError(
            f"patches of the shape {example['image'].shape} cannot be turned: all must be of one known size"
        )
    return height, width


def _orders(height: int, width: int) -> np.ndarray:
    """For each symmetry the pixels in their new order: int32 (8, height * width)."""
    pixels = np.arange(height * width, dtype=np.int32).reshape(height, width)
    orders = []
    for symmetry in range(SYMMETRIES):
        turned = pixels[::-1] if symmetry & 1 else pixels
        turned = turned[:, ::-1] if symmetry & 2 else turned
        orders.append((turned.T if symmetry & 4 and height == width else turned).ravel())
    return np.stack(orders)


def _reordered(x: tf.Tensor, order: tf.Tensor, rows: int) -> tf.Tensor:
    """Each example's pixels in its own order; one pass, where reversing and transposing take six."""
    axis = x.shape.rank + rows
    shape = tf.shape(x)
    flat = tf.reshape(x, tf.concat([shape[:axis], [-1], shape[axis + 2 :]], axis=0))
    return tf.ensure_shape(tf.reshape(tf.gather(flat, order, axis=axis, batch_dims=1), shape), x.shape)


def _chosen(flag: tf.Tensor, changed: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.reshape(flag, [-1] + [1] * (x.shape.rank - 1)), changed, x)


def _turn_boxes(boxes: tf.Tensor, count: tf.Tensor, size: tuple[int, int], flags: list[tf.Tensor]) -> tf.Tensor:
    mirrored: list[Callable[[tf.Tensor], tf.Tensor]] = [
        lambda b: tf.stack([size[0] - b[..., 2], b[..., 1], size[0] - b[..., 0], b[..., 3]], axis=-1),
        lambda b: tf.stack([b[..., 0], size[1] - b[..., 3], b[..., 2], size[1] - b[..., 1]], axis=-1),
        lambda b: tf.gather(b, [1, 0, 3, 2], axis=-1),
    ]
    turned = boxes
    for flag, change in zip(flags, mirrored, strict=True):
        turned = _chosen(flag, change(turned), turned)
    there = tf.range(tf.shape(boxes)[1]) < count[:, tf.newaxis]
    return tf.where(there[..., tf.newaxis], turned, boxes)
