"""All that a training needs before its first epoch; what cannot be trained is found here, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from rsbot_beam.data.bands import Layout
from rsbot_beam.models.definition import InputShape, ModelDefinition
from rsbot_beam.models.serving import serving_model
from rsbot_beam.training.config import TrainConfig
from rsbot_beam.training.description import layout_of
from rsbot_beam.training.feed import Examples, find_examples
from rsbot_beam.training.saved_model import Served
from rsbot_beam.training.schedules import learning_rate
from rsbot_beam.training.supply import can_validate, check_train_split, warn_without_validation
from rsbot_beam.training.tasks import TrainingTask, training_task


@dataclass(frozen=True, eq=False)
class Preparation:
    """A training that can begin.

    Attributes:
        task: What is learned.
        layout: What the dataset's patches hold.
        examples: Of "train" and, where that has something to say, of "validation".
        model: The network, compiled, with new weights.
        served: The same behind the dataset's preprocessing; it follows the network's weights.
    """

    task: TrainingTask
    layout: Layout
    examples: Mapping[str, Examples]
    model: keras.Model
    served: Served

    @property
    def shape(self) -> InputShape:
        """What the network is fed."""
        return InputShape.of(self.layout)


def prepare(config: TrainConfig, definition: ModelDefinition, content: Mapping[str, Any]) -> Preparation:
    """Build what is to be trained; warns of what the dataset lacks.

    Args:
        config: The training.
        definition: The model.
        content: Of `dataset.json`.

    Raises:
        InputError: The model cannot be trained on the dataset.
        DatasetError: The dataset has nothing to learn from, or files of it are missing or damaged.
    """
    check_train_split(config.dataset, content)
    layout = layout_of(content)
    task = training_task(definition, layout, content, config.class_weights)
    validated = can_validate(content, definition.task, task.index)
    splits = ("train", "validation") if validated else ("train",)
    keras.utils.set_random_seed(config.seed)
    model = task.network(InputShape.of(layout))
    examples = {split: find_examples(config.dataset, split, content, task.features) for split in splits}
    steps = examples["train"].steps(config.batch_size)
    # XLA takes longer on processors: 1.5 times for U-TAE and U-Net, 10 times for TempCNN (measured on two cores).
    task.parts.compile(model, keras.optimizers.Adam(learning_rate(config, steps)), jit_compile=False)
    served = Served.of(serving_model(model, definition, task.index), config.dataset, layout)
    task.warn(layout, content)
    if not validated:
        warn_without_validation(config.dataset, content, definition.task, config.epochs)
    return Preparation(task, layout, examples, model, served)
