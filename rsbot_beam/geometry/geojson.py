"""Geometries from GeoJSON: RFC 7946, and the `crs` member of its forerunner of 2008, which tools still write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pyproj import CRS
from shapely.errors import ShapelyError
from shapely.geometry import GeometryCollection, shape
from shapely.geometry.base import BaseGeometry

from rsbot_beam.errors import RegionError
from rsbot_beam.geometry.crs import LONLAT, crs_object


def parse_geojson(text: str, source: str) -> tuple[BaseGeometry, CRS]:
    """Returns the geometries in a GeoJSON text as one collection, and their CRS.

    Args:
        text: Any geometry, Feature or FeatureCollection.
        source: What to call it in messages.

    Raises:
        RegionError: It is no JSON, no GeoJSON, or holds no geometry.
        GridError: PROJ does not know its CRS.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise RegionError(f"{source} is no valid JSON: {error}") from error
    return read_geojson(document, source)


def read_geojson(document: object, source: str) -> tuple[BaseGeometry, CRS]:
    """Returns the geometries in a decoded GeoJSON document; otherwise as `parse_geojson`."""
    geometries = [shape_of(member, source) for member in _geometry_members(document, source)]
    if not geometries:
        raise RegionError(f"{source} holds no geometry: a region needs at least one polygon")
    crs = document.get("crs") if isinstance(document, dict) else None
    return GeometryCollection(geometries), crs_object(LONLAT) if crs is None else named_crs(crs, source)


def _geometry_members(document: object, source: str) -> Iterator[dict[str, Any]]:
    if not isinstance(document, dict):
        raise RegionError(f"{source} is no GeoJSON: expected an object, found a {type(document).__name__}")
    kind = document.get("type")
    if kind == "FeatureCollection":
        for feature in document.get("features") or ():
            yield from _geometry_members(feature, source)
    elif kind == "Feature":
        if document.get("geometry") is not None:
            yield from _geometry_members(document["geometry"], source)
    elif kind == "GeometryCollection" or (kind and "coordinates" in document):
        yield document
    else:
        raise RegionError(
            f"{source} is no GeoJSON: its `type` is {kind!r}, not that of a geometry with coordinates, a Feature or a "
            "FeatureCollection"
        )


def shape_of(member: dict[str, Any], source: str) -> BaseGeometry:
    """Returns the geometry of a GeoJSON geometry object; RegionError, which calls it `source`, for a broken one."""
    try:
        return shape(member)
    except (ShapelyError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise RegionError(f"{source} has a broken {member.get('type')}: {error}") from error


def named_crs(member: object, source: str) -> CRS:
    """Returns the CRS that a `crs` member names.

    Raises:
        RegionError: It names none.
        GridError: PROJ does not know it.
    """
    properties = member.get("properties") if isinstance(member, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(name, str):
        raise RegionError(f"{source} has a `crs` member that names no CRS: {member!r}; give a name such as EPSG:32633")
    return crs_object(name)
