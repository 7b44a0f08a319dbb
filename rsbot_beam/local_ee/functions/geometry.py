"""Geometries: made, measured, changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.collection import Feature, as_feature
from rsbot_beam.local_ee.convert import to_geometry
from rsbot_beam.local_ee.geometries import (
    LONLAT,
    WORLD,
    Geometry,
    geodesic_area,
    geodesic_distance,
    geodesic_length,
    in_metres,
    lists,
    lonlat_box,
    parts_of,
    project,
    wrap,
)
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.types import Projection
from rsbot_beam.local_ee.values import Value


def _made(kind: str, coordinates: Value, crs: Projection | None, geodesic: bool | None) -> Geometry:
    code = LONLAT if crs is None else crs.crs
    try:
        shape = shapely.geometry.shape({"type": kind, "coordinates": coordinates})
    except (TypeError, ValueError, IndexError, shapely.errors.ShapelyError) as error:
        raise RequestError(f"GeometryConstructors.{kind}: Invalid coordinates {str(coordinates)[:200]}.") from error
    if code == LONLAT:
        shape = wrap(shape) if not shape.is_empty else shape
    if not shape.is_valid:
        shape = shapely.make_valid(shape)
    return Geometry(shape, code, (code == LONLAT) if geodesic is None else geodesic)


def _paired(flat: Value) -> list[Any]:
    """Coordinates as pairs, also where they were given as one flat list of numbers."""
    if flat and isinstance(flat[0], (int, float)):
        return [list(pair) for pair in zip(flat[::2], flat[1::2], strict=True)]
    return list(flat)


@function("GeometryConstructors.Point")
def point(coordinates: list, crs: Projection | None = None) -> Geometry:
    """A point."""
    return _made("Point", coordinates, crs, None)


@function("GeometryConstructors.MultiPoint")
def multi_point(coordinates: list, crs: Projection | None = None) -> Geometry:
    """Points."""
    return _made("MultiPoint", _paired(coordinates), crs, None)


@function("GeometryConstructors.LineString")
def line_string(
    coordinates: list,
    crs: Projection | None = None,
    geodesic: bool | None = None,
    max_error: Value = None,
) -> Geometry:
    """A line."""
    return _made("LineString", _paired(coordinates), crs, geodesic)


@function("GeometryConstructors.LinearRing")
def linear_ring(
    coordinates: list,
    crs: Projection | None = None,
    geodesic: bool | None = None,
    max_error: Value = None,
) -> Geometry:
    """A closed line."""
    pairs = _paired(coordinates)
    return _made("LineString", [*pairs, pairs[0]] if pairs[0] != pairs[-1] else pairs, crs, geodesic)


@function("GeometryConstructors.MultiLineString")
def multi_line_string(
    coordinates: list,
    crs: Projection | None = None,
    geodesic: bool | None = None,
    max_error: Value = None,
) -> Geometry:
    """Lines."""
    return _made("MultiLineString", coordinates, crs, geodesic)


@function("GeometryConstructors.Polygon")
def polygon(
    coordinates: list,
    crs: Projection | None = None,
    geodesic: bool | None = None,
    max_error: Value = None,
    even_odd: bool = True,
) -> Geometry:
    """A polygon: an outer ring and holes."""
    rings = [_paired(coordinates)] if coordinates and isinstance(coordinates[0], (int, float)) else coordinates
    if rings and isinstance(rings[0], Geometry):
        rings = [list(ring.shape.coords) for ring in rings if isinstance(ring, Geometry)]
    return _made("Polygon", rings, crs, geodesic)


@function("GeometryConstructors.MultiPolygon")
def multi_polygon(
    coordinates: list,
    crs: Projection | None = None,
    geodesic: bool | None = None,
    max_error: Value = None,
    even_odd: bool = True,
) -> Geometry:
    """Polygons."""
    return _made("MultiPolygon", coordinates, crs, geodesic)


@function("GeometryConstructors.MultiGeometry")
def multi_geometry(
    geometries: list,
    crs: Projection | None = None,
    geodesic: bool | None = None,
    max_error: Value = None,
) -> Geometry:
    """Geometries of any kind together."""
    return Geometry(shapely.GeometryCollection([to_geometry(item).lonlat for item in geometries]))


@function("GeometryConstructors.Rectangle")
def rectangle(
    coordinates: list, crs: Projection | None = None, geodesic: bool | None = None, even_odd: bool = True
) -> Geometry:
    """A rectangle of its minimum and maximum corners."""
    flat = [number for pair in _paired(coordinates) for number in pair]
    if len(flat) != 4:
        raise RequestError(f"GeometryConstructors.Rectangle: needs two corners, got {coordinates}.")
    code = LONLAT if crs is None else crs.crs
    shape = lonlat_box(*flat) if code == LONLAT else shapely.box(*flat)
    return Geometry(shape, code, (code == LONLAT) if geodesic is None else geodesic)


@function("GeometryConstructors.BBox")
def bbox(west: float, south: float, east: float, north: float) -> Geometry:
    """A rectangle in degrees; west > east crosses the antimeridian."""
    return Geometry(lonlat_box(west, south, east, north), LONLAT, geodesic=False)


def _on_both(name: str, change: Callable[..., Geometry]) -> None:
    """Registers a change for geometries and for features."""

    @function(f"Geometry.{name}")
    def on_geometry(geometry: Geometry, max_error: Value = None, proj: Value = None) -> Geometry:
        return change(geometry)

    @function(f"Feature.{name}")
    def on_feature(feature: Feature, max_error: Value = None, proj: Value = None) -> Feature:
        return replace(as_feature(feature), geometry=change(to_geometry(feature)))


_on_both("centroid", lambda geometry: in_metres(geometry, shapely.centroid))
_on_both("bounds", lambda geometry: Geometry(shapely.envelope(geometry.lonlat), LONLAT, geodesic=False))
_on_both("convexHull", lambda geometry: geometry.map(shapely.convex_hull))
_on_both("dissolve", lambda geometry: geometry.map(shapely.union_all))


@function("Geometry.buffer")
def buffer(geometry: Geometry, distance: float, max_error: Value = None, proj: Value = None) -> Geometry:
    """Grown by metres, or shrunk."""
    grown = in_metres(geometry, lambda shape: shapely.buffer(shape, distance))
    return replace(grown, shape=wrap(grown.shape)) if not grown.shape.is_empty else grown


@function("Feature.buffer")
def buffer_feature(feature: Feature, distance: float, max_error: Value = None, proj: Value = None) -> Feature:
    """Grown by metres, or shrunk."""
    return replace(as_feature(feature), geometry=buffer(to_geometry(feature), distance))


def _simplified(geometry: Geometry, max_error: Value) -> Geometry:
    metres = max_error if isinstance(max_error, (int, float)) else getattr(max_error, "value", 1)
    return in_metres(geometry, lambda shape: shapely.simplify(shape, float(metres)))


@function("Geometry.simplify")
def simplify(geometry: Geometry, max_error: Value, proj: Value = None) -> Geometry:
    """Fewer points, at most so many metres away."""
    return _simplified(geometry, max_error)


@function("Feature.simplify")
def simplify_feature(feature: Feature, max_error: Value, proj: Value = None) -> Feature:
    """Fewer points, at most so many metres away."""
    return replace(as_feature(feature), geometry=_simplified(to_geometry(feature), max_error))


@function("Geometry.transform")
def transform(
    geometry: Geometry,
    proj: Projection | None = None,
    max_error: Value = None,
    geodesic: Value = None,
) -> Geometry:
    """In another CRS."""
    code = LONLAT if proj is None else proj.crs
    return Geometry(project(geometry.shape, geometry.crs, code), code, code == LONLAT)


@function("Feature.transform", "ProjectionTransform")
def transform_feature(
    feature: Feature,
    proj: Projection | None = None,
    max_error: Value = None,
    geodesic: Value = None,
) -> Feature:
    """In another CRS."""
    return replace(as_feature(feature), geometry=transform(to_geometry(feature), proj))


def _measure(name: str, measure: Callable[[Geometry], float]) -> None:
    @function(f"Geometry.{name}")
    def on_geometry(geometry: Geometry, max_error: Value = None, proj: Value = None) -> float:
        return measure(geometry)

    @function(f"Feature.{name}")
    def on_feature(feature: Geometry, max_error: Value = None, proj: Value = None) -> float:
        return measure(feature)


_measure("area", geodesic_area)
_measure("perimeter", lambda geometry: geodesic_length(geometry.map(shapely.boundary)))
_measure("length", geodesic_length)


def _pairwise(name: str, combine: Callable[[BaseGeometry, BaseGeometry], Any], makes_geometry: bool) -> None:
    @function(f"Geometry.{name}")
    def on_geometries(left: Geometry, right: Geometry, max_error: Value = None, proj: Value = None) -> Value:
        found = combine(left.lonlat, right.lonlat)
        return Geometry(found) if makes_geometry else bool(found)

    @function(f"Feature.{name}")
    def on_features(left: Feature, right: Feature, max_error: Value = None, proj: Value = None) -> Value:
        one, two = to_geometry(left), to_geometry(right)
        found = combine(one.lonlat, two.lonlat)
        return replace(as_feature(left), geometry=Geometry(found)) if makes_geometry else bool(found)


for _name, _combine in {
    "intersection": shapely.intersection,
    "union": shapely.union,
    "difference": shapely.difference,
    "symmetricDifference": shapely.symmetric_difference,
}.items():
    _pairwise(_name, _combine, makes_geometry=True)
for _name, _test in {
    "intersects": shapely.intersects,
    "contains": shapely.contains,
    "containedIn": shapely.within,
    "disjoint": shapely.disjoint,
}.items():
    _pairwise(_name, _test, makes_geometry=False)


@function("Geometry.distance", "Feature.distance")
def distance(
    left: Geometry, right: Geometry, max_error: Value = None, proj: Value = None, spherical: bool = False
) -> float:
    """Metres between two geometries."""
    return geodesic_distance(left, right)


@function("Geometry.withinDistance", "Feature.withinDistance")
def within_distance(
    left: Geometry,
    right: Geometry,
    distance: float,
    max_error: Value = None,
    proj: Value = None,
) -> bool:
    """Whether two geometries are at most so many metres apart."""
    return geodesic_distance(left, right) <= distance


@function("Geometry.coordinates")
def coordinates(geometry: Geometry) -> list[Any]:
    """Coordinates as in GeoJSON."""
    return list(lists(shapely.geometry.mapping(geometry.shape)).get("coordinates", []))


@function("Geometry.type")
def geometry_type(geometry: Geometry) -> str:
    """The kind of geometry."""
    return str(geometry.shape.geom_type)


@function("Geometry.geometries")
def geometries(geometry: Geometry) -> list[Geometry]:
    """The single geometries of a collection."""
    return [replace(geometry, shape=part) for part in parts_of(geometry.shape)]


@function("Geometry.projection")
def projection(geometry: Geometry) -> Projection:
    """The CRS of its coordinates."""
    return Projection(geometry.crs)


@function("Geometry.geodesic", "Geometry.edgesAreGeodesics")
def is_geodesic(geometry: Geometry) -> bool:
    """Whether edges count as geodesics."""
    return geometry.geodesic


@function("Geometry.isUnbounded")
def is_unbounded(geometry: Geometry) -> bool:
    """Whether it is everywhere."""
    return bool(geometry.shape is WORLD or geometry.lonlat.equals(WORLD))


@function("ErrorMargin")
def error_margin(value: float | None = None, unit: str = "meters") -> float:
    """An error margin: its number; geometries here are exact."""
    return 0.0 if value is None else value
