"""NAIP's aerial images as recipes need them: the latest of a period."""

from __future__ import annotations

from collections.abc import Sequence

import ee

from rsbot_beam.data.period import Period
from rsbot_beam.earthengine.composites import in_period, reduce_images

AERIAL_IMAGES = "USDA/NAIP/DOQQ"


def mosaic(region: ee.Geometry, period: Period, bands: Sequence[str]) -> ee.Image:
    """The latest aerial image of a period at each pixel.

    Args:
        region: For `filterBounds`.
        period: Days to look at; each state is flown every two or three years.
        bands: Of R, G, B, N, uint8; images that lack one of them are not used, as those in true colour lack N.

    Returns:
        Image with `bands`; pixels that were not flown are masked, all of them where there is no image.
    """
    images = in_period(AERIAL_IMAGES, region, period)
    for band in bands:
        images = images.filter(_has_band(band))
    return reduce_images(images.sort("system:time_start"), bands, "uint8", "mosaic")


def _has_band(band: str) -> ee.Filter:
    # Images of an endpoint that does not list the bands as a property are taken to have them all.
    listed = ee.Filter.notNull(["system:band_names"])
    return ee.Filter.Or(ee.Filter.listContains("system:band_names", band), listed.Not())
