"""`GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED`: how clear Sentinel-2's pixels are.

The scores follow the true opacity of the sky, with an error of their own: thin cloud is missed, bright ground doubted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rsbot_beam.local_ee.provider import BandInfo, BandPixels, BBox, ImageInfo, PixelGrid
from rsbot_beam.local_ee.world.assets import unknown_band
from rsbot_beam.local_ee.world.calendar import day_of
from rsbot_beam.local_ee.world.clouds import Sky
from rsbot_beam.local_ee.world.hashing import Float32Array, draw, hash_of
from rsbot_beam.local_ee.world.landscape import Landscape
from rsbot_beam.local_ee.world.sentinel2 import Sentinel2, sun_over

BANDS = ("cs", "cs_cdf")
# Weights of veil and shadow in the score, so that the recommended threshold of 0.5 to 0.65 (Pasquarella et al. 2023, CVPR
# EarthVision, "Comprehensive quality assessment of optical satellite imagery") keeps opacities below about 0.2.
_VEIL, _SHADOW = 1.6, 0.75
_ERROR = 0.05  # standard deviation of the score's error in patches of some pixels


class CloudScore:
    """The collection of one world.

    Args:
        sentinel2: The images that are scored.
        landscape: The world's skies.
    """

    asset_id = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
    type = "IMAGE_COLLECTION"

    def __init__(self, sentinel2: Sentinel2, landscape: Landscape) -> None:
        self._sentinel2 = sentinel2
        self._landscape = landscape

    def properties(self) -> dict[str, Any]:
        """Properties of the collection."""
        return {"title": "Cloud Score+ S2_HARMONIZED V1 (simulated)"} | {
            name: value for name, value in self._sentinel2.properties().items() if name == "date_range"
        }

    def images(self, start_ms: int | None, end_ms: int | None, bbox: BBox | None) -> Iterator[ImageInfo]:
        """Its images in time and space: those of Sentinel-2, under the same `system:index`."""
        for scored in self._sentinel2.images(start_ms, end_ms, bbox):
            yield self._scored(scored)

    def image(self, index: str) -> ImageInfo:
        """One image by its `system:index`."""
        return self._scored(self._sentinel2.image(index))

    def pixels(self, index: str, bands: Sequence[str], grid: PixelGrid) -> dict[str, BandPixels]:
        """Scores: 0 (not clear) to 1 (clear), float32."""
        for band in bands:
            if band not in BANDS:
                raise unknown_band(f"{self.asset_id}/{index}", band, BANDS)
        cell, number = self._sentinel2.parse(index)
        kept = self._landscape.kept(grid, cell, day_of(number).year)
        if kept is None:
            empty = np.zeros(grid.shape, dtype=np.float32), np.zeros(grid.shape, dtype=np.bool_)
            return dict.fromkeys(bands, empty)
        sky = self._landscape.sky(grid, kept, number, sun_over(cell, number))
        # One number a day: skies are hazier on some days than on others.
        haze = np.float32(0.1) * draw(hash_of(number, np.array(cell.zone)), 50)
        doubt = np.float32(_ERROR) * kept.clouds.detail + haze
        scores = {band: kept.sites.spread(_score(band, sky, doubt)) for band in bands}
        return {band: (values, kept.sites.valid) for band, values in scores.items()}

    def _scored(self, scored: ImageInfo) -> ImageInfo:
        grid = next(band for band in scored.bands if band.name == "B2")
        bands = tuple(
            BandInfo(name, np.dtype(np.float32), grid.crs, grid.transform, grid.shape, (0.0, 1.0)) for name in BANDS
        )
        names = ("system:index", "system:time_start", "system:time_end", "MGRS_TILE")
        properties = {name: scored.properties[name] for name in names}
        return replace(scored, id=f"{self.asset_id}/{properties['system:index']}", bands=bands, properties=properties)


def _score(band: str, sky: Sky | None, doubt: Float32Array) -> Float32Array:
    clear = np.float32(0.97) - np.abs(doubt)
    if sky is not None:
        veil = 1.0 - (1.0 - sky.opacity) * (1.0 - sky.cirrus)
        clear = clear - np.float32(_VEIL) * veil - np.float32(_SHADOW) * sky.shadow
    clear = np.clip(clear, 0.0, 1.0)
    # cs_cdf is stretched by the score's distribution: clear skies are closer to 1, veiled ones lower.
    return np.asarray(clear if band == "cs" else clear * clear * (3.0 - 2.0 * clear), dtype=np.float32)
