"""Chips of power plants: many small images as one collection."""

from __future__ import annotations

from dataclasses import dataclass

import ee

from rsbot_beam import Band, LabelClass, Recipe


@dataclass(frozen=True, kw_only=True)
class PowerPlants(Recipe):
    """Plants of all fuels, or of one.

    Attributes:
        fuel: SUN, WND ... or empty for all.
    """

    name = "power_plants"
    description = "Pan-sharpened Landsat 8, labelled by outlines of power plants"
    bands = tuple(Band(name, "uint8", "stretched chip by chip") for name in ("B4", "B3", "B2"))
    label_band = Band("plant", "uint8")
    classes = (
        LabelClass(0, "background", "#000000"),
        LabelClass(1, "solar power plant", "#ffd700"),
        LabelClass(2, "wind power plant", "#87ceeb"),
        LabelClass(3, "other power plant", "#8b0000"),
    )

    fuel: str = ""

    def _mosaic(self, name):
        images = ee.ImageCollection(f"projects/real/assets/{name}")
        if self.fuel:
            images = images.filter(ee.Filter.eq("fuel", self.fuel))
        # Chips overlap: the plant with the largest number is on top.
        return images.sort("plant").mosaic()

    def inputs(self, region, period):
        return self._mosaic("power_plants_l8")

    def label(self, region, period):
        return self._mosaic("power_plants_masks").rename("plant")


recipe = PowerPlants()
