"""Two overlapping Landsat scenes of one pass, the later one on top."""

from __future__ import annotations

from dataclasses import dataclass

import ee

from rsbot_beam import Band, Recipe


@dataclass(frozen=True, kw_only=True)
class Iguazu(Recipe):
    name = "iguazu"
    description = "Landsat 8 level 1 digital numbers"
    bands = tuple(Band(name, "uint16", "digital number") for name in ("B2", "B3", "B4"))

    resolution: float = 60.0

    def inputs(self, region, period):
        scenes = ee.ImageCollection("projects/real/assets/iguazu").filterBounds(region)
        return scenes.filterDate(str(period.start), str(period.end)).sort("system:time_start").mosaic()


recipe = Iguazu()
