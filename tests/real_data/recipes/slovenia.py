"""A time series of single dates, with gaps: steps without an image, and clouds."""

from __future__ import annotations

from dataclasses import dataclass

import ee

from rsbot_beam import Band, LabelClass, Recipe

REFLECTANCE = "reflectance * 10000"


@dataclass(frozen=True, kw_only=True)
class Slovenia(Recipe):
    name = "slovenia"
    description = "Sentinel-2 L1C every ten days, with elevation, labelled by Slovenian land use"
    bands = tuple(Band(name, "uint16", REFLECTANCE) for name in ("B2", "B3", "B4", "B8", "B11"))
    static_bands = (Band("DEM", "int16", "m"),)
    label_band = Band("LULC", "uint8")
    classes = (
        LabelClass(1, "cultivated land", "#ffff00"),
        LabelClass(2, "forest", "#054907"),
        LabelClass(3, "grassland", "#ffa500"),
        LabelClass(4, "shrubland", "#806000"),
        LabelClass(8, "artificial surface", "#ff0000"),
    )

    days: int = 10
    clear: bool = True

    def steps(self, period):
        return len(period.intervals(self.days))

    def inputs(self, region, period):
        names = [band.name for band in self.bands]
        images = ee.ImageCollection("projects/real/assets/slovenia_s2").filterBounds(region)
        if self.clear:
            images = images.map(lambda image: image.updateMask(image.select("clouds").eq(0)))
        # A step may have no image at all: it starts from one that is masked everywhere.
        nothing = ee.Image.constant([0] * len(names)).rename(names).toUint16().selfMask()
        return [
            ee.ImageCollection([nothing])
            .merge(images.filterDate(str(step.start), str(step.end)).select(names))
            .mosaic()
            for step in period.intervals(self.days)
        ]

    def static(self, region, period):
        return ee.Image("projects/real/assets/slovenia_dem")

    def label(self, region, period):
        return ee.Image("projects/real/assets/slovenia_lulc")


recipe = Slovenia()
