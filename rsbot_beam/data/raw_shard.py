"""Raw shards: the patches of some neighbouring tiles as fetched, in one Arrow file.

A shard is an Arrow IPC file with one row for each stored tile: `tile` (the key's text), one typed list column for each
band (the pixels in C order), `valid` (one bit per pixel and band, all bands one after the other; empty where all are
valid), `info` (JSON: the patch's objects, group and attributes; empty where there are none) and `crc32c` (of all that).
tf.Transform takes the typed columns without conversion. The header (schema metadata) accounts for every tile that was asked
for: stored, empty or dead. Shards of equal patches are equal byte for byte: nothing in them depends on when or by whom they
were written.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np
import pyarrow as pa

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.objects import Objects
from rsbot_beam.data.patch import Patch
from rsbot_beam.errors import DatasetError
from rsbot_beam.geometry import TileKey

VERSION = 2
SUFFIX = ".arrow"
_METADATA_KEY = b"rsbot"
_MAGIC = (
    b"ARROW1\0\0"  # start of an Arrow IPC file, before the schema's message (Arrow columnar format, IPC file format)
)


@dataclass(frozen=True)
class ShardHeader:
    """What a raw shard accounts for.

    Attributes:
        name: The shard's name.
        stored: Tiles whose patches are in it, in the order of its rows.
        empty: Tiles without a single valid input pixel; nothing is stored of them.
        dead: Tiles that failed for good; they are fetched again by the next run.
        groups: The group of each stored tile; empty where places alone decide on partitions.
    """

    name: str
    stored: tuple[TileKey, ...]
    empty: tuple[TileKey, ...] = ()
    dead: tuple[TileKey, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def tiles(self) -> int:
        """Number of tiles asked for."""
        return len(self.stored) + len(self.empty) + len(self.dead)

    def to_json(self) -> str:
        """Text form, equal for equal headers."""
        groups = {group: [str(key) for key in getattr(self, group)] for group in ("stored", "empty", "dead")}
        return json.dumps({"version": VERSION, "name": self.name, **groups, "groups": self.groups})

    def grouped(self) -> Iterator[tuple[TileKey, str]]:
        """The stored tiles with their groups."""
        return zip(self.stored, self.groups or ("",) * len(self.stored), strict=True)

    @classmethod
    def from_schema(cls, schema: pa.Schema, path: str) -> ShardHeader:
        """Read from a shard's schema; DatasetError where it is none of ours."""
        try:
            content = json.loads((schema.metadata or {})[_METADATA_KEY])
            groups = {g: tuple(TileKey.parse(text) for text in content[g]) for g in ("stored", "empty", "dead")}
            name, version = content["name"], content["version"]
            of_tiles = tuple(map(str, content["groups"]))
            if len(of_tiles) not in (0, len(groups["stored"])):
                raise ValueError("the groups are not those of the stored tiles")
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{path} is not a raw shard of rsbot-beam: its header is missing or damaged") from error
        if version != VERSION:
            raise DatasetError(f"{path} has format {version}, this version reads {VERSION}: export the region again")
        return cls(name, **groups, groups=of_tiles)


def encode_shard(header: ShardHeader, layout: Layout, patches: Sequence[Patch]) -> memoryview:
    """Serialise a shard; `patches` come in the order of `header.stored`."""
    columns = {"tile": pa.array([str(patch.key) for patch in patches], pa.string())}
    for band in layout.all_bands:
        columns[band.name] = _list_column([patch.pixels[band.name] for patch in patches], band)
    bits = [pack_valid(patch) for patch in patches]
    columns["valid"] = pa.array(bits, pa.binary())
    infos = [_info(patch) for patch in patches]
    columns["info"] = pa.array(infos, pa.string())
    columns["crc32c"] = pa.array(
        [_checksum(patch, packed, info) for patch, packed, info in zip(patches, bits, infos, strict=True)], pa.uint32()
    )
    schema = pa.schema(
        [(name, column.type) for name, column in columns.items()], metadata={_METADATA_KEY: header.to_json().encode()}
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch(list(columns.values()), schema=schema))
    return memoryview(sink.getvalue())


def _list_column(arrays: Sequence[np.ndarray], band: Band) -> pa.Array:
    length = arrays[0].size if arrays else 0
    offsets = np.arange(len(arrays) + 1, dtype=np.int64) * length
    flat = np.concatenate([array.ravel() for array in arrays]) if arrays else np.empty(0, band.numpy)
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(flat, pa.from_numpy_dtype(band.numpy)))


def pack_valid(patch: Patch) -> bytes:
    """Validity of all bands as bits, in the layout's order; empty where every pixel is valid."""
    flags = [patch.valid[band.name] for band in patch.layout.all_bands]
    if all(flag.all() for flag in flags):
        return b""
    return np.packbits(np.concatenate([flag.ravel() for flag in flags])).tobytes()


def _info(patch: Patch) -> str:
    content: dict[str, Any] = {}
    if patch.objects is not None:
        content["objects"] = patch.objects.to_dict()
    if patch.group:
        content["group"] = patch.group
    if patch.attributes:
        content["attributes"] = dict(patch.attributes)
    return json.dumps(content, sort_keys=True) if content else ""


def _checksum(patch: Patch, packed: bytes, info: str) -> int:
    checksum = google_crc32c.value(str(patch.key).encode() + packed + info.encode())
    for band in patch.layout.all_bands:
        checksum = google_crc32c.extend(
            checksum, np.ascontiguousarray(patch.pixels[band.name]).reshape(-1).view(np.uint8)
        )
    return int(checksum)


def read_header(head: bytes, path: str) -> ShardHeader:
    """Read the header from the first bytes of a shard's file.

    Raises:
        DatasetError: The file is no raw shard.
        EOFError: `head` ends before the header does: read more of the file.
    """
    if head[: len(_MAGIC)] != _MAGIC:
        raise DatasetError(f"{path} is not an Arrow file: it was damaged or written by something else; remove it")
    length = int.from_bytes(head[len(_MAGIC) + 4 : len(_MAGIC) + 8], "little")
    if len(head) < len(_MAGIC) + 8 + length:
        raise EOFError(path)
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(head[len(_MAGIC) :]))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    return ShardHeader.from_schema(schema, path)


def _damaged(path: str, why: object) -> DatasetError:
    return DatasetError(f"the raw shard {path} is damaged ({why}); remove it and start the export again")


def open_shard(content: bytes, path: str) -> tuple[ShardHeader, pa.RecordBatch]:
    """Parse a whole shard; the arrays share memory with `content`.

    Raises:
        DatasetError: The file is damaged; names it.
    """
    try:
        reader = pa.ipc.open_file(pa.py_buffer(content))
        batch = reader.get_batch(0)
        # Arrow believes offsets and lengths unless asked to look: damaged ones would make it read beyond the file.
        batch.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    return ShardHeader.from_schema(reader.schema, path), batch


def decode_patches(batch: pa.RecordBatch, layout: Layout, path: str) -> Iterator[Patch]:
    """Patches of a shard, checked against their checksums; arrays are read-only views of the shard.

    Raises:
        DatasetError: A row's checksum is wrong; names the file and the tile.
    """
    for row in range(batch.num_rows):
        try:
            patch, is_intact = _decode_row(batch, row, layout)
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path, error) from error
        if not is_intact:
            raise _damaged(path, f"the checksum of tile {patch.key} is wrong")
        yield patch


def _decode_row(batch: pa.RecordBatch, row: int, layout: Layout) -> tuple[Patch, bool]:
    """A patch, and whether its checksum is right."""
    key = TileKey.parse(batch.column("tile")[row].as_py())
    pixels = {
        band.name: batch.column(band.name)[row].values.to_numpy().reshape(layout.shape(band, key.size))
        for band in layout.all_bands
    }
    packed = batch.column("valid")[row].as_py()
    info = batch.column("info")[row].as_py()
    if not isinstance(info, str):
        raise ValueError("the column info holds no text")
    content = json.loads(info) if info else {}
    objects = Objects.from_dict(content["objects"]) if "objects" in content else None
    patch = Patch(
        key,
        layout,
        pixels,
        _unpack_valid(packed, layout, key.size),
        objects,
        content.get("group", ""),
        content.get("attributes", {}),
    )
    return patch, _checksum(patch, packed, info) == batch.column("crc32c")[row].as_py()


@functools.lru_cache(maxsize=16)
def _everywhere(shape: tuple[int, ...]) -> np.ndarray:
    """All True, read-only, shared by the patches that are valid throughout."""
    everywhere = np.ones(shape, bool)
    everywhere.flags.writeable = False
    return everywhere


def _unpack_valid(packed: bytes, layout: Layout, size: int) -> dict[str, np.ndarray]:
    shapes = {band.name: layout.shape(band, size) for band in layout.all_bands}
    if not packed:
        return {name: _everywhere(shape) for name, shape in shapes.items()}
    total = sum(int(np.prod(shape)) for shape in shapes.values())
    flags = np.unpackbits(np.frombuffer(packed, np.uint8), count=total).view(bool)
    valid, start = {}, 0
    for name, shape in shapes.items():
        valid[name] = flags[start : start + int(np.prod(shape))].reshape(shape)
        start += int(np.prod(shape))
    return valid
