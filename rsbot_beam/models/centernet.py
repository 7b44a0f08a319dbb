"""CenterNet: boxes around objects, found by their centres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import keras

from rsbot_beam.errors import InputError
from rsbot_beam.models.definition import Detector, InputShape
from rsbot_beam.models.encoders import Encoder, check_levels, decode, encode
from rsbot_beam.models.layers import CropLike, conv, join_inputs

# Probability of a centre at the start: rare, so that the first steps do not go into unlearning false ones (Lin et al. 2017,
# arXiv 1708.02002, section 4.1; CenterNet's -2.19).
PRIOR = 0.1


@dataclass(frozen=True, kw_only=True)
class CenterNet(Detector):
    """Objects as points after Zhou et al. 2019 (https://arxiv.org/abs/1904.07850), on a U-Net's features.

    Unlike the paper, the size is learned as a logarithm: solar plants are of 3 to 300 pixels, and what counts is the share
    by which a side is wrong, as in the intersection over union. Steps of a time series become channels, in their order.

    Attributes:
        width: Channels at full resolution; each level down has twice as many.
        depth: Number of times that the resolution is halved.
        encoder: "plain" or a network of keras.applications.
        stride: Pixels between the cells of the maps: 4, 2 for objects of a few pixels, or 1.
        head: Channels of the convolution before each map.
    """

    name: ClassVar[str] = "centernet"
    description: ClassVar[str] = "CenterNet: boxes by their centres; steps become channels"

    width: int = 16
    depth: int = 3
    encoder: Encoder = "plain"
    stride: int = 4
    head: int = 32

    def __post_init__(self) -> None:
        check_levels(self.name, self.width, self.depth, self.encoder)
        strides = [2**level for level in range(self.depth + 1)]
        if self.stride not in strides:
            raise InputError(f"centernet: stride={self.stride} pixels must be one of {strides} at depth={self.depth}")
        if self.head < 1:
            raise InputError(f"centernet: head={self.head} channels must be at least 1")

    @property
    def multiple(self) -> int:
        """Pixels between the cells of the coarsest level."""
        return 2**self.depth

    def build(self, inputs: InputShape, classes: int) -> keras.Model:
        """See `ModelDefinition.build`; the maps have ceil(height / stride) rows."""
        tensors = inputs.keras_inputs()
        x = join_inputs(tensors, self.multiple, fold_time=True)
        levels = encode(x, self.width, self.depth, self.encoder)
        x = decode(levels, finest=int(math.log2(self.stride)))
        x = CropLike(self.stride, name="crop")(x, tensors["image"])
        heat = self._head(x, classes, "heatmap", bias=math.log(PRIOR / (1 - PRIOR)))
        return keras.Model(
            tensors,
            {
                "heatmap": keras.layers.Activation("sigmoid", dtype="float32", name="heatmap")(heat),
                "size": self._plain(self._head(x, 2, "size"), "size"),
                "offset": self._plain(self._head(x, 2, "offset", bias=0.5), "offset"),
            },
        )

    def _head(self, x: keras.KerasTensor, channels: int, name: str, bias: float = 0.0) -> keras.KerasTensor:
        x = conv(x, self.head, name=f"{name}_conv")
        initial = keras.initializers.Constant(bias)
        return keras.layers.Conv2D(channels, 1, bias_initializer=initial, name=f"{name}_map")(x)

    @staticmethod
    def _plain(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return keras.layers.Activation("linear", dtype="float32", name=name)(x)
