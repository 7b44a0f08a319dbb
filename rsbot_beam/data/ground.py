"""Where detections lie on the globe, and how large they are in metres."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from pyproj import Geod

from rsbot_beam.data.detections import Detections
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.crs import LONLAT, crs_object, transformer

_EQUATOR = 6_378_137.0
"""Metres: semi-major axis of WGS 84."""

_FLATTENING = 1 / 298.257223563
"""Of WGS 84."""

_ECCENTRICITY_2 = _FLATTENING * (2 - _FLATTENING)


@functools.lru_cache(maxsize=1)
def wgs84() -> Geod:
    """The ellipsoid on which lengths and areas are measured."""
    return Geod(ellps="WGS84")


@dataclass(frozen=True, eq=False)
class Ground:
    """Centres and sizes of n boxes.

    Attributes:
        lon: float64 (n,), of the centre, degrees in [-180, 180).
        lat: float64 (n,), of the centre, degrees.
        width: float64 (n,), metres along the geodesic through the middles of the left and right edge.
        height: float64 (n,), metres through the middles of the bottom and top edge.
    """

    lon: np.ndarray
    lat: np.ndarray
    width: np.ndarray
    height: np.ndarray

    @property
    def half_diagonal(self) -> np.ndarray:
        """float64 (n,), metres."""
        return np.hypot(self.width, self.height) / 2


def ground_of(detections: Detections) -> Ground:
    """Measures detections.

    Raises:
        InputError: A box lies where its CRS has no longitude and latitude.
    """
    ground = Ground(*np.empty((4, len(detections))))
    for crs in sorted(set(detections.crs)):
        rows = np.flatnonzero(detections.crs == crs)
        measured = _measured(detections.bounds[rows], crs)
        off = ~np.isfinite(np.column_stack(measured)).all(axis=1)
        if off.any():
            bad = rows[int(np.argmax(off))]
            raise InputError(
                f"tile {detections.tile[bad]}: the box {tuple(detections.bounds[bad])} has no longitude and latitude in "
                f"{crs_object(crs).name}"
            )
        ground.lon[rows], ground.lat[rows], ground.width[rows], ground.height[rows] = measured
    return ground


def _measured(bounds: np.ndarray, crs: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Longitude, latitude, width and height of boxes (n, 4) in one CRS."""
    left, bottom, right, top = bounds.T
    x, y = (left + right) / 2, (bottom + top) / 2
    to_lonlat = transformer(crs, LONLAT).transform
    lon, lat = to_lonlat(x, y)
    *_, width = wgs84().inv(*to_lonlat(left, y), *to_lonlat(right, y))
    *_, height = wgs84().inv(*to_lonlat(x, bottom), *to_lonlat(x, top))
    with np.errstate(invalid="ignore"):  # Infinite where there is none, which the caller tells.
        lon = (np.asarray(lon) + 180) % 360 - 180
    return lon, np.asarray(lat), np.asarray(width), np.asarray(height)


def metres_per_degree(lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of one degree of longitude and of latitude on WGS 84, metres, at latitudes in degrees.

    Radii of curvature N and M of the ellipsoid: Snyder, Map Projections - A Working Manual (1987), (4-20) and (4-18).
    """
    phi = np.radians(lat)
    root = 1 - _ECCENTRICITY_2 * np.sin(phi) ** 2
    along_parallel = _EQUATOR / np.sqrt(root) * np.cos(phi)
    along_meridian = _EQUATOR * (1 - _ECCENTRICITY_2) / root**1.5
    return np.radians(along_parallel), np.radians(along_meridian)
