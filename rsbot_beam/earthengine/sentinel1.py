"""Sentinel-1 backscatter as recipes need it: means over a period."""

from __future__ import annotations

from collections.abc import Sequence

import ee

from rsbot_beam.data.period import Period
from rsbot_beam.earthengine.composites import in_period, reduce_images

GROUND_RANGE = "COPERNICUS/S1_GRD"
POLARISATIONS = ("VV", "VH")


def backscatter(region: ee.Geometry, period: Period, bands: Sequence[str] = POLARISATIONS) -> ee.Image:
    """Mean backscatter of a period in dB, of both directions of flight.

    The mean is taken of dB, which is the geometric mean of the power: unlike the logarithm of the mean power, its bias by
    speckle does not depend on how many images there are, which differs from month to month.

    Args:
        region: For `filterBounds`.
        period: Days to look at.
        bands: Polarisations; images that lack one of them are not used.

    Returns:
        Image with `bands`; pixels without an observation are masked, all of them where there is no image.
    """
    images = in_period(GROUND_RANGE, region, period).filter(ee.Filter.eq("instrumentMode", "IW"))
    for band in bands:
        images = images.filter(ee.Filter.listContains("transmitterReceiverPolarisation", band))
    return reduce_images(images, bands, "float64", "mean")
