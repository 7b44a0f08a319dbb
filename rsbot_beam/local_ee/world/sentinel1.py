"""`COPERNICUS/S1_GRD`: radar backscatter every twelve days from each side.

One image is a cell of 6 by 8 degrees on one day, as in `sentinel2`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from typing import Any

import numpy as np
from affine import Affine

from rsbot_beam.local_ee.provider import AssetNotFoundError, BandInfo, BandPixels, BBox, ImageInfo, PixelGrid
from rsbot_beam.local_ee.world.assets import unknown_band
from rsbot_beam.local_ee.world.calendar import MS_PER_DAY, day_number, day_of
from rsbot_beam.local_ee.world.hashing import Float32Array
from rsbot_beam.local_ee.world.landscape import Kept, Landscape
from rsbot_beam.local_ee.world.sentinel2 import clock, days_between, in_time
from rsbot_beam.local_ee.world.zones import BANDS as LETTERS
from rsbot_beam.local_ee.world.zones import Cell, cells_in

FIRST_DAY = day_number(date(2014, 10, 3))  # first day of COPERNICUS/S1_GRD
LAST_DAY = day_number(date(2026, 12, 31))
REPEAT_DAYS = 12  # one satellite (Sentinel-1 user handbook)
_PASSES = {"ASCENDING": 18.0, "DESCENDING": 6.0}  # mean local solar time of the node's passes, same source
_PHASE = {"ASCENDING": 0, "DESCENDING": 7}  # days of the cycle
BANDS = {"VV": "float64", "VH": "float64", "angle": "float32"}  # types as in Earth Engine
_NEAR_ANGLE, _FAR_ANGLE = 30.5, 45.5  # degrees of incidence across the swath of IW, same source
_MEAN_ANGLE = 38.0
_DB_PER_DEGREE = 0.12  # backscatter falls with incidence (Mladenova et al. 2013, IEEE TGRS 51)
_SPECKLE = 2.05  # dB: standard deviation of log-gamma noise with 4.4 looks (IW GRDH product definition)
_FLOOR = -32.0  # dB: below the sensor's noise


class Sentinel1:
    """The collection of one world.

    Args:
        landscape: What is seen.
    """

    asset_id = "COPERNICUS/S1_GRD"
    type = "IMAGE_COLLECTION"

    def __init__(self, landscape: Landscape) -> None:
        self._landscape = landscape

    def properties(self) -> dict[str, Any]:
        """Properties of the collection."""
        return {
            "title": "Sentinel-1 SAR GRD: C-band (simulated)",
            "date_range": [FIRST_DAY * MS_PER_DAY, LAST_DAY * MS_PER_DAY],
        }

    def images(self, start_ms: int | None, end_ms: int | None, bbox: BBox | None) -> Iterator[ImageInfo]:
        """Its images in time and space, in order of days."""
        cells = list(cells_in(bbox))
        for number in days_between(start_ms, end_ms, FIRST_DAY, LAST_DAY):
            for cell in cells:
                direction = _direction(cell, number)
                if direction and in_time(_pass_time(cell, number, direction), start_ms, end_ms):
                    yield _info(self.asset_id, cell, number, direction)

    def image(self, index: str) -> ImageInfo:
        """One image by its `system:index`."""
        return _info(self.asset_id, *self._parse(index))

    def pixels(self, index: str, bands: Sequence[str], grid: PixelGrid) -> dict[str, BandPixels]:
        """Backscatter coefficients (dB) and the angle of incidence (degrees)."""
        for band in bands:
            if band not in BANDS:
                raise unknown_band(f"{self.asset_id}/{index}", band, tuple(BANDS))
        cell, number, direction = self._parse(index)
        kept = self._landscape.kept(grid, cell, day_of(number).year)
        if kept is None:
            nothing = np.zeros(grid.shape, dtype=np.bool_)
            return {band: (np.zeros(grid.shape, dtype=BANDS[band]), nothing) for band in bands}
        angle = _incidence(kept, direction)
        echoes = self._echoes(grid, kept, number, angle)
        values = {"VV": echoes[0], "VH": echoes[1], "angle": angle}
        return {band: (kept.sites.spread(values[band].astype(BANDS[band])), kept.sites.valid) for band in bands}

    def _echoes(self, grid: PixelGrid, kept: Kept, number: int, angle: Float32Array) -> Float32Array:
        units = self._landscape.echoes(grid, kept, number)
        values = np.take(units, kept.surface.unit, axis=1)
        values -= (angle - np.float32(_MEAN_ANGLE)) * np.float32(_DB_PER_DEGREE)
        for row in (0, 1):
            values[row] += np.float32(_SPECKLE) * self._landscape.surfaces.grain.speckle(kept.sites, number, row)
        return np.maximum(values, np.float32(_FLOOR))

    def _parse(self, index: str) -> tuple[Cell, int, str]:
        try:
            number = day_number(date(int(index[17:21]), int(index[21:23]), int(index[23:25])))
            code = int(index.rsplit("_", 1)[1], 16)
            cell = Cell(code // 32, code % 32)
        except (ValueError, IndexError) as error:
            raise AssetNotFoundError(f"{self.asset_id}/{index} is not an image's name") from error
        inside = 1 <= cell.zone <= 60 and cell.band < len(LETTERS)
        direction = _direction(cell, number) if inside else None
        if direction is None or _index(cell, number, direction) != index:
            raise AssetNotFoundError(f"{self.asset_id} has no image {index!r}")
        return cell, number, direction


def _direction(cell: Cell, number: int) -> str | None:
    """In which direction the satellite passes a cell on a day, or None where it does not."""
    if not FIRST_DAY <= number <= LAST_DAY:
        return None
    phase = (number - FIRST_DAY + 5 * cell.zone) % REPEAT_DAYS
    return next((name for name, day in _PHASE.items() if day == phase), None)


def _pass_time(cell: Cell, number: int, direction: str) -> int:
    hours = (_PASSES[direction] - cell.centre[0] / 15.0) % 24.0
    return number * MS_PER_DAY + int(hours * 3600) * 1000 + (cell.band * 3 + cell.zone) * 1000


def _index(cell: Cell, number: int, direction: str) -> str:
    seconds = _pass_time(cell, number, direction) // 1000 % 86_400
    day = day_of(number).strftime("%Y%m%d")
    span = f"{day}T{clock(seconds)}_{day}T{clock((seconds + 25) % 86_400)}"
    orbit = (number - FIRST_DAY) * 14 + cell.zone
    return f"S1A_IW_GRDH_1SDV_{span}_{orbit:06d}_{orbit * 7 % 0xFFFFFF:06X}_{cell.zone * 32 + cell.band:04X}"


def _info(asset_id: str, cell: Cell, number: int, direction: str) -> ImageInfo:
    index = _index(cell, number, direction)
    time = _pass_time(cell, number, direction)
    properties = {
        "system:index": index,
        "system:time_start": time,
        "system:time_end": time + 25_000,
        "instrument": "C-SAR",
        "instrumentMode": "IW",
        "orbitProperties_pass": direction,
        "transmitterReceiverPolarisation": ["VV", "VH"],
        "productType": "GRD",
        "platform_number": "A",
        "resolution": "H",
        "resolution_meters": 10,
        "relativeOrbitNumber_start": 1 + (cell.zone * 3 + _PHASE[direction]) % 175,
        "sliceNumber": cell.band + 1,
    }
    return ImageInfo(f"{asset_id}/{index}", _bands_of(cell), properties, cell.footprint)


@cache
def _bands_of(cell: Cell) -> tuple[BandInfo, ...]:
    top = (10_000_000.0 if cell.southern else 0.0) + np.ceil(111.0 * cell.bounds[3]) * 1000.0
    transform = Affine(10.0, 0, 100_000.0, 0, -10.0, top)
    return tuple(
        BandInfo(name, np.dtype(dtype), cell.crs, transform, (90_000, 80_000)) for name, dtype in BANDS.items()
    )


def _incidence(kept: Kept, direction: str) -> Float32Array:
    """Angle of incidence: a swath over the cell, from the west when ascending, from the east when descending."""
    # Swaths are 250 km wide; the zone's eastings repeat them.
    share = np.mod(kept.sites.x / 250e3, 1.0)
    share = share if direction == "ASCENDING" else 1.0 - share
    return np.asarray(_NEAR_ANGLE + (_FAR_ANGLE - _NEAR_ANGLE) * share, dtype=np.float32)
