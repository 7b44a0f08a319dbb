"""The objects of a map by place: what a window of the map shows is read, and nothing else."""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.period import Period
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.geometry.region import Bbox
from rsbot_beam.maps.geojson import feature_of
from rsbot_beam.maps.geoparquet import features_of_table

FOLDER = "detections"
MOST_FEATURES = 5_000
"""Objects in one answer: some 2 MB of GeoJSON. Of more, those with the highest scores are given, and how many there are."""

WORLD: Bbox = (-180.0, -90.0, 180.0, 90.0)

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_COLUMNS = ("lon", "lat", "score", "code", *(f"bbox.{side}" for side in _SIDES))
# Rows whose places are kept in memory: 52 bytes each.
_MOST_KEPT = 2_000_000


@dataclass(frozen=True)
class _Group:
    """A row group of a file: `first` is the number of its first row among all rows of all files."""

    path: str
    group: int
    first: int
    rows: int
    bbox: Bbox


class Places(NamedTuple):
    """Where objects are, n of them; `numbers` are those of their rows, int64 (n,), the rest as in `geoparquet.Centres`."""

    numbers: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    scores: np.ndarray
    codes: np.ndarray


class DetectionFiles:
    """The objects of a map. Safe for many threads.

    A number names an object: that of its row, counted through all files in the order of their names.

    Args:
        root: The map's folder; of one in a bucket, the files of objects are copied to this machine when first asked for.
        classes: Of the map.

    Raises:
        DatasetError: A file is damaged.
    """

    def __init__(self, root: str, classes: Sequence[LabelClass]) -> None:
        self._classes = tuple(classes)
        folder = storage.local_folder(storage.join(root, FOLDER))
        self._groups: list[_Group] = []
        for file in storage.list_files(folder, ".parquet"):
            self._groups += _groups_of(file.path, len(self))
        self._bboxes = np.array([group.bbox for group in self._groups]).reshape(-1, 4)
        self._kept: OrderedDict[int, dict[str, np.ndarray]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._groups[-1].first + self._groups[-1].rows if self._groups else 0

    def within(self, bbox: Bbox) -> Places:
        """The objects whose own bbox meets a window.

        Args:
            bbox: west, south, east, north in degrees, any turn; one that is 360 degrees wide is all around, and west > east
                crosses the antimeridian.
        """
        parts = [self._within(window) for window in _windows(bbox)]
        joined = Places(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        _, first = np.unique(joined.numbers, return_index=True)
        return Places(*(column[first] for column in joined))

    def features(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Objects as GeoJSON features, in the order asked for, with their number as the property `n`.

        Raises:
            InputError: There is no such object.
        """
        wanted = {n: self._group_of(n) for n in numbers}
        found: dict[int, dict[str, Any]] = {}
        for index in sorted(set(wanted.values())):
            rows = [n for n in wanted if wanted[n] == index]
            found |= dict(zip(rows, self._read_features(self._groups[index], rows), strict=True))
        return [found[n] for n in numbers]

    def collection(self, bbox: Bbox, limit: int) -> dict[str, Any]:
        """What a window of the map shows, as a GeoJSON FeatureCollection.

        Beside the features, `matched` says how many there are, and where these are more than the limit, `clusters` says
        where: (lon, lat) of their mean, `count`, the highest `score` and the most frequent `code`.

        Args:
            bbox: As in `within`.
            limit: Features at most, those with the highest scores.
        """
        places = self.within(bbox)
        chosen = best(places, min(limit, MOST_FEATURES))
        content = {"type": "FeatureCollection", "features": self.features(chosen), "matched": len(places.numbers)}
        return content | ({"clusters": clusters(places, bbox)} if len(chosen) < len(places.numbers) else {})

    def _within(self, bbox: Bbox) -> Places:
        west, south, east, north = bbox
        b = self._bboxes
        near = np.flatnonzero((b[:, 0] <= east) & (b[:, 2] >= west) & (b[:, 1] <= north) & (b[:, 3] >= south))
        parts = [Places(*(np.empty(0, t) for t in (np.int64, float, float, np.float32, np.int32)))]
        for index in near.tolist():
            columns = self._columns(index)
            left, bottom, right, top = (columns[f"bbox.{side}"] for side in _SIDES)
            rows = np.flatnonzero((left <= east) & (right >= west) & (bottom <= north) & (top >= south))
            plain = [columns[name][rows] for name in ("lon", "lat", "score", "code")]
            parts.append(Places(rows + self._groups[index].first, *plain))
        return Places(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _columns(self, index: int) -> dict[str, np.ndarray]:
        with self._lock:
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
        group = self._groups[index]
        table = _read(group, list(_COLUMNS)).flatten()
        columns = {name: table.column(name).to_numpy() for name in _COLUMNS}
        with self._lock:
            self._kept[index] = columns
            while len(self._kept) > 1 and sum(self._groups[i].rows for i in self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return columns

    def _group_of(self, number: int) -> int:
        if not 0 <= number < len(self):
            raise InputError(f"there is no object {number}: the map has {len(self)}, counted from 0")
        return bisect.bisect_right([group.first for group in self._groups], number) - 1

    def _read_features(self, group: _Group, rows: Sequence[int]) -> list[dict[str, Any]]:
        table = _read(group, None).take(pa.array([row - group.first for row in rows]))
        features = features_of_table(table)
        dates = (table.column(name)[0].as_py() for name in ("period_start", "period_end"))
        period = Period(*dates)
        names = {item.code: item.name for item in self._classes}
        made = []
        for index, (number, code, shape) in enumerate(
            zip(rows, features.codes.tolist(), features.geometries, strict=True)
        ):
            feature = feature_of(features, index, names.get(code, f"class {code}"), period, shape)
            feature["properties"]["n"] = number
            made.append(feature)
        return made


def best(places: Places, limit: int) -> list[int]:
    """Numbers of the objects with the highest scores, at most so many; of equal ones the first. Those without come last."""
    order = np.lexsort((places.numbers, -np.nan_to_num(places.scores, nan=-1.0)))
    return [int(n) for n in places.numbers[order[:limit]]]


def clusters(places: Places, bbox: Bbox, columns: int = 12) -> list[dict[str, Any]]:
    """Many objects put together by squares of a window, largest first.

    Args:
        places: In the window.
        bbox: The window.
        columns: Squares from west to east.
    """
    west, south, east, north = bbox
    width = (east - west) % 360 or 360.0
    side = width / columns
    lon = west + (places.lon - west) % 360
    # An object at the edge of the window may have its centre outside of it.
    across = np.clip(np.floor((lon - west) / side), 0, columns - 1).astype(np.int64)
    up = np.floor((places.lat - south) / (side * max(0.1, np.cos(np.radians((south + north) / 2))))).astype(np.int64)
    _, index, counts = np.unique(np.stack([across, up]), axis=1, return_inverse=True, return_counts=True)
    index = index.ravel()
    scores = np.full(len(counts), -1.0)
    np.maximum.at(scores, index, np.nan_to_num(places.scores, nan=-1.0))
    mean_lon, mean_lat = (np.bincount(index, values) / counts for values in (lon, places.lat))
    codes = [int(np.bincount(places.codes[index == cell]).argmax()) for cell in range(len(counts))]
    return [
        {
            "lon": round(float(mean_lon[i]), 6),
            "lat": round(float(mean_lat[i]), 6),
            "count": int(counts[i]),
            "score": round(float(scores[i]), 4) if scores[i] >= 0 else None,
            "code": codes[i],
        }
        for i in np.argsort(-counts, kind="stable").tolist()
    ]


def _windows(bbox: Bbox) -> list[Bbox]:
    """A window in longitudes of -180 to 180: one, or two across the antimeridian."""
    west, south, east, north = bbox
    if not all(np.isfinite(bbox)) or south > north:
        raise InputError(f"the window {bbox} is none: it is west, south, east, north in degrees")
    if east - west >= 360:
        return [(-180.0, south, 180.0, north)]
    west, east = (west + 180) % 360 - 180, (east + 180) % 360 - 180
    if west <= east:
        return [(west, south, east, north)]
    return [(west, south, 180.0, north), (-180.0, south, east, north)]


def _groups_of(path: str, first: int) -> list[_Group]:
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{path} is damaged ({error}): remove it and start `rsbot predict` again") from error
    found = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        found.append(_Group(path, number, first, group.num_rows, _bbox_of(group)))
        first += group.num_rows
    return found


def _bbox_of(group: Any) -> Bbox:  # noqa: ANN401 - pyarrow's row group
    """What a row group's statistics say of its bbox; all of the world where they say nothing."""
    columns = {group.column(i).path_in_schema: group.column(i).statistics for i in range(group.num_columns)}
    statistics = [s for side in _SIDES if (s := columns.get(f"bbox.{side}")) is not None and s.has_min_max]
    if len(statistics) < len(_SIDES):
        return WORLD
    low_x, low_y, high_x, high_y = statistics
    return float(low_x.min), float(low_y.min), float(high_x.max), float(high_y.max)


def _read(group: _Group, columns: list[str] | None) -> pa.Table:
    try:
        with pq.ParquetFile(group.path) as file:
            return file.read_row_group(group.group, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{group.path} is damaged ({error}): remove it and start `rsbot predict` again") from error
