"""Geometries from vector files: GDAL's formats through pyogrio, and GeoParquet through pyarrow.

Both libraries are imported only here and only when such a file is read.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import ShapelyError
from shapely.geometry import GeometryCollection
from shapely.geometry.base import BaseGeometry

from rsbot_beam.errors import RegionError
from rsbot_beam.geometry.crs import LONLAT

PARQUET_SUFFIXES = (".parquet", ".geoparquet", ".pq")


def read_vectors(path: Path, layer: str | None = None) -> tuple[BaseGeometry, CRS | None]:
    """Reads all geometries of one layer of a vector file.

    Args:
        path: GeoPackage, Shapefile, FlatGeobuf, GeoParquet, or whatever else GDAL reads.
        layer: Its name; of several the first is taken, with a warning, when none is named.

    Returns:
        The geometries as one collection, and their CRS, or None where the file does not say.

    Raises:
        RegionError: The file cannot be read or is damaged, its CRS is unknown, there is no such layer, or the library
            that reads it is not installed.
    """
    if path.suffix.lower() in PARQUET_SUFFIXES:
        if layer is not None:
            raise RegionError(f"{path} has no layers, so there is no {layer!r}: leave the layer out")
        return _read_parquet(path)
    return _read_ogr(path, layer)


def _read_ogr(path: Path, layer: str | None) -> tuple[BaseGeometry, CRS | None]:
    layer = ogr_layer(path, layer)
    import pyogrio
    import pyogrio.raw

    try:
        meta, _, wkb, _ = pyogrio.raw.read(path, layer=layer, columns=[])
    except pyogrio.errors.DataSourceError as error:
        raise RegionError(f"{path} cannot be read as a vector file: {error}") from error
    if wkb is None:
        raise RegionError(f"layer {layer!r} of {path} has no geometries: choose one that has")
    return _collection(wkb, path), crs_of_file(meta["crs"], path)


def ogr_layer(path: Path, layer: str | None) -> str:
    """Returns the layer of a file of GDAL's formats to read: the one named, or the first, with a warning.

    Raises:
        RegionError: The file cannot be read, has no such layer, or pyogrio is not installed.
    """
    try:
        import pyogrio
    except ImportError as error:
        raise RegionError(f"reading {path} needs pyogrio: pip install rsbot-beam[vectors], or give GeoJSON") from error
    try:
        return _chosen_layer(path, [str(name) for name, _ in pyogrio.list_layers(path)], layer)
    except pyogrio.errors.DataSourceError as error:
        raise RegionError(f"{path} cannot be read as a vector file: {error}") from error


def _chosen_layer(path: Path, layers: list[str], layer: str | None) -> str:
    if layer is not None and layer not in layers:
        raise RegionError(f"{path} has no layer {layer!r}: it has {', '.join(map(repr, layers)) or 'none at all'}")
    if layer is None and not layers:
        raise RegionError(f"{path} has no layers")
    if layer is None and len(layers) > 1:
        names = ", ".join(map(repr, layers))
        warnings.warn(f"{path} has the layers {names}: the first is taken; name the layer to choose", stacklevel=2)
    return layer if layer is not None else layers[0]


def _read_parquet(path: Path) -> tuple[BaseGeometry, CRS | None]:
    column, crs = parquet_geometry(path)
    import pyarrow.parquet as pq

    return _collection(pq.read_table(path, columns=[column]).column(0).to_pylist(), path), crs


def parquet_geometry(path: Path) -> tuple[str, CRS | None]:
    """Returns the geometry column of a GeoParquet file, which holds WKB, and its CRS, or None where that is unknown.

    Raises:
        RegionError: It is no GeoParquet, its geometries are encoded otherwise, or pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise RegionError(f"reading {path} needs pyarrow: pip install pyarrow, or give GeoJSON") from error
    try:
        schema = pq.read_schema(path)
        metadata = json.loads((schema.metadata or {})[b"geo"])
        column = metadata["primary_column"]
        description = metadata["columns"][column]
        schema.field(column)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise RegionError(f"{path} is no GeoParquet with a geometry column: {error!r}") from error
    if description.get("encoding") != "WKB":
        raise RegionError(
            f"{path} has geometries encoded as {description.get('encoding')!r}: write it with encoding WKB"
        )
    # GeoParquet 1.1: a column without `crs` is OGC:CRS84, longitude and latitude; an explicit null is "unknown".
    return column, crs_of_file(description.get("crs", LONLAT), path)


def _collection(wkb: object, path: Path) -> BaseGeometry:
    geometries = from_wkb(wkb, path)
    return GeometryCollection(list(geometries[~shapely.is_missing(geometries)]))


def from_wkb(wkb: object, path: Path) -> np.ndarray:
    """Returns an array of geometries, None where there is none; RegionError where one cannot be read."""
    try:
        return shapely.from_wkb(np.asarray(wkb, object))
    except ShapelyError as error:
        raise RegionError(f"{path} has a geometry that cannot be read: {error}") from error


def crs_of_file(definition: object, path: Path) -> CRS | None:
    """Returns the CRS that a file defines, None where it does not; RegionError where PROJ does not know it."""
    try:
        return None if definition is None else CRS.from_user_input(definition)
    except CRSError as error:
        raise RegionError(f"{path} has a CRS that PROJ does not know: {error}") from error
