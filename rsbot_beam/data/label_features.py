"""What vector features a recipe learns from, named; no features are read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rsbot_beam.errors import RecipeError


@dataclass(frozen=True)
class LabelFeatures:
    """Vector features that become labels: polygons become masks, points become squares of `size` metres.

    Attributes:
        source: Id of a table asset of Earth Engine, or path of a vector file (GeoJSON, GeoPackage, Shapefile, FlatGeobuf,
            GeoParquet, CSV with longitude and latitude; any CRS).
        code: Class code of all features; None where `column` says it.
        column: Property that says a feature's class.
        codes: Class code by value of `column` (as text); empty where the value is the code itself.
            "*" stands for all other values; features with code 0, background, are left out.
        size: Side in metres of the square that a point stands for, parallel to the tile's axes; 0 for a single pixel.
        layer: Layer of a file with several.
        id_column: Property that names a feature; None takes its id or its number in the source.
    """

    source: str
    code: int | None = 1
    column: str | None = None
    codes: Mapping[str, int] = field(default_factory=dict)
    size: float = 0.0
    layer: str | None = None
    id_column: str | None = None

    def __post_init__(self) -> None:
        if (self.code is None) == (self.column is None):
            raise RecipeError(
                f"label features {self.source!r}: give either `code`, one class for all, or `column`, the property that "
                f"says each feature's class (code={self.code!r}, column={self.column!r})"
            )
        if self.size < 0:
            raise RecipeError(f"label features {self.source!r}: size={self.size} m must not be negative")
