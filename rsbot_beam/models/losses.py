"""Losses that pass over what is not labelled."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from rsbot_beam.models.layers import register

# Least probability whose logarithm is taken: far above float32's least number (1e-38), far below what a softmax that is
# right about a pixel leaves to the others.
LEAST = 1e-30
# Bounds of a centre's probability, as in CenterNet's own code: the loss of a cell that is surely wrong stays below 10.
SURE = 1e-4
# Exponents of the focal loss: of how wrong a cell is, and of how far it lies from a centre (Zhou et al. 2019, eq. 1).
ALPHA, BETA = 2.0, 4.0


@register
class WeightedCrossEntropy(keras.losses.Loss):
    """Cross-entropy of class numbers and probabilities, weighted by class.

    Labels are whole numbers (batch, height, width), negative where a pixel is not labelled or not valid: it changes neither
    loss nor gradient. The mean is over the weights of the labelled pixels; it is 0 where there are none.

    Args:
        class_weights: A weight for each class.
    """

    def __init__(self, class_weights: Sequence[float], name: str = "cross_entropy", **kwargs: object) -> None:
        super().__init__(name=name, **kwargs)
        self.class_weights = tuple(class_weights)

    def call(self, labels: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
        """The loss, a number, of probabilities (batch, height, width, classes)."""
        labelled = tf.one_hot(tf.cast(labels, tf.int32), len(self.class_weights))
        # Ones in place of what is not asked: a NaN there would go through a product with 0.
        asked = tf.where(labelled > 0, tf.maximum(tf.cast(probabilities, tf.float32), LEAST), 1.0)
        weights = labelled * tf.constant(self.class_weights, tf.float32)
        return tf.math.divide_no_nan(-tf.reduce_sum(weights * tf.math.log(asked)), tf.reduce_sum(weights))

    def get_config(self) -> dict[str, object]:
        """The loss's arguments."""
        return {**super().get_config(), "class_weights": self.class_weights}


@register
class HeatmapFocalLoss(keras.losses.Loss):
    """CenterNet's penalty-reduced focal loss of a heatmap (Zhou et al. 2019, arXiv 1904.07850, eq. 1).

    Labels (batch, rows, columns, classes) are 1 at centres, fall off around them, and are negative in cells to pass over.
    The sum is divided by the number of centres, at least 1.
    """

    def __init__(self, name: str = "focal", **kwargs: object) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, labels: tf.Tensor, heatmap: tf.Tensor) -> tf.Tensor:
        """The loss, a number, of probabilities (batch, rows, columns, classes)."""
        centre, asked = labels >= 1, labels >= 0
        p = tf.clip_by_value(tf.where(asked, tf.cast(heatmap, tf.float32), 0.5), SURE, 1 - SURE)
        missed = (1 - p) ** ALPHA * tf.math.log(p)
        invented = (1 - tf.maximum(labels, 0.0)) ** BETA * p**ALPHA * tf.math.log(1 - p)
        cells = tf.where(centre, missed, tf.where(asked, invented, 0.0))
        return -tf.reduce_sum(cells) / tf.maximum(tf.reduce_sum(tf.cast(centre, tf.float32)), 1.0)


@register
class CentreL1(keras.losses.Loss):
    """Mean absolute difference at the centres of objects.

    Labels (batch, rows, columns, channels + 1) carry in the last channel 1 at centres, 0 elsewhere.
    """

    def __init__(self, name: str = "l1", **kwargs: object) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, labels: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        """The loss, a number, of values (batch, rows, columns, channels); summed over the channels."""
        wanted, centre = labels[..., :-1], labels[..., -1:]
        difference = tf.abs(tf.where(centre > 0, wanted - tf.cast(found, tf.float32), 0.0))
        return tf.reduce_sum(difference) / tf.maximum(tf.reduce_sum(centre), 1.0)
