"""The epochs of a training, from where it was."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from rsbot_beam.errors import DatasetError
from rsbot_beam.training.checkpoints import Checkpoints, TrainingState
from rsbot_beam.training.config import TrainConfig
from rsbot_beam.training.feed import Examples, ordered_batches, training_batches, unreadable
from rsbot_beam.training.schedules import HalveOnPlateau
from rsbot_beam.training.tasks import TrainingTask
from rsbot_beam.training.tensorboard import ScalarLogs

LOGGER = logging.getLogger("rsbot_beam")


def fit(model: keras.Model, task: TrainingTask, config: TrainConfig, examples: Mapping[str, Examples]) -> TrainingState:
    """Train a compiled model from where it was, and give it the weights of its best epoch.

    Args:
        model: Compiled.
        task: What it learns.
        config: The training.
        examples: Of "train" and, where that has something to say, of "validation".

    Raises:
        DatasetError: A file of the dataset cannot be read; names it.
    """
    checkpoints = checkpoints_of(config, examples)
    checkpoints.restore(model)
    if checkpoints.state.epochs:
        LOGGER.info("continuing after epoch %d", checkpoints.state.epochs)
    try:
        if not checkpoints.is_over:
            _epochs(model, task, config, examples, checkpoints)
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        _name_damaged(examples, error)
        raise
    checkpoints.restore_best(model)
    return checkpoints.state


def checkpoints_of(config: TrainConfig, examples: Mapping[str, Examples]) -> Checkpoints:
    """The checkpoints of a training. Without validation nothing says that it may end early."""
    validated = "validation" in examples
    patience, monitor = (config.patience, "val_loss") if validated else (0, "loss")
    return Checkpoints(config.output, config.epochs, patience, monitor)


def _epochs(
    model: keras.Model,
    task: TrainingTask,
    config: TrainConfig,
    examples: Mapping[str, Examples],
    checkpoints: Checkpoints,
) -> None:
    inputs = frozenset(tensor.name for tensor in model.inputs)
    train, validation = examples["train"], examples.get("validation")

    def pair(example: dict[str, tf.Tensor]) -> tuple[Any, Any]:
        return task.pair(example, inputs)

    epochs = range(checkpoints.state.epochs, config.epochs)
    plateau = [HalveOnPlateau(config.learning_rate, checkpoints.state)] if config.schedule == "plateau" else []
    model.fit(
        training_batches(train, pair, config.batch_size, epochs, config.seed, config.augment),
        steps_per_epoch=train.steps(config.batch_size),
        initial_epoch=epochs.start,
        epochs=epochs.stop,
        validation_data=ordered_batches(validation, pair, config.batch_size) if validation else None,
        callbacks=[*plateau, ScalarLogs(config.output), checkpoints],
        shuffle=False,  # They come shuffled.
        verbose="auto" if sys.stdout.isatty() else 2,
    )


def _name_damaged(examples: Mapping[str, Examples], error: tf.errors.OpError) -> None:
    for part in examples.values():
        if (damaged := unreadable(part)) is not None:
            raise DatasetError(
                f"a file of the {part.split} split cannot be read: {damaged}. Remove it and start the same `rsbot export` "
                "again, which makes it anew"
            ) from error
