"""Sentinel-2 surface reflectance as recipes need it: cloud-free composites."""

from __future__ import annotations

from collections.abc import Sequence

import ee

from rsbot_beam.data.period import Period

SURFACE_REFLECTANCE = "COPERNICUS/S2_SR_HARMONIZED"
CLOUD_SCORE = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"


def composite(
    region: ee.Geometry, period: Period, bands: Sequence[str], *, clear: float = 0.6, score: str = "cs_cdf"
) -> ee.Image:
    """Median of the clear observations of a period.

    Args:
        region: For `filterBounds`.
        period: Days to look at.
        bands: Names of bands of the collection; digital numbers, reflectance * 10000.
        clear: Least Cloud Score+ value of a pixel that is used, 0 (not clear) to 1 (clear). Its authors recommend 0.50
            to 0.65 (Earth Engine's data catalog, "Cloud Score+ S2_HARMONIZED").
        score: Band of Cloud Score+, `cs_cdf` or `cs`.

    Returns:
        Image with `bands`; pixels without a clear observation are masked.
    """
    start, end = period.start.isoformat(), period.end.isoformat()
    scores = ee.ImageCollection(CLOUD_SCORE)
    images = ee.ImageCollection(SURFACE_REFLECTANCE).filterBounds(region).filterDate(start, end)

    def clear_pixels(image: ee.Image) -> ee.Image:
        return image.select(list(bands)).updateMask(image.select(score).gte(clear))

    return images.linkCollection(scores, [score]).map(clear_pixels).median()
