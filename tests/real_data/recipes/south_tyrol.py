"""One Sentinel-2 scene; its own scene classification is the label. Scaled between quantiles."""

from __future__ import annotations

from dataclasses import dataclass

import ee

from rsbot_beam import Band, LabelClass, Preprocessing, Recipe

SCENE = "projects/real/assets/south_tyrol"
QUANTILES = Preprocessing("quantile")


@dataclass(frozen=True, kw_only=True)
class SouthTyrol(Recipe):
    name = "south_tyrol"
    description = "Sentinel-2 L2A and its scene classification"
    bands = tuple(Band(name, "uint16", "reflectance * 10000") for name in ("B4", "B3", "B2", "B8"))
    label_band = Band("SCL", "uint8")
    classes = (LabelClass(4, "vegetation", "#10d22c"), LabelClass(5, "bare soils", "#ffff52"))

    preprocessing: Preprocessing = QUANTILES

    def inputs(self, region, period):
        return ee.Image(SCENE)

    def label(self, region, period):
        # Classes of 4 bits in a file of 16: the cast says that nothing is lost.
        return ee.Image(SCENE).select("SCL").toUint8()


recipe = SouthTyrol()
