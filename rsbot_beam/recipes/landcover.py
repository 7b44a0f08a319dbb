"""Plain land cover: a Sentinel-2 composite, labelled by ESA WorldCover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rsbot_beam.data.bands import Band, LabelClass
from rsbot_beam.data.period import Period
from rsbot_beam.recipes.recipe import Recipe

if TYPE_CHECKING:
    import ee

REFLECTANCE = "reflectance * 10000"
WORLD_COVER = "ESA/WorldCover/v200"

# Codes, names and colours as in Earth Engine's data catalog, "ESA WorldCover 10m v200".
WORLD_COVER_CLASSES = (
    LabelClass(10, "Tree cover", "#006400"),
    LabelClass(20, "Shrubland", "#ffbb22"),
    LabelClass(30, "Grassland", "#ffff4c"),
    LabelClass(40, "Cropland", "#f096ff"),
    LabelClass(50, "Built-up", "#fa0000"),
    LabelClass(60, "Bare / sparse vegetation", "#b4b4b4"),
    LabelClass(70, "Snow and ice", "#f0f0f0"),
    LabelClass(80, "Permanent water bodies", "#0064c8"),
    LabelClass(90, "Herbaceous wetland", "#0096a0"),
    LabelClass(95, "Mangroves", "#00cf75"),
    LabelClass(100, "Moss and lichen", "#fae6a0"),
)


@dataclass(frozen=True, kw_only=True)
class LandCover(Recipe):
    """Sentinel-2 median composite of the period, with the classes of ESA WorldCover 2021.

    Attributes:
        clear: Least Cloud Score+ value of a pixel that is used, 0..1.
    """

    name: ClassVar[str] = "landcover"
    description: ClassVar[str] = "Sentinel-2 median composite, labelled by ESA WorldCover 2021 (10 m)"
    bands: ClassVar[tuple[Band, ...]] = (
        Band("B2", "uint16", REFLECTANCE, "blue"),
        Band("B3", "uint16", REFLECTANCE, "green"),
        Band("B4", "uint16", REFLECTANCE, "red"),
        Band("B8", "uint16", REFLECTANCE, "near infrared"),
        Band("B11", "uint16", REFLECTANCE, "short-wave infrared 1"),
        Band("B12", "uint16", REFLECTANCE, "short-wave infrared 2"),
    )
    label_band: ClassVar[Band | None] = Band("landcover", "uint8", "", "class code of ESA WorldCover")
    classes: ClassVar[tuple[LabelClass, ...]] = WORLD_COVER_CLASSES
    assets: ClassVar[tuple[str, ...]] = (
        "COPERNICUS/S2_SR_HARMONIZED",
        "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED",
        WORLD_COVER,
    )

    clear: float = 0.6

    def inputs(self, region: ee.Geometry, period: Period) -> ee.Image:
        """Median of the period's clear observations."""
        from rsbot_beam.earthengine import sentinel2

        return sentinel2.composite(region, period, [band.name for band in self.bands], clear=self.clear)

    def label(self, region: ee.Geometry, period: Period) -> ee.Image:
        """ESA WorldCover, whatever the period: the map is of 2021."""
        import ee

        return ee.ImageCollection(WORLD_COVER).first().select(["Map"], ["landcover"])
