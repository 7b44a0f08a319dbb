"""What a model costs: inputs, number of weights, how far it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rsbot_beam.data.dataset_file import require_dataset_file
from rsbot_beam.models.definition import InputShape, ModelDefinition, build_model
from rsbot_beam.models.receptive_field import receptive_field
from rsbot_beam.training.description import layout_of
from rsbot_beam.training.tasks import training_task

# Bytes of a weight.
FLOAT32 = 4


@dataclass(frozen=True)
class InputSize:
    """What a model is to be built for.

    Attributes:
        bands: Number of bands.
        steps: Length of the time axis; 0: none.
        static: Number of static bands.
        classes: Number of classes that are learned.
    """

    bands: int
    steps: int
    static: int
    classes: int

    @classmethod
    def of(cls, dataset: str, definition: ModelDefinition) -> InputSize:
        """That of a dataset.

        Raises:
            DatasetError: There is none, or it has not the labels that the model learns from.
            InputError: None of its classes occurs.
        """
        content = require_dataset_file(dataset)
        layout = layout_of(content)
        task = training_task(definition, layout, content, "none")
        return cls(len(layout.bands), layout.steps, len(layout.static), task.channels)


def measure_model(definition: ModelDefinition, size: InputSize, field: bool = True) -> dict[str, Any]:
    """Build a model and measure it.

    Args:
        definition: The model.
        size: What it is built for.
        field: Whether to measure how far it looks, which takes seconds.

    Returns:
        `inputs` (shape by name), `weights`, `megabytes`, and `radius` and `overlap` in pixels where asked for.
    """
    shape = InputShape(size.bands, size.steps, size.static)
    model = build_model(definition, shape, size.classes)
    found = {
        "inputs": {tensor.name: list(tensor.shape) for tensor in model.inputs},
        "weights": model.count_params(),
        "megabytes": model.count_params() * FLOAT32 / 1e6,
    }
    if not field:
        return found
    looks = receptive_field(definition, shape, size.classes)
    return found | {"radius": looks.radius, "overlap": looks.overlap}
