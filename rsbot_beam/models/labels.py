"""What a model learns from an example: class numbers of pixels, or maps of centres, sizes and offsets."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from rsbot_beam.models.classes import UNLABELLED, ClassIndex

INPUTS = ("image", "valid", "static", "static_valid")
# Least overlap (intersection over union) of a box with its object, so that a centre beside the true one counts as nearly
# right. CornerNet says 0.7, but its code's formula, lacking a divisor, gives far wider bumps; with the right formula 0.3
# gives about those (as in mmdetection's CenterNet).
LEAST_OVERLAP = 0.3
# Standard deviation of the bump around a centre, as a share of its diameter: a sixth, as in CornerNet.
SIGMA_SHARE = 1 / 6


def model_inputs(example: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The features that models are fed."""
    return {name: example[name] for name in INPUTS if name in example}


def seen_pixels(valid: tf.Tensor) -> tf.Tensor:
    """Where at least one step is valid: bool (batch, height, width) of (batch, [steps,] height, width)."""
    seen = valid > 0
    return tf.reduce_any(seen, axis=1) if valid.shape.rank == 4 else seen


def pixel_labels(example: Mapping[str, tf.Tensor], index: ClassIndex) -> tf.Tensor:
    """Class numbers for `WeightedCrossEntropy`.

    Returns:
        int32 (batch, height, width); -1 where the label is not valid, the imagery is not, or the code is of no class.
    """
    usable = (example["label_valid"] > 0) & seen_pixels(example["valid"])
    return tf.where(usable, index.tensor_numbers(example["label"]), UNLABELLED)


def centre_labels(example: Mapping[str, tf.Tensor], index: ClassIndex, stride: int) -> dict[str, tf.Tensor]:
    """Labels of a detector's maps.

    Args:
        example: `boxes` float32 (batch, n, 4) ymin, xmin, ymax, xmax in pixels; `box_classes` int32 (batch, n), codes;
            `box_count` int32 (batch,), how many of them are boxes; `valid`, and `label_valid` where there is one.
        index: The classes; boxes of other codes are background, as are those of classes that are not learned.
        stride: Pixels between cells.

    Returns:
        `heatmap` float32 (batch, rows, columns, classes), -1 in cells of which no pixel is valid and for classes that are
        not learned; `size` and `offset` (batch, rows, columns, 3) as `CentreL1` takes them.
    """
    usable = _usable_cells(example, stride)
    rows, columns = usable.shape[1] or tf.shape(usable)[1], usable.shape[2] or tf.shape(usable)[2]
    boxes = example["boxes"] / stride
    number = index.tensor_numbers(example["box_classes"])
    size = boxes[..., 2:] - boxes[..., :2]
    there = tf.range(tf.shape(boxes)[1]) < example["box_count"][:, tf.newaxis]
    learned = tf.constant(index.learned)
    there &= (number >= 0) & tf.gather(learned, tf.maximum(number, 0)) & tf.reduce_all(size > 0, axis=-1)
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    cell = tf.clip_by_value(tf.cast(centre, tf.int32), 0, tf.stack([rows - 1, columns - 1]))
    bumps = _bumps(cell, size, rows, columns)
    heatmap = tf.stack([_highest(bumps, there & (number == i)) for i in range(len(index))], axis=-1)
    values = tf.concat(
        [tf.math.log(tf.where(there[..., tf.newaxis], size, 1.0)), centre - tf.cast(cell, tf.float32)], -1
    )
    maps = _at_cells(values, cell, there, size, (rows, columns))
    known = maps[..., 4:] * tf.cast(usable, tf.float32)[..., tf.newaxis]
    return {
        "heatmap": tf.where(usable[..., tf.newaxis] & learned, heatmap, -1.0),
        "size": tf.concat([maps[..., :2], known], axis=-1),
        "offset": tf.concat([maps[..., 2:4], known], axis=-1),
    }


def _usable_cells(example: Mapping[str, tf.Tensor], stride: int) -> tf.Tensor:
    """Bool (batch, rows, columns): cells with a usable pixel."""
    usable = seen_pixels(example["valid"])
    if "label_valid" in example:
        usable &= example["label_valid"] > 0
    return cells_with(usable, stride)


def cells_with(pixels: tf.Tensor, stride: int) -> tf.Tensor:
    """Which cells have any of the pixels: bool (batch, rows, columns) of (batch, height, width)."""
    pooled = tf.nn.max_pool2d(tf.cast(pixels, tf.float32)[..., tf.newaxis], stride, stride, "SAME")
    return pooled[..., 0] > 0


def gaussian_radius(size: tf.Tensor) -> tf.Tensor:
    """Distance by which a box may be moved or resized and still overlaps its object by `LEAST_OVERLAP`.

    The least of CornerNet's three cases, with the quadratic formula that its code lacks (there the divisor 2a is missing).

    Args:
        size: float32 (..., 2), height and width.

    Returns:
        float32 (...), in the same unit.
    """
    height, width = size[..., 0], size[..., 1]
    total, area, least = height + width, height * width, LEAST_OVERLAP

    def root(a: float, b: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
        return (b - tf.sqrt(tf.maximum(b * b - 4 * a * c, 0.0))) / (2 * a)

    moved = root(1.0, total, area * (1 - least) / (1 + least))
    inside = root(4.0, 2 * total, (1 - least) * area)
    outside = (-2 * least * total + tf.sqrt((2 * least * total) ** 2 + 16 * least * (1 - least) * area)) / (8 * least)
    return tf.minimum(tf.minimum(moved, inside), outside)


def _bumps(cell: tf.Tensor, size: tf.Tensor, rows: int | tf.Tensor, columns: int | tf.Tensor) -> tf.Tensor:
    """(batch, n, rows, columns): 1 at each object's cell, falling off as a Gaussian."""
    radius = tf.floor(tf.maximum(gaussian_radius(tf.maximum(size, 0.0)), 0.0))
    sigma = (2 * radius + 1) * SIGMA_SHARE

    def profile(axis: int, length: int | tf.Tensor) -> tf.Tensor:
        distance = tf.cast(tf.range(length) - cell[..., axis, tf.newaxis], tf.float32)
        fall = tf.exp(-(distance**2) / (2 * sigma[..., tf.newaxis] ** 2))
        return tf.where(tf.abs(distance) <= radius[..., tf.newaxis], fall, 0.0)

    return profile(0, rows)[..., :, tf.newaxis] * profile(1, columns)[..., tf.newaxis, :]


def _highest(bumps: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """(batch, rows, columns): the highest of the chosen bumps, 0 without one."""
    kept = tf.where(chosen[..., tf.newaxis, tf.newaxis], bumps, 0.0)
    return tf.maximum(tf.reduce_max(kept, axis=1), 0.0)  # the maximum over no boxes is -inf


def _at_cells(
    values: tf.Tensor,
    cell: tf.Tensor,
    there: tf.Tensor,
    size: tf.Tensor,
    shape: tuple[int | tf.Tensor, int | tf.Tensor],
) -> tf.Tensor:
    """(batch, rows, columns, channels + 1): values at their cells and 1; of several in one cell, those of the smallest."""
    batch, count = tf.shape(values)[0], tf.shape(values)[1]
    rows, columns = shape
    # Large ones first: what is written later stays.
    area = tf.where(there, size[..., 0] * size[..., 1], -1.0)
    order = tf.argsort(area, axis=1, direction="DESCENDING", stable=True)
    values, cell, there = (tf.gather(x, order, batch_dims=1) for x in (values, cell, there))
    example = tf.repeat(tf.range(batch)[:, tf.newaxis], count, axis=1)
    place = tf.concat([example[..., tf.newaxis], cell], axis=-1)
    known = tf.concat([values, tf.ones_like(values[..., :1])], axis=-1)
    empty = tf.zeros([batch, rows, columns, values.shape[-1] + 1])
    return tf.tensor_scatter_nd_update(empty, tf.boolean_mask(place, there), tf.boolean_mask(known, there))
