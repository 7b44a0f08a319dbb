"""Layers and blocks that the models share."""

from __future__ import annotations

import keras
import tensorflow as tf

from rsbot_beam.errors import InputError

if keras.backend.backend() != "tensorflow":
    raise InputError(
        f"Keras runs on {keras.backend.backend()!r}, the models need TensorFlow: set KERAS_BACKEND=tensorflow, or import "
        "rsbot_beam.models before Keras"
    )

# Keras' default of 0.99 averages over 100 steps, as many as a small dataset has in an epoch or two: the first
# validations would be scored with statistics of the start.
MOMENTUM = 0.9
register = keras.saving.register_keras_serializable("rsbot_beam")


@register
class JoinInputs(keras.layers.Layer):
    """Joins the inputs along the channels: pixels, their validity, static pixels, their validity.

    Pixels that are not valid become 0, whatever they hold (NaN too): only their validity reaches the network. Static bands
    are repeated for each step.
    """

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """(batch, [steps,] height, width, bands + 1 [+ static bands + 1]) in the layer's type."""
        parts = self._masked(inputs["image"], inputs["valid"])
        if "static" in inputs:
            parts += [
                self._beside(part, inputs["image"]) for part in self._masked(inputs["static"], inputs["static_valid"])
            ]
        return tf.concat(parts, axis=-1)

    def _masked(self, pixels: tf.Tensor, valid: tf.Tensor) -> list[tf.Tensor]:
        pixels = tf.cast(pixels, self.compute_dtype)
        seen = tf.cast(valid, self.compute_dtype)[..., tf.newaxis]
        return [tf.where(seen > 0, pixels, tf.zeros_like(pixels)), seen]

    @staticmethod
    def _beside(static: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        if image.shape.rank == static.shape.rank:
            return static
        return tf.repeat(static[:, tf.newaxis], tf.shape(image)[1], axis=1)


@register
class TimeToChannels(keras.layers.Layer):
    """(batch, steps, height, width, channels) to (batch, height, width, steps * channels)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Puts the steps beside each other, in order."""
        shape = tf.shape(x)
        steps, channels = x.shape[1], x.shape[-1]
        turned = tf.transpose(x, [0, 2, 3, 1, 4])
        return tf.reshape(turned, [shape[0], _length(x, 2), _length(x, 3), steps * channels])


@register
class ValidChannel(keras.layers.Layer):
    """`valid` (batch, ..., height, width) as a channel (batch, ..., height, width, 1) in the layer's type."""

    def call(self, valid: tf.Tensor) -> tf.Tensor:
        """Appends the axis."""
        return tf.cast(valid, self.compute_dtype)[..., tf.newaxis]


@register
class DropTime(keras.layers.Layer):
    """(batch, 1, height, width, channels) to (batch, height, width, channels)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Takes the only step."""
        return x[:, 0]


@register
class PadToMultiple(keras.layers.Layer):
    """Pads rows and columns with zeros to a multiple, at the bottom and at the right.

    Not on all sides: so the cells of coarser levels always start at the patch's first pixel, and two patches that lie a
    multiple apart share their cells.

    Args:
        multiple: In pixels.
    """

    def __init__(self, multiple: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """(batch, ..., height, width, channels) with more rows and columns."""
        rank = x.shape.rank
        missing = [-_length(x, axis) % self.multiple for axis in (rank - 3, rank - 2)]
        return tf.pad(x, [[0, 0]] * (rank - 3) + [[0, missing[0]], [0, missing[1]], [0, 0]])

    def get_config(self) -> dict[str, object]:
        """The layer's arguments."""
        return {**super().get_config(), "multiple": self.multiple}


@register
class CropLike(keras.layers.Layer):
    """Cuts off what `PadToMultiple` added.

    Args:
        stride: Pixels between the cells of what is cut.
    """

    def __init__(self, stride: int = 1, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.stride = stride

    def call(self, x: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
        """The first cells of `x` (batch, rows, columns, channels) that cover `reference` (..., height, width, bands)."""
        rank = reference.shape.rank
        rows, columns = (-(-_length(reference, axis) // self.stride) for axis in (rank - 3, rank - 2))
        return x[:, :rows, :columns]

    def get_config(self) -> dict[str, object]:
        """The layer's arguments."""
        return {**super().get_config(), "stride": self.stride}


@register
class Enlarge(keras.layers.Layer):
    """Enlarges rows and columns with bilinear interpolation; Keras' own layer cannot where their number is open.

    Args:
        factor: By how much.
    """

    def __init__(self, factor: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """(batch, rows, columns, channels) to (batch, rows * factor, columns * factor, channels)."""
        shape = [_length(x, 1) * self.factor, _length(x, 2) * self.factor]
        return tf.cast(tf.image.resize(x, shape), x.dtype)

    def get_config(self) -> dict[str, object]:
        """The layer's arguments."""
        return {**super().get_config(), "factor": self.factor}


def _length(x: tf.Tensor, axis: int) -> int | tf.Tensor:
    """Length of an axis: a number where it is known when the graph is built."""
    return x.shape[axis] if x.shape[axis] is not None else tf.shape(x)[axis]


def join_inputs(inputs: dict[str, keras.KerasTensor], multiple: int, fold_time: bool) -> keras.KerasTensor:
    """Inputs as one tensor, padded to a multiple of pixels.

    Args:
        inputs: As `InputShape.keras_inputs` gives them.
        multiple: Pixels between the cells of the coarsest level.
        fold_time: Whether a time axis becomes channels.

    Returns:
        (batch, [steps,] height, width, channels).
    """
    joined = JoinInputs(name="join")(inputs)
    if fold_time and len(joined.shape) == 5:
        joined = TimeToChannels(name="time_to_channels")(joined)
    return PadToMultiple(multiple, name="pad")(joined) if multiple > 1 else joined


def conv(x: keras.KerasTensor, width: int, kernel: int = 3, dilation: int = 1, name: str = "conv") -> keras.KerasTensor:
    """A convolution without stride, batch normalisation, ReLU: (batch, height, width, width)."""
    layers = keras.layers
    x = layers.Conv2D(width, kernel, padding="same", dilation_rate=dilation, use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def conv_block(x: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    """Two 3 x 3 convolutions."""
    return conv(conv(x, width, name=f"{name}_1"), width, name=f"{name}_2")


def probabilities(x: keras.KerasTensor, classes: int, inputs: dict[str, keras.KerasTensor]) -> keras.Model:
    """The model that ends in a class for each pixel of `x`: float32 also under mixed precision."""
    x = keras.layers.Conv2D(classes, 1, name="logits")(x)
    x = CropLike(name="crop")(x, inputs["image"])
    return keras.Model(inputs, keras.layers.Softmax(dtype="float32", name="probabilities")(x))
