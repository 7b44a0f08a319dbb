"""Scores of detected boxes, patch by patch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.detection_scores import DetectionCurve, DetectionTally, box_overlaps
from rsbot_beam.data.patch import Patch
from rsbot_beam.errors import InputError

# Intersections over union at which a box is right: 0.5 as in Pascal VOC; 0.3 where a label of few pixels is drawn roughly.
OVERLAPS = (0.3, 0.5)
# Distances in metres at which a point is right: a pixel or two of Sentinel-2, and half the distance of turbines in a row.
DISTANCES = (25.0, 50.0, 100.0)
MODEL, CENTRE = "model", "box in the centre"


@dataclass
class DetectionScores:
    """Tallies for each class and each way to match.

    Attributes:
        classes: The model's classes, in the order of its outputs.
        resolution: Pixel size in metres.
        usual: By class code, height and width in pixels of the baseline's box; empty for no baseline.
    """

    classes: tuple[LabelClass, ...]
    resolution: float
    usual: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    tallies: dict[str, dict[str, dict[str, DetectionTally]]] = field(init=False)

    def __post_init__(self) -> None:
        names = [MODEL, *([CENTRE] if self.usual else [])]
        self.tallies = {name: {item.name: self._ways() for item in self.classes} for name in names}

    def _ways(self) -> dict[str, DetectionTally]:
        by_overlap = {f"IoU {least:g}": DetectionTally.by_overlap(least) for least in OVERLAPS}
        return by_overlap | {f"{d:g} m": DetectionTally.by_distance(d, self.resolution) for d in DISTANCES}

    def add(self, patch: Patch, outputs: Mapping[str, np.ndarray]) -> float | None:
        """Count a patch.

        Args:
            patch: Raw, with its objects.
            outputs: Of the model: `boxes` float32 (n, 4), `scores` (n,) and `classes` (n,), codes; 0 scores are filling.

        Returns:
            How well the labelled objects are found, from 0 to 1: mean of the best product of overlap and score, whatever the
            class. Where there are none, minus the highest score, or None where nothing was found either.
        """
        if patch.objects is None:
            raise InputError(f"the patch {patch.key} has no boxes to score against")
        there = outputs["scores"] > 0
        boxes, scores, codes = (outputs[name][there] for name in ("boxes", "scores", "classes"))
        for item in self.classes:
            labels = patch.objects.boxes[patch.objects.classes == item.code]
            mine = codes == item.code
            for tally in self.tallies[MODEL][item.name].values():
                tally.add(boxes[mine], scores[mine], labels)
            if item.code in self.usual:
                for tally in self.tallies[CENTRE][item.name].values():
                    tally.add(*self._centre(patch, item.code), labels)
        return _quality(patch, boxes, scores)

    def _centre(self, patch: Patch, code: int) -> tuple[np.ndarray, np.ndarray]:
        middle, half = np.array(patch.key.shape) / 2, np.array(self.usual[code]) / 2
        return np.concatenate([middle - half, middle + half])[None], np.ones(1)

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON: by baseline, class and way to match; `mean` over the classes that occur."""
        return {
            name: {
                "mean": self._mean(name),
                "classes": {
                    label: {way: tally.to_dict() for way, tally in ways.items()} for label, ways in by_class.items()
                },
            }
            for name, by_class in self.tallies.items()
        }

    def _mean(self, name: str) -> dict[str, float | None]:
        found: dict[str, float | None] = {}
        for way in self._ways():
            tallies = [ways[way] for ways in self.tallies[name].values() if ways[way].labels]
            values = [tally.curve().average_precision for tally in tallies]
            found[way] = float(np.mean(values)) if values else None
        return found

    def best_scores(self, way: str = "IoU 0.5") -> dict[int, float]:
        """By class code the score from which on boxes are best taken for right, where F1 is highest.

        Classes of which nothing was found rightly are left out.
        """
        found = {item.code: self.tallies[MODEL][item.name][way].curve().best()[0] for item in self.classes}
        return {code: score for code, score in found.items() if not np.isnan(score)}

    def curves(self, way: str = "IoU 0.5") -> dict[str, DetectionCurve]:
        """Precision and recall of the model by class."""
        return {name: ways[way].curve() for name, ways in self.tallies[MODEL].items()}


def _quality(patch: Patch, boxes: np.ndarray, scores: np.ndarray) -> float | None:
    labels = patch.objects.boxes if patch.objects is not None else np.zeros((0, 4))
    if not len(labels):
        return -float(scores.max()) if len(scores) else None
    if not len(scores):
        return 0.0
    return float((box_overlaps(boxes, labels) * scores[:, None]).max(axis=0).mean())
