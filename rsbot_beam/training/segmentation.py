"""Scores of a map's classes, beside baselines, patch by patch."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyproj

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.scores import ConfusionMatrix
from rsbot_beam.geometry import TileKey
from rsbot_beam.models.classes import ClassIndex
from rsbot_beam.training.forest import Forest, labelled_numbers

MODEL, MAJORITY, FOREST = "model", "majority class", "random forest"
# Square metres of a hectare, in which areas are given.
HECTARE = 10_000.0
_ELLIPSOID = pyproj.Geod(ellps="WGS84")


@dataclass
class SegmentationScores:
    """Confusion matrices in hectares of the model and of what it is to be better than.

    Attributes:
        classes: The model's classes, in the order of its outputs.
        majority: Number of the most frequent class of the train split.
        forest: A fitted random forest, or None.
        seed: Of the draw of the forest's pixels.
    """

    classes: tuple[LabelClass, ...]
    majority: int
    forest: Forest | None = None
    seed: int = 0
    matrices: dict[str, ConfusionMatrix] = field(init=False)

    def __post_init__(self) -> None:
        names = [MODEL, MAJORITY, *([FOREST] if self.forest else [])]
        self.matrices = {name: ConfusionMatrix.empty(len(self.classes)) for name in names}
        self._index = ClassIndex(tuple(item.code for item in self.classes))
        self._rng = np.random.default_rng(self.seed)

    def add(self, patch: Patch, outputs: Mapping[str, np.ndarray]) -> float | None:
        """Count a patch.

        Args:
            patch: Raw, with its label.
            outputs: Of the model: `probabilities` float32 (height, width, classes).

        Returns:
            The model's share of right pixels in this patch; None where nothing is labelled.
        """
        labels = labelled_numbers(patch, self._index)
        area = pixel_area(patch.key) / HECTARE
        count = functools.partial(ConfusionMatrix.of, classes=len(self.classes))
        mine = count(labels, outputs["probabilities"].argmax(axis=-1), area=area)
        self.matrices[MODEL] += mine
        self.matrices[MAJORITY] += count(labels, np.full_like(labels, self.majority), area=area)
        if self.forest:
            wanted, found, share = self.forest.score(patch, self._index, self._rng)
            self.matrices[FOREST] += count(wanted, found, area=area / max(share, 1e-9))
        return None if np.isnan(mine.accuracy) else mine.accuracy

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON: scores by name, the model's first."""
        names = [item.name for item in self.classes]
        return {name: matrix.to_dict(names) for name, matrix in self.matrices.items()}


def pixel_area(key: TileKey) -> float:
    """Mean area of a tile's pixels in square metres, on the ellipsoid, whatever the CRS."""
    left, bottom, right, top = key.bounds
    corners = ((left, bottom), (right, bottom), (right, top), (left, top))
    lon, lat = _to_lonlat(key.crs).transform([x for x, _ in corners], [y for _, y in corners])
    area, _ = _ELLIPSOID.polygon_area_perimeter(lon, lat)
    return abs(area) / (key.shape[0] * key.shape[1])


@functools.lru_cache(maxsize=64)
def _to_lonlat(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
