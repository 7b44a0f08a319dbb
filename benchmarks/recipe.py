"""The recipe that the benchmarks export: the bands of the generated asset as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rsbot_beam import Band, Period, Recipe
from rsbot_beam.data.bands import LabelClass

if TYPE_CHECKING:
    import ee

ASSET = "projects/local/assets/bench"


@dataclass(frozen=True, kw_only=True)
class Bench(Recipe):
    """Six bands of uint16 and a label of uint8."""

    name: ClassVar[str] = "bench"
    description: ClassVar[str] = "pixels of a GeoTIFF, for measuring"
    bands: ClassVar[tuple[Band, ...]] = tuple(Band(name, "uint16") for name in ("B2", "B3", "B4", "B8", "B11", "B12"))
    label_band: ClassVar[Band | None] = Band("landcover", "uint8")
    classes: ClassVar[tuple[LabelClass, ...]] = tuple(
        LabelClass(code, f"class {code}") for code in (10, 20, 30, 40, 50, 60, 80, 90)
    )

    def inputs(self, region: ee.Geometry, period: Period) -> ee.Image:
        """The asset."""
        import ee

        return ee.Image(ASSET)

    def label(self, region: ee.Geometry, period: Period) -> ee.Image:
        """The asset's label band."""
        import ee

        return ee.Image(ASSET)


recipe = Bench()
