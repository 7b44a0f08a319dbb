"""From places in degrees to tiles of a grid, many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import shapely

from rsbot_beam.errors import GridError, InputError
from rsbot_beam.geometry import Cover, Grid, Region, TileKey
from rsbot_beam.geometry.crs import LONLAT, crs_object, transformer
from rsbot_beam.geometry.outline import outline
from rsbot_beam.geometry.projection import furthest
from rsbot_beam.geometry.zones import wrap_longitude

Pixels = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(n,) texts of CRSs, (n,) int64 rows and (n,) int64 columns of pixels, counted as in `TileKey`."""

Accept = Callable[[Sequence[TileKey]], np.ndarray]
"""Tells, as (n,) bool, which tiles may be taken."""


def checked_lonlat(lon: np.ndarray, lat: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns longitudes, wrapped into [-180, 180), and latitudes as (n,) float64.

    Args:
        lon: (n,) degrees, up to 360.
        lat: (n,) degrees.
        what: What to call one of them in messages, such as "point".

    Raises:
        InputError: One is not on the globe, or there are not as many of both.
    """
    lon, lat = np.asarray(lon, float).reshape(-1), np.asarray(lat, float).reshape(-1)
    if len(lon) != len(lat):
        raise InputError(f"{len(lon)} longitudes and {len(lat)} latitudes: each {what} needs both")
    bad = ~((np.abs(lon) <= 360) & (np.abs(lat) <= 90))
    if bad.any():
        n = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"{what} {n} at longitude {lon[n]:g}, latitude {lat[n]:g} is not on the globe ({int(bad.sum())} of "
            f"{len(lon)} are not): give degrees of EPSG:4326, longitude before latitude"
        )
    wrapped = np.array([wrap_longitude(value) for value in lon.tolist()], float)
    return wrapped, lat


def in_region(region: Region, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Tells, as (n,) bool, which points in degrees lie in a region or on its edge (such as the antimeridian)."""
    shapely.prepare(region.geometry)
    return shapely.intersects_xy(region.geometry, lon, lat)


def pixels_at(grid: Grid, lon: np.ndarray, lat: np.ndarray) -> Pixels:
    """Returns the pixels that own points; for a `utm` grid in the zones that own them.

    Args:
        grid: Where pixels are.
        lon: (n,) degrees in [-180, 180).
        lat: (n,) degrees.

    Raises:
        GridError: The grid's CRS has no coordinates for a point.
    """
    crss = np.array([grid.crs_at(*point) for point in zip(lon.tolist(), lat.tolist(), strict=True)], str)
    rows, cols = np.zeros((2, len(crss)), np.int64)
    for chosen, crs in _by_crs(crss):
        x, y = transformer(LONLAT, crs).transform(lon[chosen], lat[chosen])
        lost = ~(np.hypot(x, y) <= furthest(crs_object(crs))) | ~np.isfinite(x + y)
        if lost.any():
            n = np.flatnonzero(chosen)[np.flatnonzero(lost)[0]]
            raise GridError(f"{crs} has no coordinates for longitude {lon[n]:g}, latitude {lat[n]:g}: use `utm`")
        cols[chosen] = np.floor((x - grid.origin[0]) / grid.resolution)
        rows[chosen] = np.floor((grid.origin[1] - y) / grid.resolution)
    return crss, rows, cols


def tiles_centred(grid: Grid, pixels: Pixels) -> list[TileKey]:
    """Returns for each pixel the tile in whose middle it is: its pixel (size // 2, size // 2)."""
    half = grid.patch_size // 2
    crss, rows, cols = (values.tolist() for values in pixels)
    return [
        TileKey(crs, grid.resolution, grid.patch_size, row - half, col - half, grid.origin)
        for crs, row, col in zip(crss, rows, cols, strict=True)
    ]


def centres_in_region(cover: Cover, keys: Sequence[TileKey]) -> np.ndarray:
    """Tells, as (n,) bool, which tiles have their centre in the region (of a `utm` grid: in their own zone's part)."""
    crss = np.array([key.crs for key in keys], str)
    offsets = np.array([(key.row, key.col) for key in keys], np.int64).reshape(-1, 2)
    inside = np.zeros(len(keys), bool)
    for chosen, crs in _by_crs(crss):
        shape = outline(cover.region, cover.grid, crs)
        if shape is not None:
            size = cover.grid.patch_size
            inside[chosen] = shape.holds_centres(offsets[chosen, 0], offsets[chosen, 1], size, size)
    return inside


def _by_crs(crss: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    return ((crss == crs, str(crs)) for crs in np.unique(crss))
