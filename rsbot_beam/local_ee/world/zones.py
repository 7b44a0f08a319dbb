"""The world's plane coordinates: UTM, cut into the cells of 6 by 8 degrees that Sentinel-2 names its tiles after.

Everything at the scale of fields is laid out in the metres of the UTM zone that a place lies in, as Sentinel-2's own
pixels are; so 10 m requests in that zone meet the world's 10 m cells exactly. Northings are counted from the equator and
are negative south of it. What this costs: fields and roads break off at a zone's edge, every 6 degrees of longitude.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon, box

from rsbot_beam.local_ee.provider import BBox, PixelGrid, transformer

ZONES = 60
ZONE_WIDTH = 6.0  # degrees of longitude; DMA TM 8358.2, "The Universal Grids", 1989
BAND_HEIGHT = 8.0  # degrees of latitude, same source; the northernmost band (72 N) is taller
BAND_SOUTH = -80.0
BANDS = "CDEFGHJKLMNPQRSTUVWX"
SOUTHERN_FALSE_NORTHING = 10_000_000.0  # metres, same source
CELL_SIZE = 10.0  # metres: the side of Sentinel-2's smallest pixels, and of the world's


@dataclass(frozen=True, order=True)
class Cell:
    """A cell of the military grid: a UTM zone and a latitude band, without Norway's and Svalbard's exceptions.

    Attributes:
        zone: 1..60.
        band: 0 (80 S, `C`) .. 19 (72 N, `X`). The outermost bands reach to the poles.
    """

    zone: int
    band: int

    @property
    def name(self) -> str:
        """Name such as `33U`."""
        return f"{self.zone:02d}{BANDS[self.band]}"

    @classmethod
    def parse(cls, name: str) -> Cell:
        """The cell of a name such as `33U`; raises ValueError for another text."""
        zone = int(name[:-1])
        if not 1 <= zone <= ZONES:
            raise ValueError(f"{name!r} names UTM zone {zone}; zones are 1 to {ZONES}")
        return cls(zone, BANDS.index(name[-1]))

    @property
    def southern(self) -> bool:
        """Whether it lies south of the equator."""
        return BANDS[self.band] < "N"

    @property
    def bounds(self) -> BBox:
        """(west, south, east, north), degrees."""
        west = -180.0 + (self.zone - 1) * ZONE_WIDTH
        south = -90.0 if self.band == 0 else BAND_SOUTH + self.band * BAND_HEIGHT
        north = 90.0 if self.band == len(BANDS) - 1 else BAND_SOUTH + (self.band + 1) * BAND_HEIGHT
        return west, south, west + ZONE_WIDTH, north

    @property
    def centre(self) -> tuple[float, float]:
        """(longitude, latitude) of the middle, degrees."""
        west, south, east, north = self.bounds
        return (west + east) / 2.0, (south + north) / 2.0

    @property
    def footprint(self) -> Polygon:
        """The cell's outline in longitude and latitude."""
        return box(*self.bounds)

    @property
    def crs(self) -> str:
        """The zone's CRS as images declare it, northern or southern."""
        return f"EPSG:{'327' if self.southern else '326'}{self.zone:02d}"


def northern_crs(zone: int) -> str:
    """The CRS of a zone whose northings are counted from the equator, both hemispheres."""
    return f"EPSG:326{zone:02d}"


def zone_numbers(lon: NDArray[np.float64]) -> NDArray[np.int64]:
    """UTM zones, 1..60, of longitudes in degrees."""
    return np.asarray(np.floor((lon + 180.0) / ZONE_WIDTH).astype(np.int64) % ZONES + 1)


def band_numbers(lat: NDArray[np.float64]) -> NDArray[np.int64]:
    """Latitude bands, 0..19, of latitudes in degrees."""
    bands = np.floor((lat - BAND_SOUTH) / BAND_HEIGHT).astype(np.int64)
    return np.asarray(np.clip(bands, 0, len(BANDS) - 1))


def cells_in(bbox: BBox | None) -> Iterator[Cell]:
    """The cells that a bbox touches, by zone, then from south to north; all 1200 for None."""
    west, south, east, north = bbox or (-180.0, -90.0, 180.0, 90.0)
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    low, high = band_numbers(np.array([south, north]))
    seen: set[int] = set()
    for left, right in spans:
        first = int(np.floor((left + 180.0) / ZONE_WIDTH))
        last = min(int(np.floor((right + 180.0) / ZONE_WIDTH)), first + ZONES - 1)
        seen.update(number % ZONES + 1 for number in range(first, last + 1))
    for zone in sorted(seen):
        for band in range(int(low), int(high) + 1):
            yield Cell(zone, band)


@dataclass(frozen=True, eq=False)
class Sites:
    """The pixels of a request that lie in one cell, as places of the world.

    Attributes:
        cell: The cell.
        x: Easting of the middle of the world's cell that each pixel's centre falls in, metres, shape (N,).
        y: Northing from the equator, metres, shape (N,).
        size: Side of the world's cells that the pixels were snapped to, metres.
        index: Where the pixels are in the flattened request, or None for all of it.
        shape: (height, width) of the request.
    """

    cell: Cell
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    size: float
    index: NDArray[np.intp] | None
    shape: tuple[int, int]

    @cached_property
    def columns(self) -> NDArray[np.int32]:
        """Number of the world's cell eastwards, shape (N,)."""
        return np.floor(self.x / self.size).astype(np.int32)

    @cached_property
    def rows(self) -> NDArray[np.int32]:
        """Number of the world's cell northwards, shape (N,)."""
        return np.floor(self.y / self.size).astype(np.int32)

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """(H, W): True for the request's pixels that are in the cell."""
        inside = np.zeros(self.shape, dtype=np.bool_)
        inside.ravel()[slice(None) if self.index is None else self.index] = True
        inside.setflags(write=False)
        return inside

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values (N,) of the pixels as an array (H, W), 0 where the request leaves the cell."""
        if self.index is None:
            return values.reshape(self.shape)
        whole = np.zeros(self.shape, dtype=values.dtype)
        whole.ravel()[self.index] = values
        return whole


def lonlat(zone: int, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude (degrees) of places in a zone's metres."""
    lon, lat = transformer(northern_crs(zone), "EPSG:4326").transform(x, y)
    return np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)


def plane(zone: int, lon: NDArray[Any], lat: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Easting and northing (metres, in a zone) of places in degrees."""
    x, y = transformer("EPSG:4326", northern_crs(zone)).transform(lon, lat)
    return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class CellMap:
    """Which cells a request's pixel centres lie in.

    Attributes:
        grid: The request.
        cells: The cells, in order.
        codes: Number in `cells` of each pixel, flattened, -1 off the globe; None where there is only one cell.
    """

    grid: PixelGrid
    cells: tuple[Cell, ...]
    codes: NDArray[np.int16] | None

    @classmethod
    def of(cls, grid: PixelGrid) -> CellMap:
        """The cells of a request."""
        lon, lat = _outline(grid)
        inside = np.isfinite(lon) & np.isfinite(lat)
        if inside.all() and (single := _single_cell(lon, lat)):
            return cls(grid, (single,), None)
        lon, lat = grid.lon.ravel(), grid.lat.ravel()
        inside = np.isfinite(lon) & np.isfinite(lat)
        numbers = zone_numbers(lon[inside]) * len(BANDS) + band_numbers(lat[inside])
        different, which = np.unique(numbers, return_inverse=True)
        codes = np.full(lon.size, -1, dtype=np.int16)
        codes[inside] = which.ravel()
        cells = tuple(Cell(int(number) // len(BANDS), int(number) % len(BANDS)) for number in different)
        return cls(grid, cells, codes)

    def sites(self, cell: Cell, size: float = CELL_SIZE) -> Sites:
        """The request's pixels in one of its cells.

        Args:
            cell: One of `cells`.
            size: Side of the world's cells that pixel centres are snapped to, metres.
        """
        grid = self.grid
        if self.codes is None:
            x, y = _coordinates(grid, cell.zone)
            return Sites(cell, _snap(x.ravel(), size), _snap(y.ravel(), size), size, None, grid.shape)
        index = np.flatnonzero(self.codes == self.cells.index(cell))
        x, y = plane(cell.zone, grid.lon.ravel()[index], grid.lat.ravel()[index])
        return Sites(cell, _snap(x, size), _snap(y, size), size, index, grid.shape)


def _snap(values: NDArray[np.float64], size: float) -> NDArray[np.float64]:
    return np.asarray((np.floor(values / size) + 0.5) * size)


def _coordinates(grid: PixelGrid, zone: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if grid.crs == f"EPSG:327{zone:02d}":
        return grid.x, grid.y - SOUTHERN_FALSE_NORTHING
    return grid.coordinates(northern_crs(zone))


def _single_cell(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> Cell | None:
    zones, bands = zone_numbers(lon), band_numbers(lat)
    if (zones == zones[0]).all() and (bands == bands[0]).all():
        return Cell(int(zones[0]), int(bands[0]))
    return None


def _outline(grid: PixelGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude along the request's edge: a cell's edge that crosses the request crosses this too."""
    height, width = grid.shape
    across, down = np.arange(width) + 0.5, np.arange(height) + 0.5
    columns = np.concatenate([across, across, np.full(height, 0.5), np.full(height, width - 0.5)])
    rows = np.concatenate([np.full(width, 0.5), np.full(width, height - 0.5), down, down])
    t = grid.transform
    x, y = t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f
    if grid.is_geographic:
        return x, y
    lon, lat = transformer(grid.crs, "EPSG:4326").transform(x, y)
    return np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
