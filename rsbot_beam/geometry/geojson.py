"""Geometries from GeoJSON: RFC 7946, and the `crs` member of its forerunner of 2008, which tools still write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
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
    found = list(_geometry_members(document, source))
    if not found:
        raise RegionError(f"{source} holds no geometry: a region needs at least one polygon")
    geometries = [shape_of(member, source) for member, _ in found]
    return GeometryCollection(geometries), stated_crs([crs for _, crs in found], source)


def _geometry_members(document: object, source: str, crs: object = None) -> Iterator[tuple[dict[str, Any], object]]:
    """Geometries, each with the `crs` member that holds for it: its own before that of what it is in, or None."""
    if not isinstance(document, dict):
        raise RegionError(f"{source} is no GeoJSON: expected an object, found a {type(document).__name__}")
    kind, crs = document.get("type"), document.get("crs") or crs
    if kind == "FeatureCollection":
        for feature in document.get("features") or ():
            yield from _geometry_members(feature, source, crs)
    elif kind == "Feature":
        if document.get("geometry") is not None:
            yield from _geometry_members(document["geometry"], source, crs)
    elif kind == "GeometryCollection" or (kind and "coordinates" in document):
        yield document, crs
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


def stated_crs(members: Iterable[object], source: str) -> CRS:
    """Returns the one CRS of geometries by the `crs` members that hold for them; longitude and latitude for None.

    Raises:
        RegionError: They differ, or name none.
        GridError: PROJ does not know it.
    """
    stated: list[object] = []
    for member in members:
        if member not in stated:
            stated.append(member)
    if len(stated) > 1:
        raise RegionError(f"{source} has geometries of more than one CRS, {_listed(stated)}: bring all into one")
    return crs_object(LONLAT) if stated in ([], [None]) else _named(stated[0], source)


def _listed(members: list[object]) -> str:
    """The first of some `crs` members, for messages."""
    return ", ".join("longitude and latitude" if member is None else json.dumps(member) for member in members[:3])


def _named(member: object, source: str) -> CRS:
    """Returns the CRS that a `crs` member names, by the name of GeoJSON of 2008 or the EPSG code of its drafts.

    Raises:
        RegionError: It names none.
        GridError: PROJ does not know it.
    """
    properties = member.get("properties") if isinstance(member, dict) else None
    name, code = (properties.get(key) if isinstance(properties, dict) else None for key in ("name", "code"))
    if isinstance(member, dict) and member.get("type") == "EPSG" and code is not None:
        name = f"EPSG:{code}"
    if not isinstance(name, str):
        raise RegionError(f"{source} has a `crs` member that names no CRS: {member!r}; give a name such as EPSG:32633")
    return crs_object(name)
