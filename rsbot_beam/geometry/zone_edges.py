"""Where the zones of a `utm` grid meet: which tiles of two CRSs may see the same ground, and which zone owns it.

Tiles are squares in the plane of their zone, whose edges are none there: whole tiles of two zones overlap along a border.
"""

from __future__ import annotations

import math

import numpy as np

from rsbot_beam.geometry.crs import LONLAT, transformer
from rsbot_beam.geometry.tile import Bounds, TileKey
from rsbot_beam.geometry.zones import ZONE_WIDTH, Zone, holds, zone_of

_SCALE = 0.9996
"""Scale on the central meridian of every UTM zone (NGA.SIG.0012)."""

_FALSE_EASTING = 500_000.0
"""Metres: easting of the central meridian (NGA.SIG.0012)."""

_FALSE_NORTHING = 10_000_000.0
"""Metres: northing of the equator in southern zones (NGA.SIG.0012)."""

_SHORTEST_DEGREE = 110_000.0
"""Metres of northing, less than any degree of latitude takes: 110,574 m on WGS 84 at the equator, times 0.9996."""

_EQUATOR_RADIUS = 6_378_137.0
"""Metres: semi-major axis of WGS 84."""


def near_zone_edge(key: TileKey) -> bool:
    """Tells whether the ground of a tile of a `utm` grid may overlap a tile of another zone.

    It may where the tile comes within one tile diagonal of the edge of its zone, as a neighbouring tile that sticks out
    of its own zone can reach that far. False for a CRS that is neither UTM nor UPS.

    Args:
        key: A tile in the CRS of its zone.
    """
    zone = zone_of(key.crs)
    if zone is None:
        return False
    left, bottom, right, top = key.bounds
    margin = math.hypot(right - left, top - bottom)
    grown = (left - margin, bottom - margin, right + margin, top + margin)
    return not _far_inside(zone, grown) and not _inside(zone, grown)


def pixels_in_zone(key: TileKey) -> np.ndarray:
    """Tells which pixels of a tile have their centre in the zone that the tile's CRS names.

    Of all zones' tiles together each place then has one pixel: gaps and overlaps are narrower than a pixel. Tiles away
    from the zone's edge, which are nearly all, are not looked at pixel by pixel.

    Args:
        key: A tile.

    Returns:
        bool (size, size), perhaps read-only; all True for a CRS that is neither UTM nor UPS.
    """
    if not near_zone_edge(key):
        return np.broadcast_to(np.True_, key.shape)
    left, _, _, top = key.bounds
    centres = (np.arange(key.size) + 0.5) * key.resolution
    xs, ys = np.meshgrid(left + centres, top - centres)
    return places_in_zone(key.crs, xs, ys)


def places_in_zone(crs: str, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """Tells which places lie in the zone that their CRS names, by the rule of `zones`.

    Args:
        crs: "EPSG:n".
        xs: In units of the CRS.
        ys: Of the same shape.

    Returns:
        bool, of the same shape; all True for a CRS that is neither UTM nor UPS.
    """
    zone = zone_of(crs)
    if zone is None:
        return np.ones(np.shape(xs), bool)
    lon, lat = transformer(crs, LONLAT).transform(xs, ys)
    return holds(zone, np.asarray(lon), np.asarray(lat))


def _far_inside(zone: Zone, grown: Bounds) -> bool:
    """Settles most tiles of UTM zones without projecting, by a width that a zone has at least at a given northing."""
    if zone.east - zone.west > ZONE_WIDTH:
        return False
    left, bottom, right, top = grown
    equator = _FALSE_NORTHING if zone.south < 0 else 0.0
    # On the other side of the equator as well, where only the number of the zone is right.
    if (top >= equator) if zone.south < 0 else (bottom <= equator):
        return False
    lat = max(abs(bottom - equator), abs(top - equator)) / _SHORTEST_DEGREE
    if lat >= max(-zone.south, zone.north):
        return False
    half_width = _SCALE * _EQUATOR_RADIUS * math.radians(ZONE_WIDTH / 2) * math.cos(math.radians(lat))
    return max(abs(left - _FALSE_EASTING), abs(right - _FALSE_EASTING)) < half_width


def _inside(zone: Zone, grown: Bounds) -> bool:
    left, bottom, right, top = grown
    xs, ys = np.meshgrid(np.linspace(left, right, 3), np.linspace(bottom, top, 3))
    lon, lat = transformer(zone.crs, LONLAT).transform(xs, ys)
    if not (np.isfinite(lon).all() and zone.south <= lat.min() and lat.max() <= zone.north):
        return False
    width = zone.east - zone.west
    middle = (zone.west + zone.east) / 2
    return width > ZONE_WIDTH or bool(np.abs((lon - middle + 180) % 360 - 180).max() <= width / 2)
