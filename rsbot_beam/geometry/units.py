"""Lengths in the units of a CRS."""

from __future__ import annotations

import functools

from pyproj import CRS

# Length of one degree of latitude on the WGS 84 ellipsoid, mean over the quadrant (10,001,965.7 m / 90).
METRES_PER_DEGREE = 111_132.95


@functools.lru_cache(maxsize=256)
def metres_per_unit(crs: str) -> float:
    """Metres in one unit of the CRS's axes; for degrees the length of one degree of latitude."""
    parsed = CRS.from_user_input(crs)
    if parsed.is_geographic:
        return METRES_PER_DEGREE
    return float(parsed.axis_info[0].unit_conversion_factor)


def resolution_in_metres(crs: str, resolution: float) -> float:
    """Pixel size in metres: north to south for a geographic CRS, on the projection's plane otherwise."""
    return resolution * metres_per_unit(crs)


def unit_of(crs: str) -> str:
    """In what a CRS counts, as it stands behind a number; `utm` is a grid of many."""
    if crs == "utm":
        return "m"
    unit = CRS.from_user_input(crs).axis_info[0].unit_name
    return {"metre": "m", "degree": "°"}.get(unit, unit)
