"""Who owns which part of the globe in a `utm` grid.

The globe is cut into the 60 standard UTM zones of 6 degrees, each in a northern and a southern half, and the two polar
caps (UPS), without gaps and without overlap (NGA.SIG.0012, "The Universal Grids and the Transverse Mercator and Polar
Stereographic Map Projections", 2014). Zones own their western and northern edge, as tiles own their left and top one: a
point on the equator is a southern one, because the northern tiles that it is the bottom edge of do not own it.
The exceptions for Norway and Svalbard belong to the military grid reference system, not to the EPSG codes: left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

ZONE_WIDTH = 6.0
"""Degrees of longitude of one UTM zone."""

NORTH_LIMIT = 84.0
"""Degrees: from here to the pole is UPS North (NGA.SIG.0012)."""

SOUTH_LIMIT = -80.0
"""Degrees: below is UPS South (NGA.SIG.0012)."""

UPS_NORTH = "EPSG:32661"
UPS_SOUTH = "EPSG:32761"

_UTM_CODE = re.compile(r"EPSG:32([67])(0[1-9]|[1-5][0-9]|60)")


@dataclass(frozen=True)
class Zone:
    """A part of the globe and the CRS of its tiles.

    Attributes:
        crs: "EPSG:326zz", "EPSG:327zz", or one of the two UPS codes.
        west: Degrees, in [-180, 180); part of the zone.
        south: Degrees; not part of the zone, but for the pole itself.
        east: Degrees, up to 180; not part of the zone.
        north: Degrees; part of the zone.
    """

    crs: str
    west: float
    south: float
    east: float
    north: float


def wrap_longitude(lon: float) -> float:
    """Returns the same meridian in [-180, 180)."""
    # Adding and subtracting would lose the last bits of longitudes that are fine already.
    return lon if -180.0 <= lon < 180.0 else (lon + 180.0) % 360.0 - 180.0


def zone_at(lon: float, lat: float) -> Zone:
    """Returns the one zone that owns a point, given in degrees; any longitude is wrapped."""
    if lat > NORTH_LIMIT:
        return _NORTH_CAP
    if lat <= SOUTH_LIMIT:
        return _SOUTH_CAP
    # Floor division is exact, so that the last float west of a border stays west of it; zone 31 starts at Greenwich.
    number = int(wrap_longitude(lon) // ZONE_WIDTH) + 31
    return utm_zone(number, north=lat > 0)


def utm_zone(number: int, *, north: bool) -> Zone:
    """Returns a half of UTM zone `number` (1 to 60)."""
    west = -180.0 + ZONE_WIDTH * (number - 1)
    south, top = (0.0, NORTH_LIMIT) if north else (SOUTH_LIMIT, 0.0)
    return Zone(f"EPSG:32{6 if north else 7}{number:02d}", west, south, west + ZONE_WIDTH, top)


def zone_of(crs: str) -> Zone | None:
    """Returns the zone whose tiles are in `crs` ("EPSG:n"), or None where it is neither UTM nor UPS on WGS 84."""
    if crs in (UPS_NORTH, UPS_SOUTH):
        return _NORTH_CAP if crs == UPS_NORTH else _SOUTH_CAP
    match = _UTM_CODE.fullmatch(crs)
    return utm_zone(int(match[2]), north=match[1] == "6") if match else None


def holds(zone: Zone, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Tells which places a zone owns: those for which `zone_at` returns it.

    Args:
        zone: The zone.
        lon: Degrees; any longitude is wrapped.
        lat: Degrees, of the same shape.

    Returns:
        bool, of the same shape; False where a coordinate is not finite.
    """
    with np.errstate(invalid="ignore"):
        wrapped = np.where((lon >= -180.0) & (lon < 180.0), lon, (lon + 180.0) % 360.0 - 180.0)
    # The pole itself lies south of no other zone.
    above = lat >= zone.south if zone.south == -90.0 else lat > zone.south
    return np.asarray((zone.west <= wrapped) & (wrapped < zone.east) & above & (lat <= zone.north))


def zones_within(west: float, south: float, east: float, north: float) -> list[Zone]:
    """Returns the zones that a bbox (degrees, west <= east) touches, ordered by their CRS."""
    return [zone for zone in ZONES if zone.west <= east and west <= zone.east and _meets(zone, south, north)]


def _meets(zone: Zone, south: float, north: float) -> bool:
    return zone.south <= north and south <= zone.north


_NORTH_CAP = Zone(UPS_NORTH, -180.0, NORTH_LIMIT, 180.0, 90.0)
_SOUTH_CAP = Zone(UPS_SOUTH, -180.0, -90.0, 180.0, SOUTH_LIMIT)
ZONES = tuple(
    sorted(
        [utm_zone(number, north=north) for number in range(1, 61) for north in (True, False)]
        + [_NORTH_CAP, _SOUTH_CAP],
        key=lambda zone: zone.crs,
    )
)
"""All 122 zones, ordered by their CRS."""
