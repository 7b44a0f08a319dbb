"""Features on the plane of a tile: projected from their own CRS, and points as squares of metres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from pyproj import Geod
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from rsbot_beam.data.feature_packing import reach_of
from rsbot_beam.data.feature_records import FeatureRecords
from rsbot_beam.errors import GridError
from rsbot_beam.geometry.crs import LONLAT, is_geographic, transformer
from rsbot_beam.geometry.projection import LONGEST_EDGE
from rsbot_beam.geometry.region import Bbox
from rsbot_beam.geometry.tile import TileKey
from rsbot_beam.geometry.units import metres_per_unit
from rsbot_beam.labels.extents import WIDE, lonlat_bboxes

_GEOD = Geod(ellps="WGS84")

_SAMPLES = 9
"""Places along each side of a tile at which its extent in degrees is measured; `reach_of` covers the arcs between."""

_AROUND_TILE = 1.0
"""Degrees: features that reach far are cut this far from a tile, so that the cut is not seen in it, at any scale."""


def tile_bboxes(key: TileKey) -> list[Bbox]:
    """Returns the ground of a tile in degrees: one bbox (west, south, east, north), east > 180 over the antimeridian.

    Raises:
        GridError: The tile lies where its CRS has no longitude and latitude.
    """
    left, bottom, right, top = key.bounds
    x, y = (a.ravel() for a in np.meshgrid(np.linspace(left, right, _SAMPLES), np.linspace(bottom, top, _SAMPLES)))
    lon, lat = transformer(key.crs, LONLAT).transform(x, y)
    there = np.isfinite(lon) & np.isfinite(lat)
    if not there.any():
        raise GridError(f"the tile {key} lies where {key.crs} has no longitude and latitude: choose another CRS")
    bbox = lonlat_bboxes(lon[there], lat[there], np.zeros(1, int))
    for pole in () if is_geographic(key.crs) else (-90.0, 90.0):
        px, py = transformer(LONLAT, key.crs).transform(0.0, pole)
        if left <= px <= right and bottom <= py <= top:
            bbox = np.array([[-180.0, min(pole, bbox[0, 1]), 180.0, max(pole, bbox[0, 3])]])
    west, south, east, north = reach_of(bbox)[0].tolist()
    return [(west, south, east, north)]


def place_features(records: FeatureRecords, key: TileKey) -> np.ndarray:
    """Returns features in the CRS of a tile, vertex by vertex, points with a size as squares.

    Args:
        records: Features near the tile.
        key: The tile.

    Returns:
        object (n,), shapely geometries; those that reach far are cut around the tile, and may be empty.

    Raises:
        GridError: The tile's CRS has no coordinates for a vertex.
    """
    geometries = records.geometries()
    names = np.array(records.crs, object)
    wide = _wide(records.bboxes)
    if wide.any():
        around = _boxes_around(key)
        geometries[wide] = [_cut(geometry, around) for geometry in geometries[wide]]
    for name in dict.fromkeys(records.crs):
        rows = np.flatnonzero(names == name)
        geometries[rows] = _projected(geometries[rows], name, key, [records.ids[row] for row in rows.tolist()])
    if is_geographic(key.crs):
        _turn_points(geometries, key)
    squared = np.flatnonzero(records.sizes > 0)
    if len(squared):
        geometries[squared] = squares(geometries[squared], records.sizes[squared], key)
    return geometries


def _wide(bboxes: np.ndarray) -> np.ndarray:
    west, south, east, north = bboxes.T
    return (east - west > WIDE) | (north - south > WIDE) | (east > 180)


def _projected(geometries: np.ndarray, crs: str, key: TileKey, ids: Sequence[str]) -> np.ndarray:
    if crs == key.crs:
        return geometries
    coordinates, owners = shapely.get_coordinates(geometries, return_index=True)
    projected = np.column_stack(transformer(crs, key.crs).transform(coordinates[:, 0], coordinates[:, 1]))
    off = ~np.isfinite(projected).all(axis=1)
    if off.any():
        first = int(np.argmax(off))
        raise GridError(
            f"{key.crs} has no coordinates for feature {ids[owners[first]]!r} at {coordinates[first].tolist()} in {crs}, "
            f"which meets the tile {key}: choose a CRS for this part of the globe, or `utm`"
        )
    return np.asarray(shapely.set_coordinates(geometries, projected))


def _turn_points(geometries: np.ndarray, key: TileKey) -> None:
    """Brings points to the turn of the globe in which a tile lies: a square on the antimeridian is in tiles on both sides."""
    rows = np.flatnonzero(shapely.get_type_id(geometries) == shapely.GeometryType.POINT)
    left, _, right, _ = key.bounds
    x = shapely.get_x(geometries[rows])
    geometries[rows] = shapely.points(
        x + 360 * np.round(((left + right) / 2 - x) / 360), shapely.get_y(geometries[rows])
    )


def _boxes_around(key: TileKey) -> BaseGeometry:
    boxes = []
    for west, south, east, north in tile_bboxes(key):
        bottom, top = max(south - _AROUND_TILE, -90.0), min(north + _AROUND_TILE, 90.0)
        run = _AROUND_TILE / max(np.cos(np.radians(min(max(abs(south), abs(north)), 89.0))), 0.01)
        if east - west + 2 * run >= 360:
            return box(-180, bottom, 180, top)
        boxes += [box(west - run + turn, bottom, east + run + turn, top) for turn in (-360, 0, 360)]
    return shapely.intersection(shapely.union_all(boxes), box(-180, -90, 180, 90))


def _cut(geometry: BaseGeometry, around: BaseGeometry) -> BaseGeometry:
    """The part of lon/lat polygons around a tile, its edges in pieces that bend as they should."""
    part = shapely.intersection(geometry, around)
    return shapely.segmentize(part, LONGEST_EDGE)


def squares(points: np.ndarray, sizes: np.ndarray, key: TileKey) -> np.ndarray:
    """Returns squares on the ground around points, parallel to the tile's axes.

    A metre of the plane is not a metre on the ground: EPSG:3857 draws one at 60 degrees of latitude twice as long. So
    both sides are measured on the ellipsoid.

    Args:
        points: object (n,), in the tile's CRS.
        sizes: float64 (n,), sides in metres.
        key: The tile.
    """
    x, y = shapely.get_x(points), shapely.get_y(points)
    half = sizes / 2 / metres_per_unit(key.crs)
    wide = half * sizes / _ground(x - half, y, x + half, y, key.crs)
    high = half * sizes / _ground(x, y - half, x, y + half, key.crs)
    return np.asarray(shapely.box(x - wide, y - high, x + wide, y + high))


def _ground(x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray, crs: str) -> np.ndarray:
    """Metres on the WGS 84 ellipsoid between places of a CRS."""
    to_degrees = transformer(crs, LONLAT)
    return np.asarray(_GEOD.inv(*to_degrees.transform(x0, y0), *to_degrees.transform(x1, y1))[2])
