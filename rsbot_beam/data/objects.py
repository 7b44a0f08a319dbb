"""Objects of a patch: the boxes that a detector learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects that a tile sees, n of them.

    Attributes:
        boxes: float32 (n, 4), ymin, xmin, ymax, xmax in pixels from the tile's top left corner, at pixel edges: 0 to the
            tile's size, clipped.
        classes: int32 (n,), class codes.
        truncated: bool (n,), whether the tile's edge cuts the object.
        ids: Names of the objects, unique where the source's are; the same object has the same name in every tile.
    """

    boxes: np.ndarray
    classes: np.ndarray
    truncated: np.ndarray
    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        count = len(self.ids)
        object.__setattr__(self, "boxes", np.asarray(self.boxes, np.float32).reshape(count, 4))
        object.__setattr__(self, "classes", np.asarray(self.classes, np.int32).reshape(count))
        object.__setattr__(self, "truncated", np.asarray(self.truncated, bool).reshape(count))

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def none(cls) -> Objects:
        """No objects."""
        return cls(np.empty((0, 4)), np.empty(0), np.empty(0), ())

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON; float32 numbers survive it."""
        return {
            "boxes": self.boxes.astype(float).tolist(),
            "classes": self.classes.tolist(),
            "truncated": self.truncated.tolist(),
            "ids": list(self.ids),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Objects:
        """Inverse of `to_dict`."""
        return cls(content["boxes"], content["classes"], content["truncated"], tuple(content["ids"]))
