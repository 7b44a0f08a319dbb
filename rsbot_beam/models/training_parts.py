"""What `model.compile` and `model.fit` need for a task: labels, losses and metrics that fit together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from rsbot_beam.errors import InputError
from rsbot_beam.models.classes import ClassIndex, Weighting, class_weights
from rsbot_beam.models.definition import Detector, ModelDefinition
from rsbot_beam.models.labels import centre_labels, model_inputs, pixel_labels
from rsbot_beam.models.layers import register
from rsbot_beam.models.losses import CentreL1, HeatmapFocalLoss, WeightedCrossEntropy

Example = Mapping[str, tf.Tensor]


@register
class LabelledAccuracy(keras.metrics.Metric):
    """Share of the labelled pixels whose most probable class is right, over all batches since the last reset."""

    def __init__(self, name: str = "accuracy", **kwargs: object) -> None:
        super().__init__(name=name, **kwargs)
        self.right = self.add_variable((), "zeros", dtype="float32", name="right")
        self.seen = self.add_variable((), "zeros", dtype="float32", name="seen")

    def update_state(self, labels: tf.Tensor, probabilities: tf.Tensor, sample_weight: tf.Tensor | None = None) -> None:
        """Counts a batch: class numbers, negative where not labelled, and probabilities. Weights are not used."""
        labels = tf.cast(labels, tf.int32)
        best = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        self.right.assign_add(tf.reduce_sum(tf.cast(best == labels, tf.float32)))
        self.seen.assign_add(tf.reduce_sum(tf.cast(labels >= 0, tf.float32)))

    def result(self) -> tf.Tensor:
        """The share; 0 where nothing was labelled."""
        return tf.math.divide_no_nan(tf.convert_to_tensor(self.right), tf.convert_to_tensor(self.seen))


@dataclass(frozen=True)
class TrainingParts:
    """How a model is trained.

    Attributes:
        prepare: From a batch of a dataset to what `fit` takes: inputs and labels.
        loss: For `compile`: one, or one for each output.
        metrics: For `compile`.
    """

    prepare: Callable[[Example], tuple[dict[str, tf.Tensor], Any]]
    loss: Any
    metrics: list[keras.metrics.Metric] = field(default_factory=list)

    def compile(self, model: keras.Model, optimizer: keras.optimizers.Optimizer, **arguments: Any) -> None:  # noqa: ANN401
        """Compiles the model with loss and metrics; other arguments go to Keras."""
        model.compile(optimizer, loss=self.loss, metrics=self.metrics, **arguments)

    def batches(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """A dataset for `fit` from one as `load_dataset` gives it."""
        return dataset.map(self.prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def training_parts(
    definition: ModelDefinition, index: ClassIndex, counts: Mapping[int, int], weighting: Weighting = "sqrt"
) -> TrainingParts:
    """Labels, losses and metrics of a model's task.

    Args:
        definition: The model.
        index: The classes; for a detector without background.
        counts: Number of valid label pixels of the train split by class code; a detector does not need it.
        weighting: How rare classes are weighted (see `class_weights`).

    Raises:
        InputError: None of the classes occurs in the train split.
    """
    if isinstance(definition, Detector):
        return _detection(index, definition.stride)
    loss = WeightedCrossEntropy(class_weights(index, counts, weighting))

    @tf.autograph.experimental.do_not_convert  # else errors come wrapped in a trace of generated code
    def prepare(example: Example) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        _require(example, ("label", "label_valid"), "a label band", "a model for detection")
        return model_inputs(example), pixel_labels(example, index)

    return TrainingParts(prepare, loss, [LabelledAccuracy()])


def _detection(index: ClassIndex, stride: int) -> TrainingParts:
    @tf.autograph.experimental.do_not_convert  # else errors come wrapped in a trace of generated code
    def prepare(example: Example) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        _require(example, ("boxes", "box_classes", "box_count"), "boxes of objects", "a model for segmentation")
        return model_inputs(example), centre_labels(example, index, stride)

    return TrainingParts(prepare, {"heatmap": HeatmapFocalLoss(), "size": CentreL1(), "offset": CentreL1()})


def _require(example: Example, names: tuple[str, ...], what: str, other: str) -> None:
    missing = [name for name in names if name not in example]
    if missing:
        raise InputError(
            f"the dataset's examples have no {', '.join(missing)}: export with a recipe that gives {what}, or choose {other}"
        )
