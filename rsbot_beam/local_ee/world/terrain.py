"""`USGS/SRTMGL1_003`: elevation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import box

from rsbot_beam.local_ee.provider import AssetNotFoundError, BandPixels, BBox, ImageInfo, PixelGrid
from rsbot_beam.local_ee.world.assets import geographic_band, unknown_band
from rsbot_beam.local_ee.world.calendar import MS_PER_DAY, day_number
from rsbot_beam.local_ee.world.landscape import Kept, Landscape
from rsbot_beam.local_ee.world.zones import lonlat

# The shuttle's orbit was inclined by 57 degrees: there are no data further north or south (Farr et al. 2007, Reviews of
# Geophysics 45).
NORTH, SOUTH = 60.0, -56.0
_YEAR = 2000  # of the flight


class Srtm:
    """The image of one world.

    Args:
        landscape: What was measured.
    """

    asset_id = "USGS/SRTMGL1_003"
    type = "IMAGE"

    def __init__(self, landscape: Landscape) -> None:
        self._landscape = landscape

    def properties(self) -> dict[str, Any]:
        """Properties of the image."""
        start = day_number(date(_YEAR, 2, 11)) * MS_PER_DAY
        return {
            "title": "NASA SRTM Digital Elevation 30m (simulated)",
            "system:time_start": start,
            "system:time_end": start + 11 * MS_PER_DAY,
        }

    def images(self, start_ms: int | None, end_ms: int | None, bbox: BBox | None) -> Iterator[ImageInfo]:
        """The image itself."""
        yield self.image("")

    def image(self, index: str) -> ImageInfo:
        """The image; its index is empty."""
        if index:
            raise AssetNotFoundError(f"{self.asset_id} is an image and has no image {index!r}")
        band = geographic_band("elevation", "int16", 1.0 / 3600.0, (-180.0, SOUTH, 180.0, NORTH))
        return ImageInfo(self.asset_id, (band,), self.properties(), box(-180.0, SOUTH, 180.0, NORTH))

    def pixels(self, index: str, bands: Sequence[str], grid: PixelGrid) -> dict[str, BandPixels]:
        """Elevation above the sea, metres, int16."""
        for band in bands:
            if band != "elevation":
                raise unknown_band(self.asset_id, band, ("elevation",))
        values, valid = self._landscape.mosaic(grid, _YEAR, np.int16, _elevation)
        covered = self._landscape.mosaic(grid, _YEAR, np.bool_, _covered)[0].astype(np.bool_)
        return {band: (np.where(covered, values, 0).astype(np.int16), valid & covered) for band in bands}


def _elevation(kept: Kept) -> NDArray[Any]:
    return np.rint(kept.surface.land.elevation)


def _covered(kept: Kept) -> NDArray[Any]:
    cell = kept.sites.cell
    _, south, _, north = cell.bounds
    if north <= NORTH and south >= SOUTH:
        return np.ones(kept.sites.x.size, dtype=np.bool_)
    _, lat = lonlat(cell.zone, kept.sites.x, kept.sites.y)
    return np.asarray((lat <= NORTH) & (lat >= SOUTH))
