"""Polygons on the globe in longitude and latitude: range checks, and cuts at the antimeridian.

Edges are straight in longitude and latitude, as RFC 7946 section 3.1.1 says.
"""

from __future__ import annotations

import warnings

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry import Polygon, box

from rsbot_beam.errors import RegionError
from rsbot_beam.geometry.polygons import polygons_of, repair

ROUNDING = 1e-9
"""Degrees (0.1 mm): coordinates that stick out no further are rounding noise and are brought back."""

FURTHEST = 360.0
"""Degrees: longitudes of 0..360 and of rings drawn across the antimeridian are understood up to here."""


def checked_lonlat(polygons: list[Polygon], name: str) -> list[Polygon]:
    """Returns the polygons, valid, within longitudes [-180, 180] and latitudes [-90, 90].

    Rings that reach beyond 180 degrees, jump from one side to the other, or wind around a pole are unwrapped, repaired
    and cut at the antimeridian.

    Args:
        polygons: Polygons as the user drew them.
        name: What to call them in messages.

    Raises:
        RegionError: Coordinates that are no longitudes and latitudes; the message says what they may be instead.
    """
    coordinates = shapely.get_coordinates(polygons)
    _check_range(coordinates, name)
    jumps = [_jumps(polygon) for polygon in polygons]
    if any(jumps):
        warnings.warn(
            f"{name}: edges longer than 180 degrees of longitude are taken to cross the antimeridian the short way "
            "(RFC 7946, 3.1.9); add vertices in between if they are meant to go the long way",
            stacklevel=2,
        )
    unwrapped = [_unwrapped(p) if jump else p for p, jump in zip(polygons, jumps, strict=True)]
    return [part for polygon in repair(unwrapped, name) for part in cut_at_antimeridian(polygon)]


def _check_range(coordinates: np.ndarray, name: str) -> None:
    lon, lat = np.abs(coordinates).max(axis=0)
    if lon <= FURTHEST and lat <= 90 + ROUNDING:
        return
    west, south = coordinates.min(axis=0)
    east, north = coordinates.max(axis=0)
    seen = f"{name} reaches from longitude {west:g} to {east:g} and latitude {south:g} to {north:g}"
    if lon <= 90 and lat <= 180:
        raise RegionError(f"{seen}: latitude and longitude are probably swapped; x is the longitude, y the latitude")
    raise RegionError(f"{seen}: these are no degrees but look like metres; give the file its CRS, or write SRID=n;WKT")


def _jumps(polygon: Polygon) -> bool:
    return any(_jump_of(shapely.get_coordinates(ring)[:, 0]).any() for ring in (polygon.exterior, *polygon.interiors))


def _jump_of(lon: np.ndarray) -> np.ndarray:
    """Returns for each edge -360, 0 or 360: what to add to all longitudes after it."""
    step = np.diff(lon)
    # The world's box and Antarctica run along a whole parallel, from one side of the antimeridian to the other.
    along = (np.abs(np.abs(lon[:-1]) - 180) <= ROUNDING) & (np.abs(np.abs(lon[1:]) - 180) <= ROUNDING)
    return np.where((np.abs(step) > 180) & ~along, -360.0 * np.sign(step), 0.0)


def _unwrapped(polygon: Polygon) -> Polygon:
    shell = _unwrapped_ring(shapely.get_coordinates(polygon.exterior))
    holes = [_unwrapped_ring(shapely.get_coordinates(ring)) for ring in polygon.interiors]
    west = shell[:, 0].min()
    # A hole belongs to that turn of the globe in which its shell was unwrapped.
    turns = [360 * np.ceil((west - hole[:, 0].min() - ROUNDING) / 360) for hole in holes]
    return Polygon(shell, [hole + np.array([turn, 0.0]) for hole, turn in zip(holes, turns, strict=True)])


def _unwrapped_ring(ring: np.ndarray) -> np.ndarray:
    lon = ring[:, 0] + np.concatenate([[0.0], np.cumsum(_jump_of(ring[:, 0]))])
    ring = np.column_stack([lon, ring[:, 1]])
    if abs(lon[-1] - lon[0]) <= 180:
        return ring
    # The ring winds once around a pole: which one, the closer one, and the area reaches up to it.
    pole = 90.0 if ring[:, 1].mean() >= 0 else -90.0
    return np.vstack([ring, [lon[-1], pole], [lon[0], pole], ring[:1]])


def cut_at_antimeridian(polygon: Polygon) -> list[Polygon]:
    """Returns the parts of a valid polygon, each brought to longitudes within [-180, 180]."""
    west, south, east, north = polygon.bounds
    if west >= -180 and east <= 180 and south >= -90 and north <= 90:
        return [polygon]
    parts = []
    for turn in range(int(np.floor((west + 180) / 360)), int(np.ceil((east + 180) / 360))):
        globe = box(360 * turn - 180, -90, 360 * turn + 180, 90)
        part = affinity.translate(shapely.intersection(polygon, globe), xoff=-360.0 * turn)
        parts += [p for p in polygons_of(part) if p.bounds[2] - p.bounds[0] > ROUNDING]
    return parts


def longitude_boxes(polygons: list[Polygon]) -> tuple[tuple[float, float, float, float], ...]:
    """Returns one bbox, or two where going over the antimeridian leaves out a wider gap than going over longitude 0.

    Args:
        polygons: Polygons within [-180, 180].

    Returns:
        Boxes (west, south, east, north), west < east; of two the first lies west of the antimeridian (longitudes near
        180), the second east of it.
    """
    west, south, east, north = shapely.bounds(polygons).T
    order = np.argsort(west)
    reach = np.maximum.accumulate(east[order])
    gaps = west[order][1:] - reach[:-1]
    around = west.min() + 360 - east.max()
    if len(gaps) == 0 or gaps.max() <= around:
        return (_box(west, south, east, north),)
    after = np.zeros(len(order), bool)
    after[order[gaps.argmax() + 1 :]] = True
    return tuple(_box(west[side], south[side], east[side], north[side]) for side in (after, ~after))


def _box(west: np.ndarray, south: np.ndarray, east: np.ndarray, north: np.ndarray) -> tuple[float, float, float, float]:
    return float(west.min()), float(south.min()), float(east.max()), float(north.max())
