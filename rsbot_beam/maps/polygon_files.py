"""Files of the polygons of a block, before those that its edges cut are joined with their neighbours'."""

from __future__ import annotations

import json

import google_crc32c
import numpy as np
import pyarrow as pa
import shapely

from rsbot_beam import storage
from rsbot_beam.errors import DatasetError
from rsbot_beam.maps.polygons import Polygons

VERSION = 1
_METADATA_KEY = b"rsbot polygons"
_SCHEMA = pa.schema(
    {
        "block": pa.dictionary(pa.int32(), pa.string()),
        "geometry": pa.binary(),
        "code": pa.int32(),
        "pixels": pa.int64(),
        "score_sum": pa.int64(),
        "cut": pa.bool_(),
    }
)


def encode_polygons(polygons: Polygons) -> memoryview:
    """Serialises polygons as an Arrow file with a checksum; equal ones make equal bytes."""
    wkb = shapely.to_wkb(polygons.geometries, byte_order=1)
    header = json.dumps({"version": VERSION, "rows": len(polygons), "crc32c": _checksum(polygons, wkb)})
    schema = _SCHEMA.with_metadata({_METADATA_KEY: header.encode()})
    numbers = (polygons.codes, polygons.pixels, polygons.score_sum, polygons.cut)
    columns = [
        pa.array(polygons.block, pa.string()).dictionary_encode(),
        pa.array(wkb, pa.binary()),
        *(pa.array(column, field.type) for column, field in zip(numbers, list(_SCHEMA)[2:], strict=True)),
    ]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))
    return memoryview(sink.getvalue())


def _checksum(polygons: Polygons, wkb: np.ndarray) -> int:
    checksum = google_crc32c.value("\n".join(polygons.block).encode())
    for content in wkb:
        checksum = google_crc32c.extend(checksum, content)
    for column in (polygons.codes, polygons.pixels, polygons.score_sum, polygons.cut):
        checksum = google_crc32c.extend(checksum, np.ascontiguousarray(column).view(np.uint8))
    return int(checksum)


def decode_polygons(content: bytes, path: str) -> Polygons:
    """Inverse of `encode_polygons`.

    Args:
        content: The whole file.
        path: What to call it in messages.

    Raises:
        DatasetError: The file is damaged, or none of polygons.
    """
    try:
        reader = pa.ipc.open_file(pa.py_buffer(content))
        header = json.loads((reader.schema.metadata or {})[_METADATA_KEY])
        if header["version"] != VERSION:
            raise DatasetError(f"{path} has format {header['version']}, this version reads {VERSION}: predict again")
        batch = reader.get_batch(0)
        # Arrow believes offsets and lengths unless asked to look.
        batch.validate(full=True)
        polygons, is_intact = _decoded(batch, header["crc32c"])
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, IndexError, shapely.GEOSException) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path} holds no polygons, or is damaged ({error}): remove it and predict again") from error
    if not is_intact:
        raise DatasetError(f"{path} is damaged: its checksum is wrong; remove it and predict again")
    return polygons


def _decoded(batch: pa.RecordBatch, checksum: int) -> tuple[Polygons, bool]:
    """The polygons, and whether the checksum is theirs."""
    block = np.array(batch.column("block").to_pylist(), object)
    wkb = np.array(batch.column("geometry").to_pylist(), object)
    numbers = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in ("pixels", "score_sum", "cut")}
    geometries = np.asarray(shapely.from_wkb(wkb), object)
    polygons = Polygons(block=block, geometries=geometries, codes=batch.column("code").to_numpy(), **numbers)
    return polygons, _checksum(polygons, wkb) == checksum


def write_polygons(path: str, polygons: Polygons) -> int:
    """Writes polygons, atomically; none are no file.

    Args:
        path: Local or `gs://`.
        polygons: Of a block.

    Returns:
        Bytes written; 0 where there are no polygons.
    """
    if not len(polygons):
        return 0
    content = encode_polygons(polygons)
    storage.write_bytes(path, content)
    return len(content)


def read_polygons(path: str) -> Polygons:
    """Reads what `write_polygons` wrote.

    Raises:
        FileNotFoundError: There is no such file: the block had no polygons, or is not finished.
        DatasetError: It is damaged.
    """
    return decode_polygons(storage.read_bytes(path), path)
