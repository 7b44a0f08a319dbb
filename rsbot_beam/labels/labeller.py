"""Labels of tiles on a worker: from the index of a run's features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rsbot_beam.data.feature_index import FeatureIndex
from rsbot_beam.data.objects import Objects
from rsbot_beam.geometry.tile import TileKey
from rsbot_beam.labels.painting import label_patch
from rsbot_beam.labels.placing import tile_bboxes


@dataclass(frozen=True)
class Labeller:
    """Paints the labels of tiles. Picklable and small; safe to share between threads.

    Attributes:
        index: The features.
        dtype: Numpy name of the label band's type.
    """

    index: FeatureIndex
    dtype: str = "uint8"

    def label(self, key: TileKey, valid: np.ndarray) -> tuple[np.ndarray, Objects]:
        """Returns the mask (height, width) and the objects of a tile; see `label_patch`.

        Args:
            key: The tile.
            valid: bool (height, width), which pixels have any imagery.
        """
        return label_patch(key, valid, self.index.query(tile_bboxes(key)), self.dtype)
