"""The tiles that a run samples, where it does not take all tiles of a region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rsbot_beam.geometry import TileKey

# The value of an attribute that a user's own points carry into the examples.
AttributeValue = float | str


@dataclass(frozen=True)
class Sample:
    """One sampled tile.

    Attributes:
        key: The tile, anywhere on the pixel grid.
        group: Tiles of one group fall in one partition (train, validation, test); empty for a tile whose place decides.
        kind: Why it was drawn: "random", "class 5", "feature", "background", "hard background", "point".
        attributes: What the user's own points carry into the examples, by name: float64 numbers and texts.
    """

    key: TileKey
    group: str = ""
    kind: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
