"""Polygons from one CRS into another, with the places in mind where a projection tears: poles, antimeridian, seams."""

from __future__ import annotations

import math

import numpy as np
import shapely
from pyproj import CRS
from shapely.geometry import LineString, Polygon, box
from shapely.geometry.base import BaseGeometry

from rsbot_beam.errors import GridError
from rsbot_beam.geometry.crs import LONLAT, crs_object, transformer
from rsbot_beam.geometry.polygons import Areal, merge, polygons_of, repair
from rsbot_beam.geometry.units import METRES_PER_DEGREE

LONGEST_EDGE = 0.02
"""Degrees. Edges are cut into pieces of this length before projecting, so that the chord is nowhere further than 0.1 m
from the curve: a piece of a parallel bends away by R (0.02 degrees)^2 sin(lat) cos(lat) / 8 <= 0.05 m."""

SLIT = 0.01
"""Metres: half the width of the cut along the antimeridian that keeps its sides apart in projecting; closed later. The
cut follows the meridian in steps of 1.1 km, whose chords are 1 mm off at the edge of a UTM zone."""

FURTHEST = 1e8
"""Metres, two and a half times around the Earth: coordinates further out are on the way to the point at infinity, such
as the opposite pole of a stereographic projection, and would make more tiles than the globe has ground."""

LONGEST_NATIVE_EDGE = 500.0
"""Metres: the same on the way back, from a projected CRS. Near a pole, longitudes bend more: a piece of this length
stays within 0.1 m of the curve up to 86 degrees, (500 m)^2 tan(lat) / 8 R <= 0.07 m."""

_SEAM = 1e-9
"""Degrees (0.1 mm) by which a cut stays away from the seam of a projection, where x jumps to the other side."""

_ROUND_TRIP = 1e-5
"""Degrees (1 m): coordinates that do not come back this close lie where the projection is not one to one."""


def from_lonlat(geometry: Areal, crs: str) -> Areal:
    """Projects polygons in longitude and latitude.

    Args:
        geometry: Valid polygons within [-180, 180], cut at the antimeridian.
        crs: "EPSG:n" of the destination.

    Returns:
        Valid polygons in the destination; what was cut at the antimeridian is joined again where the CRS allows it.

    Raises:
        GridError: Part of the geometry lies where the CRS has no, or no unique, coordinates.
    """
    if crs == LONLAT:
        return geometry
    pieces = _cut_at_seam(polygons_of(geometry), crs_object(crs))
    projected = [_project(shapely.segmentize(piece, LONGEST_EDGE), crs) for piece in pieces]
    parts = repair(polygons_of(shapely.geometrycollections(projected)), "")
    west, _, east, _ = geometry.bounds
    return merge(parts, _rounding(crs) if west == -180 or east == 180 else None)


def _rounding(crs: str) -> float:
    """Returns a micrometre in units of the CRS: enough to close what was cut, too little to be seen."""
    return 1e-11 if crs_object(crs).is_geographic else 1e-6


def _project(polygon: BaseGeometry, crs: str) -> BaseGeometry:
    forward = transformer(LONLAT, crs)
    lonlat = shapely.get_coordinates(polygon)
    x, y = forward.transform(lonlat[:, 0], lonlat[:, 1])
    back = np.column_stack(forward.transform(x, y, direction="INVERSE"))
    with np.errstate(invalid="ignore"):
        off = (back - lonlat + 180) % 360 - 180
        off[:, 0] *= np.cos(np.radians(lonlat[:, 1]))
        bad = ~(np.abs(off).max(axis=1) <= _ROUND_TRIP) | (np.hypot(x, y) > furthest(crs_object(crs)))
    if bad.any():
        lon, lat = lonlat[bad][0]
        raise GridError(
            f"{crs} ({crs_object(crs).name}) cannot hold the region: it has no unique coordinates for longitude "
            f"{lon:g}, latitude {lat:g}. Choose a CRS for this part of the globe, `utm` or `auto`, or cut the region"
        )
    return shapely.set_coordinates(polygon, np.column_stack([x, y]))


def furthest(crs: CRS) -> float:
    """Returns how far from its origin a CRS is taken at its word, in its own units; see `FURTHEST`."""
    return math.inf if crs.is_geographic else FURTHEST / crs.axis_info[0].unit_conversion_factor


def _cut_at_seam(polygons: list[Polygon], crs: CRS) -> list[Polygon]:
    """Cuts polygons along the meridian opposite to the CRS's central one, where x jumps from one side to the other."""
    centre = central_meridian(crs)
    if centre is None or abs(centre) % 360 < _SEAM:
        return polygons
    seam = (centre + 360) % 360 - 180
    halves = [box(-180, -90, seam - _SEAM, 90), box(seam + _SEAM, -90, 180, 90)]
    crossing = [p for p in polygons if p.bounds[0] < seam + _SEAM and p.bounds[2] > seam - _SEAM]
    cut = [part for p in crossing for half in halves for part in polygons_of(shapely.intersection(p, half))]
    return [p for p in polygons if p not in crossing] + cut


def central_meridian(crs: CRS) -> float | None:
    """Returns the longitude in degrees that a projection is centred on, or None where it has none."""
    operation = crs.coordinate_operation
    for parameter in operation.params if operation is not None and crs.is_projected else ():
        if parameter.name.startswith("Longitude of"):
            return float(np.degrees(float(parameter.value) * parameter.unit_conversion_factor))
    return None


def to_lonlat(geometry: Areal, crs: CRS) -> list[Polygon]:
    """Returns polygons of any CRS in longitude and latitude, cut at the antimeridian; a pole may lie inside.

    Args:
        geometry: Valid polygons in `crs`; edges are straight there.
        crs: The source, projected or geographic. Geographic coordinates must be within [-180, 180].

    Returns:
        Polygons within [-180, 180]; they may be invalid by rounding.

    Raises:
        GridError: The CRS has no longitude and latitude for some coordinate.
    """
    name = crs.to_wkt()
    if np.abs(geometry.bounds).max() > furthest(crs):
        raise GridError(_off_the_globe(geometry, crs))
    factor = crs.axis_info[0].unit_conversion_factor
    pieces = geometry if crs.is_geographic else _slit(geometry, name, factor)
    longest = LONGEST_EDGE if crs.is_geographic else LONGEST_NATIVE_EDGE / factor
    dense = shapely.segmentize(pieces, longest)
    x, y = shapely.get_coordinates(dense).T
    lonlat = np.column_stack(transformer(name, LONLAT).transform(x, y))
    if not np.isfinite(lonlat).all():
        raise GridError(_off_the_globe(geometry, crs))
    return polygons_of(shapely.set_coordinates(dense, lonlat if crs.is_geographic else _closed_slit(lonlat)))


def _off_the_globe(geometry: Areal, crs: CRS) -> str:
    return f"{crs.name} has no longitude and latitude for all of {geometry.bounds}: is it the file's CRS?"


def _slit(geometry: Areal, crs: str, factor: float) -> Areal:
    """Cuts a slit of two centimetres along the antimeridian and around the poles, so that no edge crosses either."""
    lat = np.linspace(-90, 90, 18_001)  # every 0.01 degrees: 1.1 km
    line = np.column_stack(transformer(LONLAT, crs).transform(np.full_like(lat, 180.0), lat))
    line = line[np.isfinite(line).all(axis=1)]
    width = SLIT / factor
    left, bottom, right, top = geometry.bounds
    near = shapely.clip_by_rect(
        LineString(line), left - 2 * width, bottom - 2 * width, right + 2 * width, top + 2 * width
    )
    return geometry if near.is_empty else merge(polygons_of(shapely.difference(geometry, near.buffer(width))))


def _closed_slit(lonlat: np.ndarray) -> np.ndarray:
    lon, lat = lonlat.T
    gap = 2 * SLIT / METRES_PER_DEGREE
    lat = np.where(90 - np.abs(lat) <= gap, np.sign(lat) * 90, lat)
    lon = np.where((180 - np.abs(lon)) * np.cos(np.radians(lat)) <= gap, np.sign(lon) * 180, lon)
    return np.column_stack([lon, lat])
