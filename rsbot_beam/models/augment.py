"""Flips and quarter turns: what is seen from above has no upright position."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

# Features with rows and columns: the axis of the rows, where there is no time axis.
_MAPS = ("image", "valid", "static", "static_valid", "label", "label_valid")
_WITH_BANDS = ("image", "static")
SYMMETRIES = 8


def augment(dataset: tf.data.Dataset, seed: int) -> tf.data.Dataset:
    """Turns and flips each example of a batched dataset by chance, anew in each epoch, repeatable by the seed.

    Args:
        dataset: Batches as `load_dataset` gives them.
        seed: Any number.

    Returns:
        Batches with the same features. Those that say where a patch lies (`transform`, `bounds`) keep its place, but no
        longer say where its pixels are.
    """
    numbers = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
    return tf.data.Dataset.zip(dataset, numbers).map(_augmented, num_parallel_calls=tf.data.AUTOTUNE)


def _augmented(example: Mapping[str, tf.Tensor], number: tf.Tensor) -> dict[str, tf.Tensor]:
    batch = tf.shape(example["image"])[0]
    symmetry = tf.random.stateless_uniform([batch], [number, 0], 0, SYMMETRIES, tf.int32)
    return apply_symmetry(example, symmetry)


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
    flags = [tf.cast(tf.bitwise.bitwise_and(symmetry, bit), tf.bool) for bit in (1, 2, 4)]
    if height != width:
        flags[2] = tf.zeros_like(flags[2])
    changed = dict(example)
    for name in set(_MAPS) & set(example):
        changed[name] = _turn(example[name], -3 if name in _WITH_BANDS else -2, flags, square=height == width)
    if "boxes" in example:
        changed["boxes"] = _turn_boxes(example["boxes"], example["box_count"], (height, width), flags)
    return changed


def _size(example: Mapping[str, tf.Tensor]) -> tuple[int, int]:
    _, height, width = example["image"].shape[-4:-1] if example["image"].shape.rank > 3 else (0, 0, 0)
    return height, width


def _chosen(flag: tf.Tensor, changed: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.reshape(flag, [-1] + [1] * (x.shape.rank - 1)), changed, x)


def _turn(x: tf.Tensor, rows: int, flags: list[tf.Tensor], square: bool) -> tf.Tensor:
    axis = x.shape.rank + rows
    x = _chosen(flags[0], tf.reverse(x, [axis]), x)
    x = _chosen(flags[1], tf.reverse(x, [axis + 1]), x)
    if not square:
        return x
    axes = list(range(x.shape.rank))
    axes[axis], axes[axis + 1] = axes[axis + 1], axes[axis]
    return _chosen(flags[2], tf.transpose(x, axes), x)


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
