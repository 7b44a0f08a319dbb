"""Geometry values: a shapely geometry in some CRS, with what Earth Engine asks of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from pyproj import Geod
from pyproj.exceptions import CRSError, ProjError
from shapely.affinity import translate
from shapely.geometry import box, mapping, shape
from shapely.geometry.base import BaseGeometry

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.provider import BBox, transformer
from rsbot_beam.local_ee.values import Value

LONLAT = "EPSG:4326"
WORLD = box(-180, -90, 180, 90)
_GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True, eq=False)
class Geometry:
    """A geometry as a value of the expression graph.

    Edges are straight in the geometry's own CRS; Earth Engine's geodesic edges of long sides are not followed.

    Attributes:
        shape: Coordinates in `crs`, x or longitude first.
        crs: Code of the CRS.
        geodesic: Whether edges count as geodesics: only carried along.
    """

    shape: BaseGeometry
    crs: str = LONLAT
    geodesic: bool = True

    @cached_property
    def lonlat(self) -> BaseGeometry:
        """In longitude and latitude, within -180..180, edges of other CRSs densified."""
        return self.shape if self.crs == LONLAT else project(self.shape, self.crs, LONLAT)

    def to_json(self) -> dict[str, Any]:
        """GeoJSON with Earth Engine's members `geodesic` and, unless EPSG:4326, `crs`."""
        found: dict[str, Any] = dict(mapping(self.shape))
        if self.crs != LONLAT:
            found["crs"] = {"type": "name", "properties": {"name": self.crs}}
        if self.geodesic is False:
            found["geodesic"] = False
        return lists(found)

    def map(self, change: Callable[[BaseGeometry], BaseGeometry]) -> Geometry:
        """The same CRS with another shape."""
        return Geometry(change(self.shape), self.crs, self.geodesic)


def lists(value: Value) -> Value:
    """Tuples turned into lists, as GeoJSON has them."""
    if isinstance(value, (list, tuple)):
        return [lists(item) for item in value]
    if isinstance(value, dict):
        return {key: lists(item) for key, item in value.items()}
    return value


def geometry_from_json(value: dict[str, Any]) -> Geometry:
    """A geometry from GeoJSON, a `crs` member honoured.

    Raises:
        RequestError: When it is not a GeoJSON geometry.
    """
    crs = value.get("crs", LONLAT)
    if isinstance(crs, dict):
        crs = crs.get("properties", {}).get("name", LONLAT)
    try:
        return Geometry(shape(value), crs, bool(value.get("geodesic", True)))
    except (AttributeError, KeyError, TypeError, ValueError, shapely.errors.ShapelyError) as error:
        raise RequestError(f"Invalid GeoJSON geometry: {str(value)[:200]}.") from error


def project(geometry: BaseGeometry, source: str, target: str, segments: int = 32) -> BaseGeometry:
    """A geometry in another CRS; its edges are cut into pieces first, so that they follow the curve.

    Args:
        geometry: Coordinates in `source`.
        source: Code of its CRS.
        target: Code of the CRS wanted.
        segments: Pieces that the longer side of the bounds is cut into.

    Raises:
        RequestError: For an unknown CRS.
    """
    if source == target or geometry.is_empty:
        return geometry
    try:
        change = transformer(source, target)
    except (CRSError, ProjError) as error:
        raise RequestError(f"The CRS of a map projection could not be parsed: {source} or {target}.") from error
    left, bottom, right, top = geometry.bounds
    side = max(right - left, top - bottom)
    dense = shapely.segmentize(geometry, side / segments) if side > 0 else geometry
    return shapely.transform(dense, lambda xy: np.column_stack(change.transform(xy[:, 0], xy[:, 1])))


def lonlat_box(west: float, south: float, east: float, north: float) -> BaseGeometry:
    """A rectangle in degrees; west > east crosses the antimeridian."""
    if east < west:
        east += 360
    if east - west >= 360:
        return box(-180, south, 180, north)
    return wrap(box(west, south, east, north))


def wrap(geometry: BaseGeometry) -> BaseGeometry:
    """Longitudes beyond +-180 cut off and brought back into -180..180."""
    west, _, east, _ = geometry.bounds
    if west >= -180 and east <= 180:
        return geometry
    parts = [
        translate(shapely.clip_by_rect(geometry, -180 + turn, -90, 180 + turn, 90), -turn)
        for turn in range(360 * int(np.floor((west + 180) / 360)), int(east) + 181, 360)
    ]
    return shapely.union_all([part for part in parts if not part.is_empty])


def bbox_of(geometry: BaseGeometry | None) -> BBox | None:
    """(west, south, east, north) in degrees, or None for no geometry."""
    if geometry is None or geometry.is_empty:
        return None
    west, south, east, north = geometry.bounds
    return (west, south, east, north)


def bbox_geometry(bbox: BBox) -> BaseGeometry:
    """The rectangle of a bbox."""
    return lonlat_box(*bbox)


def geodesic_area(geometry: Geometry) -> float:
    """Square metres on the WGS 84 ellipsoid."""
    polygons = [part for part in parts_of(geometry.lonlat) if part.geom_type == "Polygon"]
    return float(sum(abs(_GEOD.geometry_area_perimeter(shapely.orient_polygons(part))[0]) for part in polygons))


def geodesic_length(geometry: Geometry) -> float:
    """Metres of the lines, or of the outlines of the polygons."""
    return float(sum(_GEOD.geometry_length(part) for part in parts_of(geometry.lonlat)))


def geodesic_distance(first: Geometry, second: Geometry) -> float:
    """Metres between the nearest points, on the WGS 84 ellipsoid; 0 where they touch."""
    line = shapely.shortest_line(first.lonlat, second.lonlat)
    return float(_GEOD.geometry_length(line))


def parts_of(geometry: BaseGeometry) -> list[BaseGeometry]:
    """The single geometries of any collection, nested ones too."""
    if hasattr(geometry, "geoms"):
        return [part for member in geometry.geoms for part in parts_of(member)]
    return [geometry]


def in_metres(geometry: Geometry, change: Callable[[BaseGeometry], BaseGeometry]) -> Geometry:
    """Applies something in metres around the geometry's centre (azimuthal equidistant) and comes back to degrees."""
    centre = shapely.box(*geometry.lonlat.bounds).centroid
    local = f"+proj=aeqd +lat_0={centre.y!r} +lon_0={centre.x!r} +datum=WGS84 +units=m"
    forward, back = transformer(LONLAT, local), transformer(local, LONLAT)
    metres = shapely.transform(geometry.lonlat, lambda xy: np.column_stack(forward.transform(xy[:, 0], xy[:, 1])))
    changed = change(metres)
    return Geometry(
        shapely.transform(changed, lambda xy: np.column_stack(back.transform(xy[:, 0], xy[:, 1]))),
        LONLAT,
        geometry.geodesic,
    )
