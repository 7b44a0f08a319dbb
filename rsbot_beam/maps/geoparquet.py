"""Features in GeoParquet 1.1 files: https://geoparquet.org/releases/v1.1.0/."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS

from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.period import Period
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.maps.vectors import MapFeatures

GEOMETRIES = ("box", "point")
"""What a feature is drawn as: its outline, or its centre."""

_ROWS = 20_000
"""Rows of a group: some 5 MB. Readers skip groups by their `bbox`, and rows go from north to south."""

_COMPRESSION = "zstd"
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_TEXT = pa.dictionary(pa.int32(), pa.string())


def class_names(codes: np.ndarray, classes: Sequence[LabelClass]) -> list[str]:
    """Names of the classes of features; "class 7" where there is none."""
    names = {item.code: item.name for item in classes}
    return [names.get(code, f"class {code}") for code in codes.tolist()]


def encode_geoparquet(
    features: MapFeatures, classes: Sequence[LabelClass], period: Period, geometry: str = "box"
) -> memoryview:
    """Serialises features; equal ones make equal bytes.

    Columns: id, class, code, score, area_m2, lon, lat, width_m, height_m, tile, period_start, period_end (the day after
    the last one), bbox, geometry. CRS is OGC:CRS84: WGS 84, longitude before latitude.

    Args:
        features: One or more.
        classes: Names of the codes.
        period: That the imagery is from.
        geometry: "box" for outlines, "point" for centres.

    Raises:
        InputError: Another geometry.
    """
    if geometry not in GEOMETRIES:
        raise InputError(f"the geometry {geometry!r} of features is none of {', '.join(GEOMETRIES)}")
    shapes = features.points if geometry == "point" else features.geometries
    # Where the antimeridian cuts a feature, its parts lie on both sides: a box from -180 to 180 is the one that readers
    # which compare numbers do not miss it by.
    bounds = shapely.bounds(shapes).reshape(-1, 4)
    columns = {
        **_plain_columns(features, classes, period),
        "bbox": pa.StructArray.from_arrays([pa.array(side) for side in np.ascontiguousarray(bounds.T)], list(_SIDES)),
        "geometry": pa.array(shapely.to_wkb(shapes, byte_order=1), pa.binary()),
    }
    table = pa.table(columns, metadata={b"geo": json.dumps(_metadata(shapes, geometry, _bbox(features, geometry)))})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=_ROWS, compression=_COMPRESSION)
    return memoryview(sink.getvalue())


def _plain_columns(features: MapFeatures, classes: Sequence[LabelClass], period: Period) -> dict[str, pa.Array]:
    count = len(features)
    dates = {"period_start": period.start, "period_end": period.end}
    return {
        "id": pa.array(features.ids, pa.string()),
        "class": pa.array(class_names(features.codes, classes), pa.string()).cast(_TEXT),
        "code": pa.array(features.codes, pa.int32()),
        "score": pa.array(features.scores, pa.float32(), from_pandas=True),
        **{name: pa.array(getattr(features, name)) for name in ("area_m2", "lon", "lat", "width_m", "height_m")},
        "tile": pa.array(features.tile, pa.string()).cast(_TEXT),
        **{name: pa.array([day] * count, pa.date32()) for name, day in dates.items()},
    }


def _bbox(features: MapFeatures, geometry: str) -> list[float]:
    if geometry == "box":
        return list(features.bbox)
    # Of points: that of boxes without a size.
    points = shapely.box(features.lon, features.lat, features.lon, features.lat)
    return list(features.__class__(**{**vars(features), "geometries": points}).bbox)


def _metadata(shapes: np.ndarray, geometry: str, bbox: list[float]) -> dict[str, Any]:
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted({shape.geom_type for shape in shapes}),
        "crs": _crs84(),
        "edges": "planar",
        "bbox": bbox,
        "covering": {"bbox": {side: ["bbox", side] for side in _SIDES}},
    }
    if geometry == "box":
        column["orientation"] = "counterclockwise"
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


@functools.lru_cache(maxsize=1)
def _crs84() -> dict[str, Any]:
    return dict(CRS.from_user_input("OGC:CRS84").to_json_dict())


def write_geoparquet(
    path: str, features: MapFeatures, classes: Sequence[LabelClass], period: Period, geometry: str = "box"
) -> int:
    """Writes features, atomically; arguments as `encode_geoparquet`.

    Returns:
        Bytes written.
    """
    content = encode_geoparquet(features, classes, period, geometry)
    storage.write_bytes(path, content)
    return len(content)


class Centres(NamedTuple):
    """Where features are, n of them.

    Attributes:
        lon: float64 (n,), degrees.
        lat: float64 (n,), degrees.
        scores: float32 (n,).
        codes: int32 (n,).
    """

    lon: np.ndarray
    lat: np.ndarray
    scores: np.ndarray
    codes: np.ndarray


def read_centres(paths: Iterable[str]) -> Centres:
    """Reads where the features of several files are, and nothing else of them.

    Raises:
        DatasetError: A file is damaged, or not one of features.
    """
    names = ["lon", "lat", "score", "code"]
    empty = pa.table([pa.array([], t) for t in (pa.float64(), pa.float64(), pa.float32(), pa.int32())], names)
    table = pa.concat_tables([empty, *(_read(path, names).replace_schema_metadata() for path in paths)])
    return Centres(*(table.column(name).to_numpy() for name in names))


def read_geoparquet(paths: Iterable[str]) -> MapFeatures:
    """Reads the features of several files, with their outlines: in the order of the files; none where there are none.

    Raises:
        DatasetError: A file is damaged, or not one of features.
    """
    return MapFeatures.concat([_none(), *(features_of_table(_read(path)) for path in paths)])


def _none() -> MapFeatures:
    texts, numbers = np.empty(0, object), np.empty(0)
    codes, scores = np.empty(0, np.int32), np.empty(0, np.float32)
    return MapFeatures(texts, texts, codes, scores, numbers, numbers, numbers, numbers, numbers, texts)


def features_of_table(table: pa.Table) -> MapFeatures:
    """The features of a table that was read from such a file."""

    def column(name: str) -> np.ndarray:
        return np.asarray(table.column(name).to_numpy(zero_copy_only=False))

    geometries = np.asarray(shapely.from_wkb(column("geometry")), object)
    numbers = {name: column(name) for name in ("area_m2", "lon", "lat", "width_m", "height_m")}
    ids, tile = (np.array(table.column(name).to_pylist(), object) for name in ("id", "tile"))
    return MapFeatures(
        ids=ids, geometries=geometries, codes=column("code"), scores=column("score"), tile=tile, **numbers
    )


def _read(path: str, names: list[str] | None = None) -> pa.Table:
    try:
        return pq.read_table(io.BytesIO(storage.read_bytes(path)), columns=names)
    except (pa.ArrowException, OSError, KeyError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise DatasetError(f"{path} holds no features, or is damaged ({error}): remove it and predict again") from error
