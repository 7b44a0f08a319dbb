"""Pictures and values of a map, read from its rasters when they are asked for. Safe for many threads.

A pixel of a tile shows the pixel of the raster in which its centre lies, in the raster's own grid: classes are never mixed.
Where a map is seen from afar, overviews are read: a class is the most frequent one, a quantity the mean.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window
from rio_tiler.errors import NoOverviewWarning
from rio_tiler.io import Reader

from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.composite import NAME as COMPOSITE
from rsbot_beam.data.map_layout import MAP_BANDS, SAID
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.geometry.mercator import MercatorGrid
from rsbot_beam.maps.gdal_files import Handles, gdal_settings
from rsbot_beam.maps.map_grids import MapGrid, open_grids, open_overview
from rsbot_beam.maps.shading import picture, shade
from rsbot_beam.maps.styles import map_styles

MOST_FILES = 64
"""Blocks that are opened for one picture; where it touches more, the overview is drawn, coarser than the screen or not."""

FEW_FILES = 4
"""Blocks up to which the rasters are read although the overview would do: these show the very pixels."""

# A layer has none of its own where it is read, those of its rasters serve; and a PNG has no place. Said once, as filters
# that are set and taken back are not safe for threads.
warnings.filterwarnings("ignore", category=NoOverviewWarning)
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning, module="rasterio")

# Columns and rows between the places at which it is looked whether a grid has anything to do with a tile.
_LATTICE = 32


@dataclass(frozen=True)
class _Raster:
    grids: Sequence[MapGrid]
    overview: MapGrid | None


class MapTiles:
    """The rasters of one map.

    Args:
        root: The map's folder, local or `gs://`.
        classes: With codes, names and colours.
    """

    def __init__(self, root: str, classes: Sequence[LabelClass]) -> None:
        self.root = root
        self.classes = tuple(classes)
        self.rasters = tuple(name for name in MAP_BANDS if storage.exists(storage.join(root, f"{name}.vrt")))
        self._styles = map_styles(self.classes)
        self._handles = Handles(gdal_settings(root))
        self._opened: dict[str, _Raster] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close all files."""
        self._handles.close()

    def tile(self, raster: str, z: int, x: int, y: int, size: int = 256, band: int = 1) -> bytes | None:
        """A tile of the map as PNG, transparent where there is no data; None where there is none in all of it.

        Args:
            raster: One of `rasters`.
            z: Zoom; tiles are those of WebMercatorQuad.
            x: Column.
            y: Row.
            size: Pixels a side.
            band: Of `probabilities`, from 1.

        Raises:
            InputError: There is no such raster, band or tile.
        """
        pixels, valid = self.sample(raster, MercatorGrid.of_tile(z, x, y, size), band)
        if not valid.any():
            return None
        return picture(shade(raster, pixels, self.classes), valid)

    def sample(self, raster: str, place: MercatorGrid, band: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """The pixels of a raster in Web Mercator.

        Args:
            raster: One of `rasters`.
            place: Where.
            band: Of `probabilities`, from 1.

        Returns:
            (bands, height, width) of the raster's type, and where there is data, bool (height, width).

        Raises:
            InputError: There is no such raster or band.
        """
        opened = self._raster(raster)
        bands = self._bands(raster, band)
        near = [grid for grid in opened.grids if _may_meet(grid, place)]
        if not near:
            return np.zeros((len(bands), *place.shape), np.uint8), np.zeros(place.shape, bool)
        lon, lat = place.lonlat()
        at = [(grid, *grid.pixels_at(lon, lat)) for grid in near]
        chosen = _overview_instead(opened.overview, at, lon, lat)
        return _laid_over([self._read(*one, bands) for one in chosen], len(bands), place.shape)

    def values(self, lon: float, lat: float) -> dict[str, Any] | None:
        """What the map says of a place, from the pixel in which it lies.

        Args:
            lon: Degrees.
            lat: Degrees.

        Returns:
            What of these there are rasters for: `code` and `class`, `probability` of the class, `probabilities` of all
            ({code, class, probability}, in the map's order), `entropy`; None where the map has no data.
        """
        found = {name: self.pixel(name, lon, lat) for name in self.rasters if name in SAID}
        there = {name: pixel for name, pixel in found.items() if pixel is not None}
        if not there:
            return None
        said: dict[str, Any] = {"lon": lon, "lat": lat}
        if "class" in there:
            code = int(there["class"][0])
            said |= {"code": code, "class": self.name_of(code)}
        said |= {name: float(there[name][0]) for name in ("probability", "entropy") if name in there}
        if "probabilities" in there:
            said["probabilities"] = [
                {"code": item.code, "class": item.name, "probability": float(value)}
                for item, value in zip(self.classes, there["probabilities"], strict=True)
            ]
        return said

    def name_of(self, code: int) -> str:
        """Name of a class by its code; "class 7" for an unknown one."""
        return next((item.name for item in self.classes if item.code == code), f"class {code}")

    def pixel(self, raster: str, lon: float, lat: float) -> np.ndarray | None:
        """All bands of the pixel in which a place lies, of the block that is drawn there; None without data."""
        place = np.array([[float(lon)]]), np.array([[float(lat)]])
        for grid in reversed(self._raster(raster).grids):
            pixels, valid = self._read(grid, *grid.pixels_at(*place), None)
            if valid[0, 0]:
                return np.asarray(pixels[:, 0, 0])
        return None

    def grids(self, raster: str) -> Sequence[MapGrid]:
        """The grids in which the blocks of a raster are."""
        return self._raster(raster).grids

    def read_window(self, grid: MapGrid, window: tuple[int, int, int, int], shape: tuple[int, int]) -> Any:  # noqa: ANN401
        """The pixels of a window of a grid, as rio-tiler's `ImageData`, in as many pixels as asked for.

        Args:
            grid: One of `grids`, or the overview of a raster.
            window: top, left, bottom, right in pixels.
            shape: (height, width) of what is returned.
        """
        return self._window(grid, window, shape, None)

    def _raster(self, name: str) -> _Raster:
        if name not in self.rasters:
            raise InputError(f"the map {self.root} has no raster {name!r}: it has {', '.join(self.rasters) or 'none'}")
        with self._lock:
            if name not in self._opened:
                grids = open_grids(self.root, self._styles[name])
                self._opened[name] = _Raster(grids, open_overview(self.root, name, self._handles))
            return self._opened[name]

    def _bands(self, raster: str, band: int) -> list[int]:
        most = len(self.classes) if raster == "probabilities" else 1
        if not 1 <= band <= most:
            raise InputError(f"the raster {raster!r} has no band {band}: it has 1 to {most}")
        return [1, 2, 3] if raster == COMPOSITE else [band]

    def _read(
        self, grid: MapGrid, col: np.ndarray, row: np.ndarray, bands: list[int] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pixels at places of a grid, (bands, height, width), and which of them have data."""
        inside = grid.inside(col, row)
        if not inside.any():
            return np.empty((0, *inside.shape)), inside
        step = 2 ** math.floor(math.log2(max(1.0, _pixels_between(col, row))))
        top, bottom = _span(row[inside], step, grid.shape[0])
        left, right = _span(col[inside], step, grid.shape[1])
        shape = math.ceil((bottom - top) / step), math.ceil((right - left) / step)
        image = self._window(grid, (top, left, bottom, right), shape, bands)
        i = np.where(inside, (row - top) * (shape[0] / (bottom - top)), 0).astype(np.intp)
        j = np.where(inside, (col - left) * (shape[1] / (right - left)), 0).astype(np.intp)
        return np.asarray(image.array.data[:, i, j]), inside & (image.mask[i, j] > 0)

    def _window(
        self, grid: MapGrid, window: tuple[int, int, int, int], shape: tuple[int, int], bands: list[int] | None
    ) -> Any:  # noqa: ANN401 - ImageData
        top, left, bottom, right = window
        try:
            with self._handles.lend(grid.source) as dataset:
                return Reader(None, dataset=dataset, colormap={}).read(
                    indexes=bands,
                    window=Window(left, top, right - left, bottom - top),
                    height=shape[0],
                    width=shape[1],
                )
        except (RasterioError, CPLE_BaseError) as error:  # GDAL's own errors come through as they are
            raise DatasetError(
                f"a raster of the map {self.root} cannot be read ({error}): start the same `rsbot predict` again"
            ) from error


Placed = tuple[MapGrid, np.ndarray, np.ndarray]


def _overview_instead(overview: MapGrid | None, at: list[Placed], lon: np.ndarray, lat: np.ndarray) -> list[Placed]:
    """What is read for a picture: the grids, or the overview where that opens fewer files and shows as much."""
    files = sum(_touched(*one) for one in at)
    if overview is None or files <= FEW_FILES:
        return at
    col, row = overview.pixels_at(lon, lat)
    enough = _pixels_between(col, row) >= 1
    return [(overview, col, row)] if enough or files > MOST_FILES else at


def _touched(grid: MapGrid, col: np.ndarray, row: np.ndarray) -> int:
    inside = grid.inside(col, row)
    if not inside.any():
        return 0
    (top, bottom), (left, right) = _span(row[inside], 1, grid.shape[0]), _span(col[inside], 1, grid.shape[1])
    return grid.touched(top, left, bottom, right)


def _span(places: np.ndarray, step: int, side: int) -> tuple[int, int]:
    """The pixels around places, from and to, beginning at a multiple of a step: the same ones for all tiles."""
    start = int(places.min() // step) * step
    return start, min(side, max(start + step, math.ceil(math.floor(places.max() + 1) / step) * step))


def _pixels_between(col: np.ndarray, row: np.ndarray) -> float:
    """Pixels of a grid from one pixel of the picture to the next, along the denser of both axes; 1 for a single one."""
    steps = []
    for axis in (0, 1):
        if col.shape[axis] > 1:
            length = np.hypot(np.diff(col, axis=axis), np.diff(row, axis=axis))
            known = length[np.isfinite(length)]
            steps += [float(np.median(known))] if known.size else []
    return min(steps, default=1.0)


def _may_meet(grid: MapGrid, place: MercatorGrid) -> bool:
    """Whether a grid may have pixels of a picture, looked at every few pixels; when in doubt it may."""
    col, row = grid.pixels_at(*place.lonlat(_LATTICE))
    if not (np.isfinite(col).all() and np.isfinite(row).all()):
        return True
    height, width = grid.shape
    spans = [
        (axis.min(), axis.max(), max((np.abs(np.diff(axis, axis=a)).max(initial=0)) for a in (0, 1)))
        for axis in (col, row)
    ]
    return all(
        low - most < side and high + most >= 0 for (low, high, most), side in zip(spans, (width, height), strict=True)
    )


def _laid_over(
    parts: list[tuple[np.ndarray, np.ndarray]], bands: int, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures laid over each other, the last on top."""
    seen = [part for part in parts if part[1].any()]
    valid = np.zeros(shape, bool)
    if not seen:
        return np.zeros((bands, *shape), np.uint8), valid
    pixels = np.zeros((bands, *shape), seen[0][0].dtype)
    for values, there in seen:
        np.copyto(pixels, values, where=there)
        valid |= there
    return pixels, valid
