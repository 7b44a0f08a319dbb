"""Plain land cover: a Sentinel-2 composite, labelled by ESA WorldCover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rsbot_beam.data.bands import Band, LabelClass
from rsbot_beam.data.period import Period
from rsbot_beam.recipes.assets import Asset
from rsbot_beam.recipes.catalog import CLOUD_SCORE, SENTINEL2, WORLD_COVER, sentinel2_bands, with_bands
from rsbot_beam.recipes.legends import WORLD_COVER_CLASSES
from rsbot_beam.recipes.parameters import check_within
from rsbot_beam.recipes.recipe import Recipe

if TYPE_CHECKING:
    import ee

OPTICAL = ("B2", "B3", "B4", "B8", "B11", "B12")


@dataclass(frozen=True, kw_only=True)
class LandCover(Recipe):
    """Sentinel-2 median composite of the period, with the classes of ESA WorldCover 2021.

    Attributes:
        clear: Least Cloud Score+ value of a pixel that is used, 0..1.
    """

    name: ClassVar[str] = "landcover"
    description: ClassVar[str] = "Sentinel-2 median composite, labelled by ESA WorldCover 2021 (10 m)"
    bands: ClassVar[tuple[Band, ...]] = sentinel2_bands(OPTICAL)
    label_band: ClassVar[Band | None] = Band("landcover", "uint8", "", "class code of ESA WorldCover")
    classes: ClassVar[tuple[LabelClass, ...]] = WORLD_COVER_CLASSES
    assets: ClassVar[tuple[Asset, ...]] = (with_bands(SENTINEL2, OPTICAL), CLOUD_SCORE, WORLD_COVER)

    clear: float = 0.6

    def __post_init__(self) -> None:
        check_within("clear", self.clear, 0.0, 1.0, "the least Cloud Score+ value of a pixel that is used")

    def inputs(self, region: ee.Geometry, period: Period) -> ee.Image:
        """Median of the period's clear observations."""
        from rsbot_beam.earthengine import sentinel2

        return sentinel2.composite(region, period, [band.name for band in self.bands], clear=self.clear)

    def label(self, region: ee.Geometry, period: Period) -> ee.Image:
        """ESA WorldCover, whatever the period: the map is of 2021."""
        import ee

        return ee.ImageCollection(WORLD_COVER.id).first().select(["Map"], ["landcover"])
