"""U-Net: a class for each pixel from its surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import keras

from rsbot_beam.models.definition import InputShape, ModelDefinition
from rsbot_beam.models.encoders import Encoder, check_levels, decode, encode
from rsbot_beam.models.layers import join_inputs, probabilities


@dataclass(frozen=True, kw_only=True)
class UNet(ModelDefinition):
    """U-Net after Ronneberger et al. 2015 (https://arxiv.org/abs/1505.04597), with padded convolutions.

    Steps of a time series become channels, in their order.

    Attributes:
        width: Channels at full resolution; each level down has twice as many.
        depth: Number of times that the resolution is halved.
        encoder: What looks at the coarser levels: "plain", two convolutions a level, or a network of keras.applications.
    """

    name: ClassVar[str] = "unet"
    description: ClassVar[str] = "U-Net: a class for each pixel from its surroundings; steps become channels"

    width: int = 16
    depth: int = 3
    encoder: Encoder = "plain"

    def __post_init__(self) -> None:
        check_levels(self.name, self.width, self.depth, self.encoder)

    @property
    def multiple(self) -> int:
        """Pixels between the cells of the coarsest level."""
        return 2**self.depth

    def build(self, inputs: InputShape, classes: int) -> keras.Model:
        """See `ModelDefinition.build`."""
        tensors = inputs.keras_inputs()
        x = join_inputs(tensors, self.multiple, fold_time=True)
        levels = encode(x, self.width, self.depth, self.encoder)
        return probabilities(decode(levels), classes, tensors)
