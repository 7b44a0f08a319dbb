"""A training from beginning to end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from rsbot_beam import leftovers, storage
from rsbot_beam.data.dataset_file import require_dataset_file
from rsbot_beam.data.manifest import TRAIN_FILE, claim, is_claimed
from rsbot_beam.data.model_file import MODEL_FILE, damaged_files, read_model_file, write_model_file
from rsbot_beam.errors import InputError
from rsbot_beam.models.receptive_field import receptive_field
from rsbot_beam.models.registry import load_model_definition
from rsbot_beam.pages.shown import Shown
from rsbot_beam.training.config import TrainConfig
from rsbot_beam.training.description import describe_model, manifest
from rsbot_beam.training.fit import checkpoints_of, fit
from rsbot_beam.training.preparation import Preparation, prepare
from rsbot_beam.training.saved_model import export_model

LOGGER = logging.getLogger("rsbot_beam")


@dataclass(frozen=True)
class TrainResult(Shown):
    """What a training made.

    Attributes:
        output: The model's folder.
        description: Content of `model.json`.
        was_complete: Whether it was there already, and nothing was done.
    """

    output: str
    description: dict[str, Any] = field(repr=False)
    was_complete: bool = False

    def _shown_at(self) -> str:
        return self.output


def run_training(config: TrainConfig) -> TrainResult:
    """Train a model on a dataset and export it; what an earlier run of the same training did is kept.

    The folder is this training's only once nothing speaks against it: a command that is refused leaves nothing there.

    Args:
        config: What to do.

    Raises:
        InputError: Something asked for cannot be done, or the output belongs to another training.
        DatasetError: There is no such dataset, it has nothing to learn from, or files of it are missing or damaged.
        RsbotError: The loss became infinite, a checkpoint is damaged, or something cannot be written.
    """
    content = require_dataset_file(config.dataset)
    definition = load_model_definition(config.model, config.settings)
    config = config.for_dataset(definition.task, content["splits"]["train"]["examples"])
    asked = manifest(config, definition, content)
    is_claimed(config.output, asked, TRAIN_FILE)
    finished = _finished(config.output)
    if finished is not None:
        LOGGER.info("%s is complete: nothing to do", config.output)
        return TrainResult(config.output, finished, was_complete=True)
    with precision(config.mixed_precision):
        prepared = prepare(config, definition, content)
        claim(config.output, asked, TRAIN_FILE)
        leftovers.remove_leftovers(config.output)
        return TrainResult(config.output, _train(config, prepared, content))


def _finished(root: str) -> dict[str, Any] | None:
    """The description of a finished model whose files are whole; of a damaged one it is removed."""
    found = read_model_file(root)
    damaged = damaged_files(root, found) if found else []
    if not damaged:
        return found
    LOGGER.warning("%s was complete, but %s is missing or damaged: trained again", root, ", ".join(damaged))
    storage.remove(storage.join(root, MODEL_FILE))
    return None


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


def _train(config: TrainConfig, prepared: Preparation, content: dict[str, Any]) -> dict[str, Any]:
    model, task = prepared.model, prepared.task
    state = fit(model, task, config, prepared.examples)
    LOGGER.info("exporting the weights of epoch %d to %s", state.best_epoch + 1, config.output)
    export_model(model, prepared.served, config.output)
    looks = receptive_field(task.definition, prepared.shape, task.channels)
    description = describe_model(config, task, content, looks, state)
    write_model_file(config.output, description)
    checkpoints_of(config, prepared.examples).remove()
    return description


__all__ = ["InputError", "TrainResult", "run_training"]
