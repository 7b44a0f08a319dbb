"""What a recipe says of the Earth Engine assets that it reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Asset:
    """An asset of Earth Engine's data catalog, or of the user's own.

    Attributes:
        id: Asset id.
        bands: Names of the bands (of a table: columns) that the recipe reads.
        kind: "IMAGE", "IMAGE_COLLECTION" or "TABLE".
        title: Name for people.
        resolution: Pixel size in metres; 0 for a table.
        licence: Terms of use, in one line.
        dated: Whether its images are filtered by the run's period.
    """

    id: str
    bands: tuple[str, ...] = ()
    kind: str = "IMAGE_COLLECTION"
    title: str = ""
    resolution: float = 0.0
    licence: str = ""
    dated: bool = False
