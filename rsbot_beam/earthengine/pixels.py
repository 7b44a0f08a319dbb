"""Requests for pixels and the pixels of answers: pure functions, no network."""

from __future__ import annotations

import io
import json
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from rsbot_beam.earthengine.source import FetchBand, PixelSource
from rsbot_beam.errors import InputError, PermanentError, TransientError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

# Limits of one request for pixels (Earth Engine, "computePixels": 48 MiB, 32768 pixels a side, 1024 bands).
MAX_REQUEST_BYTES = 50_331_648
MAX_SIDE = 32_768
MAX_BANDS = 1_024

# Bytes of a request's body (Earth Engine, "Request payload size exceeds the limit: 10485760 bytes").
MAX_PAYLOAD = 10_485_760

# Bytes of an NPY file before its array: a magic of 6, a version of 2, the header's length of 2 or 4.
_MAGIC_BYTES = 8


@dataclass
class Pixels:
    """The pixels of a place.

    Attributes:
        values: Band -> array (height, width) in the band's native type, C-contiguous; 0 where not valid.
        valid: Band -> bool array (height, width); True = valid. Bands may share one array: do not write to it.
    """

    values: dict[str, np.ndarray]
    valid: dict[str, np.ndarray]

    @property
    def nbytes(self) -> int:
        """Bytes held, arrays that are shared counted once."""
        arrays = {id(array): array.nbytes for array in (*self.values.values(), *self.valid.values())}
        return sum(arrays.values())

    def cut(self, rows: slice, cols: slice) -> Pixels:
        """A part of the place, copied, so that the whole can be freed."""
        values = {name: array[rows, cols].copy() for name, array in self.values.items()}
        parts = {id(array): array[rows, cols].copy() for array in self.valid.values()}
        return Pixels(values, {name: parts[id(array)] for name, array in self.valid.items()})


def join(parts: Iterable[Pixels], axis: int) -> Pixels:
    """Neighbouring parts put together again: axis 0 downwards, axis 1 to the right."""
    parts = list(parts)
    names = list(parts[0].values)
    return Pixels(
        {name: np.concatenate([part.values[name] for part in parts], axis) for name in names},
        {name: np.concatenate([part.valid[name] for part in parts], axis) for name in names},
    )


def merge(parts: Iterable[Pixels]) -> Pixels:
    """Parts of the same place with different bands put together."""
    merged = Pixels({}, {})
    for part in parts:
        merged.values.update(part.values)
        merged.valid.update(part.valid)
    return merged


def counted_bytes(shape: tuple[int, int], bands: Iterable[FetchBand]) -> int:
    """Bytes of a request as Earth Engine counts them: each band's own and one of its mask, for each pixel.

    Args:
        shape: (height, width) in pixels.
        bands: All bands of the answer, flag bands included.
    """
    return shape[0] * shape[1] * sum(band.itemsize + 1 for band in bands)


def fits(shape: tuple[int, int], source: PixelSource) -> bool:
    """Whether one request may ask for that many pixels, by Earth Engine's documented limits."""
    small = counted_bytes(shape, source.bands) <= MAX_REQUEST_BYTES and max(shape) <= MAX_SIDE
    return small and len(source.bands) <= MAX_BANDS


def grid_json(geobox: GeoBox) -> dict[str, Any]:
    """The place as Earth Engine has it: the transform is that of the top-left corner, in full precision.

    Raises:
        InputError: The CRS has no EPSG code.
    """
    epsg = geobox.crs.epsg if geobox.crs is not None else None
    if epsg is None:
        raise InputError(f"CRS {str(geobox.crs)[:200]!r} has no EPSG code, which Earth Engine needs: reproject to one")
    height, width = geobox.shape
    a, b, c, d, e, f = (float(number) for number in tuple(geobox.affine)[:6])
    return {
        "dimensions": {"width": int(width), "height": int(height)},
        "affineTransform": {
            "scaleX": a,
            "shearX": b,
            "translateX": c,
            "shearY": d,
            "scaleY": e,
            "translateY": f,
        },
        "crsCode": f"EPSG:{epsg}",
    }


def request_body(source: PixelSource, geobox: GeoBox, workload_tag: str | None = None) -> bytes:
    """The body to post for the pixels of a place.

    Raises:
        InputError: The CRS has no EPSG code, or the body is larger than Earth Engine takes.
    """
    tail: dict[str, Any] = {"grid": grid_json(geobox)}
    if workload_tag:
        tail["workloadTag"] = workload_tag
    body = source.prefix + b"," + json.dumps(tail, separators=(",", ":"))[1:].encode()
    if len(body) > MAX_PAYLOAD:
        raise InputError(
            f"the request is {len(body):,} bytes, Earth Engine takes {MAX_PAYLOAD:,}: simplify the geometries in the "
            "recipe (filter by the region's bounds), upload them as an asset, or build the image with fewer steps"
        )
    return body


def decode(source: PixelSource, body: bytes | bytearray, shape: tuple[int, int]) -> Pixels:
    """The pixels of an answer.

    Args:
        source: What was asked for.
        body: The answer, an NPY file.
        shape: (height, width) that was asked for.

    Raises:
        TransientError: The body is cut off or is not an NPY file.
        PermanentError: It has other bands, types or pixels than were asked for.
    """
    return extract(source, parse(source, body, shape))


def parse(source: PixelSource, body: bytes | bytearray, shape: tuple[int, int]) -> np.ndarray:
    """The answer as a structured array (height, width), a view of `body`; errors as of `decode`."""
    dtype, found, start = _layout(body)
    if found != shape:
        raise PermanentError(f"Earth Engine answered {found} pixels where {shape} were asked for (height, width)")
    _check_types(source, dtype)
    missing = start + shape[0] * shape[1] * dtype.itemsize - len(body)
    if missing:
        raise TransientError(f"the answer of {len(body):,} bytes is {abs(missing):,} too {_comparative(missing)}")
    return np.frombuffer(body, dtype, offset=start).reshape(shape)


def _comparative(missing: int) -> str:
    return "short" if missing > 0 else "long"


def extract(source: PixelSource, answer: np.ndarray) -> Pixels:
    """Values and validity by band from a structured array, or from a part of one."""
    values = {band.name: np.array(answer[band.name], band.dtype, order="C") for band in source.data_bands}
    valid = _flagged(source, answer) if source.flags else _declared(source, values)
    return Pixels(values, {name: _finite(values[name], mask) for name, mask in valid.items()})


def _flagged(source: PixelSource, answer: np.ndarray) -> dict[str, np.ndarray]:
    flags = {flag.band: np.ascontiguousarray(answer[flag.band]) for flag in source.flags}
    # Most patches are valid throughout: one look at a flag band then answers for all of its bits.
    common = {name: np.bitwise_and.reduce(flag, axis=None) for name, flag in flags.items()}
    everywhere = np.ones(answer.shape, bool)
    valid = {}
    for band, (name, bit) in zip(source.data_bands, source.flags, strict=True):
        whole = (int(common[name]) >> bit) & 1
        valid[band.name] = everywhere if whole else (flags[name] & flags[name].dtype.type(1 << bit)).astype(bool)
    return valid


def _declared(source: PixelSource, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    valid = {}
    for name, array in values.items():
        nodata = source.nodata.get(name)
        valid[name] = np.ones(array.shape, bool) if nodata is None else array != nodata
        array[~valid[name]] = 0
    return valid


def _finite(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Validity without the pixels that are no numbers: one NaN would spoil every statistic."""
    if values.dtype.kind != "f":
        return valid
    finite = np.isfinite(values)
    if finite.all():
        return valid
    values[~finite] = 0
    return valid & finite


def _layout(body: bytes | bytearray) -> tuple[np.dtype, tuple[int, ...], int]:
    """Type, shape and offset of the array in an NPY file."""
    head = bytes(body[: _MAGIC_BYTES + 4])
    try:
        version = npy.read_magic(io.BytesIO(head))
        width = 2 if version == (1, 0) else 4
        start = _MAGIC_BYTES + width + int.from_bytes(head[_MAGIC_BYTES : _MAGIC_BYTES + width], "little")
        dtype, shape = _read_header(bytes(body[:start]))
    except (ValueError, SyntaxError, TypeError, RecursionError, tokenize.TokenError) as error:
        raise TransientError(f"the answer of {len(body):,} bytes is not an NPY file: {head!r}... ({error})") from error
    return dtype, shape, start


@lru_cache(maxsize=64)  # A job has few shapes, and reading the header's Python literal costs 0.1 ms.
def _read_header(header: bytes) -> tuple[np.dtype, tuple[int, ...]]:
    stream = io.BytesIO(header)
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    # The limit protects a parser of untrusted literals; 1,024 bands with long names need more than its 10,000.
    shape, fortran_order, dtype = read(stream, max_header_size=1_000_000)
    if fortran_order or dtype.hasobject:
        raise ValueError(f"unexpected layout {dtype}, fortran_order={fortran_order}")
    return dtype, shape


def _check_types(source: PixelSource, dtype: np.dtype) -> None:
    wanted = [band.name for band in source.bands]
    if list(dtype.names or ()) != wanted:
        raise PermanentError(f"Earth Engine answered the bands {dtype.names} where {wanted} were asked for")
    for band in source.bands:
        if not np.can_cast(dtype[band.name], band.dtype, "safe"):
            raise PermanentError(
                f"Earth Engine answered band {band.name!r} as {dtype[band.name]}, which does not fit into "
                f"{band.dtype}: declare the band with dtype {dtype[band.name]}"
            )
