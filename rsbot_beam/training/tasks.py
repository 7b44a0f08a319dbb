"""What is particular to a task: the labels a model learns, its losses, and what is watched while it learns."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from rsbot_beam.data.bands import Layout
from rsbot_beam.errors import DatasetError
from rsbot_beam.models.all_classes import with_all_classes
from rsbot_beam.models.classes import ClassIndex, Weighting, class_weights
from rsbot_beam.models.definition import InputShape, ModelDefinition, build_model
from rsbot_beam.models.labels import INPUTS
from rsbot_beam.models.training_parts import TrainingParts, training_parts
from rsbot_beam.training.supply import label_counts

LOGGER = logging.getLogger("rsbot_beam")
# Codes without a name that a message lists.
LISTED_CODES = 10
LABELS = {
    "segmentation": ("label", "label_valid"),
    "detection": ("boxes", "box_classes", "box_count", "label_valid"),
}


@dataclass(frozen=True)
class TrainingTask:
    """What a model learns from a dataset.

    Attributes:
        definition: The model.
        index: The classes, and which of them the dataset lets learn.
        parts: Labels, losses and metrics.
        weights: How much each class counts; empty for a detector.
    """

    definition: ModelDefinition
    index: ClassIndex
    parts: TrainingParts
    weights: tuple[float, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that are needed of an example."""
        return (*INPUTS, *LABELS[self.definition.task])

    @property
    def channels(self) -> int:
        """Number of classes that the network itself has: those that are learned."""
        return sum(self.index.learned)

    def network(self, inputs: InputShape) -> keras.Model:
        """A model with new weights that gives all classes, those that are not learned the probability 0.

        Args:
            inputs: What it is fed.

        Raises:
            InputError: The definition cannot take them.
        """
        return with_all_classes(build_model(self.definition, inputs, self.channels), self.index.learned)

    def pair(self, example: Mapping[str, tf.Tensor], inputs: frozenset[str]) -> tuple[Any, Any]:
        """Inputs and labels of a batch.

        Args:
            example: Features by name.
            inputs: Names of the inputs that the model has.
        """
        fed, labels = self.parts.prepare(example)
        return {name: fed[name] for name in sorted(inputs)}, labels

    def warn(self, layout: Layout, content: Mapping[str, Any]) -> None:
        """Say which classes are not learned, and which codes are passed over."""
        names = {item.code: item.name for item in layout.classes}
        missing = [names[code] for code in self.index.codes if code in self.index.unlearned]
        if missing:
            LOGGER.warning(
                "not in the train split, and so not learned and never predicted: %s. Draw more tiles with --sampling "
                "stratified, or take a larger region",
                ", ".join(missing),
            )
        counts = label_counts(content, self.definition.task, "train")
        unknown = self.index.unknown({code: count for code, count in counts.items() if code not in names})
        if unknown:
            LOGGER.warning(
                "codes without a class, passed over: %s",
                ", ".join(f"{code} ({count:,} times)" for code, count in sorted(unknown.items())),
            )


def training_task(
    definition: ModelDefinition, layout: Layout, content: Mapping[str, Any], weighting: Weighting
) -> TrainingTask:
    """What a model learns from a dataset.

    Args:
        definition: The model.
        layout: The dataset's.
        content: Of `dataset.json`.
        weighting: How classes are weighted.

    Raises:
        DatasetError: The dataset holds no labels for the model's task, or of one class only.
        InputError: None of the classes occurs.
    """
    if definition.task == "detection":
        index = _detected(definition, layout, content)
        return TrainingTask(definition, index, training_parts(definition, index, {}))
    if layout.label is None or layout.label.numpy.kind not in "iu" or not layout.classes:
        raise DatasetError(
            f"the model {definition.name!r} learns a class for each pixel, but the dataset's recipe "
            f"{content['recipe']['name']!r} {_lacks(layout, content)}"
        )
    counts = label_counts(content, definition.task, "train")
    index = ClassIndex.of(layout.classes, counts=counts)
    weights = class_weights(index, counts, weighting)
    _check_choice(index, layout)
    return TrainingTask(definition, index, training_parts(definition, index, counts, weighting), weights)


def _check_choice(index: ClassIndex, layout: Layout) -> None:
    names = [item.name for item in layout.classes if item.code not in index.unlearned]
    if len(index) > 1 and len(names) < 2:
        raise DatasetError(
            f"{names[0]!r} is the only class in the train split: there is nothing to tell apart. Draw more tiles with "
            "--sampling stratified, or take a larger region"
        )


def _detected(definition: ModelDefinition, layout: Layout, content: Mapping[str, Any]) -> ClassIndex:
    if not layout.objects:
        raise DatasetError(
            f"the model {definition.name!r} learns boxes, but the recipe {content['recipe']['name']!r} has none: export "
            "solar, wind or power_plants, or train a segmentation model such as unet"
        )
    counts = label_counts(content, definition.task, "train")
    index = ClassIndex.of(layout.classes, background=False, counts=counts)
    if not any(index.learned):
        raise DatasetError(
            "there is no object in the train split: sample around features with --sampling features, or take a larger region"
        )
    return index


def _lacks(layout: Layout, content: Mapping[str, Any]) -> str:
    """What is missing for a class for each pixel, and what to do."""
    remedy = "export a recipe with classes, such as crops or landcover"
    if layout.label is None:
        return f"has no label: {remedy}"
    if layout.label.numpy.kind == "f":
        return f"has a measured quantity as label: {remedy}"
    codes = [code for code, count in label_counts(content, "segmentation", "train").items() if count]
    told = f"{', '.join(map(str, codes[:LISTED_CODES]))}{' ...' if len(codes) > LISTED_CODES else ''}"
    return (
        f"names no classes, though its label holds {len(codes)} codes ({told}): say in the recipe's `classes` which of "
        "them are classes; for fields of your own by --set codes=VALUE:CODE:NAME,..."
    )
