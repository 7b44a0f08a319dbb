"""The corners of many rectangles in longitude and latitude, for maps of tiles and blocks."""

from __future__ import annotations

import numpy as np

from rsbot_beam.geometry.crs import LONLAT, transformer


def lonlat_corners(crs: str, left: np.ndarray, bottom: np.ndarray, right: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Corners of rectangles: top left, top right, bottom right, bottom left.

    Args:
        crs: "EPSG:n".
        left: float (n,), units of the CRS, as are the others.
        bottom: float (n,).
        right: float (n,).
        top: float (n,).

    Returns:
        float64 (n, 4, 2), degrees; longitudes of one rectangle may lie on both sides of the antimeridian.
    """
    x, y = np.stack([left, right, right, left], axis=1), np.stack([top, top, bottom, bottom], axis=1)
    lon, lat = transformer(crs, LONLAT).transform(x.ravel(), y.ravel())
    return np.stack([lon, lat], axis=-1).reshape(-1, 4, 2)


def unwrapped(lon: np.ndarray) -> np.ndarray:
    """Corners of rings without jumps: each longitude is at most 180 degrees from that of the first corner.

    Args:
        lon: float (n, corners), degrees.
    """
    return np.asarray(lon[:, :1] + (lon - lon[:, :1] + 180.0) % 360.0 - 180.0)
