"""Features from text files, without GDAL: GeoJSON, and CSV with a column of longitudes and one of latitudes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from shapely.geometry import GeometryCollection
from shapely.geometry.base import BaseGeometry

from rsbot_beam.errors import InputError
from rsbot_beam.geometry.crs import LONLAT
from rsbot_beam.geometry.features import Features, check_columns, crs_name, listed
from rsbot_beam.geometry.geojson import shape_of, stated_crs

GEOJSON_SUFFIXES = (".geojson", ".json")
CSV_SUFFIXES = (".csv", ".tsv")

_X_NAMES = ("lon", "long", "lng", "longitude", "x")
_Y_NAMES = ("lat", "latitude", "y")
_SEPARATORS = ",;\t|"
_WHOLE = re.compile(r"[+-]?(?:0|[1-9]\d{0,17})")


class _Feature(NamedTuple):
    geometry: BaseGeometry | None
    id: object
    properties: dict[str, Any]


class _Hook:
    """Turns the objects of GeoJSON into compact ones while the text is parsed, from the innermost out.

    Decoded coordinates take ten times the memory of a geometry: so there are never more of them than one geometry's.
    """

    def __init__(self, source: str, columns: Sequence[str] | None) -> None:
        self._source = source
        self._columns = columns
        self.names: dict[str, None] = {}
        self.crs: list[object] = []

    def __call__(self, member: dict[str, Any]) -> object:
        kind = member.get("type")
        inner = any(name in member for name in ("coordinates", "geometries", "geometry"))
        if inner and member.get("crs") and member["crs"] not in self.crs:
            self.crs.append(member["crs"])
        if kind == "Feature" and "geometry" in member:
            return self._feature(member)
        if kind == "GeometryCollection" and isinstance(member.get("geometries"), list):
            return GeometryCollection(member["geometries"])
        return shape_of(member, self._source) if isinstance(kind, str) and "coordinates" in member else member

    def _feature(self, member: dict[str, Any]) -> _Feature:
        geometry = member["geometry"]
        if not (geometry is None or isinstance(geometry, BaseGeometry)):
            raise InputError(f"{self._source} has a feature whose geometry is no GeoJSON: {str(geometry)[:80]}")
        properties = member.get("properties") or {}
        self.names.update(dict.fromkeys(properties))
        if self._columns is not None:
            properties = {name: properties[name] for name in self._columns if name in properties}
        return _Feature(geometry, member.get("id"), properties)


def open_geojson(path: Path, columns: Sequence[str] | None, chunk: int) -> Iterator[Features]:
    """Reads a GeoJSON file: a geometry, Feature or FeatureCollection.

    Args:
        path: The file.
        columns: Properties to keep; None for all.
        chunk: Features yielded at a time.

    Raises:
        InputError: It is no GeoJSON, or no feature has one of the columns.
        GridError: PROJ does not know its CRS.
    """
    source = str(path)
    hook = _Hook(source, columns)
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"), object_hook=hook)
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{source} is no valid JSON: {error}") from error
    features, crs = _content(document, hook.crs, source)
    if features:
        check_columns(columns or (), hook.names, source)
    return _geojson_chunks(features, source, crs, list(hook.names if columns is None else columns), chunk)


def _content(document: object, inner: list[object], source: str) -> tuple[list[_Feature], str]:
    """Features and their CRS: the document's own, and those that its features or geometries name (`inner`)."""
    if isinstance(document, BaseGeometry):
        document = _Feature(document, None, {})
    if isinstance(document, _Feature):
        return [document], crs_name(stated_crs(inner, source))
    if not (isinstance(document, dict) and document.get("type") == "FeatureCollection"):
        kind = document.get("type") if isinstance(document, dict) else type(document).__name__
        raise InputError(
            f"{source} is no GeoJSON: found {kind!r} where a FeatureCollection, Feature or geometry should be"
        )
    features = document.get("features")
    if not isinstance(features, list) or not all(isinstance(feature, _Feature) for feature in features):
        raise InputError(f"{source} is no GeoJSON: its `features` must be a list of Features, each with a `geometry`")
    outer = [document["crs"]] if document.get("crs") else []
    return features, crs_name(stated_crs([*outer, *inner], source))


def _geojson_chunks(
    features: list[_Feature], source: str, crs: str, columns: list[str], chunk: int
) -> Iterator[Features]:
    for start in range(0, len(features), chunk):
        part = features[start : start + chunk]
        geometries = np.empty(len(part), object)
        geometries[:] = [feature.geometry for feature in part]
        ids = [str(start + n if feature.id is None else feature.id) for n, feature in enumerate(part)]
        yield Features(source, crs, geometries, ids, {c: [f.properties.get(c) for f in part] for c in columns})


def open_csv(path: Path, columns: Sequence[str] | None, chunk: int) -> Iterator[Features]:
    """Reads a table of points, separated by comma, semicolon, tab or bar, whose first line names the columns.

    Args:
        path: The file, UTF-8. Longitudes are in a column called lon, long, lng, longitude or x, latitudes in one called
            lat, latitude or y, in any case, both in degrees of EPSG:4326.
        columns: Columns to keep; None for all. Numbers become numbers where the whole column is; texts with leading
            zeros, such as codes, stay texts.
        chunk: Features yielded at a time.

    Raises:
        InputError: It is no such table, its columns of coordinates are missing or not unique, or one of the columns
            wanted is.
    """
    source = str(path)
    table = _read_table(path)
    x_name = _coordinate(table.column_names, _X_NAMES, "longitudes", source)
    y_name = _coordinate(table.column_names, _Y_NAMES, "latitudes", source)
    check_columns(columns or (), table.column_names, source)
    x, y = (_numbers(table.column(name).to_pylist(), name, source) for name in (x_name, y_name))
    names = table.column_names if columns is None else columns
    values = {name: _typed(table.column(name).to_pylist()) for name in names}
    return _csv_chunks(source, x, y, values, chunk)


def _read_table(path: Path) -> Any:  # noqa: ANN401
    import pyarrow as pa
    from pyarrow import csv

    try:
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
        separator = max(_SEPARATORS, key=header.count)
        names = [name.strip().strip('"') for name in header.strip().split(separator)]
        # Everything as text: what the columns are is for us to say, not for the first block of the file.
        options = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True)
        return csv.read_csv(
            path,
            read_options=csv.ReadOptions(column_names=names, skip_rows=1),
            parse_options=csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=options,
        )
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path} is no table of text in UTF-8 with one line for each point: {error}") from error


def _coordinate(columns: list[str], names: tuple[str, ...], what: str, source: str) -> str:
    found = [column for column in columns if column.lower() in names]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{source} has {len(found)} columns that may hold {what}, {listed(map(repr, found))}: rename all but one"
        )
    raise InputError(
        f"{source} has no column of {what}: name it {' or '.join(names)}, in degrees. It has "
        f"{listed(map(repr, columns)) or 'no columns'}"
    )


def _numbers(texts: list[str | None], column: str, source: str) -> np.ndarray:
    try:
        return np.array([np.nan if text is None else float(text) for text in texts])
    except ValueError as error:
        raise InputError(f"{source}: column {column!r} has a coordinate that is no number ({error})") from error


def _typed(texts: list[str | None]) -> list[Any]:
    given = [text for text in texts if text is not None]
    if all(_WHOLE.fullmatch(text) for text in given):
        return [None if text is None else int(text) for text in texts]
    if any(re.fullmatch(r"[+-]?0\d+", text) for text in given):
        return texts
    try:
        return [None if text is None else float(text) for text in texts]
    except ValueError:
        return texts


def _csv_chunks(
    source: str, x: np.ndarray, y: np.ndarray, values: dict[str, list[Any]], chunk: int
) -> Iterator[Features]:
    for start in range(0, len(x), chunk):
        part = slice(start, start + chunk)
        geometries = np.asarray(shapely.points(x[part], y[part]))
        ids = [str(number) for number in range(start, start + len(geometries))]
        yield Features(source, LONLAT, geometries, ids, {name: column[part] for name, column in values.items()})
