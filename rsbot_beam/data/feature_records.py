"""Vector features as labels: what a feature index holds of each, as arrays and as an Arrow file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

# Fields that are arrays, and fields that are lists, in the order in which they are hashed and stored.
_ARRAYS = ("seq", "codes", "sizes", "bboxes", "points")
_LISTS = ("ids", "crs", "wkb")
_METADATA_KEY = b"rsbot_features"


@dataclass(frozen=True, eq=False)
class FeatureRecords:
    """Features that become labels, n of them.

    Attributes:
        seq: int64 (n,), number in the order of painting: later ones cover earlier ones.
        ids: Names.
        codes: int32 (n,), class codes.
        sizes: float64 (n,), metres: side of the square that a point stands for; 0 for a single pixel, and for polygons.
        bboxes: float64 (n, 4), west, south, east, north in degrees around the vertices (and around a point's square);
            west in [-180, 180), and east > 180 for a feature across the antimeridian.
        points: float64 (n, 2), longitude and latitude of a place on the feature.
        crs: CRS of each geometry, as PROJ names it.
        wkb: Geometries, x before y, in that CRS: points, polygons and multipolygons.
    """

    seq: np.ndarray
    ids: Sequence[str]
    codes: np.ndarray
    sizes: np.ndarray
    bboxes: np.ndarray
    points: np.ndarray
    crs: Sequence[str]
    wkb: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def none(cls) -> FeatureRecords:
        """No records."""
        seq, codes = np.empty(0, np.int64), np.empty(0, np.int32)
        return cls(seq, [], codes, np.empty(0), np.empty((0, 4)), np.empty((0, 2)), [], [])

    @classmethod
    def concatenate(cls, parts: Sequence[FeatureRecords]) -> FeatureRecords:
        """Returns all records of the parts, one part after the other."""
        if not parts:
            return cls.none()
        fields: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS}
        fields |= {name: [item for part in parts for item in getattr(part, name)] for name in _LISTS}
        return cls(**fields)

    def take(self, rows: np.ndarray) -> FeatureRecords:
        """Returns the records of (m,) integer indices, in their order."""
        indices = rows.tolist()
        fields: dict[str, Any] = {name: getattr(self, name)[rows] for name in _ARRAYS}
        fields |= {name: [getattr(self, name)[i] for i in indices] for name in _LISTS}
        return FeatureRecords(**fields)

    def geometries(self) -> np.ndarray:
        """Shapely geometries, object (n,)."""
        return np.asarray(shapely.from_wkb(np.fromiter(self.wkb, object, len(self))))

    def fingerprint(self) -> str:
        """64 hexadecimal digits: the same for the same records in every process and with every version of Arrow."""
        content = hashlib.sha256()
        for name in _ARRAYS:
            content.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        for texts in (self.ids, self.crs):
            content.update("\0".join(texts).encode() + b"\1")
        for wkb in self.wkb:
            content.update(len(wkb).to_bytes(8, "little") + wkb)
        return content.hexdigest()

    def to_batch(self, owner: str) -> pa.RecordBatch:
        """Returns the records as Arrow columns that `from_batch` takes; `owner` names the index that they belong to."""
        columns = {
            "seq": pa.array(self.seq),
            "codes": pa.array(self.codes),
            "sizes": pa.array(self.sizes),
            "bboxes": pa.FixedSizeListArray.from_arrays(pa.array(self.bboxes.ravel()), 4),
            "points": pa.FixedSizeListArray.from_arrays(pa.array(self.points.ravel()), 2),
            "ids": pa.array(self.ids, pa.string()),
            "crs": pa.array(self.crs, pa.string()).dictionary_encode(),
            "wkb": pa.array(self.wkb, pa.large_binary()),
        }
        return pa.RecordBatch.from_pydict(columns).replace_schema_metadata({_METADATA_KEY: owner.encode()})

    @classmethod
    def from_batch(cls, batch: pa.RecordBatch) -> FeatureRecords:
        """Inverse of `to_batch`."""
        lists = {name: batch.column(name).to_pylist() for name in _LISTS}
        plain = {name: batch.column(name).to_numpy() for name in ("seq", "codes", "sizes")}
        return cls(**plain, bboxes=matrix_of(batch, "bboxes"), points=matrix_of(batch, "points"), **lists)


def matrix_of(batch: pa.RecordBatch, name: str) -> np.ndarray:
    """Returns a column of lists of k numbers as an array (n, k); it shares memory with the batch."""
    column = batch.column(name)
    return column.flatten().to_numpy().reshape(len(column), column.type.list_size)


def owner_of(batch: pa.RecordBatch) -> str:
    """Returns the index that a batch belongs to; empty where it is none of ours."""
    return (batch.schema.metadata or {}).get(_METADATA_KEY, b"").decode()


def encode_batch(batch: pa.RecordBatch) -> memoryview:
    """Returns a batch as an Arrow IPC file; equal batches are equal byte for byte."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return memoryview(sink.getvalue())


def decode_batch(content: bytes) -> pa.RecordBatch:
    """Inverse of `encode_batch`; the columns share memory with `content`. Raises pa.ArrowException for a damaged file."""
    return pa.ipc.open_file(pa.py_buffer(content)).get_batch(0)
