"""What a model definition is: a frozen set of parameters that builds a Keras model for a dataset's inputs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rsbot_beam.data.bands import Layout
from rsbot_beam.errors import InputError

if TYPE_CHECKING:
    import keras

Task = Literal["segmentation", "detection"]
TimeAxis = Literal["none", "optional", "required"]


@dataclass(frozen=True)
class InputShape:
    """What a model is fed: number of bands and steps, not their values.

    Attributes:
        bands: Bands of `image`.
        steps: Length of the time axis; 0 means that there is none.
        static: Bands of `static`, beside a time axis; 0 means that there is no such input.
        size: Height and width in pixels, or None for a model that takes any.
    """

    bands: int
    steps: int = 0
    static: int = 0
    size: int | None = None

    @classmethod
    def of(cls, layout: Layout, size: int | None = None) -> InputShape:
        """The inputs of a dataset's layout."""
        return cls(len(layout.bands), layout.steps, len(layout.static), size)

    def keras_inputs(self) -> dict[str, keras.KerasTensor]:
        """Symbolic inputs by the names of a dataset's features.

        Returns:
            `image` float32 (batch, [steps,] height, width, bands), `valid` uint8 (batch, [steps,] height, width) and, with
            static bands, `static` float32 (batch, height, width, bands) and `static_valid` uint8 (batch, height, width).
        """
        import keras

        place = (self.size, self.size)
        time = (self.steps,) if self.steps else ()
        inputs = {
            "image": keras.Input((*time, *place, self.bands), name="image", dtype="float32"),
            "valid": keras.Input((*time, *place), name="valid", dtype="uint8"),
        }
        if self.static:
            inputs["static"] = keras.Input((*place, self.static), name="static", dtype="float32")
            inputs["static_valid"] = keras.Input(place, name="static_valid", dtype="uint8")
        return inputs


@dataclass(frozen=True, kw_only=True)
class ModelDefinition:
    """Base of all models: a frozen dataclass whose fields are its parameters.

    Derive from it, state the facts as class attributes and write `build`. Parameters can be set with `--set name=value`.

    Attributes:
        name: Short name.
        description: One line for people.
        task: "segmentation": a class for each pixel; "detection": boxes.
        time: Whether the model needs a time axis ("required"), can do with one ("optional") or cannot ("none").
    """

    name: ClassVar[str] = ""
    description: ClassVar[str] = ""
    task: ClassVar[Task] = "segmentation"
    time: ClassVar[TimeAxis] = "optional"

    def build(self, inputs: InputShape, classes: int) -> keras.Model:
        """A model with new weights.

        Args:
            inputs: What it is fed; `inputs.keras_inputs()` gives the tensors.
            classes: Number of classes; for a detector without background.

        Returns:
            For segmentation a functional model from the inputs, by name, to probabilities float32 (batch, height, width,
            classes). For detection, to a dictionary of float32 maps on a grid of `stride` pixels: `heatmap` (batch, rows,
            columns, classes) in 0..1, `size` (batch, rows, columns, 2) the logarithm of a box's height and width in cells,
            `offset` (batch, rows, columns, 2) of the centre from the cell's top left corner in cells (y, x).
        """
        raise InputError(
            f"the model {self.name or type(self).__name__!r} lacks the method build(self, inputs, classes)"
        )

    @property
    def multiple(self) -> int:
        """Pixels between the cells of the coarsest level: 2 for each halving of the resolution, multiplied.

        Tiles of a map predict the same when they are shifted by multiples of it.
        """
        return 1

    def parameters(self) -> dict[str, Any]:
        """Parameters by name, as plain values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class Detector(ModelDefinition):
    """Base of detectors.

    Attributes:
        stride: Pixels between the cells of the maps; the least distance at which two centres are told apart.
    """

    task: ClassVar[Task] = "detection"
    stride: int = 4


def build_model(definition: ModelDefinition, inputs: InputShape, classes: int) -> keras.Model:
    """Build a model and check that it is what a dataset needs.

    Args:
        definition: The model.
        inputs: What it is fed.
        classes: Number of classes; for a detector without background.

    Raises:
        InputError: The model cannot take the inputs, or what it gives is not what its task needs; says all problems.
    """
    _check_request(definition, inputs, classes)
    model = definition.build(inputs, classes)
    problems = _wrong_inputs(model, inputs) + _wrong_outputs(model, definition, classes)
    if problems:
        raise InputError(
            f"the model {definition.name!r} does not fit its task {definition.task}: " + "; ".join(problems)
        )
    return model


def _check_request(definition: ModelDefinition, inputs: InputShape, classes: int) -> None:
    if definition.time == "required" and inputs.steps < 2:
        raise InputError(
            f"the model {definition.name!r} learns from a time series, but the dataset has "
            f"{'one step only' if inputs.steps else 'no time axis'}: choose another model, such as unet, or export a recipe "
            "with a time axis"
        )
    if definition.time == "none" and inputs.steps:
        raise InputError(
            f"the model {definition.name!r} takes no time axis, but the dataset has {inputs.steps} steps: choose another"
        )
    least = 2 if definition.task == "segmentation" else 1
    if classes < least:
        raise InputError(
            f"{definition.task} needs {'two classes' if least > 1 else 'a class'} or more, there "
            f"{'is one' if classes == 1 else 'is none'}: give the recipe's `classes`"
        )


def _wrong_inputs(model: keras.Model, inputs: InputShape) -> list[str]:
    found = {tensor.name for tensor in model.inputs}
    unknown = sorted(found - set(inputs.keras_inputs()))
    return [f"it asks for inputs {unknown}, which the dataset does not have"] if unknown else []


def _wrong_outputs(model: keras.Model, definition: ModelDefinition, classes: int) -> list[str]:
    if definition.task == "segmentation":
        expected = {"probabilities": classes}
        outputs = {"probabilities": model.output}
    else:
        expected = {"heatmap": classes, "size": 2, "offset": 2}
        outputs = model.output if isinstance(model.output, dict) else {}
    problems = [f"the output `{name}` is missing" for name in expected if name not in outputs]
    for name in sorted(set(expected) & set(outputs)):
        tensor = outputs[name]
        shape: tuple[int | None, ...] = getattr(tensor, "shape", ())
        if len(shape) != 4 or shape[-1] != expected[name]:
            wanted = f"(batch, height, width, {expected[name]})"
            problems.append(f"`{name}` has the shape {tuple(shape)}, it must be {wanted}")
        elif tensor.dtype != "float32":
            problems.append(f"`{name}` is {tensor.dtype}, it must be float32: give the last layer dtype='float32'")
    return problems
