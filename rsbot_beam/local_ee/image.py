"""Lazy images: what is known of an image without its pixels, and how to compute these on a grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from rsbot_beam.local_ee import deadlines
from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.provider import PixelGrid
from rsbot_beam.local_ee.types import DOUBLE, Band, PixelType, integer_type
from rsbot_beam.local_ee.values import Value

T = TypeVar("T")
Thunk = Callable[[], T]
Compute = Callable[[Sequence[int], "PixelContext"], "list[Raster]"]


class Raster(NamedTuple):
    """Pixels of one band on one grid. Shared between nodes: nobody writes into the arrays.

    Attributes:
        values: (H, W) in the band's dtype.
        mask: (H, W), bool, or float32 in [0, 1] where some pixels are partly masked. True or above 0 = valid.
    """

    values: NDArray[Any]
    mask: NDArray[Any]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(H, W) bool: where there is a value at all."""
        return self.mask if self.mask.dtype == np.bool_ else self.mask > 0


class Lazy:
    """A value that is computed on first use. Two threads may both compute it; either result is as good."""

    __slots__ = ("_thunk", "_value")

    def __init__(self, source: Value) -> None:
        self._thunk: Thunk[Any] | None = source if callable(source) else None
        self._value = None if callable(source) else source

    def get(self) -> Value:
        """The value."""
        thunk = self._thunk
        if thunk is not None:
            self._value = thunk()
            self._thunk = None
        return self._value


class Image:
    """An image that has not been computed. Immutable, shared between requests, holds no pixels.

    Args:
        bands: Its bands, or a thunk of them.
        compute: Pixels of the bands of these indices on a context's grid.
        properties: Its properties, or a thunk of them.
        footprint: Geometry in longitude and latitude outside of which nothing is valid, None = unbounded; or a thunk.
        id: Asset id, where it is one as it was loaded.
    """

    __slots__ = ("_bands", "_footprint", "_index", "_properties", "compute", "id")

    def __init__(
        self,
        bands: Sequence[Band] | Thunk[Sequence[Band]],
        compute: Compute,
        *,
        properties: Mapping[str, Any] | Thunk[Mapping[str, Any]] | None = None,
        footprint: BaseGeometry | Thunk[BaseGeometry | None] | None = None,
        id: str | None = None,
    ) -> None:
        self._bands = Lazy(bands)
        self._properties = Lazy(properties if properties is not None else {})
        self._footprint = Lazy(footprint)
        self._index: dict[str, int] | None = None
        self.compute = compute
        self.id = id

    @property
    def bands(self) -> Sequence[Band]:
        """Bands in order."""
        found: Sequence[Band] = self._bands.get()
        return found

    @property
    def properties(self) -> Mapping[str, Any]:
        """Properties, `system:` ones included."""
        found: Mapping[str, Any] = self._properties.get()
        return found

    @property
    def footprint(self) -> BaseGeometry | None:
        """Where it may be valid, in longitude and latitude; None = everywhere."""
        return self._footprint.get()

    @property
    def names(self) -> list[str]:
        """Band names in order."""
        return [band.name for band in self.bands]

    def index_of(self, name: str) -> int | None:
        """Index of the band of this name, or None."""
        if self._index is None:
            self._index = {band.name: index for index, band in reversed(list(enumerate(self.bands)))}
        return self._index.get(name)

    def derive(
        self,
        bands: Sequence[Band] | Thunk[Sequence[Band]],
        compute: Compute,
        **changes: Value,
    ) -> Image:
        """An image that keeps this one's properties and footprint unless changed."""
        changes.setdefault("properties", lambda: self.properties)
        changes.setdefault("footprint", lambda: self.footprint)
        return Image(bands, compute, **changes)

    def with_properties(self, properties: Thunk[Mapping[str, Any]]) -> Image:
        """The same pixels with other properties."""
        same = Image(lambda: self.bands, self._forward, properties=properties, footprint=lambda: self.footprint)
        same.id = self.id
        return same

    def pick(self, indices: Sequence[int], names: Sequence[str] | None = None) -> Image:
        """Some of the bands in a new order, perhaps renamed."""
        bands = [self.bands[index] for index in indices]
        if names is not None:
            bands = [replace(band, name=name) for band, name in zip(bands, names, strict=True)]

        def compute(wanted: Sequence[int], context: PixelContext) -> list[Raster]:
            return context.rasters(self, [indices[index] for index in wanted])

        picked = self.derive(bands, compute)
        picked.id = self.id
        return picked

    def _forward(self, wanted: Sequence[int], context: PixelContext) -> list[Raster]:
        return context.rasters(self, wanted)


class PixelContext:
    """Computes images on one grid, each band of each image once.

    Args:
        grid: Where pixels are wanted.
        family: Contexts of the same request by grid, shared with this one.
    """

    def __init__(self, grid: PixelGrid, family: dict[PixelGrid, PixelContext] | None = None) -> None:
        self.grid = grid
        self.all_valid: NDArray[np.bool_] = np.broadcast_to(np.True_, grid.shape)
        self.none_valid: NDArray[np.bool_] = np.broadcast_to(np.False_, grid.shape)
        self.masks: dict[tuple[int, str], tuple[BaseGeometry, NDArray[np.bool_]]] = {}
        self._done: dict[tuple[Image, int], Raster] = {}
        self._family = family if family is not None else {}
        self._family.setdefault(grid, self)

    def at(self, grid: PixelGrid) -> PixelContext:
        """The context of another grid of the same request."""
        return self._family.get(grid) or PixelContext(grid, self._family)

    def rasters(self, image: Image, indices: Sequence[int]) -> list[Raster]:
        """Pixels of the bands of these indices; what was computed before is not computed again."""
        missing = [index for index in dict.fromkeys(indices) if (image, index) not in self._done]
        if missing:
            deadlines.check()
            for index, raster in zip(missing, image.compute(missing, self), strict=True):
                self._done[image, index] = raster
        return [self._done[image, index] for index in indices]

    def raster(self, image: Image, index: int = 0) -> Raster:
        """Pixels of one band."""
        return self.rasters(image, [index])[0]

    def full(self, value: float, dtype: np.dtype[Any]) -> NDArray[Any]:
        """A constant (H, W) array that takes no memory."""
        return np.broadcast_to(np.asarray(value).astype(dtype), self.grid.shape)

    def masked(self, dtype: np.dtype[Any]) -> Raster:
        """A raster without any valid pixel."""
        return Raster(self.full(0, dtype), self.none_valid)


def both_valid(first: NDArray[Any], second: NDArray[Any], context: PixelContext) -> NDArray[Any]:
    """Mask of a result that needs both: the smaller of the two."""
    if first is second or second is context.all_valid:
        return first
    if first is context.all_valid:
        return second
    if first.dtype == np.bool_ and second.dtype == np.bool_:
        return first & second
    return np.minimum(first.astype(np.float32), second.astype(np.float32))


def constant_image(value: Value) -> Image:
    """An image that has this number, or one band for each of a list, everywhere.

    Raises:
        RequestError: For anything that is not a number.
    """
    numbers = value if isinstance(value, list) else [value]
    for number in numbers:
        if not isinstance(number, (int, float)):
            raise RequestError(f"Image.constant: Parameter 'value' is required to be a number, got {number!r}.")
    names = (
        ["constant"]
        if not isinstance(value, list) or len(value) == 1
        else [f"constant_{index}" for index in range(len(numbers))]
    )
    bands = [Band(name, constant_type(number)) for name, number in zip(names, numbers, strict=True)]

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        return [Raster(context.full(numbers[i], bands[i].type.dtype), context.all_valid) for i in indices]

    return Image(bands, compute)


def constant_type(number: float) -> PixelType:
    """The type of a constant: an integer of just this range, or double."""
    if isinstance(number, (bool, int)):
        return integer_type(int(number), int(number))
    return replace(DOUBLE, low=number, high=number)
