"""Classes that a train split lacks: a network has no output for them, and says 0 in their place."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from rsbot_beam.models.layers import register


@register
class PlaceClasses(keras.layers.Layer):
    """Puts the channels of learned classes in their places among all classes; the others' are 0.

    Args:
        learned: Whether each class has a channel in the input, in the order of the output.
    """

    def __init__(self, learned: Sequence[bool], **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.learned = tuple(learned)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """(..., learned classes) to (..., all classes), the same numbers."""
        return tf.concat(list(self._parts(x)), axis=-1)

    def _parts(self, x: tf.Tensor) -> Iterator[tf.Tensor]:
        """Runs of neighbouring classes: slices and zeros take less time than gathering channel by channel."""
        start = 0
        for there, run in itertools.groupby(self.learned):
            width = len(list(run))
            if there:
                yield x[..., start : start + width]
                start += width
            else:
                yield tf.zeros(tf.concat([tf.shape(x)[:-1], [width]], axis=0), x.dtype)

    def get_config(self) -> dict[str, object]:
        """The layer's arguments."""
        return {**super().get_config(), "learned": self.learned}


def with_all_classes(model: keras.Model, learned: Sequence[bool]) -> keras.Model:
    """A model of some classes as one of all: what is not learned has the probability 0, at every pixel or cell.

    Left to itself, a class without a single label gets whatever its random weights say, and area on a map. Here the others
    still sum to 1.

    Args:
        model: What `build_model` gave for as many classes as are learned; shares its weights with the result.
        learned: Whether each class is, in their order.

    Returns:
        A model from the same inputs to the same outputs, of all classes; the model itself where all are learned.
    """
    if all(learned):
        return model
    place = PlaceClasses(learned, name="all_classes")
    if isinstance(model.output, dict):
        return keras.Model(model.input, {**model.output, "heatmap": place(model.output["heatmap"])})
    return keras.Model(model.input, place(model.output))
