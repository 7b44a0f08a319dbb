"""A SavedModel that takes raw pixels: the learned preprocessing and the network in one graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.errors import DatasetError
from rsbot_beam.learning.any_size import of_any_size
from rsbot_beam.learning.columns import valid_name
from rsbot_beam.learning.preprocessing import STATISTICS_PREFIX
from rsbot_beam.learning.serving_inputs import input_dtype

Tensors = Mapping[str, tf.Tensor]


class ServingModule(tf.Module):
    """From raw pixels to what the network says, with all that it needs inside.

    Args:
        network: From the features of a batch (`image`, `valid`, `static`, `static_valid`, as float32) to outputs by name.
        tracked: What holds the network's variables.
        transform_folder: The transform_fn's folder, local.
        layout: What a patch holds.

    Raises:
        DatasetError: The transform_fn is missing or damaged.
    """

    def __init__(
        self,
        network: Callable[[dict[str, tf.Tensor]], Tensors],
        tracked: object,
        transform_folder: str,
        layout: Layout,
    ) -> None:
        super().__init__("rsbot_serving")
        self._network, self._layout = network, layout
        self.tracked = tracked
        # The object has to live as long as its functions are called, and is saved with what they need.
        try:
            self.transform = tf.saved_model.load(transform_folder)
            self._transformed = of_any_size(self.transform.transform_fn)
        except DatasetError:
            raise
        except Exception as error:  # A damaged file makes TensorFlow raise whatever it stumbles over.
            raise DatasetError(
                f"the preprocessing {transform_folder} cannot be loaded ({str(error)[:300]}): it is missing or damaged. Remove "
                "what is there of it and start the same `rsbot export` again, which makes it anew"
            ) from error

    def signature(self) -> tf.types.experimental.ConcreteFunction:
        """The serving function, for `tf.saved_model.save(module, folder, signatures=...)`.

        It takes `image` (batch, [steps,] height, width, bands), the pixels as fetched, in float32 (float64 where a band is
        int32, uint32 or float64), and `valid` uint8 in the same shape, 1 where a pixel is valid; and `static`,
        `static_valid` where the layout has static bands.
        """
        return tf.function(self._serve, input_signature=[self.input_signature()]).get_concrete_function()

    def input_signature(self) -> dict[str, tf.TensorSpec]:
        """Types and shapes of the inputs, by name."""
        time = (self._layout.steps,) if self._layout.steps else ()
        spec = {}
        for name, bands, axes in (("image", self._layout.bands, time), ("static", self._layout.static, ())):
            if bands:
                shape = (None, *axes, None, None, len(bands))
                spec[name] = tf.TensorSpec(shape, tf.as_dtype(input_dtype(bands)), name)
                flags = "valid" if name == "image" else "static_valid"
                spec[flags] = tf.TensorSpec(shape, tf.uint8, flags)
        return spec

    def _serve(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        features = self.features(inputs)
        return {name: tf.cast(value, tf.float32) for name, value in self._network(features).items()}

    def features(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        """What the network is fed, of raw pixels."""
        raw: dict[str, tf.Tensor] = {}
        for name, bands in (("image", self._layout.bands), ("static", self._layout.static)):
            flags = "valid" if name == "image" else "static_valid"
            for index, band in enumerate(bands):
                raw[band.name] = _as_fetched(inputs[name][..., index], band)
                raw[valid_name(band)] = inputs[flags][..., index]
        raw |= _no_label(self._layout, inputs["image"])
        outputs = self._transformed(raw)
        return {name: value for name, value in outputs.items() if not name.startswith(STATISTICS_PREFIX)}


def _as_fetched(pixels: tf.Tensor, band: Band) -> tf.Tensor:
    """In the band's own type, which the transform was learned in."""
    return tf.cast(pixels, tf.as_dtype(band.dtype))


def _no_label(layout: Layout, image: tf.Tensor) -> dict[str, tf.Tensor]:
    """The transform_fn counts the label's classes, and so takes one; there is none when a map is made."""
    if layout.label is None:
        return {}
    shape = tf.shape(image)
    plane = tf.stack([shape[0], shape[-3], shape[-2]])
    return {
        layout.label.name: tf.zeros(plane, tf.as_dtype(layout.label.dtype)),
        valid_name(layout.label): tf.zeros(plane, tf.uint8),
    }
