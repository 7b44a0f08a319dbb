"""Scores of maps: confusion matrices, added up patch by patch, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsbot_beam.errors import InputError


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class. What has no denominator (a class that neither occurs nor is predicted) is NaN.

    Attributes:
        precision: Share of what is predicted as the class that is of it (user's accuracy).
        recall: Share of what is of the class that is predicted as it (producer's accuracy).
        f1: Harmonic mean of precision and recall.
        iou: Intersection over union.
        support: Labelled pixels of the class, or their area in the unit of the weights.
    """

    precision: float
    recall: float
    f1: float
    iou: float
    support: float


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """How often each class is predicted as each; matrices of parts of a dataset are added.

    Attributes:
        counts: float64 (classes, classes): row = label, column = prediction. Pixels, or area where weights were given.
    """

    counts: np.ndarray

    def __post_init__(self) -> None:
        counts = np.asarray(self.counts, np.float64)
        if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
            raise InputError(f"a confusion matrix is square, this one is {counts.shape}")
        object.__setattr__(self, "counts", counts)

    @classmethod
    def empty(cls, classes: int) -> ConfusionMatrix:
        """Nothing counted yet."""
        return cls(np.zeros((classes, classes)))

    @classmethod
    def of(
        cls,
        labels: np.ndarray,
        predictions: np.ndarray,
        classes: int,
        valid: np.ndarray | None = None,
        area: np.ndarray | float = 1.0,
    ) -> ConfusionMatrix:
        """Count pixels.

        Args:
            labels: Class numbers from 0, of any shape; negative ones are not labelled and not counted.
            predictions: Class numbers from 0, of the same shape.
            classes: Number of classes.
            valid: Pixels to count; None counts all that are labelled.
            area: Weight of each pixel, such as its area, of a shape that broadcasts.

        Raises:
            InputError: Shapes differ, or a number is of no class.
        """
        if np.shape(labels) != np.shape(predictions):
            raise InputError(f"labels {np.shape(labels)} and predictions {np.shape(predictions)} must have one shape")
        counted = labels >= 0 if valid is None else (labels >= 0) & (valid > 0)
        wanted, found = labels[counted].astype(np.int64), predictions[counted].astype(np.int64)
        for what, numbers in (("label", wanted), ("prediction", found)):
            if numbers.size and not 0 <= numbers.min() <= numbers.max() < classes:
                raise InputError(f"{what}s from {numbers.min()} to {numbers.max()} are not all of {classes} classes")
        weights = np.broadcast_to(np.asarray(area, np.float64), np.shape(labels))[counted]
        sums = np.bincount(wanted * classes + found, weights=weights, minlength=classes**2)
        return cls(sums.reshape(classes, classes))

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        if self.counts.shape != other.counts.shape:
            raise InputError(f"matrices of {len(self.counts)} and {len(other.counts)} classes cannot be added")
        return ConfusionMatrix(self.counts + other.counts)

    @property
    def accuracy(self) -> float:
        """Share of what is right; NaN where nothing was counted."""
        return _ratio(float(np.trace(self.counts)), float(self.counts.sum()))

    def class_scores(self) -> list[ClassScores]:
        """Scores of each class, in order."""
        right, wanted, found = np.diag(self.counts), self.counts.sum(axis=1), self.counts.sum(axis=0)
        return [_class_scores(*(float(x) for x in numbers)) for numbers in zip(right, wanted, found, strict=True)]

    def mean(self, score: str) -> float:
        """Mean of a score, such as "iou" or "f1", over the classes that occur in the labels; NaN where none does.

        A class that occurs and is never predicted counts with 0.
        """
        values = [getattr(scores, score) for scores in self.class_scores() if scores.support]
        return float(np.mean(np.nan_to_num(values))) if values else float("nan")

    def majority(self) -> ConfusionMatrix:
        """What the least of all baselines gives: the most frequent class of these labels everywhere."""
        wanted = self.counts.sum(axis=1)
        counts = np.zeros_like(self.counts)
        counts[:, int(wanted.argmax())] = wanted
        return ConfusionMatrix(counts)

    def to_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """Plain form for JSON, with the classes' names; scores without a denominator are None."""
        scores = {name: _plain(vars(item)) for name, item in zip(names, self.class_scores(), strict=True)}
        overall = {"accuracy": self.accuracy, "mean_iou": self.mean("iou"), "mean_f1": self.mean("f1")}
        return {**_plain(overall), "classes": scores, "confusion": self.counts.tolist()}


def _class_scores(right: float, wanted: float, found: float) -> ClassScores:
    return ClassScores(
        precision=_ratio(right, found),
        recall=_ratio(right, wanted),
        f1=_ratio(2 * right, wanted + found),
        iou=_ratio(right, wanted + found - right),
        support=wanted,
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _plain(scores: dict[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else value for name, value in scores.items()}
