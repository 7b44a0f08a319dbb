"""What the world's collections, images and tables have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from rsbot_beam.local_ee.provider import AssetNotFoundError, BandInfo, BandPixels, BBox, ImageInfo, PixelGrid

Number: TypeAlias = NDArray[Any]


class Source(Protocol):
    """A collection (or a single image) of the world."""

    asset_id: str
    type: str

    def properties(self) -> dict[str, Any]:
        """Properties of the asset itself."""
        ...

    def images(self, start_ms: int | None, end_ms: int | None, bbox: BBox | None) -> Iterable[ImageInfo]:
        """Its images in time and space, in order of time."""
        ...

    def image(self, index: str) -> ImageInfo:
        """One image by its `system:index`; `""` for a single image."""
        ...

    def pixels(self, index: str, bands: Sequence[str], grid: PixelGrid) -> dict[str, BandPixels]:
        """Pixels of one image."""
        ...


class LazyProperties(Mapping[str, Any]):
    """Properties of which some are computed only when somebody reads them.

    Args:
        plain: Properties that are at hand.
        lazy: Functions by name.
    """

    def __init__(self, plain: Mapping[str, Any], lazy: Mapping[str, Callable[[], Any]]) -> None:
        self._plain = plain
        self._lazy = lazy

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - properties are of any type
        if name in self._lazy:
            return self._lazy[name]()
        return self._plain[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._plain
        yield from self._lazy

    def __len__(self) -> int:
        return len(self._plain) + len(self._lazy)

    def __contains__(self, name: object) -> bool:
        return name in self._plain or name in self._lazy


def geographic_band(name: str, dtype: str, degrees: float, bounds: BBox, **extra: Any) -> BandInfo:  # noqa: ANN401
    """A band on a grid of degrees."""
    west, south, east, north = bounds
    shape = (round((north - south) / degrees), round((east - west) / degrees))
    return BandInfo(name, np.dtype(dtype), "EPSG:4326", Affine(degrees, 0, west, 0, -degrees, north), shape, **extra)


def unknown_band(asset: str, band: str, known: Sequence[str]) -> AssetNotFoundError:
    """The error for a band that an image does not have."""
    return AssetNotFoundError(f"The image {asset!r} has no band {band!r}; it has {', '.join(known)}.")
