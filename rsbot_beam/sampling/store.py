"""The samples of a run in one Arrow file: drawn once, read by every worker."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from rsbot_beam import storage
from rsbot_beam.data.samples import AttributeValue, Sample
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.geometry import TileKey

VERSION = 1
_METADATA_KEY = b"rsbot samples"
_COLUMNS = ("tile", "group", "kind")
# The user's attributes are columns of their own, in a drawer of the names: they may be called "tile" as well.
_ATTRIBUTE = "attribute."
# Rows of a record batch: reading some neighbouring samples touches no more than that many.
_BATCH_ROWS = 4096


def write_samples(path: str, samples: Sequence[Sample]) -> None:
    """Writes samples, atomically; equal samples make equal bytes.

    Args:
        path: Local or `gs://`.
        samples: In the order in which they are to be read.

    Raises:
        InputError: An attribute is a number in one sample and a text, or nothing, in another.
    """
    names = sorted({name for sample in samples for name in sample.attributes})
    columns = {
        "tile": pa.array([str(sample.key) for sample in samples], pa.string()),
        "group": pa.array([sample.group for sample in samples], pa.string()),
        "kind": pa.array([sample.kind for sample in samples], pa.string()),
        **{_ATTRIBUTE + name: _attribute_column(name, samples) for name in names},
    }
    table = pa.table(columns, metadata={_METADATA_KEY: json.dumps({"version": VERSION})})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=_BATCH_ROWS)
    storage.write_bytes(path, memoryview(sink.getvalue()))


def _attribute_column(name: str, samples: Sequence[Sample]) -> pa.Array:
    values = [sample.attributes.get(name) for sample in samples]
    kinds = {type(value).__name__ for value in values}
    if kinds <= {"float", "int"}:
        return pa.array([float(value) for value in values], pa.float64())  # type: ignore[arg-type]
    if kinds == {"str"}:
        return pa.array(values, pa.string())
    raise InputError(
        f"attribute {name!r} of the samples is {' in some and '.join(sorted(kinds))} in others: give all samples a "
        "number, or all a text"
    )


def read_samples(path: str, indices: Sequence[int] | None = None) -> list[Sample]:
    """Reads all samples, or those at `indices`, in their order.

    A local file is mapped, not read: some neighbouring samples of many are read at once. The file of a bucket is kept in
    the process.

    Raises:
        DatasetError: There is no such file, or it is not one of samples, or has fewer.
    """
    reader = _opened(path, _size(path))
    starts = _batch_starts(reader)
    wanted = list(range(starts[-1])) if indices is None else list(indices)
    if wanted and not 0 <= min(wanted) <= max(wanted) < starts[-1]:
        raise DatasetError(f"{path} has {starts[-1]} samples, none at {max(wanted)}: it belongs to another run")
    rows: dict[int, Sample] = {}
    for number, (start, end) in enumerate(itertools.pairwise(starts)):
        inside = [index for index in wanted if start <= index < end]
        if inside:
            batch = reader.get_batch(number).take(pa.array([index - start for index in inside]))
            rows |= dict(zip(inside, _samples(batch), strict=True))
    return [rows[index] for index in wanted]


def _size(path: str) -> int:
    size = storage.size(path)
    if size is None:
        raise DatasetError(f"there are no samples at {path}: start the export again to draw them")
    return size


@functools.lru_cache(maxsize=2)
def _opened(path: str, size: int) -> pa.ipc.RecordBatchFileReader:
    """Opens a file once; its size tells another one of the same name."""
    try:
        source = pa.BufferReader(storage.read_bytes(path)) if storage.is_gcs(path) else pa.memory_map(path)
        reader = pa.ipc.open_file(source)
        header = json.loads((reader.schema.metadata or {})[_METADATA_KEY])
    except (pa.ArrowInvalid, KeyError, ValueError) as error:
        raise DatasetError(f"{path} is not a file of samples, or cut off: remove it and export again") from error
    if header.get("version") != VERSION or not set(_COLUMNS) <= set(reader.schema.names):
        raise DatasetError(f"{path} has format {header}, this version reads {VERSION}: draw the samples again")
    return reader


def _batch_starts(reader: pa.ipc.RecordBatchFileReader) -> list[int]:
    starts = [0]
    for number in range(reader.num_record_batches):
        starts.append(starts[-1] + reader.get_batch(number).num_rows)
    return starts


def _samples(batch: pa.RecordBatch) -> Iterator[Sample]:
    columns: Mapping[str, list[Any]] = batch.to_pydict()
    attributes = {name.removeprefix(_ATTRIBUTE): v for name, v in columns.items() if name.startswith(_ATTRIBUTE)}
    for n, (tile, group, kind) in enumerate(zip(*(columns[name] for name in _COLUMNS), strict=True)):
        carried: dict[str, AttributeValue] = {name: values[n] for name, values in attributes.items()}
        yield Sample(TileKey.parse(tile), group, kind, carried)
