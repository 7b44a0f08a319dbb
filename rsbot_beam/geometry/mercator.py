"""Web Mercator: the squares of which maps in browsers are made, and where their pixels lie.

The tile matrix set is WebMercatorQuad (OGC 17-083r4, annex D.1): at zoom z, 2**z x 2**z tiles, counted from the north-west.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rsbot_beam.errors import InputError
from rsbot_beam.geometry.tile import Bounds

RADIUS = 6_378_137.0
"""Metres: the semi-major axis of WGS 84, the radius of the sphere of EPSG:3857."""

HALF = math.pi * RADIUS
"""Metres from the middle to an edge of the square."""

MAX_ZOOM = 24
"""At which a pixel of a tile of 256 is 9 mm wide."""

MAX_LATITUDE = math.degrees(math.atan(math.sinh(math.pi)))
"""Where the square ends: 85.05 degrees."""


@dataclass(frozen=True)
class MercatorGrid:
    """Pixels of a picture in Web Mercator.

    Attributes:
        bounds: left, bottom, right, top in metres of EPSG:3857; left and right may lie beyond the square, on another turn
            around the globe.
        shape: (height, width).
    """

    bounds: Bounds
    shape: tuple[int, int]

    @classmethod
    def of_tile(cls, z: int, x: int, y: int, size: int = 256) -> MercatorGrid:
        """The pixels of a tile.

        Args:
            z: Zoom, 0 to `MAX_ZOOM`.
            x: Column from the west, 0 to 2**z - 1.
            y: Row from the north, likewise.
            size: Pixels a side.

        Raises:
            InputError: There is no such tile.
        """
        if not 0 <= z <= MAX_ZOOM:
            raise InputError(f"there is no zoom {z}: it goes from 0 to {MAX_ZOOM}")
        if not (0 <= x < 2**z and 0 <= y < 2**z):
            raise InputError(f"there is no tile {x}/{y} at zoom {z}: both numbers go from 0 to {2**z - 1}")
        side = 2 * HALF / 2**z
        left, top = -HALF + x * side, HALF - y * side
        return cls((left, top - side, left + side, top), (size, size))

    @property
    def resolution(self) -> float:
        """Metres of EPSG:3857 along a pixel's side."""
        return (self.bounds[2] - self.bounds[0]) / self.shape[1]

    def lonlat(self, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Where the centres of the pixels are.

        Args:
            step: Take only each `step`-th row and column, and the last ones.

        Returns:
            Longitude and latitude in degrees, float64 (rows, columns); longitudes on the turn that the bounds are on.
        """
        left, _, _, top = self.bounds
        rows, cols = (_every(side, step) for side in self.shape)
        lon = np.degrees((left + (cols + 0.5) * self.resolution) / RADIUS)
        lat = latitude(top - (rows + 0.5) * (top - self.bounds[1]) / self.shape[0])
        return np.broadcast_to(lon, (len(rows), len(cols))), np.broadcast_to(lat[:, None], (len(rows), len(cols)))


def _every(side: int, step: int) -> np.ndarray:
    return np.unique(np.append(np.arange(0, side, step), side - 1))


def latitude(y: np.ndarray) -> np.ndarray:
    """Degrees of latitude of northings in EPSG:3857."""
    return np.degrees(np.arctan(np.sinh(np.asarray(y, float) / RADIUS)))


def northing(lat: np.ndarray) -> np.ndarray:
    """Northings in EPSG:3857 of degrees of latitude; those beyond the square are brought to its edge."""
    inside = np.radians(np.clip(np.asarray(lat, float), -MAX_LATITUDE, MAX_LATITUDE))
    return np.asarray(RADIUS * np.arcsinh(np.tan(inside)))


def picture_grid(west: float, south: float, east: float, north: float, max_side: int) -> MercatorGrid:
    """The pixels of a picture of a place, square, with at most `max_side` along the longer side.

    Args:
        west: Degrees; may be below -180.
        south: Degrees.
        east: Degrees, above `west`; may be above 180.
        north: Degrees, above `south`.
        max_side: Pixels.

    Raises:
        InputError: The place is empty, or beyond the square.
    """
    left, right = (math.radians(lon) * RADIUS for lon in (west, east))
    bottom, top = northing(np.array([south, north])).tolist()
    if not (left < right and bottom < top):
        raise InputError(f"there is nothing to draw between {west}, {south} and {east}, {north} in Web Mercator")
    resolution = max(right - left, top - bottom) / max_side
    shape = tuple(max(1, math.ceil(side / resolution - 1e-6)) for side in (top - bottom, right - left))
    height, width = shape
    return MercatorGrid((left, top - height * resolution, left + width * resolution, top), (height, width))
