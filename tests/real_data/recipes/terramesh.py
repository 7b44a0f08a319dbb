"""TerraMesh: Sentinel-2 L2A scenes and an annual land cover, wherever there are some."""

from __future__ import annotations

from dataclasses import dataclass

import ee

from rsbot_beam import Band, LabelClass, Recipe

REFLECTANCE = "reflectance * 10000"


@dataclass(frozen=True, kw_only=True)
class TerraMesh(Recipe):
    name = "terramesh"
    description = "All bands of Sentinel-2 L2A, labelled by an annual land cover of 10 m"
    bands = tuple(
        Band(name, "uint16", REFLECTANCE)
        for name in ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
    )
    label_band = Band("LULC", "uint8")
    classes = (
        LabelClass(1, "water", "#419bdf"),
        LabelClass(2, "trees", "#397d49"),
        LabelClass(4, "crops", "#e49635"),
        LabelClass(5, "built area", "#c4281b"),
        LabelClass(7, "snow/ice", "#a8ebff"),
        LabelClass(9, "rangeland", "#e3e2c3"),
    )

    def inputs(self, region, period):
        scenes = ee.ImageCollection("projects/real/assets/terramesh_s2")
        return scenes.filterBounds(region).filterDate(str(period.start), str(period.end)).mosaic()

    def label(self, region, period):
        return ee.ImageCollection("projects/real/assets/terramesh_lulc").filterBounds(region).mosaic()


recipe = TerraMesh()
