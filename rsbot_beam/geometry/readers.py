"""Regions from what users write: a bbox, GeoJSON, WKT, a file of any format, or an object with a geometry."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import ShapelyError
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from rsbot_beam.errors import GridError, RegionError
from rsbot_beam.geometry.crs import LONLAT
from rsbot_beam.geometry.geojson import parse_geojson, read_geojson
from rsbot_beam.geometry.region import Region
from rsbot_beam.geometry.vectors import read_vectors

FORMS = (
    "a bbox `west,south,east,north` in degrees, GeoJSON or WKT text, or the path of a GeoJSON, GeoPackage, Shapefile, "
    "FlatGeobuf or GeoParquet file"
)

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBERS = re.compile(rf"\s*{_NUMBER}(?:\s*,\s*{_NUMBER})+\s*")
_WKT = re.compile(
    r"\s*(?:SRID=(?P<srid>\d+);)?\s*"
    r"(?P<wkt>(?:(?:MULTI)?(?:POINT|LINESTRING|POLYGON|CURVE|SURFACE)|GEOMETRYCOLLECTION|LINEARRING|CURVEPOLYGON)"
    r"(?:\s+Z?M?)?\s*(?:\(|EMPTY).*)",
    re.IGNORECASE | re.DOTALL,
)
_GEOJSON_SUFFIXES = (".geojson", ".json")
_TEXT_SUFFIXES = (*_GEOJSON_SUFFIXES, ".wkt", ".txt")

RegionLike = str | os.PathLike | Mapping | BaseGeometry | Region


def read_region(value: RegionLike, layer: str | None = None) -> Region:
    """Reads a region from whatever a user has at hand.

    Args:
        value: A bbox text `west,south,east,north` in degrees (west > east crosses the antimeridian); GeoJSON as text or
            mapping (any geometry, Feature or FeatureCollection; the legacy `crs` member is honoured); WKT, also with
            `SRID=n;` before it; the path of a file that GDAL reads, or of GeoParquet; a shapely geometry in EPSG:4326;
            any object with `__geo_interface__`, such as a GeoDataFrame, whose `crs` is honoured; or a Region, which is
            returned.
        layer: Which layer of a file with several.

    Raises:
        RegionError: It cannot be read, is empty or without area, or does not lie on the globe; the message says what to
            do.
    """
    if isinstance(value, Region):
        return value
    try:
        if isinstance(value, str):
            return _from_text(value, layer)
        if isinstance(value, os.PathLike):
            return _from_file(Path(value), str(value), layer)
        return _from_object(value)
    except GridError as error:
        raise RegionError(f"the region's coordinate reference system cannot be used: {error}") from error


def _from_text(text: str, layer: str | None) -> Region:
    text = text.removeprefix("\ufeff")  # how texts begin that were saved on Windows
    if not text.strip():
        raise RegionError(f"the region is an empty text: expected {FORMS}")
    wkt = _WKT.fullmatch(text)
    if wkt or _NUMBERS.fullmatch(text) or text.lstrip().startswith("{"):
        _check_no_layer(layer, "a region as text")
    if _NUMBERS.fullmatch(text):
        return _from_bbox(text)
    if text.lstrip().startswith("{"):
        return Region.from_geometry(*parse_geojson(text, "GeoJSON text"), "GeoJSON text")
    if wkt:
        return _from_wkt(wkt["wkt"], wkt["srid"], text)
    return _from_file(Path(text.strip()).expanduser(), text.strip(), layer)


def _from_bbox(text: str) -> Region:
    numbers = [float(number) for number in text.split(",")]
    if len(numbers) != 4:
        raise RegionError(f"{text!r} has {len(numbers)} numbers: a bbox is four, `west,south,east,north` in degrees")
    west, south, east, north = numbers
    if south >= north or west == east:
        raise RegionError(f"bbox {text!r} has no area: the order is `west,south,east,north`, with south < north")
    if max(abs(west), abs(east)) <= 180 and west > east:
        west, east = (west, east + 360) if east <= 0 else (west - 360, east)
        if east - west > 180:
            warnings.warn(
                f"bbox {text.strip()!r} goes from west to east over the antimeridian and is {east - west:g} degrees wide: "
                "exchange west and east if it shall be the other side of the globe",
                stacklevel=2,
            )
    if east < west:
        raise RegionError(f"bbox {text!r} has west > east beyond 180 degrees: the order is `west,south,east,north`")
    outline = box(west, south, east, north)
    if east - west > 180:
        # An edge that long would be taken to go the short way, over the antimeridian; a bbox says which way it goes.
        outline = shapely.segmentize(outline, 90.0)
    return Region.from_geometry(outline, LONLAT, text.strip())


def _from_wkt(wkt: str, srid: str | None, text: str) -> Region:
    source = text.strip() if len(text) <= 60 else f"{text.strip()[:57]}..."
    try:
        geometry = shapely.from_wkt(wkt)
    except (ShapelyError, NotImplementedError) as error:  # GEOS reads curves, but shapely has no such type
        raise RegionError(f"{source!r} is no valid WKT: {error}") from error
    return Region.from_geometry(geometry, f"EPSG:{srid}" if srid else LONLAT, source)


def _from_file(path: Path, source: str, layer: str | None) -> Region:
    if "://" in source:
        raise RegionError(
            f"{source!r} is not on this machine's disk: read it first and give its text, or copy the file"
        )
    try:
        found = path.exists()
    except OSError:  # a long text is no file name
        found = False
    if not found:
        raise RegionError(f"{source[:200]!r} is neither a file that exists nor a region as text: expected {FORMS}")
    if path.suffix.lower() not in _TEXT_SUFFIXES:
        geometries, crs = read_vectors(path, layer)
        return Region.from_geometry(geometries, crs or _assumed_crs(source), source)
    _check_no_layer(layer, repr(source))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RegionError(f"{source!r} cannot be read as text: {error}") from error
    return _from_file_text(text, path, source)


def _check_no_layer(layer: str | None, source: str) -> None:
    if layer is not None:
        raise RegionError(f"{source} has no layers, so there is no {layer!r}: leave the layer out")


def _from_file_text(text: str, path: Path, source: str) -> Region:
    if path.suffix.lower() in _GEOJSON_SUFFIXES or text.lstrip().startswith("{"):
        return Region.from_geometry(*parse_geojson(text, source), source)
    wkt = _WKT.fullmatch(text)
    if not wkt:
        raise RegionError(f"{source!r} holds neither GeoJSON nor WKT, as files named {path.suffix} should")
    region = _from_wkt(wkt["wkt"], wkt["srid"], text)
    return Region(region.geometry, source, region.native_crs, region.native)


def _assumed_crs(source: str) -> str:
    warnings.warn(f"{source} does not say its CRS: taken as longitude and latitude ({LONLAT})", stacklevel=2)
    return LONLAT


def _from_object(value: object) -> Region:
    source = type(value).__name__
    if isinstance(value, BaseGeometry):
        return Region.from_geometry(value, LONLAT, source)
    if isinstance(value, Mapping):
        return Region.from_geometry(*read_geojson(dict(value), "GeoJSON"), "GeoJSON")
    if not hasattr(value, "__geo_interface__"):
        raise RegionError(f"a {source} is no region: expected {FORMS}, or an object with a geometry")
    geometry, crs = read_geojson(dict(value.__geo_interface__), source)
    return Region.from_geometry(geometry, _own_crs(value, source) or crs, source)


def _own_crs(value: object, source: str) -> CRS | None:
    """Returns the CRS that a GeoDataFrame and its like keep beside their `__geo_interface__`."""
    crs = getattr(value, "crs", None)
    try:
        return None if crs is None else CRS.from_user_input(crs)
    except CRSError as error:
        raise RegionError(f"the {source} has a CRS that PROJ does not know: {error}") from error
