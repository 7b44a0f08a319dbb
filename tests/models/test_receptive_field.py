"""The receptive field as measured, beside what the layers' arithmetic says."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import pytest

from rsbot_beam.errors import InputError
from rsbot_beam.models.definition import InputShape, ModelDefinition
from rsbot_beam.models.receptive_field import ReceptiveField, receptive_field
from rsbot_beam.models.registry import load_model_definition

pytestmark = pytest.mark.slow


def unet_radius(depth: int) -> int:
    """Two 3 x 3 convolutions a level, down and up; and a pixel's place in its coarsest cell."""
    convolutions = sum(2 * 2**level for level in range(depth)) * 2 + 2 * 2**depth
    return convolutions + 2**depth - 1


@pytest.mark.parametrize("depth", [1, 2])
def test_unet(depth: int) -> None:
    definition = load_model_definition("unet", {"width": "4", "depth": str(depth)})
    found = receptive_field(definition, InputShape(2), 3)
    assert found == ReceptiveField(unet_radius(depth), 2**depth)
    assert found.overlap is not None and found.overlap >= unet_radius(depth) and found.overlap % 2**depth == 0


def test_temporal_attention_looks_as_far_as_its_unet() -> None:
    definition = load_model_definition("utae", {"width": "4", "heads": "2", "depth": "2"})
    assert receptive_field(definition, InputShape(2, steps=3), 3).radius == unet_radius(2)


def test_a_model_of_single_pixels_needs_no_overlap() -> None:
    definition = load_model_definition("tempcnn", {"width": "2", "dense": "4"})
    found = receptive_field(definition, InputShape(2, steps=3, static=1), 3)
    assert found == ReceptiveField(0, 1) and found.overlap == 0


def test_detectors_look_as_far_from_any_pixel_of_a_cell() -> None:
    definition = load_model_definition("centernet", {"width": "4", "depth": "2", "stride": "4", "head": "4"})
    # At stride 4: convolutions of 2, 4 and 8 pixels twice on the way down, one of 4 before each map.
    assert receptive_field(definition, InputShape(2), 1).radius == 2 + 4 + 8 + 4 + 3


@dataclass(frozen=True, kw_only=True)
class Custom(ModelDefinition):
    """A model of a user's own."""

    name = "custom"
    kind: str = "convolution"

    def build(self, inputs: InputShape, classes: int) -> keras.Model:
        tensors = inputs.keras_inputs()
        layers = keras.layers
        x = tensors["image"]
        if self.kind == "convolution":
            x = layers.Conv2D(4, (3, 7), padding="same", dilation_rate=(1, 2), activation="relu6")(x)
            x = layers.DepthwiseConv2D(5, padding="same")(x)
        elif self.kind == "global":
            x = layers.Multiply()([x, layers.GlobalAveragePooling2D(keepdims=True)(x)])
        else:
            x = layers.Rescaling(1.0)(layers.UpSampling2D(1)(tensors["valid"][..., None]))
        return keras.Model(tensors, layers.Conv2D(classes, 1, activation="softmax")(x))


def test_models_of_users_and_the_wider_axis() -> None:
    assert receptive_field(Custom(), InputShape(2), 2) == ReceptiveField(6 + 2, 1)


def test_pooling_over_the_whole_patch_has_no_end() -> None:
    found = receptive_field(Custom(kind="global"), InputShape(2), 2)
    assert found.radius is None and found.overlap is None


def test_a_model_that_does_not_look_at_the_image() -> None:
    with pytest.raises(InputError, match="does not depend on its input `image`"):
        receptive_field(Custom(kind="blind"), InputShape(2), 2)
