"""TempCNN: a class for each pixel from its own course in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import keras

from rsbot_beam.errors import InputError
from rsbot_beam.models.definition import InputShape, ModelDefinition, TimeAxis
from rsbot_beam.models.layers import MOMENTUM, DropTime, join_inputs, probabilities


@dataclass(frozen=True, kw_only=True)
class TempCNN(ModelDefinition):
    """Convolutions along time, pixel by pixel, after Pelletier et al. 2019 (https://doi.org/10.3390/rs11050523).

    Neighbouring pixels have no influence. A missing step is 0 in all bands and 0 in the channel that says so.

    Attributes:
        width: Channels of each convolution; 64 in the paper, for datasets a thousand times as large.
        kernel: Steps that a convolution sees; odd.
        layers: Number of convolutions.
        dense: Units of the layer that sees the whole course; 256 in the paper.
        dropout: Share of features dropped while training, before the classes. The paper drops after each convolution too:
            there, on maps instead of single pixels, it takes as long as the convolution itself.
    """

    name: ClassVar[str] = "tempcnn"
    description: ClassVar[str] = "TempCNN: a class for each pixel from its own time series"
    time: ClassVar[TimeAxis] = "required"

    width: int = 16
    kernel: int = 5
    layers: int = 3
    dense: int = 64
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("width", "kernel", "layers", "dense"):
            if getattr(self, name) < 1:
                raise InputError(f"tempcnn: {name}={getattr(self, name)} must be at least 1")
        if self.kernel % 2 == 0:
            raise InputError(f"tempcnn: kernel={self.kernel} steps must be odd, to be centred on a step")
        if not 0 <= self.dropout < 1:
            raise InputError(f"tempcnn: dropout={self.dropout} is a share: 0 to below 1")

    def build(self, inputs: InputShape, classes: int) -> keras.Model:
        """See `ModelDefinition.build`."""
        tensors = inputs.keras_inputs()
        x = join_inputs(tensors, 1, fold_time=False)
        for index in range(self.layers):
            x = self._conv(x, self.width, self.kernel, "same", f"conv{index}")
        # A convolution as long as the series is the paper's dense layer over the flattened series, at each pixel.
        x = self._conv(x, self.dense, inputs.steps, "valid", "dense")
        x = keras.layers.Dropout(self.dropout, name="dropout")(x)
        return probabilities(DropTime(name="drop_time")(x), classes, tensors)

    def _conv(self, x: keras.KerasTensor, width: int, kernel: int, padding: str, name: str) -> keras.KerasTensor:
        layers = keras.layers
        x = layers.Conv3D(width, (kernel, 1, 1), padding=padding, use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)
