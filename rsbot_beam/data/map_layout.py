"""What a map holds, and how its blocks come about: settings that travel to workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.composite import NAME as COMPOSITE
from rsbot_beam.data.composite import Composite
from rsbot_beam.data.stitching import Seams
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileBlock, TileKey

# What a segmentation says of each pixel; and all that can be written, one folder of rasters for each. Of a detection that
# is the composite only.
SAID = ("class", "probability", "probabilities", "entropy")
MAP_BANDS = (*SAID, COMPOSITE)
# The largest class code that leaves 255 for "no data" in a byte.
_LARGEST_BYTE = 254


@dataclass(frozen=True)
class MapLayout:
    """What a map holds.

    Attributes:
        task: "segmentation" or "detection".
        classes: In the order of the model's outputs.
        seams: How patches overlap.
        bands: Which of `MAP_BANDS` are written.
        polygons: Codes of the classes of a segmentation that become polygons.
        least_score: Objects below are not kept.
        composite: How the inputs become a picture, where "composite" is written.
        zoned: Whether each pixel, and object, belongs to the zone that its centre lies in, and tiles of other zones have
            none there: what makes of a `utm` grid's tiles, which overlap along the edges of zones, one map.
    """

    task: str
    classes: tuple[LabelClass, ...]
    seams: Seams
    bands: tuple[str, ...] = ("class",)
    polygons: tuple[int, ...] = ()
    least_score: float = 0.0
    composite: Composite | None = None
    zoned: bool = False

    def __post_init__(self) -> None:
        known = MAP_BANDS if self.task == "segmentation" else (COMPOSITE,)
        unknown = sorted(set(self.bands) - set(known))
        if unknown or (not self.bands and self.task == "segmentation"):
            raise InputError(f"bands {unknown or 'none'} of a {self.task}: choose from {', '.join(known)}")

    @property
    def needed(self) -> tuple[str, ...]:
        """Rasters of `SAID` that are written, and those that polygons are made of."""
        outlined = ("class", "probability") if self.polygons else ()
        return tuple(name for name in SAID if name in self.bands or name in outlined)

    @property
    def class_dtype(self) -> np.dtype:
        """Of the raster of class codes: uint8, or uint16 where the codes need it."""
        return np.dtype(np.uint8 if max(item.code for item in self.classes) <= _LARGEST_BYTE else np.uint16)

    @property
    def nodata(self) -> int:
        """Code of pixels without a prediction: the largest number of the raster's type."""
        return int(np.iinfo(self.class_dtype).max)


def covering_block(keys: Sequence[TileKey]) -> TileBlock:
    """The smallest block that holds tiles of one grid."""
    first, size = keys[0], keys[0].size
    top, left = min(key.row for key in keys), min(key.col for key in keys)
    rows = (max(key.row for key in keys) - top) // size + 1
    cols = (max(key.col for key in keys) - left) // size + 1
    return TileBlock(first.crs, first.resolution, size, top, left, rows, cols, first.origin)


def map_bands(probabilities: np.ndarray, seen: np.ndarray, layout: MapLayout) -> dict[str, np.ndarray]:
    """The rasters of a block.

    Args:
        probabilities: float32 (height, width, classes).
        seen: Pixels with a prediction, bool (height, width).
        layout: Which ones.

    Returns:
        By name of `SAID`: (bands, height, width). `class`: codes, `MapLayout.nodata` where there is no prediction;
        `probability`: of that class; `probabilities`: of all; `entropy`: in units of the logarithm of the number of
        classes, so that 0 is certain and 1 says that all are equally probable. float32 with NaN where there is none.
    """
    rasters: dict[str, np.ndarray] = {}
    number = probabilities.argmax(axis=-1)
    if "class" in layout.needed:
        codes = np.array([item.code for item in layout.classes], layout.class_dtype)
        rasters["class"] = np.where(seen, codes[number], layout.class_dtype.type(layout.nodata))[None]
    if "probability" in layout.needed:
        rasters["probability"] = _floats(np.take_along_axis(probabilities, number[..., None], -1), seen)
    if "probabilities" in layout.needed:
        rasters["probabilities"] = _floats(probabilities, seen)
    if "entropy" in layout.needed:
        rasters["entropy"] = _floats(entropy(probabilities)[..., None], seen)
    return rasters


def _floats(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(bands, height, width) float32 of (height, width, bands), NaN where nothing is seen."""
    return np.where(seen, np.moveaxis(values, -1, 0), np.float32(np.nan)).astype(np.float32, copy=False)


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Shannon's entropy over the last axis, -sum(p ln p) / ln(classes), 0..1; 0 for a single class."""
    count = probabilities.shape[-1]
    if count < 2:
        return np.zeros(probabilities.shape[:-1], np.float32)
    p = np.clip(probabilities, np.finfo(np.float32).tiny, 1.0)
    return np.asarray(-(p * np.log(p)).sum(axis=-1) / np.log(count), np.float32)
