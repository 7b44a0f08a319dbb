"""Encoders: features of an image at full resolution and at each halving of it; and the way back up."""

from __future__ import annotations

import warnings
from typing import Literal, get_args

import keras

from rsbot_beam.errors import InputError
from rsbot_beam.models.layers import MOMENTUM, conv_block

Encoder = Literal["plain", "mobilenetv2", "resnet50", "densenet121"]

# Application, and the last layer before each halving's successor: features at strides 2, 4, 8, 16 and 32. Only networks
# without pooling over the whole image (squeeze and excitation, as in EfficientNet and MobileNetV3): their prediction at a
# pixel would depend on where the tile ends.
_APPLICATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "mobilenetv2": (
        "MobileNetV2",
        ("block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu", "out_relu"),
    ),
    "resnet50": (
        "ResNet50",
        ("conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out"),
    ),
    "densenet121": ("DenseNet121", ("conv1_relu", "pool2_relu", "pool3_relu", "pool4_relu", "relu")),
}
DEEPEST = 5
WIDEST = 1024


def check_levels(name: str, width: int, depth: int, encoder: str) -> None:
    """Refuse parameters from which no encoder can be built.

    Raises:
        InputError: Says which parameter, and what it can be.
    """
    if encoder not in get_args(Encoder):
        raise InputError(f"{name}: encoder={encoder!r} is not one of {', '.join(get_args(Encoder))}")
    if not 1 <= depth <= DEEPEST:
        raise InputError(f"{name}: depth={depth} halvings must be 1 to {DEEPEST}")
    if not 1 <= width <= WIDEST:
        raise InputError(f"{name}: width={width} channels must be 1 to {WIDEST}")


def encode(x: keras.KerasTensor, width: int, depth: int, encoder: Encoder) -> list[keras.KerasTensor]:
    """Features at strides 1, 2, 4 ... 2 ** depth.

    Args:
        x: (batch, height, width, channels), both multiples of 2 ** depth.
        width: Channels at stride 1.
        depth: Number of halvings.
        encoder: Which one.
    """
    full = conv_block(x, width, "level0")
    if encoder != "plain":
        return [full, *_application(x, depth, encoder)]
    levels = [full]
    for level in range(1, depth + 1):
        smaller = keras.layers.MaxPooling2D(2, name=f"level{level}_pool")(levels[-1])
        levels.append(conv_block(smaller, width * 2**level, f"level{level}"))
    return levels


def _application(x: keras.KerasTensor, depth: int, encoder: str) -> list[keras.KerasTensor]:
    name, layers = _APPLICATIONS[encoder]
    with warnings.catch_warnings():
        # Said of any number of channels but 1 and 3, for those who would load weights of photographs.
        warnings.filterwarnings("ignore", "This model usually expects")
        network = getattr(keras.applications, name)(
            include_top=False, weights=None, input_shape=(None, None, x.shape[-1])
        )
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
    features = [network.get_layer(layer).output for layer in layers[:depth]]
    found = keras.Model(network.input, features, name=encoder)(x)
    return found if isinstance(found, list) else [found]


def decode(levels: list[keras.KerasTensor], finest: int = 0, width: int | None = None) -> keras.KerasTensor:
    """The way up: each level is enlarged, joined to the next finer one and convolved.

    Args:
        levels: As `encode` gives them.
        finest: Level to end at: 0 for full resolution, 2 for a quarter of it.
        width: Channels at full resolution; by default those of the finest level.

    Returns:
        (batch, height, width, channels) at stride 2 ** finest.
    """
    x = levels[-1]
    width = width or int(levels[0].shape[-1])
    for level in range(len(levels) - 2, finest - 1, -1):
        x = keras.layers.UpSampling2D(2, name=f"up{level}_enlarge")(x)
        x = keras.layers.Concatenate(name=f"up{level}_join")([x, levels[level]])
        x = conv_block(x, width * 2**level, f"up{level}")
    return x
