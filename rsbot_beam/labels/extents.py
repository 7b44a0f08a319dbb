"""Where features lie on the globe, and a form of them that no projection tears."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from rsbot_beam.data.feature_packing import AROUND
from rsbot_beam.errors import GridError, InputError, RegionError
from rsbot_beam.geometry.crs import LONLAT, crs_object, transformer
from rsbot_beam.geometry.features import Features
from rsbot_beam.geometry.lonlat import checked_lonlat
from rsbot_beam.geometry.polygons import polygons_of, repair
from rsbot_beam.geometry.projection import to_lonlat

WIDE = 10.0
"""Degrees: features that span more reach so far from a tile that they are cut around it before they are projected to its
CRS, which need not hold all of them; 10 degrees from its centre, no projection that tiles are laid out in tears."""

_METRES_PER_DEGREE = 110_574.0
"""Length of the shortest degree of latitude, at the equator (WGS 84): no bbox of so many metres comes out too small."""


class Extents(NamedTuple):
    """Features as the index keeps them, n of them.

    Attributes:
        geometries: object (n,); far-reaching polygons are in longitude and latitude, cut at the antimeridian.
        crs: Name of the CRS of each.
        bboxes: float64 (n, 4), west, south, east, north in degrees, west in [-180, 180), as in `FeatureRecords`.
        points: float64 (n, 2), longitude and latitude of a place on each.
    """

    geometries: np.ndarray
    crs: list[str]
    bboxes: np.ndarray
    points: np.ndarray


def extents_of(features: Features, size: float = 0.0) -> Extents:
    """Returns where features lie; polygons that cross the antimeridian, hold a pole or are `WIDE` become lon/lat.

    Args:
        features: Points, polygons and multipolygons, valid.
        size: Metres: side of the square that a point stands for.

    Raises:
        InputError: Coordinates that are nowhere on the globe.
    """
    geometries = features.geometries.copy()
    crs = [features.crs] * len(features)
    bboxes = _bboxes(geometries, features)
    is_point = shapely.get_type_id(geometries) == shapely.GeometryType.POINT
    sticks_out = _sticks_out(geometries, features.crs)
    turned = is_point & sticks_out
    x, y = shapely.get_x(geometries[turned]), shapely.get_y(geometries[turned])
    geometries[turned] = shapely.points((x + 180) % 360 - 180, y)
    far = ~is_point & (_reach_far(bboxes) | sticks_out)
    for index in np.flatnonzero(far).tolist():
        geometries[index] = _cut_lonlat(geometries[index], features, index)
        crs[index] = LONLAT
        # Again: a pole in its middle is none of a polygon's vertices.
        lon, lat = shapely.get_coordinates(geometries[index]).T
        bboxes[index] = lonlat_bboxes(lon, lat, np.zeros(1, int))[0]
    points = _points_on(geometries, crs)
    half = np.where(is_point, size * math.sqrt(0.5) / _METRES_PER_DEGREE, 0.0)
    return Extents(geometries, crs, _grown(bboxes, half), points)


def _bboxes(geometries: np.ndarray, features: Features) -> np.ndarray:
    coordinates, owners = shapely.get_coordinates(geometries, return_index=True)
    lon, lat = transformer(features.crs, LONLAT).transform(coordinates[:, 0], coordinates[:, 1])
    off = ~(np.isfinite(lon) & np.isfinite(lat))
    if off.any():
        first = int(np.argmax(off))
        x, y = coordinates[first]
        raise InputError(
            f"{features.source}: feature {features.ids[owners[first]]!r} at x={x:g}, y={y:g} has no longitude and latitude "
            f"in {crs_object(features.crs).name}: is it the source's CRS?"
        )
    starts = np.searchsorted(owners, np.arange(len(geometries)))
    return lonlat_bboxes(lon, lat, starts)


def lonlat_bboxes(lon: np.ndarray, lat: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Returns the narrowest bbox of each of n groups of coordinates, over longitude 0 or over the antimeridian.

    Args:
        lon: float64 (m,), degrees, any turn.
        lat: float64 (m,), degrees.
        starts: int (n,), where each group begins; all have at least one member.

    Returns:
        float64 (n, 4), west, south, east, north; west in [-180, 180), east > 180 across the antimeridian; what spans more
        than `AROUND` degrees of longitude spans all of them.
    """
    if not len(starts):
        return np.empty((0, 4))
    ends = [lon, np.where(lon < 0, lon + 360, lon)]
    wests = np.array([np.minimum.reduceat(values, starts) for values in ends])
    easts = np.array([np.maximum.reduceat(values, starts) for values in ends])
    # Over the antimeridian only where that is narrower by more than rounding.
    over = (easts - wests)[1] < (easts - wests)[0] - 1e-9
    west, east = np.where(over, wests[1], wests[0]), np.where(over, easts[1], easts[0])
    around = east - west > AROUND
    west, east = np.where(around, -180, west), np.where(around, 180, east)
    turns = 360 * np.floor((west + 180) / 360)
    south, north = np.minimum.reduceat(lat, starts), np.maximum.reduceat(lat, starts)
    return np.column_stack([west - turns, south, east - turns, north])


def _reach_far(bboxes: np.ndarray) -> np.ndarray:
    west, south, east, north = bboxes.T
    return (east > 180) | (east - west > WIDE) | (north - south > WIDE)


def _sticks_out(geometries: np.ndarray, crs: str) -> np.ndarray:
    """Longitudes of another turn of the globe: a tile in degrees would not see them."""
    if not crs_object(crs).is_geographic:
        return np.zeros(len(geometries), bool)
    return np.abs(shapely.bounds(geometries)[:, [0, 2]]).max(axis=1, initial=0) > 180


def _cut_lonlat(geometry: BaseGeometry, features: Features, index: int) -> BaseGeometry:
    name = f"{features.source}: feature {features.ids[index]!r}"
    crs = crs_object(features.crs)
    is_lonlat = features.crs == LONLAT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # That rings cross the antimeridian is what this is for.
            polygons = checked_lonlat(polygons_of(geometry), name) if crs.is_geographic else polygons_of(geometry)
            lonlat = repair(polygons if is_lonlat else to_lonlat(shapely.multipolygons(polygons), crs), "")
    except (GridError, RegionError) as error:
        raise InputError(f"{name} does not lie on the globe: {error}") from error
    return lonlat[0] if len(lonlat) == 1 else shapely.multipolygons(lonlat)


def _points_on(geometries: np.ndarray, crs: list[str]) -> np.ndarray:
    inside = shapely.point_on_surface(geometries)
    # A polygon without area has no inside.
    empty = shapely.is_empty(inside)
    inside[empty] = shapely.centroid(geometries[empty])
    points = np.empty((len(geometries), 2))
    names = np.array(crs, object)
    for name in set(crs):
        rows = names == name
        x, y = shapely.get_x(inside[rows]), shapely.get_y(inside[rows])
        lon, lat = transformer(name, LONLAT).transform(x, y)
        points[rows] = np.column_stack([(np.asarray(lon) + 180) % 360 - 180, lat])
    return points


def _grown(bboxes: np.ndarray, half: np.ndarray) -> np.ndarray:
    west, south, east, north = bboxes.T
    steepest = np.radians(np.minimum(np.maximum(np.abs(south), np.abs(north)) + half, 89.9))
    run = half / np.cos(steepest)
    turn = np.where(west - run < -180, 360.0, 0.0)
    return np.column_stack(
        [west - run + turn, np.maximum(south - half, -90), east + run + turn, np.minimum(north + half, 90)]
    )
