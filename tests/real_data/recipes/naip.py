"""Aerial imagery in a UTM zone of NAD83."""

from __future__ import annotations

from dataclasses import dataclass

import ee

from rsbot_beam import Band, Recipe


@dataclass(frozen=True, kw_only=True)
class Naip(Recipe):
    name = "naip"
    description = "NAIP: red, green, blue, near infrared"
    bands = tuple(Band(name, "uint8", "digital number") for name in ("R", "G", "B", "N"))

    resolution: float = 5.0

    def inputs(self, region, period):
        return ee.Image("projects/real/assets/naip")


recipe = Naip()
