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

_PARQUET_SUFFIXES = (".parquet", ".geoparquet", ".pq")


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
    if path.suffix.lower() in _PARQUET_SUFFIXES:
        return _read_parquet(path)
    return _read_ogr(path, layer)


def _read_ogr(path: Path, layer: str | None) -> tuple[BaseGeometry, CRS | None]:
    try:
        import pyogrio
        import pyogrio.raw
    except ImportError as error:
        raise RegionError(f"reading {path} needs pyogrio: pip install rsbot-beam[vectors], or give GeoJSON") from error
    try:
        layer = _chosen_layer(path, [str(name) for name, _ in pyogrio.list_layers(path)], layer)
        meta, _, wkb, _ = pyogrio.raw.read(path, layer=layer, columns=[])
    except pyogrio.errors.DataSourceError as error:
        raise RegionError(f"{path} cannot be read as a vector file: {error}") from error
    if wkb is None:
        raise RegionError(f"layer {layer!r} of {path} has no geometries: choose one that has")
    return _collection(wkb, path), _crs(meta["crs"], path)


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
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise RegionError(f"reading {path} needs pyarrow: pip install pyarrow, or give GeoJSON") from error
    try:
        metadata = json.loads((pq.read_schema(path).metadata or {})[b"geo"])
        column = metadata["primary_column"]
        description = metadata["columns"][column]
        wkb = pq.read_table(path, columns=[column]).column(0).to_pylist()
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise RegionError(f"{path} is no GeoParquet with a geometry column: {error!r}") from error
    if description.get("encoding") != "WKB":
        raise RegionError(
            f"{path} has geometries encoded as {description.get('encoding')!r}: write it with encoding WKB"
        )
    # GeoParquet 1.1: a column without `crs` is OGC:CRS84, longitude and latitude; an explicit null is "unknown".
    return _collection(wkb, path), _crs(description.get("crs", LONLAT), path)


def _collection(wkb: object, path: Path) -> BaseGeometry:
    try:
        geometries = shapely.from_wkb(np.asarray(wkb, object))
    except ShapelyError as error:
        raise RegionError(f"{path} has a geometry that cannot be read: {error}") from error
    return GeometryCollection(list(geometries[~shapely.is_missing(geometries)]))


def _crs(definition: object, path: Path) -> CRS | None:
    try:
        return None if definition is None else CRS.from_user_input(definition)
    except CRSError as error:
        raise RegionError(f"{path} has a CRS that PROJ does not know: {error}") from error
