"""How far a prediction looks: which pixels can change it, measured on the model itself."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from rsbot_beam.errors import InputError
from rsbot_beam.models.definition import Detector, InputShape, ModelDefinition, build_model

# Lengths in pixels of the strip on which a model is probed: doubled until what it looks at lies inside.
FIRST_STRIP, LAST_STRIP = 128, 4096
# Draws of random pixels: a maximum passes only one of its pixels on; another draw another one.
DRAWS = 2


@dataclass(frozen=True)
class ReceptiveField:
    """What a prediction depends on.

    Attributes:
        radius: Pixels from a predicted pixel to the farthest one that can change it; None where all pixels of a patch can.
        multiple: Pixels by which patches must be shifted to share the cells of the model's coarsest level.
    """

    radius: int | None
    multiple: int

    @property
    def overlap(self) -> int | None:
        """Overlap in pixels with which neighbouring tiles predict the same, a multiple of `multiple`; None if none does."""
        return None if self.radius is None else math.ceil(self.radius / self.multiple) * self.multiple


def receptive_field(definition: ModelDefinition, inputs: InputShape, classes: int) -> ReceptiveField:
    """Measure how far a model looks, whatever its layers: by the gradients of its outputs.

    The model is built anew, with weights that average: then no unit is switched off, nothing cancels, and a gradient of 0
    means that there is no way from the pixel to the prediction.

    Args:
        definition: The model.
        inputs: What it is fed; its size does not matter.
        classes: Number of classes.
    """
    model = build_model(definition, dataclasses.replace(inputs, size=None), classes)
    _average(model)
    stride = definition.stride if isinstance(definition, Detector) else 1
    multiple = max(definition.multiple, stride)
    radii = [_radius(model, inputs, stride, multiple, axis) for axis in (0, 1)]
    return ReceptiveField(None if None in radii else max(r for r in radii if r is not None), multiple)


def _average(model: keras.Model) -> None:
    """Makes each unit a weighted mean of what it sees, without an upper bound (ReLU6): residual blocks add up."""
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if isinstance(layer, keras.layers.ReLU):
            layer.max_value = None
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        for variable in layer.weights if not getattr(layer, "layers", None) else ():
            value = np.abs(np.asarray(variable))
            if value.ndim >= 2:
                axes = (0, 1) if depthwise else tuple(range(value.ndim - 1))
                variable.assign(value / value.sum(axis=axes, keepdims=True))


def _radius(model: keras.Model, inputs: InputShape, stride: int, multiple: int, axis: int) -> int | None:
    """Farthest distance along an axis, on strips of growing length."""
    gradient = tf.function(functools.partial(_gradient, model, axis=axis), autograph=False, reduce_retracing=True)
    length = FIRST_STRIP
    while length <= LAST_STRIP:
        shape = (length, 2 * multiple) if axis == 0 else (2 * multiple, length)
        probes = [_probe(inputs, shape, np.random.default_rng(draw)) for draw in range(DRAWS)]
        # All phases: a pixel's place in the coarsest cell decides how far it looks to either side.
        middle = length // 2 // multiple * multiple
        cells = range(middle, middle + multiple, stride)
        found = [_distance(gradient, probes, cell, stride) for cell in cells]
        known = [distance for distance in found if distance is not None]
        if len(known) == len(found):
            return max(known)
        length *= 2
    return None


def _gradient(model: keras.Model, fed: dict[str, tf.Tensor], cell: tf.Tensor, axis: int) -> tf.Tensor:
    """How much each row (axis 0) or column (axis 1) of the image changes the prediction of one: (length,) float32."""
    with tf.GradientTape() as tape:
        tape.watch(fed["image"])
        found = tf.nest.flatten(model(fed, training=False))
        # The first channel only: probabilities of all classes sum to 1, which nothing changes.
        seen = tf.add_n([tf.reduce_sum(tf.gather(x, cell, axis=1 + axis)[..., 0]) for x in found])
    gradient = tape.gradient(seen, fed["image"])
    if gradient is None:
        raise InputError("the model's prediction does not depend on its input `image`")
    rows = gradient.shape.rank - 3 + axis
    return tf.reduce_max(tf.abs(gradient), axis=[i for i in range(gradient.shape.rank) if i != rows])


def _distance(gradient: tf.types.experimental.Callable, probes: list, cell: int, stride: int) -> int | None:
    """Farthest pixel that changes the prediction of the cell that starts at a pixel; None beyond the end of the strip."""
    touched = np.max([gradient(probe, tf.constant(cell // stride)).numpy() for probe in probes], axis=0)
    places = np.flatnonzero(touched)
    if not places.size:
        return 0
    low, high = int(places[0]), int(places[-1])
    return None if low == 0 or high == len(touched) - 1 else max(cell + stride - 1 - low, high - cell)


def _probe(inputs: InputShape, shape: tuple[int, int], rng: np.random.Generator) -> dict[str, tf.Tensor]:
    """All valid, all positive."""
    time = (inputs.steps,) if inputs.steps else ()
    fed = {
        "image": rng.uniform(0, 1, (1, *time, *shape, inputs.bands)).astype(np.float32),
        "valid": np.ones((1, *time, *shape), np.uint8),
    }
    if inputs.static:
        fed["static"] = np.zeros((1, *shape, inputs.static), np.float32)
        fed["static_valid"] = np.ones((1, *shape), np.uint8)
    return {name: tf.constant(array) for name, array in fed.items()}


def seam_difference(
    model: keras.Model, inputs: Mapping[str, np.ndarray], cut: int, overlap: int, stride: int = 1
) -> float:
    """Greatest difference between predictions of patches and of the same patches with rows and columns cut off.

    On real patches it says what a smaller overlap than the receptive field costs.

    Args:
        model: Trained.
        inputs: A batch of patches.
        cut: Rows and columns cut off at the top and left; a multiple of the model's `multiple`.
        overlap: Pixels from the cut within which predictions are not compared.
        stride: Pixels between cells of the outputs.
    """
    parts = {name: _without(array, name, cut) for name, array in inputs.items()}
    whole, part = (tf.nest.flatten(model.predict_on_batch(fed)) for fed in (dict(inputs), parts))
    first, skipped = math.ceil((cut + overlap) / stride), math.ceil(overlap / stride)
    if first >= whole[0].shape[1] or first >= whole[0].shape[2]:
        raise InputError(
            f"cut={cut} and overlap={overlap} leave nothing of the patches to compare: take larger patches"
        )
    return max(
        float(np.abs(np.asarray(a)[:, first:, first:] - np.asarray(b)[:, skipped:, skipped:]).max())
        for a, b in zip(whole, part, strict=True)
    )


def _without(array: np.ndarray, name: str, cut: int) -> np.ndarray:
    return array[..., cut:, cut:, :] if name in ("image", "static") else array[..., cut:, cut:]
