"""What a source of assets (a folder of rasters, the world) offers the local Earth Engine.

The interpreter knows assets only through `Provider`. Times are milliseconds since 1970-01-01 UTC, bboxes are
(west, south, east, north) in degrees, and pixels are always asked for at the centres of a `PixelGrid`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from rsbot_beam.errors import RsbotError

BBox: TypeAlias = tuple[float, float, float, float]
BandPixels: TypeAlias = tuple[NDArray[Any], NDArray[np.bool_]]
FloatArray: TypeAlias = NDArray[np.float64]


class AssetNotFoundError(RsbotError):
    """No provider has an asset of this id, or it is of another type than the one asked for."""


@dataclass(frozen=True)
class BandInfo:
    """One band of an image.

    Attributes:
        name: Band name.
        dtype: Type of its pixels.
        crs: Code of its own CRS, such as `EPSG:32633`.
        transform: Own grid: pixel (column, row) to CRS, of the top-left corner. It is the default projection.
        shape: Own grid's (height, width), or None where the grid has no end.
        value_range: Smallest and largest value that pixels can take, where narrower than the dtype's, or None.
    """

    name: str
    dtype: np.dtype[Any]
    crs: str
    transform: Affine
    shape: tuple[int, int] | None = None
    value_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class ImageInfo:
    """An image without its pixels.

    Attributes:
        id: Asset id, such as `COPERNICUS/S2_SR_HARMONIZED/2023...`; it is what `Provider.pixels` is asked for.
        bands: Bands in order.
        properties: `system:time_start` (ms), `system:index`, and the asset's own.
        footprint: Where the image may have pixels, in longitude and latitude, or None where it is unbounded.
    """

    id: str
    bands: tuple[BandInfo, ...]
    properties: Mapping[str, Any] = field(default_factory=dict)
    footprint: BaseGeometry | None = None


@lru_cache(maxsize=256)
def _transformer(source: str, target: str, _thread: int) -> Transformer:
    # PROJ contexts must not be shared between threads, hence one for each.
    return Transformer.from_crs(source, target, always_xy=True)


def transformer(source: str, target: str) -> Transformer:
    """The transformation between two CRSs, longitude or easting first, cached for each thread."""
    return _transformer(source, target, threading.get_ident())


@lru_cache(maxsize=256)
def crs_of(code: str) -> CRS:
    """The CRS of a code or WKT text; raises `pyproj.exceptions.CRSError` for an unknown one."""
    return CRS.from_user_input(code)


def has_plane(code: object) -> bool:
    """Whether this is the code or WKT of a CRS with a place for pixels: projected, or in longitude and latitude."""
    if not isinstance(code, str):
        return False
    try:
        crs = crs_of(code)
    except CRSError:
        return False
    return bool(crs.is_projected or crs.is_geographic)


class PixelGrid:
    """The pixels of one request: a CRS, an affine and a shape, with the coordinates of the pixel centres.

    Coordinates are computed once, on first use, and shared by all images of a request. Instances are immutable and
    compare by (crs, transform, shape), so they can key a cache.

    Args:
        crs: Code (`EPSG:32633`) or WKT.
        transform: Pixel (column, row) to CRS coordinates, of the top-left CORNER.
        shape: (height, width) in pixels.
    """

    __slots__ = ("_cache", "_lock", "crs", "shape", "transform")

    def __init__(self, crs: str, transform: Affine, shape: tuple[int, int]) -> None:
        self.crs = crs
        self.transform = transform
        self.shape = shape
        self._cache: dict[str, tuple[FloatArray, FloatArray]] = {}
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"PixelGrid({self.crs!r}, {tuple(self.transform)[:6]}, {self.shape})"

    def _key(self) -> tuple[Any, ...]:
        return self.crs, tuple(self.transform)[:6], self.shape

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PixelGrid) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    @property
    def is_axis_aligned(self) -> bool:
        """Whether rows and columns run along the CRS's axes: x depends on the column only, y on the row only."""
        return self.transform.b == 0 and self.transform.d == 0

    @property
    def is_geographic(self) -> bool:
        """Whether the CRS's own coordinates are EPSG:4326 longitude and latitude in degrees."""
        return self.crs == "EPSG:4326"

    @property
    def x_axis(self) -> FloatArray:
        """X of the pixel centres along row 0, shape (W,), in CRS units. The x of every row if `is_axis_aligned`."""
        columns = np.arange(self.shape[1]) + 0.5
        return np.asarray(self.transform.a * columns + (self.transform.b * 0.5 + self.transform.c), dtype=np.float64)

    @property
    def y_axis(self) -> FloatArray:
        """Y of the pixel centres along column 0, shape (H,), in CRS units."""
        rows = np.arange(self.shape[0]) + 0.5
        return np.asarray(self.transform.e * rows + (self.transform.d * 0.5 + self.transform.f), dtype=np.float64)

    @property
    def x(self) -> FloatArray:
        """X of every pixel centre, (H, W) float64, in CRS units. Read only."""
        return self._get("xy", self._compute_xy)[0]

    @property
    def y(self) -> FloatArray:
        """Y of every pixel centre, (H, W) float64, in CRS units. Read only."""
        return self._get("xy", self._compute_xy)[1]

    @property
    def lon(self) -> FloatArray:
        """Longitude of every pixel centre, (H, W) float64, degrees; not finite outside the CRS. Read only."""
        return self._get("lonlat", self._compute_lonlat)[0]

    @property
    def lat(self) -> FloatArray:
        """Latitude of every pixel centre, (H, W) float64, degrees; not finite outside the CRS. Read only."""
        return self._get("lonlat", self._compute_lonlat)[1]

    def coordinates(self, crs: str) -> tuple[FloatArray, FloatArray]:
        """Coordinates of every pixel centre in another CRS.

        Args:
            crs: Code or WKT of the CRS wanted.

        Returns:
            (x, y), each (H, W) float64 in that CRS's units, infinite where the transformation has no answer.
        """
        if crs == self.crs:
            return self.x, self.y
        if crs == "EPSG:4326":
            return self.lon, self.lat
        return self._get(crs, lambda: self._project(crs))

    def bbox(self, margin: float = 0.0) -> BBox:
        """(west, south, east, north) in degrees of the pixel centres, padded by one pixel and `margin` degrees."""
        lon, lat = self.lon, self.lat
        finite = np.isfinite(lon) & np.isfinite(lat)
        if not finite.any():
            return (-180.0, -90.0, 180.0, 90.0)
        west, east = float(lon[finite].min()), float(lon[finite].max())
        south, north = float(lat[finite].min()), float(lat[finite].max())
        rows, columns = self.shape
        pad_x = margin + (east - west) / max(columns, 1)
        pad_y = margin + (north - south) / max(rows, 1)
        return (west - pad_x, south - pad_y, east + pad_x, north + pad_y)

    def window(self, row: int, column: int, shape: tuple[int, int]) -> PixelGrid:
        """The pixels from (row, column) on, of a (height, width), as a grid of their own; may reach outside this one."""
        return PixelGrid(self.crs, self.transform * Affine.translation(column, row), shape)

    def _get(self, name: str, compute: Callable[[], tuple[FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray]:
        found = self._cache.get(name)
        if found is None:
            with self._lock:
                found = self._cache.get(name)
                if found is None:
                    found = compute()
                    for array in found:
                        array.setflags(write=False)
                    self._cache[name] = found
        return found

    def _compute_xy(self) -> tuple[FloatArray, FloatArray]:
        if self.is_axis_aligned:
            x, y = np.meshgrid(self.x_axis, self.y_axis)
            return x, y
        columns, rows = np.meshgrid(np.arange(self.shape[1]) + 0.5, np.arange(self.shape[0]) + 0.5)
        t = self.transform
        return t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f

    def _compute_lonlat(self) -> tuple[FloatArray, FloatArray]:
        if self.is_geographic:
            return self.x.copy(), self.y.copy()
        return self._project("EPSG:4326")

    def _project(self, crs: str) -> tuple[FloatArray, FloatArray]:
        x, y = transformer(self.crs, crs).transform(self.x, self.y)
        return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)


@runtime_checkable
class Provider(Protocol):
    """A source of assets. Methods are called from several threads at once and raise `AssetNotFoundError`."""

    def asset_ids(self) -> Iterable[str]:
        """Ids of all assets that can be named: images, collections, tables; not the members of collections."""
        ...

    def info(self, asset_id: str) -> dict[str, Any]:
        """`{"type": "IMAGE" | "IMAGE_COLLECTION" | "TABLE", "properties": {...}}`, also for a collection's member."""
        ...

    def image(self, asset_id: str) -> ImageInfo:
        """An image, or a collection's member, by its id."""
        ...

    def images(self, asset_id: str, start_ms: int | None, end_ms: int | None, bbox: BBox | None) -> Iterable[ImageInfo]:
        """Members of a collection that may match, in order of time.

        Args:
            asset_id: The collection.
            start_ms: Earliest `system:time_start`, included, or None.
            end_ms: Latest `system:time_start`, excluded, or None.
            bbox: Only images that may intersect this (west, south, east, north), or None. A bbox with west > east
                crosses the antimeridian.
        """
        ...

    def features(
        self, asset_id: str, bbox: BBox | None
    ) -> Iterable[tuple[str, BaseGeometry | None, Mapping[str, Any]]]:
        """(index, geometry in longitude and latitude, properties) of the features that may intersect the bbox."""
        ...

    def pixels(self, image_id: str, bands: Sequence[str], grid: PixelGrid) -> dict[str, BandPixels]:
        """Pixels at the centres of a grid, nearest neighbour.

        Returns:
            By band: values (H, W) in the band's native dtype, and valid (H, W) bool, True where there are data. The
            arrays belong to the provider: nobody writes into them.
        """
        ...
