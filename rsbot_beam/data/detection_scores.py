"""Scores of detections: which of them are right, precision and recall by score, average precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rsbot_beam.errors import InputError

# Closeness of detections (rows) and labels (columns): the higher, the better the match.
Closeness = Callable[[np.ndarray, np.ndarray], np.ndarray]


def box_overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of each box of `a` (n, 4) and of `b` (m, 4): (n, m).

    Boxes are ymin, xmin, ymax, xmax; two boxes without area do not overlap.
    """
    a, b = np.asarray(a, np.float64).reshape(-1, 4), np.asarray(b, np.float64).reshape(-1, 4)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(np.maximum(x[:, 2:] - x[:, :2], 0), axis=-1) for x in (a, b)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def centre_distances(a: np.ndarray, b: np.ndarray, resolution: float) -> np.ndarray:
    """Distances of the centres of boxes `a` (n, 4) and `b` (m, 4), in the unit of the resolution (metres): (n, m)."""
    a, b = np.asarray(a, np.float64).reshape(-1, 4), np.asarray(b, np.float64).reshape(-1, 4)
    centres = [(x[:, :2] + x[:, 2:]) / 2 for x in (a, b)]
    return np.linalg.norm(centres[0][:, None] - centres[1][None, :], axis=-1) * resolution


def match(scores: np.ndarray, closeness: np.ndarray, least: float) -> np.ndarray:
    """Which detections find a label that no better detection has found.

    As in Pascal VOC's development kit (2010), but that a detection whose closest label is taken may take the next one, as
    in COCO: by falling score each takes the closest label that is free and close enough.

    Args:
        scores: float (n,); equal ones keep their order.
        closeness: (n, m), of detections and labels: the higher, the better.
        least: Least closeness of a match.

    Returns:
        bool (n,).
    """
    found = np.zeros(len(scores), bool)
    free = np.ones(closeness.shape[1], bool)
    for detection in np.argsort(-np.asarray(scores), kind="stable"):
        candidates = np.where(free, closeness[detection], -np.inf)
        if candidates.size and candidates.max() >= least:
            free[candidates.argmax()] = False
            found[detection] = True
    return found


@dataclass(frozen=True, eq=False)
class DetectionCurve:
    """Precision and recall as the least score falls.

    Attributes:
        scores: float64 (n,), falling: the least score of each point.
        precision: float64 (n,).
        recall: float64 (n,); NaN where there are no labels.
        labels: Number of labelled objects.
    """

    scores: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    labels: int

    @property
    def average_precision(self) -> float:
        """Area under the curve, all points, with precision made to fall (Pascal VOC 2010 and later).

        NaN where there are no labels.
        """
        if not self.labels:
            return float("nan")
        falling = np.maximum.accumulate(self.precision[::-1])[::-1]
        return float(np.sum(np.diff(self.recall, prepend=0.0) * falling))

    def best(self) -> tuple[float, float]:
        """The least score with the highest F1, and that F1; NaN and 0 where nothing is right."""
        total = self.precision + self.recall
        f1 = np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)
        if not f1.size or not f1.max() > 0:
            return float("nan"), 0.0
        return float(self.scores[f1.argmax()]), float(f1.max())


@dataclass
class DetectionTally:
    """Detections of one class over a dataset, patch by patch: kept are scores, not pixels.

    Attributes:
        least: Least closeness of a match: intersection over union, or minus the greatest distance.
        closeness: How close detections and labels are.
        scores: Score of each detection so far.
        right: Whether each found a label.
        labels: Number of labelled objects so far.
    """

    least: float
    closeness: Closeness = box_overlaps
    scores: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    labels: int = 0

    @classmethod
    def by_overlap(cls, least: float = 0.5) -> DetectionTally:
        """A detection is right where it overlaps a label by at least so much (intersection over union)."""
        if not 0 < least <= 1:
            raise InputError(f"the least overlap {least} must be above 0 and at most 1")
        return cls(least)

    @classmethod
    def by_distance(cls, most: float, resolution: float) -> DetectionTally:
        """A detection is right where its centre lies at most so far from a label's.

        Args:
            most: In metres.
            resolution: Pixel size in metres.
        """
        if not (most > 0 and resolution > 0):
            raise InputError(f"distance {most} m and resolution {resolution} m must be positive")
        return cls(-most, lambda a, b: -centre_distances(a, b, resolution))

    def add(self, boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> None:
        """Count a patch: detected boxes (n, 4), their scores (n,), and labelled boxes (m, 4), in pixels."""
        boxes, labels = np.asarray(boxes).reshape(-1, 4), np.asarray(labels).reshape(-1, 4)
        if len(boxes) != len(scores):
            raise InputError(f"{len(boxes)} boxes have {len(scores)} scores: each needs one")
        self.right += match(scores, self.closeness(boxes, labels), self.least).tolist()
        self.scores += np.asarray(scores, float).tolist()
        self.labels += len(labels)

    def curve(self) -> DetectionCurve:
        """Precision and recall at each score that occurs; equal scores are one point."""
        scores, right = np.array(self.scores, float), np.array(self.right, float)
        order = np.argsort(-scores, kind="stable")
        scores, found = scores[order], np.cumsum(right[order])
        last = np.append(np.diff(scores) != 0, True)[: len(scores)]
        precision = (found / np.arange(1, len(scores) + 1))[last]
        recall = found[last] / self.labels if self.labels else np.full(int(last.sum()), np.nan)
        return DetectionCurve(scores[last], precision, recall, self.labels)

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON: average precision, best F1 and the score for it, number of labels and detections."""
        curve = self.curve()
        threshold, f1 = curve.best()
        return {
            "average_precision": curve.average_precision if self.labels else None,
            "best_f1": f1,
            "best_score": None if np.isnan(threshold) else threshold,
            "labels": self.labels,
            "detections": len(self.scores),
        }
