"""All scenes of two sensors in one mosaic, as reflectances in the three bands that all of them have."""

from __future__ import annotations

from dataclasses import dataclass

import ee

from rsbot_beam import Band, LabelClass, Recipe

ROOT = "projects/real/assets"
REFLECTANCE = "reflectance * 10000"
NAMES = ["B2", "B3", "B4"]


def landsat(image):
    # Landsat's handbook: the reflectance of level 1 is 0.00002 times the number, minus 0.1 (the sun's height left out).
    return image.select(NAMES).multiply(0.2).subtract(1000).toUint16()


@dataclass(frozen=True, kw_only=True)
class Anywhere(Recipe):
    name = "anywhere"
    description = "Visible light of whatever scene there is, labelled by the land cover of TerraMesh"
    bands = tuple(Band(name, "uint16", REFLECTANCE) for name in NAMES)
    label_band = Band("LULC", "uint8")
    classes = (
        LabelClass(1, "water", "#419bdf"),
        LabelClass(2, "trees", "#397d49"),
        LabelClass(4, "crops", "#e49635"),
        LabelClass(5, "built area", "#c4281b"),
        LabelClass(7, "snow/ice", "#a8ebff"),
        LabelClass(8, "bare ground", "#a59b8f"),
        LabelClass(9, "rangeland", "#e3e2c3"),
    )

    def inputs(self, region, period):
        iguazu = ee.ImageCollection(f"{ROOT}/iguazu").sort("system:time_start").map(landsat)
        single = [ee.Image(f"{ROOT}/{name}").select(NAMES) for name in ("south_tyrol", "west_sahara")]
        terramesh = ee.ImageCollection(f"{ROOT}/terramesh_s2").select(NAMES)
        return iguazu.merge(ee.ImageCollection(single)).merge(terramesh).mosaic()

    def label(self, region, period):
        return ee.ImageCollection(f"{ROOT}/terramesh_lulc").mosaic()


recipe = Anywhere()
