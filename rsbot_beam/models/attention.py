"""Attention over time: which steps count, at each place, and which are missing."""

from __future__ import annotations

import keras
import tensorflow as tf

from rsbot_beam.models.layers import register

# Largest difference between the logits of two steps that counts: where all better ones are missing, steps of exp(-60) still
# share the weight exactly (float32 ends at exp(-87)).
LARGEST_DIFFERENCE = 60.0
# Spread of the heads' first preferences for steps, in logits: each head starts at a step or two of its own. Alike at the
# start, all heads give the mean of the year, and learning starts slowly.
STEP_SPREAD = 2.0


@register
class MergeTime(keras.layers.Layer):
    """(batch, steps, height, width, channels) to (batch * steps, height, width, channels): each step an image."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Joins the first two axes."""
        return tf.reshape(x, [-1, *_place(x, 2), x.shape[-1]])


@register
class SplitTime(keras.layers.Layer):
    """Undoes `MergeTime`.

    Args:
        steps: Length of the time axis.
    """

    def __init__(self, steps: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.steps = steps

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Splits the first axis."""
        return tf.reshape(x, [-1, self.steps, *_place(x, 1), x.shape[-1]])

    def get_config(self) -> dict[str, object]:
        """The layer's arguments."""
        return {**super().get_config(), "steps": self.steps}


def _place(x: tf.Tensor, axis: int) -> list[int | tf.Tensor]:
    return [x.shape[i] if x.shape[i] is not None else tf.shape(x)[i] for i in (axis, axis + 1)]


@register
class TemporalAttention(keras.layers.Layer):
    """Scores of steps, at each place, by several heads (L-TAE: Garnot and Landrieu 2020, arXiv 2007.00586).

    There a head's query is learned, the same for all places, and keys are linear in a step's features and its encoded
    position: their product is one linear map of the features and a number for each step, and is learned as such here.

    Args:
        heads: Number of heads.
    """

    def __init__(self, heads: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.heads = heads

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Makes the weights for features (batch, steps, height, width, channels)."""
        self.kernel = self.add_weight(shape=(shape[-1], self.heads), initializer="glorot_uniform", name="kernel")
        spread = keras.initializers.RandomNormal(stddev=STEP_SPREAD)
        self.step = self.add_weight(shape=(shape[1], self.heads), initializer=spread, name="step")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Logits float32 (batch, steps, height, width, heads) of features (batch, steps, height, width, channels)."""
        by_content = tf.einsum("ntyxc,ch->ntyxh", x, tf.cast(self.kernel, x.dtype))
        return tf.cast(by_content, tf.float32) + tf.cast(self.step, tf.float32)[:, tf.newaxis, tf.newaxis]

    def get_config(self) -> dict[str, object]:
        """The layer's arguments."""
        return {**super().get_config(), "heads": self.heads}


@register
class CollapseTime(keras.layers.Layer):
    """Mean of the steps, weighted by attention; steps that are missing at a place have no part in it.

    A head weighs its share of the channels, as in U-TAE.
    """

    def call(self, x: tf.Tensor, logits: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """The mean, 0 where all steps are missing.

        Args:
            x: (batch, steps, height, width, channels).
            logits: (batch, steps, rows, columns, heads), of a coarser level: its cells are repeated.
            valid: (batch, steps, height, width, 1), above 0 where a step is there.

        Returns:
            (batch, height, width, channels).
        """
        enlarge = x.shape[2] // logits.shape[2] if x.shape[2] else tf.shape(x)[2] // tf.shape(logits)[2]
        logits = tf.cast(logits, tf.float32)  # in float16 no exponential of the least ones is above 0
        # A softmax whose exponentials are taken at the coarse level: there it costs a sixteenth.
        # What is subtracted from all of them alike changes no weight, and so no gradient.
        best = tf.stop_gradient(tf.reduce_max(logits, axis=1, keepdims=True))
        powers = tf.exp(tf.maximum(logits - best, -LARGEST_DIFFERENCE))
        weights = tf.repeat(tf.repeat(powers, enlarge, axis=2), enlarge, axis=3) * tf.cast(valid > 0, tf.float32)
        total = tf.reduce_sum(weights, axis=1, keepdims=True)
        weights = tf.cast(tf.math.divide_no_nan(weights, total), x.dtype)
        heads = logits.shape[-1]
        grouped = tf.reshape(x, [-1, x.shape[1], *_place(x, 2), heads, x.shape[-1] // heads])
        mean = tf.reduce_sum(grouped * weights[..., tf.newaxis], axis=1)
        return tf.reshape(mean, [-1, *_place(x, 2), x.shape[-1]])
