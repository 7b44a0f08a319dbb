"""Features by place: written once in the main program, asked for each tile by workers, which read a small part of it.

The folder of an index holds partitions, Arrow files of features that lie together; `places.arrow`, a line for each feature
without its geometry; and `index.json`, which says where the features of each partition lie. It is written last, so that an
index that was cut off is none.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import google_crc32c
import numpy as np
import pyarrow as pa

from rsbot_beam import storage
from rsbot_beam.data.feature_packing import meets, pack, reach_of
from rsbot_beam.data.feature_records import FeatureRecords, decode_batch, encode_batch, matrix_of, owner_of
from rsbot_beam.errors import DatasetError

VERSION = 1
FOLDER = "features"
_DIRECTORY, _PLACES, _SUFFIX = "index.json", "places.arrow", ".arrow"

# A tile meets one or few partitions: small enough to be read in one request in some 0.1 s, large enough that a million
# parcels are some hundreds of files.
PARTITION_RECORDS = 2048
PARTITION_BYTES = 4_000_000
# Bytes of partitions that a process keeps, of all indexes together: neighbouring tiles ask for the same ones.
KEPT_BYTES = 64_000_000


@dataclass(frozen=True, eq=False)
class Places:
    """Where the features of an index are, without their geometries; n of them, in the order of `seq`.

    Attributes:
        seq: int64 (n,), numbers.
        lon: float64 (n,), degrees; with `lat` a place on the feature.
        lat: float64 (n,), degrees.
        bboxes: float64 (n, 4), degrees, as in `FeatureRecords`.
        codes: int32 (n,), class codes.
        ids: Names.
    """

    seq: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    bboxes: np.ndarray
    codes: np.ndarray
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class FeatureIndex:
    """The features of a run by place. Picklable and small: it carries the folder only. Safe to share between threads.

    Attributes:
        folder: Where it is, local or `gs://`.
        fingerprint: 64 hexadecimal digits that are the same for the same features, whoever wrote the index.
    """

    folder: str
    fingerprint: str

    @classmethod
    def build(cls, folder: str, chunks: Iterable[FeatureRecords]) -> FeatureIndex:
        """Writes an index, unless the folder holds that of the same features.

        Args:
            folder: Local or `gs://`; what it holds of another index is replaced.
            chunks: The features; all of them are held in memory at once.
        """
        records = FeatureRecords.concatenate(list(chunks))
        fingerprint = records.fingerprint()
        if not _is_complete(folder, fingerprint):
            # Without its directory, what is left of an index half overwritten is none.
            storage.remove(storage.join(folder, _DIRECTORY))
            _write(folder, fingerprint, records)
        return cls(folder, fingerprint)

    @classmethod
    def open(cls, folder: str) -> FeatureIndex:
        """Opens an index; DatasetError where there is none, or a damaged one."""
        return cls(folder, str(_read_directory(folder)["fingerprint"]))

    @property
    def count(self) -> int:
        """Number of features."""
        return int(self._directory["count"])

    @property
    def classes(self) -> dict[int, int]:
        """Number of features by class code."""
        return {int(code): int(number) for code, number in self._directory["classes"].items()}

    def query(self, bboxes: Sequence[Sequence[float]]) -> FeatureRecords:
        """Returns the features that may lie in any of some bboxes, in the order of `seq`.

        Args:
            bboxes: (west, south, east, north) in degrees; west > east, or east > 180, crosses the antimeridian.

        Returns:
            All that do, and some that only come close: edges between vertices are curves in another CRS.

        Raises:
            DatasetError: The index is gone, damaged, or replaced by another one.
        """
        directory = self._directory
        found = []
        for number in np.flatnonzero(meets(directory["bounds"], bboxes)).tolist():
            part = self._partition(directory["partitions"][number])
            rows = np.flatnonzero(meets(part.reach, bboxes))
            if len(rows):
                found.append(FeatureRecords.from_batch(part.batch.take(pa.array(rows))))
        records = FeatureRecords.concatenate(found)
        return records.take(np.argsort(records.seq, kind="stable"))

    def places(self) -> Places:
        """Where all features are; DatasetError as for `query`."""
        batch = self._batch(_PLACES, self._directory["places"])
        lon, lat = matrix_of(batch, "points").T
        seq, codes = batch.column("seq").to_numpy(), batch.column("codes").to_numpy()
        return Places(seq, lon, lat, matrix_of(batch, "bboxes"), codes, batch.column("ids").to_pylist())

    @property
    def _directory(self) -> dict[str, Any]:
        def load() -> tuple[dict[str, Any], int]:
            content = _read_directory(self.folder)
            if content["fingerprint"] != self.fingerprint:
                raise DatasetError(
                    f"the features in {self.folder} were replaced while they were read: start the run again"
                )
            bounds = np.array([entry["bbox"] for entry in content["partitions"]], float).reshape(-1, 4)
            return {**content, "bounds": bounds}, bounds.nbytes

        return _KEPT.get((self.folder, self.fingerprint, _DIRECTORY), load)

    def _partition(self, entry: Mapping[str, Any]) -> _Partition:
        def load() -> tuple[_Partition, int]:
            batch = self._batch(entry["name"], entry["crc32c"])
            return _Partition(batch, reach_of(matrix_of(batch, "bboxes"))), batch.nbytes

        return _KEPT.get((self.folder, self.fingerprint, entry["name"]), load)

    def _batch(self, name: str, checksum: int) -> pa.RecordBatch:
        path = storage.join(self.folder, name)
        try:
            content = storage.read_bytes(path)
            if google_crc32c.value(content) != checksum:
                raise DatasetError(
                    f"{path} is damaged, or of other features: remove {self.folder} and start the run again"
                )
            batch = decode_batch(content)
        except FileNotFoundError as error:
            raise DatasetError(f"{path} is gone: remove {self.folder} and start the run again") from error
        if owner_of(batch) != self.fingerprint:
            raise DatasetError(f"{path} is of other features: remove {self.folder} and start the run again")
        return batch


@dataclass(frozen=True, eq=False)
class _Partition:
    batch: pa.RecordBatch
    reach: np.ndarray


class _Kept:
    """What was read last, up to some bytes; shared by all threads of a process."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._items: OrderedDict[tuple[str, str, str], tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str, str], load: Callable[[], tuple[Any, int]]) -> Any:  # noqa: ANN401
        """Returns what is kept under a key, or loads it; two threads may load the same at the same time."""
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key][0]
        value, size = load()
        with self._lock:
            if key not in self._items:
                self._items[key] = value, size
                self.bytes += size
            while self.bytes > self.limit and len(self._items) > 1:
                _, (_, freed) = self._items.popitem(last=False)
                self.bytes -= freed
        return value


_KEPT = _Kept(KEPT_BYTES)


def _read_directory(folder: str) -> dict[str, Any]:
    path = storage.join(folder, _DIRECTORY)
    try:
        content: dict[str, Any] = json.loads(storage.read_text(path))
        version = content["version"]
    except FileNotFoundError as error:
        raise DatasetError(f"there is no index of features in {folder}: start the run again to write it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is damaged ({error!r}): remove {folder} and start the run again") from error
    if version != VERSION:
        raise DatasetError(f"{path} has format {version}, this version reads {VERSION}: remove {folder}, and run again")
    return content


def _is_complete(folder: str, fingerprint: str) -> bool:
    try:
        directory = _read_directory(folder)
    except DatasetError:
        return False
    sizes = {storage.name_of(file.path): file.size for file in storage.list_files(folder, _SUFFIX)}
    stored = all(sizes.get(entry["name"]) == entry["bytes"] for entry in directory["partitions"])
    return directory["fingerprint"] == fingerprint and stored and _PLACES in sizes


def _write(folder: str, fingerprint: str, records: FeatureRecords) -> None:
    sizes = np.fromiter(map(len, records.wkb), np.int64, len(records))
    pieces = pack(records.bboxes, sizes, PARTITION_RECORDS, PARTITION_BYTES)
    put = partial(_put, folder)
    partitions = []
    for number, rows in enumerate(pieces):
        piece = records.take(np.sort(rows))
        bounds = reach_of(piece.bboxes)
        bbox = [*bounds[:, :2].min(axis=0).tolist(), *bounds[:, 2:].max(axis=0).tolist()]
        name = f"part-{number:05d}{_SUFFIX}"
        partitions.append({"name": name, "bbox": bbox, **put(name, piece.to_batch(fingerprint))})
    places = records.to_batch(fingerprint).select(["seq", "codes", "bboxes", "points", "ids"])
    _remove_others(folder, {str(entry["name"]) for entry in partitions})
    codes, numbers = np.unique(records.codes, return_counts=True)
    directory = {
        "version": VERSION,
        "fingerprint": fingerprint,
        "count": len(records),
        "classes": {str(code): int(number) for code, number in zip(codes, numbers, strict=True)},
        "places": put(_PLACES, places)["crc32c"],
        "partitions": partitions,
    }
    storage.write_bytes(storage.join(folder, _DIRECTORY), json.dumps(directory))


def _put(folder: str, name: str, batch: pa.RecordBatch) -> dict[str, int]:
    content = encode_batch(batch)
    storage.write_bytes(storage.join(folder, name), content)
    return {"bytes": len(content), "crc32c": int(google_crc32c.value(bytes(content)))}


def _remove_others(folder: str, names: set[str]) -> None:
    """Removes what a larger index of other features has left."""
    for file in storage.list_files(folder, _SUFFIX):
        if storage.name_of(file.path) not in names | {_PLACES}:
            storage.remove(file.path)
