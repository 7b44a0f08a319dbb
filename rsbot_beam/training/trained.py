"""A finished model: its description and its SavedModel's signature."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import keras
import numpy as np

from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass, Layout
from rsbot_beam.data.model_file import KERAS_MODEL, SAVED_MODEL, model_classes, require_model_file, unlearned_classes
from rsbot_beam.data.patch import Patch
from rsbot_beam.errors import InputError
from rsbot_beam.learning.predictor import Predictor
from rsbot_beam.models.classes import ClassIndex
from rsbot_beam.models.registry import is_file, load_model_definition
from rsbot_beam.training.description import layout_of


@dataclass(frozen=True)
class TrainedModel:
    """A finished model.

    Attributes:
        root: Its folder.
        description: Content of its `model.json`.
        layout: What the patches hold that it was trained on.
        classes: Its classes, in the order of its outputs.
        predictor: Applies its SavedModel, as maps do.
    """

    root: str
    description: Mapping[str, Any]
    layout: Layout
    classes: tuple[LabelClass, ...]
    predictor: Predictor

    @classmethod
    def load(cls, root: str) -> TrainedModel:
        """Load a model.

        Args:
            root: The model's folder, local or `gs://`.

        Raises:
            InputError: There is no finished model, or its SavedModel is damaged.
        """
        description = require_model_file(root)
        predictor = Predictor(storage.join(root, SAVED_MODEL))
        predictor.load()
        return cls(root, description, layout_of(description), model_classes(description), predictor)

    @property
    def task(self) -> str:
        """What it does: "segmentation" or "detection"."""
        return str(self.description["task"])

    @property
    def index(self) -> ClassIndex:
        """The classes' codes and numbers."""
        unlearned = frozenset(item.code for item in unlearned_classes(self.description))
        return ClassIndex(tuple(item.code for item in self.classes), unlearned)

    def network(self) -> keras.Model:
        """The Keras model alone, from transformed features to what it learned, to train on or to take apart.

        Raises:
            InputError: It is damaged, or the Python file of a user's own model is gone.
        """
        # Keras finds layers by their names once the modules that define them are loaded.
        for module in ("training_parts", "all_classes"):
            importlib.import_module(f"rsbot_beam.models.{module}")
        told = self.description["model"]
        load_model_definition(told["source"] if is_file(told["source"]) else told["name"])
        path = storage.join(storage.local_folder(self.root), KERAS_MODEL)
        try:
            return keras.models.load_model(path)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{storage.join(self.root, KERAS_MODEL)} cannot be loaded ({error})") from error

    def predictions(self, patches: Iterable[Patch], batch_size: int) -> Iterator[tuple[Patch, dict[str, np.ndarray]]]:
        """Each patch with what the model says of it, computed in batches."""
        waiting = iter(patches)
        while batch := list(islice(waiting, batch_size)):
            yield from zip(batch, self.predictor.predict(batch), strict=True)
