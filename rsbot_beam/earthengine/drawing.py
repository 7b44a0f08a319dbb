"""Places drawn by Earth Engine. For the main program: needs an initialised client."""

from __future__ import annotations

import ee
import numpy as np

from rsbot_beam.earthengine.images import asked

# Pixels that Earth Engine looks at for a draw, at most: a few seconds of its time, whatever the region's size.
MAX_PIXELS = 4_000_000
_CLASS = "searched"


def draw_places(
    image: ee.Image, region: ee.Geometry, count: int, area: float, resolution: float, seed: int
) -> np.ndarray:
    """Places where an image is 1, at random.

    Args:
        image: One band; 1 where a place may be.
        region: Where to look.
        count: How many, at most.
        area: The region's area in square metres; large regions are looked at in coarser pixels.
        resolution: Pixel size in metres to look at, at least.
        seed: The same seed draws the same places.

    Returns:
        float64 (n, 2), longitude and latitude in degrees; fewer than `count` where there are no more.

    Raises:
        RecipeError: Earth Engine does not have what the image asks for.
        EarthEngineError: It did not answer.
    """
    coarse = max(resolution, (area / MAX_PIXELS) ** 0.5)
    drawn = (
        image.rename(_CLASS)
        .selfMask()
        .toByte()
        .stratifiedSample(
            numPoints=count, classBand=_CLASS, region=region, scale=coarse, seed=seed, dropNulls=True, geometries=True
        )
    )
    features = asked(drawn)["features"]
    return np.array([feature["geometry"]["coordinates"][:2] for feature in features], float).reshape(-1, 2)
