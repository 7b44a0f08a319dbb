"""Sentinel-2 surface reflectance as recipes need it: cloud-free composites."""

from __future__ import annotations

from collections.abc import Sequence

import ee

from rsbot_beam.data.period import Period
from rsbot_beam.earthengine.composites import in_period, reduce_images

SURFACE_REFLECTANCE = "COPERNICUS/S2_SR_HARMONIZED"
CLOUD_SCORE = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"


def composite(
    region: ee.Geometry,
    period: Period,
    bands: Sequence[str],
    *,
    clear: float = 0.6,
    score: str = "cs_cdf",
    reducer: str = "median",
) -> ee.Image:
    """The clear observations of a period, reduced pixel by pixel.

    Args:
        region: For `filterBounds`.
        period: Days to look at.
        bands: Names of bands of the collection; digital numbers, reflectance * 10000.
        clear: Least Cloud Score+ value of a pixel that is used, 0 (not clear) to 1 (clear). Its authors recommend 0.50
            to 0.65 (Earth Engine's data catalog, "Cloud Score+ S2_HARMONIZED").
        score: Band of Cloud Score+, `cs_cdf` or `cs`.
        reducer: As for `composites.reduce_images`.

    Returns:
        Image with `bands`; pixels without a clear observation are masked, all of them where there is no image.
    """
    images = in_period(SURFACE_REFLECTANCE, region, period).linkCollection(ee.ImageCollection(CLOUD_SCORE), [score])

    def clear_pixels(image: ee.Image) -> ee.Image:
        return image.select(list(bands)).updateMask(image.select(score).gte(clear))

    return reduce_images(images.map(clear_pixels), bands, "uint16", reducer)
