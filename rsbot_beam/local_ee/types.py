"""Types of pixels and projections, and the bands that have them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from affine import Affine
from pyproj.exceptions import CRSError

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.provider import BandInfo, crs_of

# Metres per degree along the equator of WGS 84 (2 pi x 6378137 m / 360): Earth Engine's scale of geographic projections.
METRES_PER_DEGREE = 111319.49079327358

_INT_DTYPES = tuple(np.dtype(name) for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64"))
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class PixelType:
    """Earth Engine's type of a pixel: a precision and the range of its values.

    Attributes:
        precision: `int`, `float` (32 bits) or `double`.
        low: Smallest value, or None where unknown (floats only).
        high: Largest value, or None where unknown (floats only).
    """

    precision: str
    low: float | None = None
    high: float | None = None

    @property
    def is_integer(self) -> bool:
        """Whether values are whole numbers."""
        return self.precision == "int"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest NumPy type that holds the range; float32 and float64 for the other precisions."""
        return _dtype_of(self)

    def range(self) -> tuple[float, float]:
        """(low, high), infinite where unknown."""
        return (-math.inf if self.low is None else self.low, math.inf if self.high is None else self.high)

    def to_json(self) -> dict[str, Any]:
        """As `getInfo` shows it: `{"type": "PixelType", "precision": "int", "min": 0, "max": 255}`."""
        found: dict[str, Any] = {"type": "PixelType", "precision": self.precision}
        if self.low is not None and self.high is not None:
            found.update(min=self.low, max=self.high)
        return found


DOUBLE = PixelType("double")
FLOAT = PixelType("float")
BOOLEAN = PixelType("int", 0, 1)


@lru_cache(maxsize=4096)
def _dtype_of(pixel_type: PixelType) -> np.dtype[Any]:
    if not pixel_type.is_integer:
        return np.dtype(np.float32 if pixel_type.precision == "float" else np.float64)
    low, high = pixel_type.range()
    for dtype in _INT_DTYPES:
        limits = np.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return dtype
    return np.dtype(np.float64)


@lru_cache(maxsize=64)
def pixel_type_of(dtype: np.dtype[Any]) -> PixelType:
    """The type of a NumPy dtype with its full range; bool counts as 0..1, float16 as float."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return BOOLEAN
    if dtype.kind in "ui":
        limits = np.iinfo(dtype)
        return PixelType("int", int(limits.min), int(limits.max))
    return DOUBLE if dtype == np.float64 else FLOAT


def integer_type(low: float, high: float) -> PixelType:
    """An integer type of this range, cut to 64 bits."""
    return PixelType("int", int(max(low, _INT64.min)), int(min(high, _INT64.max)))


def union_type(types: Iterable[PixelType]) -> PixelType:
    """The narrowest type that holds the values of all: double over float over int, ranges joined."""
    found = list(types)
    if any(t.precision == "double" for t in found):
        return DOUBLE
    if any(t.precision == "float" for t in found) or not found:
        return FLOAT
    return integer_type(min(t.range()[0] for t in found), max(t.range()[1] for t in found))


@dataclass(frozen=True)
class Projection:
    """A CRS and the affine of its pixel grid: the scale and alignment of an image.

    Attributes:
        crs: Code such as `EPSG:32633`.
        transform: Pixel (column, row) to CRS, of the top-left corner.
    """

    crs: str
    transform: Affine = Affine.identity()  # noqa: RUF009 - immutable

    @property
    def is_geographic(self) -> bool:
        """Whether the CRS is in degrees."""
        return bool(crs_of(self.crs).is_geographic)

    @property
    def metres_per_unit(self) -> float:
        """Metres of one unit of the CRS: 111319.49 for degrees, as Earth Engine counts."""
        if self.is_geographic:
            return METRES_PER_DEGREE
        return float(crs_of(self.crs).axis_info[0].unit_conversion_factor)

    @property
    def nominal_scale(self) -> float:
        """Metres of a pixel, the geometric mean of its two sides."""
        return math.sqrt(abs(self.transform.determinant)) * self.metres_per_unit

    def at_scale(self, metres: float) -> Projection:
        """Same CRS with square, north-up pixels of so many metres and the origin at (0, 0), as Earth Engine does."""
        if not metres > 0:
            raise RequestError(f"Projection.atScale: scale must be positive, got {metres}.")
        size = metres / self.metres_per_unit
        return replace(self, transform=Affine(size, 0, 0, 0, -size, 0))

    def to_json(self) -> dict[str, Any]:
        """As `getInfo` shows it."""
        return {"type": "Projection", "crs": self.crs, "transform": list(self.transform)[:6]}


WGS84_DEGREE = Projection("EPSG:4326")


@dataclass(frozen=True)
class Band:
    """One band of a lazy image.

    Attributes:
        name: Band name.
        type: Type of its pixels.
        projection: Default projection.
        shape: (height, width) on that projection, or None where it has no end or is unknown.
    """

    name: str
    type: PixelType
    projection: Projection = WGS84_DEGREE
    shape: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """As in the `bands` list of an image's `getInfo`."""
        found: dict[str, Any] = {"id": self.name, "data_type": self.type.to_json()}
        if self.shape is not None:
            found["dimensions"] = [self.shape[1], self.shape[0]]
        found["crs"] = self.projection.crs
        found["crs_transform"] = list(self.projection.transform)[:6]
        return found


def band_of(info: BandInfo) -> Band:
    """The band of a provider's description."""
    pixel_type = pixel_type_of(np.dtype(info.dtype))
    if info.value_range is not None:
        pixel_type = replace(pixel_type, low=info.value_range[0], high=info.value_range[1])
    return Band(info.name, pixel_type, Projection(info.crs, info.transform), info.shape)


def named_projection(code: str) -> Projection:
    """The projection of a code, with 1-unit pixels.

    Raises:
        RequestError: For a code that PROJ does not know.
    """
    try:
        crs_of(code)
    except CRSError as error:
        raise RequestError(f"The CRS of a map projection could not be parsed: '{code}'.") from error
    return Projection(code)
