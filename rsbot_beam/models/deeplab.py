"""DeepLab: a class for each pixel from wide surroundings, by dilated convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import keras

from rsbot_beam.errors import InputError
from rsbot_beam.models.definition import InputShape, ModelDefinition
from rsbot_beam.models.encoders import Encoder, check_levels, encode
from rsbot_beam.models.layers import Enlarge, conv, conv_block, join_inputs, probabilities

# The fine level whose features sharpen the coarse ones: stride 4, as in the paper.
FINE = 2
# Channels to which the fine features are reduced, so that they do not drown the coarse ones: 48 in the paper, beside 256.
FINE_SHARE = 6


@dataclass(frozen=True, kw_only=True)
class DeepLab(ModelDefinition):
    """DeepLabv3+ after Chen et al. 2018 (https://arxiv.org/abs/1802.02611), compact.

    Of our own, over encoders of keras.applications: keras-hub has one, but brings tokenizers, sentencepiece, kagglehub and
    tensorflow-text (bound to one minor version of TensorFlow), and pools over the whole image. The pooling is left out
    here: with it, a pixel's class depends on where the tile ends, and a map has seams. Steps of a time series become
    channels, in their order.

    Attributes:
        encoder: "plain" or a network of keras.applications.
        width: Channels of the parallel convolutions and of the decoder; of a plain encoder, a quarter at full resolution.
        depth: Number of halvings before the dilated convolutions, at least 3; 4 (stride 16) in the paper.
        rates: Dilations of the parallel convolutions, in cells of the coarsest level; 6, 12, 18 in the paper, for images of
            512 pixels.
    """

    name: ClassVar[str] = "deeplab"
    description: ClassVar[str] = "DeepLabv3+: a class for each pixel from wide surroundings; steps become channels"

    encoder: Encoder = "mobilenetv2"
    width: int = 48
    depth: int = 4
    rates: tuple[int, ...] = (1, 2, 4)

    def __post_init__(self) -> None:
        check_levels(self.name, self.width, self.depth, self.encoder)
        if self.depth <= FINE:
            raise InputError(
                f"deeplab: depth={self.depth} must be at least {FINE + 1}: the fine features are of {FINE}"
            )
        if self.width < FINE_SHARE:
            raise InputError(f"deeplab: width={self.width} must be at least {FINE_SHARE}")
        if not self.rates or min(self.rates) < 1:
            raise InputError(f"deeplab: rates={self.rates} must be one or more dilations of at least 1")

    @property
    def multiple(self) -> int:
        """Pixels between the cells of the coarsest level."""
        return 2**self.depth

    def build(self, inputs: InputShape, classes: int) -> keras.Model:
        """See `ModelDefinition.build`."""
        layers = keras.layers
        tensors = inputs.keras_inputs()
        x = join_inputs(tensors, self.multiple, fold_time=True)
        levels = encode(x, max(self.width // 4, 1), self.depth, self.encoder)
        coarse = self._pyramid(levels[-1])
        coarse = Enlarge(2 ** (self.depth - FINE), name="enlarge")(coarse)
        fine = conv(levels[FINE], max(self.width // FINE_SHARE, 1), 1, name="fine")
        x = conv_block(layers.Concatenate(name="join_fine")([coarse, fine]), self.width, "decoder")
        return probabilities(Enlarge(2**FINE, name="full")(x), classes, tensors)

    def _pyramid(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Parallel convolutions with different dilations (ASPP)."""
        branches = [conv(x, self.width, 1, name="aspp_1x1")]
        branches += [conv(x, self.width, dilation=rate, name=f"aspp_{i}") for i, rate in enumerate(self.rates)]
        return conv(keras.layers.Concatenate(name="aspp_join")(branches), self.width, 1, name="aspp")
