"""A training from beginning to end."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from rsbot_beam import storage
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.dataset_file import require_dataset_file
from rsbot_beam.data.model_file import SAVED_MODEL, read_model_file, write_model_file
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.models.definition import InputShape, build_model
from rsbot_beam.models.receptive_field import receptive_field
from rsbot_beam.models.registry import load_model_definition
from rsbot_beam.models.serving import serving_model
from rsbot_beam.training.checkpoints import Checkpoints, TrainingState
from rsbot_beam.training.claim import claim
from rsbot_beam.training.config import TrainConfig
from rsbot_beam.training.description import describe_model, layout_of, manifest
from rsbot_beam.training.feed import Examples, find_examples, ordered_batches, training_batches, unreadable
from rsbot_beam.training.saved_model import export_model
from rsbot_beam.training.tasks import TrainingTask, training_task
from rsbot_beam.training.tensorboard import ScalarLogs

LOGGER = logging.getLogger("rsbot_beam")
# Share of the steps in which the learning rate rises: the first gradients of new weights point anywhere.
WARM_UP = 0.05
# Epochs without a lower loss after which the schedule "plateau" halves the learning rate.
PLATEAU_EPOCHS = 3


@dataclass(frozen=True)
class TrainResult:
    """What a training made.

    Attributes:
        output: The model's folder.
        description: Content of `model.json`.
        was_complete: Whether it was there already, and nothing was done.
    """

    output: str
    description: dict[str, Any] = field(repr=False)
    was_complete: bool = False


def run_training(config: TrainConfig) -> TrainResult:
    """Train a model on a dataset and export it; what an earlier run of the same training did is kept.

    Args:
        config: What to do.

    Raises:
        InputError: Something asked for cannot be done, or the output belongs to another training.
        DatasetError: There is no such dataset, it has nothing to learn from, or files of it are missing or damaged.
        RsbotError: The loss became infinite, or a checkpoint is damaged.
    """
    content = require_dataset_file(config.dataset)
    definition = load_model_definition(config.model, config.settings)
    config = config.for_task(definition.task)
    layout = layout_of(content)
    task = training_task(definition, layout, content, config.class_weights)
    _check_train_split(config, content)
    claim(config.output, manifest(config, definition, content))
    found = read_model_file(config.output)
    if found is not None and storage.exists(storage.join(config.output, SAVED_MODEL, "saved_model.pb")):
        LOGGER.info("%s is complete: nothing to do", config.output)
        return TrainResult(config.output, found, was_complete=True)
    storage.remove_leftovers(config.output)
    with precision(config.mixed_precision):
        return TrainResult(config.output, _train(config, task, layout, content))


def _check_train_split(config: TrainConfig, content: dict[str, Any]) -> None:
    if not content["splits"]["train"]["examples"]:
        raise DatasetError(
            f"the train split of {config.dataset} is empty: export with a smaller --split_block, a larger region, or "
            "another --split"
        )
    if not content["splits"]["validation"]["examples"]:
        LOGGER.warning(
            "the validation split of %s is empty: all %d epochs are trained, and the weights with the lowest training "
            "loss are kept",
            config.dataset,
            config.epochs,
        )


@contextmanager
def precision(mixed: bool) -> Iterator[None]:
    """Compute in 16 bits while the block runs, if wanted: bfloat16 on processors, which have no fast float16."""
    if not mixed:
        yield
        return
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if tf.config.list_physical_devices("GPU") else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _train(config: TrainConfig, task: TrainingTask, layout: Layout, content: dict[str, Any]) -> dict[str, Any]:
    keras.utils.set_random_seed(config.seed)
    examples = {
        split: find_examples(config.dataset, split, content, task.features) for split in ("train", "validation")
    }
    model = build_model(task.definition, InputShape.of(layout), len(task.index))
    steps = examples["train"].steps(config.batch_size)
    # XLA takes longer on processors: 1.5 times for U-TAE and U-Net, 10 times for TempCNN (measured on two cores).
    task.parts.compile(model, keras.optimizers.Adam(learning_rate(config, steps)), jit_compile=False)
    state = fit(model, task, config, examples)
    LOGGER.info("exporting the weights of epoch %d to %s", state.best_epoch + 1, config.output)
    export_model(model, serving_model(model, task.definition, task.index), config.output, config.dataset, layout)
    looks = receptive_field(task.definition, InputShape.of(layout), len(task.index))
    description = describe_model(config, task, content, looks, state)
    write_model_file(config.output, description)
    Checkpoints(config.output, config.epochs, config.patience, state.monitor).remove()
    return description


def learning_rate(config: TrainConfig, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate by step.

    Args:
        config: The training.
        steps: Steps in an epoch.
    """
    if config.schedule != "cosine":
        return config.learning_rate
    total = steps * config.epochs
    warm_up = max(1, round(WARM_UP * total))
    return keras.optimizers.schedules.CosineDecay(
        config.learning_rate / warm_up,
        max(1, total - warm_up),
        warmup_target=config.learning_rate,
        warmup_steps=warm_up,
    )


def fit(model: keras.Model, task: TrainingTask, config: TrainConfig, examples: dict[str, Examples]) -> TrainingState:
    """Train a compiled model from where it was, and give it the weights of its best epoch.

    Raises:
        DatasetError: A file of the dataset cannot be read; names it.
    """
    validation = examples["validation"] if examples["validation"].count else None
    checkpoints = Checkpoints(
        config.output, config.epochs, config.patience if validation else 0, "val_loss" if validation else "loss"
    )
    checkpoints.restore(model)
    if checkpoints.state.epochs:
        LOGGER.info("continuing after epoch %d", checkpoints.state.epochs)
    inputs = frozenset(tensor.name for tensor in model.inputs)

    def pair(example: dict[str, tf.Tensor]) -> tuple[Any, Any]:
        return task.pair(example, inputs)

    try:
        if not checkpoints.is_over:
            epochs = range(checkpoints.state.epochs, config.epochs)
            model.fit(
                training_batches(examples["train"], pair, config.batch_size, epochs, config.seed, config.augment),
                steps_per_epoch=examples["train"].steps(config.batch_size),
                initial_epoch=epochs.start,
                epochs=epochs.stop,
                validation_data=ordered_batches(validation, pair, config.batch_size) if validation else None,
                callbacks=[*_plateau(config, checkpoints.state.monitor), ScalarLogs(config.output), checkpoints],
                shuffle=False,  # They come shuffled.
                verbose="auto" if sys.stdout.isatty() else 2,
            )
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        _name_damaged(examples, error)
        raise
    checkpoints.restore_best(model)
    return checkpoints.state


def _plateau(config: TrainConfig, monitor: str) -> list[keras.callbacks.Callback]:
    if config.schedule != "plateau":
        return []
    return [keras.callbacks.ReduceLROnPlateau(monitor, 0.5, PLATEAU_EPOCHS)]


def _name_damaged(examples: dict[str, Examples], error: tf.errors.OpError) -> None:
    for part in examples.values():
        if (damaged := unreadable(part)) is not None:
            raise DatasetError(
                f"a file of the {part.split} split cannot be read: {damaged}. Remove it and start the same `rsbot export` "
                "again, which makes it anew"
            ) from error


__all__ = ["InputError", "TrainResult", "run_training"]
