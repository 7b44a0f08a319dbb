"""GeoTIFFs as fast sources of pixels: kept in memory within a budget, read by windows beyond it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rsbot_beam.errors import InputError
from rsbot_beam.local_ee.provider import BandPixels, PixelGrid
from rsbot_beam.local_ee.values import Value

# Bytes of decoded bands kept in memory. A Sentinel-2 tile's band has 240 MB; a laptop has 8 GB or more.
MEMORY_BUDGET = 1 << 30
# A raster whose band has more bytes than this share of the budget is read by windows instead.
LARGEST_SHARE = 4
# Pixels: a centre this close to a pixel's edge counts as on it, so that float noise does not decide.
EDGE = 1e-6

Index = NDArray[np.int64]
# Path, band and nodata value of pixels that are kept.
_Key = tuple[Path, int, float | None]


@dataclass(frozen=True)
class RasterFile:
    """A raster on disk, described.

    Attributes:
        path: Where it is.
        crs: Code, or WKT where it has no code.
        transform: Pixel (column, row) to CRS, of the top-left corner.
        shape: (height, width).
        dtypes: Of the bands.
        names: Band descriptions, `b1`, `b2` ... where there are none.
        nodata: Of the bands, None where they have none.
        masked: Which bands the file has a mask for. An alpha band is none: in files of four bands of bytes that Earth Engine
            exported, such as NAIP, it is the near infrared.
    """

    path: Path
    crs: str
    transform: Affine
    shape: tuple[int, int]
    dtypes: tuple[str, ...]
    names: tuple[str, ...]
    nodata: tuple[float | None, ...]
    masked: tuple[bool, ...]

    @staticmethod
    def open(path: Path) -> RasterFile:
        """Reads a raster's description.

        Raises:
            InputError: When it cannot be read or is not georeferenced.
        """
        try:
            with rasterio.open(path) as source:
                if source.crs is None:
                    raise InputError(
                        f"{path} has no CRS: give it one, for example with `rio edit-info --crs EPSG:4326`."
                    )
                return RasterFile(
                    path,
                    crs_code(source.crs),
                    source.transform,
                    source.shape,
                    source.dtypes,
                    tuple(name or f"b{number}" for number, name in enumerate(source.descriptions, 1)),
                    source.nodatavals,
                    tuple(MaskFlags.per_dataset in f and MaskFlags.alpha not in f for f in source.mask_flag_enums),
                )
        except RasterioError as error:
            raise InputError(f"{path} cannot be read as a raster: {error}.") from error


def crs_code(crs: Value) -> str:
    """`EPSG:n` where the CRS has such a code, else its WKT."""
    code = crs.to_epsg()
    return f"EPSG:{code}" if code is not None else str(crs.to_wkt())


class PixelStore:
    """Reads bands of raster files at the pixel centres of any grid, nearest neighbour. Used from many threads.

    Args:
        budget: Bytes of decoded bands that are kept.
    """

    def __init__(self, budget: int = MEMORY_BUDGET) -> None:
        self._budget = budget
        self._kept: OrderedDict[_Key, BandPixels] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._reading: dict[_Key, threading.Lock] = {}

    def pixels(self, raster: RasterFile, band: int, nodata: float | None, grid: PixelGrid) -> BandPixels:
        """Values and valid of one band on a grid; outside of the raster nothing is valid.

        Args:
            raster: The file.
            band: From 1.
            nodata: Value of pixels that are not valid, or None; NaN is never valid.
            grid: Where.
        """
        if _is_large(raster, band, self._budget):
            return self._by_window(raster, band, nodata, grid)
        source = self._whole(raster, band, nodata)
        if grid.crs == raster.crs and grid.is_axis_aligned and raster.transform.b == raster.transform.d == 0:
            return _separable(source, raster, grid)
        columns, rows = _places(raster, grid)
        return _scattered(source, rows, columns)

    def _whole(self, raster: RasterFile, band: int, nodata: float | None) -> BandPixels:
        key = (raster.path, band, None if nodata is None or np.isnan(nodata) else nodata)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
            reading = self._reading.setdefault(key, threading.Lock())
        with reading:
            with self._lock:
                found = self._kept.get(key)
            return found if found is not None else self._read(key, raster)

    def _read(self, key: _Key, raster: RasterFile) -> BandPixels:
        found = _from_file(raster, key[1], key[2])
        with self._lock:
            self._kept[key] = found
            self._bytes += _size(found)
            while self._bytes > self._budget and len(self._kept) > 1:
                self._bytes -= _size(self._kept.popitem(last=False)[1])
            self._reading.pop(key, None)
        return found

    def _by_window(self, raster: RasterFile, band: int, nodata: float | None, grid: PixelGrid) -> BandPixels:
        columns, rows = _places(raster, grid)
        inside = _within(rows, columns, raster.shape)
        dtype = np.dtype(raster.dtypes[band - 1])
        if not inside.any():
            return np.zeros(grid.shape, dtype), np.zeros(grid.shape, bool)
        top, bottom = int(rows[inside].min()), int(rows[inside].max()) + 1
        left, right = int(columns[inside].min()), int(columns[inside].max()) + 1
        pixels = _from_file(raster, band, nodata, Window(left, top, right - left, bottom - top))
        return _scattered(pixels, rows - top, columns - left, inside)


def _from_file(raster: RasterFile, band: int, nodata: float | None, window: Window | None = None) -> BandPixels:
    with rasterio.open(raster.path) as source:
        values = source.read(band, window=window)
        valid = valid_pixels(values, nodata)
        if raster.masked[band - 1]:
            valid &= source.read_masks(band, window=window) > 0
    return values, valid


def valid_pixels(values: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    """Where values are data: neither the nodata value nor NaN."""
    valid = np.ones(values.shape, bool)
    if nodata is not None and not np.isnan(nodata):
        valid &= values != nodata
    if values.dtype.kind == "f":
        valid &= ~np.isnan(values)
    return valid


def _is_large(raster: RasterFile, band: int, budget: int) -> bool:
    size = raster.shape[0] * raster.shape[1] * np.dtype(raster.dtypes[band - 1]).itemsize
    return size > budget // LARGEST_SHARE


def _size(pixels: BandPixels) -> int:
    return pixels[0].nbytes + pixels[1].nbytes


def _floor(position: NDArray[np.float64]) -> Index:
    return np.floor(position + EDGE).astype(np.int64)


def _separable(source: BandPixels, raster: RasterFile, grid: PixelGrid) -> BandPixels:
    """Grids along the raster's axes: a row and a column index for the whole grid, a slice where they are consecutive."""
    t = raster.transform
    columns, rows = _floor((grid.x_axis - t.c) / t.a), _floor((grid.y_axis - t.f) / t.e)
    height, width = raster.shape
    row_slice, column_slice = _as_slice(rows, height), _as_slice(columns, width)
    if row_slice is not None and column_slice is not None:
        return source[0][row_slice, column_slice], source[1][row_slice, column_slice]
    good_rows, good_columns = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
    picked = np.ix_(np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1))
    inside = good_rows[:, None] & good_columns[None, :]
    return _cleared(source[0][picked], source[1][picked] & inside)


def _as_slice(indices: Index, size: int) -> slice | None:
    first, last = int(indices[0]), int(indices[-1])
    if first < 0 or last >= size or last - first != len(indices) - 1 or (np.diff(indices) != 1).any():
        return None
    return slice(first, last + 1)


def _places(raster: RasterFile, grid: PixelGrid) -> tuple[Index, Index]:
    """(columns, rows) of a raster under the centres of a grid, each (H, W); far outside where there is no place."""
    x, y = grid.coordinates(raster.crs)
    columns, rows = ~raster.transform * (x, y)
    return _safe(columns), _safe(rows)


def _safe(position: NDArray[np.float64]) -> Index:
    return _floor(np.nan_to_num(np.clip(position, -1e9, 1e9), nan=-1e9))


def _within(rows: Index, columns: Index, shape: tuple[int, int]) -> NDArray[np.bool_]:
    return (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])


def _scattered(source: BandPixels, rows: Index, columns: Index, inside: NDArray[np.bool_] | None = None) -> BandPixels:
    shape = source[0].shape
    good = _within(rows, columns, shape) if inside is None else inside
    picked = (np.clip(rows, 0, shape[0] - 1), np.clip(columns, 0, shape[1] - 1))
    return _cleared(source[0][picked], source[1][picked] & good)


def _cleared(values: NDArray[Any], valid: NDArray[np.bool_]) -> BandPixels:
    values[~valid] = 0
    return values, valid
