"""Polygons from whatever geometry: the areal parts of it, repaired, in two dimensions."""

from __future__ import annotations

import warnings

import numpy as np
import shapely
from shapely.geometry import LinearRing, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from rsbot_beam.errors import RegionError

Areal = Polygon | MultiPolygon


def polygons_of(geometry: BaseGeometry) -> list[Polygon]:
    """Returns the non-empty polygons in a geometry, however deeply nested in collections; lines and points are left."""
    parts = shapely.get_parts(geometry)
    nested = shapely.get_type_id(parts) > shapely.GeometryType.POLYGON
    while nested.any():
        parts = np.concatenate([parts[~nested], shapely.get_parts(parts[nested])])
        nested = shapely.get_type_id(parts) > shapely.GeometryType.POLYGON
    areal = (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(parts)
    return list(parts[areal])


def areal_parts(geometry: BaseGeometry, name: str) -> list[Polygon]:
    """Returns the polygons of a user's geometry, flat (2-D), and says what it has to leave out.

    Args:
        geometry: Any geometry, with coordinates in any CRS.
        name: What to call it in messages.

    Returns:
        At least one polygon; they may be invalid and may overlap.

    Raises:
        RegionError: The geometry is empty, has coordinates that are not finite, or no area at all.
    """
    if geometry.is_empty:
        raise RegionError(f"{name} is empty: a region needs at least one polygon")
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise RegionError(f"{name} has coordinates that are not finite (NaN or infinite): mend the source")
    polygons = polygons_of(shapely.force_2d(geometry))
    if not polygons:
        kind = geometry.geom_type
        raise RegionError(f"{name} is a {kind} without area: a region needs polygons; buffer points and lines first")
    if _holds_other_than(geometry, len(polygons)):
        warnings.warn(f"{name}: points and lines have no area and are not part of the region", stacklevel=2)
    return polygons


def _holds_other_than(geometry: BaseGeometry, polygons: int) -> bool:
    parts = shapely.get_parts(geometry)
    return bool(geometry.geom_type == "GeometryCollection" and len(parts) and _leaves(geometry) > polygons)


def _leaves(geometry: BaseGeometry) -> int:
    return sum(_leaves(p) if hasattr(p, "geoms") else not p.is_empty for p in getattr(geometry, "geoms", [geometry]))


def repair(polygons: list[Polygon], name: str) -> list[Polygon]:
    """Returns valid polygons in place of invalid ones, with a warning that names the first fault.

    The outer ring of a bow-tie keeps all its area, and holes are cut out of it wherever they lie: what JTS and GEOS
    call the "structure" method.

    Args:
        polygons: Polygons, valid or not.
        name: What to call them in the warning; an empty text for no warning.
    """
    valid = shapely.is_valid(polygons)
    if valid.all():
        return polygons
    broken = [polygon for polygon, good in zip(polygons, valid, strict=True) if not good]
    if name:
        reason = shapely.is_valid_reason(broken[0])
        warnings.warn(f"{name}: repaired {len(broken)} of {len(polygons)} polygons ({reason})", stacklevel=2)
    good = [polygon for polygon, is_good in zip(polygons, valid, strict=True) if is_good]
    return good + [part for polygon in broken for part in _rebuilt(polygon)]


def _rebuilt(polygon: Polygon) -> list[Polygon]:
    shell = _ring_area(polygon.exterior)
    holes = [_ring_area(ring) for ring in polygon.interiors]
    return polygons_of(shapely.difference(shell, shapely.union_all(holes)) if holes else shell)


def _ring_area(ring: LinearRing) -> BaseGeometry:
    return shapely.union_all(polygons_of(shapely.make_valid(Polygon(ring))))


def merge(polygons: list[Polygon], grid_size: float | None = None) -> Areal:
    """Returns valid polygons as one valid Polygon or MultiPolygon.

    Args:
        polygons: Valid polygons; they may overlap or touch.
        grid_size: Units of the CRS; coordinates are rounded to it, which closes seams of rounding noise.

    Returns:
        The union; empty where nothing with area is left.
    """
    if len(polygons) == 1 and grid_size is None:
        return polygons[0]
    union = shapely.union_all(polygons, grid_size=grid_size)
    if grid_size is not None:
        # A union of one polygon rounds nothing; the second call forgets the grid, which later operations would keep to.
        union = shapely.set_precision(shapely.set_precision(union, grid_size), 0)
    parts = polygons_of(union)
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)
