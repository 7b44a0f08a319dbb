"""Vector files as features, read in chunks: GDAL's formats, GeoParquet, GeoJSON and CSV."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS

from rsbot_beam.errors import GridError, InputError, RegionError
from rsbot_beam.geometry.feature_texts import CSV_SUFFIXES, GEOJSON_SUFFIXES, open_csv, open_geojson
from rsbot_beam.geometry.features import Features, assumed_lonlat, check_columns, cleaned, crs_name, value_text
from rsbot_beam.geometry.vectors import PARQUET_SUFFIXES, crs_of_file, from_wkb, ogr_layer, parquet_geometry

CHUNK = 8192
"""Features read at a time: parcels of 50 vertices then take 20 MB, and the cost of a chunk's call does not show."""

VECTOR_SUFFIXES = (*GEOJSON_SUFFIXES, *CSV_SUFFIXES, *PARQUET_SUFFIXES, ".gpkg", ".shp", ".fgb", ".kml", ".gml", ".zip")
"""Endings that are those of vector files, whether or not the file is there."""


def is_vector_file(source: str | os.PathLike[str]) -> bool:
    """Tells a vector file from the id of an asset of Earth Engine: by its ending, or because it is there."""
    return str(source).lower().endswith(VECTOR_SUFFIXES) or Path(source).is_file()


def read_features(
    path: str | os.PathLike[str],
    layer: str | None = None,
    columns: Sequence[str] | None = None,
    id_column: str | None = None,
) -> Iterator[Features]:
    """Reads the features of a vector file in chunks.

    Args:
        path: GeoJSON (the legacy `crs` member is honoured), GeoPackage, Shapefile, FlatGeobuf, GeoParquet, whatever else
            GDAL reads, or CSV with columns of longitude and latitude.
        layer: Which layer of a file with several; the first by default, with a warning.
        columns: Properties to read; None for all.
        id_column: Property that names the features; by default their id in the file, or their number from 0.

    Returns:
        Chunks of up to `CHUNK` features, flat (2-D) and valid, in the CRS of the file. Features without a geometry are left
        out and invalid ones repaired, both with a warning that counts them.

    Raises:
        InputError: There is no such file, layer or column, it cannot be read, is empty, its CRS is unknown, its coordinates
            are no longitudes and latitudes though its CRS says so, or the library that reads it is not installed. What
            is wrong with a single chunk is raised when it is read.
    """
    where = Path(path).expanduser()
    if "://" in str(path):
        raise InputError(
            f"{str(path)!r} is not on this machine's disk: copy the file, or give a table asset of Earth Engine"
        )
    if not where.exists():
        raise InputError(
            f"{str(path)!r} does not exist: give the path of a vector file, or a table asset of Earth Engine"
        )
    if where.is_file() and where.stat().st_size == 0:
        raise InputError(f"{str(path)!r} is an empty file: was its download or copy cut off?")
    wanted = None if columns is None else list(dict.fromkeys([*columns, *([id_column] if id_column else [])]))
    try:
        chunks = _opened(where, layer, wanted)
    except RegionError as error:
        raise InputError(str(error)) from error
    except GridError as error:
        raise InputError(f"the CRS of {str(path)!r} cannot be used: {error}") from error
    return cleaned((_named(chunk, id_column) for chunk in _relabelled(chunks)), str(path))


def _opened(path: Path, layer: str | None, columns: list[str] | None) -> Iterator[Features]:
    suffix = path.suffix.lower()
    if layer is not None and suffix in (*PARQUET_SUFFIXES, *GEOJSON_SUFFIXES, *CSV_SUFFIXES):
        raise InputError(f"{path} has no layers, so there is no {layer!r}: leave the layer out")
    if suffix in PARQUET_SUFFIXES:
        return _open_parquet(path, columns)
    if suffix in GEOJSON_SUFFIXES:
        return open_geojson(path, columns, CHUNK)
    if suffix in CSV_SUFFIXES:
        return open_csv(path, columns, CHUNK)
    return _open_ogr(path, layer, columns)


def _relabelled(chunks: Iterator[Features]) -> Iterator[Features]:
    try:
        yield from chunks
    except RegionError as error:
        raise InputError(str(error)) from error


def _named(chunk: Features, id_column: str | None) -> Features:
    if id_column is None:
        return chunk
    check_columns([id_column], chunk.values, chunk.source)
    ids = [value_text(value) or name for value, name in zip(chunk.values[id_column], chunk.ids, strict=True)]
    return Features(chunk.source, chunk.crs, chunk.geometries, ids, chunk.values)


def _crs_name(crs: CRS | None, path: Path) -> str:
    return assumed_lonlat(str(path)) if crs is None else crs_name(crs)


def _open_parquet(path: Path, columns: list[str] | None) -> Iterator[Features]:
    geometry, crs = parquet_geometry(path)
    import pyarrow.parquet as pq

    names = [name for name in pq.read_schema(path).names if name != geometry]
    check_columns(columns or (), names, str(path))
    return _parquet_chunks(path, geometry, names if columns is None else columns, _crs_name(crs, path))


def _parquet_chunks(path: Path, geometry: str, columns: list[str], crs: str) -> Iterator[Features]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 0
    try:
        for batch in pq.ParquetFile(path).iter_batches(CHUNK, columns=[geometry, *columns]):
            ids = [str(number) for number in range(count, count + batch.num_rows)]
            yield _chunk(path, crs, batch, geometry, ids, columns)
            count += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is damaged: {error}") from error


def _chunk(path: Path, crs: str, batch: Any, geometry: str, ids: list[str], columns: list[str]) -> Features:  # noqa: ANN401
    geometries = from_wkb(batch.column(geometry).to_pylist(), path)
    return Features(str(path), crs, np.asarray(geometries), ids, {n: batch.column(n).to_pylist() for n in columns})


def _open_ogr(path: Path, layer: str | None, columns: list[str] | None) -> Iterator[Features]:
    layer = ogr_layer(path, layer)
    import pyogrio

    info = pyogrio.read_info(path, layer=layer)
    if info["geometry_type"] is None:
        raise InputError(f"layer {layer!r} of {path} has no geometries: choose one that has")
    names = [str(name) for name in info["fields"]]
    check_columns(columns or (), names, str(path))
    crs = _crs_name(crs_of_file(info["crs"], path), path)
    return _ogr_chunks(path, layer, names if columns is None else columns, crs)


def _ogr_chunks(path: Path, layer: str, columns: list[str], crs: str) -> Iterator[Features]:
    import pyarrow as pa
    import pyogrio
    import pyogrio.raw

    options: dict[str, Any] = {"columns": columns, "batch_size": CHUNK, "return_fids": True, "use_pyarrow": True}
    try:
        with pyogrio.raw.open_arrow(path, layer=layer, **options) as (meta, batches):
            geometry = meta["geometry_name"] or "wkb_geometry"
            for batch in batches:
                fids = [str(fid) for fid in batch.column(meta["fid_column"] or "OGC_FID").to_pylist()]
                yield _chunk(path, crs, batch, geometry, fids, columns)
    except (pyogrio.errors.DataSourceError, pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read to its end: {error}") from error
