"""Landsat surface reflectance as a number, without clouds by its quality bits."""

from __future__ import annotations

from dataclasses import dataclass

import ee

from rsbot_beam import Band, LabelClass, Recipe

SCENE = "projects/real/assets/amazon"
CLOUD, WATER = 3, 7  # bits of QA_PIXEL (Landsat 8-9 Collection 2 Level 2 science product guide)


@dataclass(frozen=True, kw_only=True)
class Amazon(Recipe):
    name = "amazon"
    description = "Landsat 8 surface reflectance of cloud-free pixels, labelled by the water bit"
    bands = tuple(Band(f"SR_B{number}", "float32", "reflectance") for number in range(1, 8))
    label_band = Band("water", "uint8")
    classes = (LabelClass(0, "land", "#c2b280"), LabelClass(1, "water", "#0064c8"))

    resolution: float = 600.0

    def inputs(self, region, period):
        scene = ee.Image(SCENE)
        clear = scene.select("QA_PIXEL").bitwiseAnd(1 << CLOUD).eq(0)
        # Scale factors of Collection 2 (same guide).
        return scene.select("SR_B.").multiply(0.0000275).add(-0.2).updateMask(clear)

    def label(self, region, period):
        return ee.Image(SCENE).select("QA_PIXEL").rightShift(WATER).bitwiseAnd(1).rename("water")


recipe = Amazon()
