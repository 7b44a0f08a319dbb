"""Detected boxes of a map: what a block hands in, before duplicates are removed, and its file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import google_crc32c
import numpy as np
import pyarrow as pa
from affine import Affine

from rsbot_beam import storage
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.geometry.crs import is_geographic
from rsbot_beam.geometry.tile import Bounds
from rsbot_beam.geometry.units import metres_per_unit

VERSION = 1
_METADATA_KEY = b"rsbot detections"
_EDGES = ("left", "bottom", "right", "top")
_TYPES = {
    "tile": pa.dictionary(pa.int32(), pa.string()),
    "crs": pa.dictionary(pa.int32(), pa.string()),
    **dict.fromkeys(_EDGES, pa.float64()),
    "score": pa.float32(),
    "code": pa.int32(),
    "core": pa.bool_(),
}


class GeoPlace(Protocol):
    """Pixels that lie somewhere: a `TileKey`, a `TileBlock`, or an odc-geo GeoBox."""

    @property
    def transform(self) -> Affine:
        """From (column, row) of a pixel corner to (x, y) in the CRS."""

    @property
    def crs(self) -> Any:  # noqa: ANN401 - a text or odc-geo's CRS
        """The CRS; its text is "EPSG:n"."""


class Owner(Protocol):
    """A part of the ground that answers for what lies in it: a `TileKey` or a `TileBlock`."""

    @property
    def bounds(self) -> Bounds:
        """In units of the CRS."""


@dataclass(frozen=True, eq=False)
class Detections:
    """Detected boxes, n of them, of any tiles and CRSs; parallel to the axes of their CRS.

    Attributes:
        tile: object (n,), the name of the tile or block that saw each.
        crs: object (n,), "EPSG:n" of each.
        bounds: float64 (n, 4), left, bottom, right, top in units of the CRS.
        scores: float32 (n,), 0..1.
        codes: int32 (n,), class codes.
        core: bool (n,), whether the tile owns the centre, and with it has seen the most of the object's surroundings;
            False for a neighbour's object, handed in in case that the neighbour places its centre here.
    """

    tile: np.ndarray
    crs: np.ndarray
    bounds: np.ndarray
    scores: np.ndarray
    codes: np.ndarray
    core: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.scores)
        for name, kind in (
            ("tile", object),
            ("crs", object),
            ("scores", np.float32),
            ("codes", np.int32),
            ("core", bool),
        ):
            object.__setattr__(self, name, np.asarray(getattr(self, name), kind).reshape(count))
        object.__setattr__(self, "bounds", np.asarray(self.bounds, np.float64).reshape(count, 4))

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def none(cls) -> Detections:
        """No detections."""
        nothing = np.empty(0)
        return cls(nothing, nothing, np.empty((0, 4)), nothing, nothing, nothing)

    @classmethod
    def of_rows(cls, rows: Sequence[tuple]) -> Detections:
        """Inverse of `rows`."""
        if not rows:
            return cls.none()
        tile, crs, left, bottom, right, top, scores, codes, core = (list(column) for column in zip(*rows, strict=True))
        return cls(_texts(tile), _texts(crs), np.column_stack([left, bottom, right, top]), scores, codes, core)  # type: ignore[arg-type]

    def rows(self) -> list[tuple[str, str, float, float, float, float, float, int, bool]]:
        """Each as a plain tuple, for a shuffle: tile, crs, left, bottom, right, top, score, code, core."""
        columns = (self.tile, self.crs, *self.bounds.T, self.scores.astype(float), self.codes, self.core)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def take(self, chosen: np.ndarray) -> Detections:
        """Those that a mask or an array of indices chooses, in its order."""
        columns = (self.tile, self.crs, self.bounds, self.scores, self.codes, self.core)
        return Detections(*(column[chosen] for column in columns))

    @classmethod
    def concat(cls, parts: Sequence[Detections]) -> Detections:
        """All of several, in their order."""
        if not parts:
            return cls.none()
        names = ("tile", "crs", "bounds", "scores", "codes", "core")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    @property
    def centres(self) -> np.ndarray:
        """float64 (n, 2), x and y in units of the CRS."""
        return (self.bounds[:, :2] + self.bounds[:, 2:]) / 2


def _texts(values: Sequence[str]) -> np.ndarray:
    texts = np.empty(len(values), object)
    texts[:] = values
    return texts


def boxes_of(
    place: GeoPlace, boxes: np.ndarray, scores: np.ndarray, codes: np.ndarray, tile: str | None = None
) -> Detections:
    """Places the boxes that a detector found in a patch.

    Args:
        place: Where the patch's pixels lie; with its overlap, if it was fetched with one.
        boxes: (n, 4), ymin, xmin, ymax, xmax in pixels from the top left corner, at pixel edges: 0 is the corner itself.
        scores: (n,), 0..1.
        codes: (n,), class codes.
        tile: Name to keep; `str(place)` by default.

    Returns:
        Detections, all of them `core`; see `owned`.

    Raises:
        InputError: The transform is rotated, boxes are inside out, or numbers are not finite.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    to_x = place.transform
    if to_x.b or to_x.d or to_x.a <= 0 or to_x.e >= 0:
        raise InputError(f"{place} is not north up ({to_x!r}): boxes along its axes are none of the CRS; warp it first")
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise InputError(
            f"{place}: the detector answered boxes or scores that are not finite; was it trained to the end?"
        )
    if (boxes[:, :2] > boxes[:, 2:]).any():
        raise InputError(f"{place}: boxes are inside out; they must be ymin, xmin, ymax, xmax")
    top, left, bottom, right = boxes.T
    bounds = np.column_stack(
        [to_x.c + left * to_x.a, to_x.f + bottom * to_x.e, to_x.c + right * to_x.a, to_x.f + top * to_x.e]
    )
    count = len(boxes)
    names = _texts([str(place) if tile is None else tile] * count), _texts([str(place.crs)] * count)
    return Detections(*names, bounds, scores, codes, np.ones(count, bool))


def owned(detections: Detections, block: Owner, margin: float) -> Detections:
    """What a block hands in: the boxes whose centre it owns, and those whose centre lies within a margin around it.

    Two blocks may each place the centre of one object on the other's ground; without the margin both would leave it out.

    Args:
        detections: In the block's CRS.
        block: What it answers for, without its overlap. It owns its top and left edge, not its bottom and right one.
        margin: Metres; some pixels, and less than the overlap.

    Returns:
        The detections left, with `core` set to whether the block owns their centre.
    """
    x, y = detections.centres.T
    left, bottom, right, top = block.bounds
    core = (x >= left) & (x < right) & (y > bottom) & (y <= top)
    dx, dy = _margin(detections, y, margin)
    near = (x >= left - dx) & (x < right + dx) & (y > bottom - dy) & (y <= top + dy)
    columns = (detections.tile, detections.crs, detections.bounds, detections.scores, detections.codes, core)
    return Detections(*(column[near] for column in columns))


def _margin(detections: Detections, y: np.ndarray, margin: float) -> tuple[np.ndarray, float]:
    """The margin along x, at each centre, and along y, in units of the CRS."""
    if not len(detections):
        return np.empty(0), 0.0
    crs = detections.crs[0]
    along = margin / metres_per_unit(crs)
    shrink = np.cos(np.radians(np.clip(y, -89, 89))) if is_geographic(crs) else np.ones(len(y))
    return along / shrink, along


def encode_detections(detections: Detections) -> memoryview:
    """Serialises detections as an Arrow file with a checksum; equal ones make equal bytes."""
    columns = _columns(detections)
    header = json.dumps({"version": VERSION, "rows": len(detections), "crc32c": _checksum(detections)})
    schema = pa.schema(list(_TYPES.items()), metadata={_METADATA_KEY: header.encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))
    return memoryview(sink.getvalue())


def _columns(detections: Detections) -> list[pa.Array]:
    plain = [*detections.bounds.T, detections.scores, detections.codes, detections.core]
    names = [pa.array(column, pa.string()).dictionary_encode() for column in (detections.tile, detections.crs)]
    return [
        *names,
        *(pa.array(np.ascontiguousarray(c), t) for c, t in zip(plain, list(_TYPES.values())[2:], strict=True)),
    ]


def _checksum(detections: Detections) -> int:
    checksum = google_crc32c.value("\n".join([*detections.tile, *detections.crs]).encode())
    for column in (detections.bounds, detections.scores, detections.codes, detections.core):
        checksum = google_crc32c.extend(checksum, np.ascontiguousarray(column).reshape(-1).view(np.uint8))
    return int(checksum)


def decode_detections(content: bytes, path: str) -> Detections:
    """Inverse of `encode_detections`.

    Args:
        content: The whole file.
        path: What to call it in messages.

    Raises:
        DatasetError: The file is damaged, or none of detections.
    """
    try:
        reader = pa.ipc.open_file(pa.py_buffer(content))
        header = json.loads((reader.schema.metadata or {})[_METADATA_KEY])
        if header["version"] != VERSION:
            raise DatasetError(f"{path} has format {header['version']}, this version reads {VERSION}: predict again")
        batch = reader.get_batch(0)
        # Arrow believes offsets and lengths unless asked to look.
        batch.validate(full=True)
        detections = _decoded(batch)
        is_intact = _checksum(detections) == header["crc32c"]
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, IndexError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(
            f"{path} holds no detections, or is damaged ({error}): remove it and predict again"
        ) from error
    if not is_intact:
        raise DatasetError(f"{path} is damaged: its checksum is wrong; remove it and predict again")
    return detections


def _decoded(batch: pa.RecordBatch) -> Detections:
    tile, crs = (_texts(batch.column(name).to_pylist()) for name in ("tile", "crs"))
    bounds = np.column_stack([batch.column(name).to_numpy() for name in _EDGES])
    scores, codes = batch.column("score").to_numpy(), batch.column("code").to_numpy()
    return Detections(tile, crs, bounds, scores, codes, batch.column("core").to_numpy(zero_copy_only=False))


def write_detections(path: str, detections: Detections) -> int:
    """Writes detections, atomically; none are no file.

    Args:
        path: Local or `gs://`.
        detections: Any number.

    Returns:
        Bytes written; 0 where there are no detections.
    """
    if not len(detections):
        return 0
    content = encode_detections(detections)
    storage.write_bytes(path, content)
    return len(content)


def read_detections(path: str) -> Detections:
    """Reads what `write_detections` wrote.

    Raises:
        FileNotFoundError: There is no such file: the block had no detections, or is not finished.
        DatasetError: It is damaged.
    """
    return decode_detections(storage.read_bytes(path), path)
