"""Terrain as recipes need it: elevation and slope."""

from __future__ import annotations

import ee

ELEVATION = "USGS/SRTMGL1_003"


def terrain() -> ee.Image:
    """Elevation in whole metres and slope in degrees, bands `elevation` and `slope`.

    The elevations, 30 m apart, are interpolated: on a finer grid the nearest neighbour makes stairs, whose slope is either
    none or far too steep.
    """
    elevation = ee.Image(ELEVATION).select("elevation").resample("bilinear")
    return elevation.round().toInt16().addBands(ee.Terrain.slope(elevation).rename("slope"))
