"""Maps of classes that come without errors: `ESA/WorldCover/v200`, `JRC/D5/EUCROPMAP/V1`, `AAFC/ACI`.

Unlike the real ones they cover the land of the whole globe, and all of them are sharp at 10 m.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from rsbot_beam.local_ee.provider import AssetNotFoundError, BandInfo, BandPixels, BBox, ImageInfo, PixelGrid
from rsbot_beam.local_ee.world.assets import unknown_band
from rsbot_beam.local_ee.world.calendar import MS_PER_DAY, day_number
from rsbot_beam.local_ee.world.covers import Cover
from rsbot_beam.local_ee.world.crops import Crop
from rsbot_beam.local_ee.world.landscape import Kept, Landscape
from rsbot_beam.local_ee.world.legends import (
    ANNUAL_CROP_INVENTORY,
    EUCROPMAP,
    WORLD_COVER,
    Entry,
    class_properties,
)
from rsbot_beam.local_ee.world.sentinel2 import in_time


@dataclass(frozen=True)
class MapKind:
    """What a map is made of.

    Attributes:
        asset_id: Its collection.
        title: For people.
        band: Name of its one band.
        dtype: Type of its pixels.
        crs: Its own grid's CRS.
        transform: Its own grid.
        years: Years that it has an image of.
        legend: Its classes.
        covers: Code of each cover.
        crops: Code of each crop, where the cover is `Cover.CROP`; without crops the cover's code counts.
    """

    asset_id: str
    title: str
    band: str
    dtype: str
    crs: str
    transform: Affine
    years: tuple[int, ...]
    legend: tuple[Entry, ...]
    covers: Mapping[Cover, int]
    crops: Mapping[Crop, int]


_TOWN = (Cover.LOW_DENSITY, Cover.MEDIUM_DENSITY, Cover.HIGH_DENSITY, Cover.ROAD)

WORLD_COVER_MAP = MapKind(
    "ESA/WorldCover/v200",
    "ESA WorldCover 10m v200 (simulated)",
    "Map",
    "uint8",
    "EPSG:4326",
    Affine(1.0 / 12_000.0, 0, -180.0, 0, -1.0 / 12_000.0, 84.0),
    (2021,),
    WORLD_COVER,
    {
        Cover.WATER: 80, Cover.WETLAND: 90, Cover.DECIDUOUS: 10, Cover.EVERGREEN: 10, Cover.MIXED: 10,
        Cover.SHRUB: 20, Cover.GRASS: 30, Cover.BARREN: 60, Cover.SNOW: 70, Cover.OPEN_SPACE: 30, Cover.CROP: 40,
        **dict.fromkeys(_TOWN, 50),
    },
    {},
)  # fmt: skip

EUCROPMAP_MAP = MapKind(
    "JRC/D5/EUCROPMAP/V1",
    "EUCROPMAP (simulated)",
    "classification",
    "uint16",
    "EPSG:3035",
    Affine(10.0, 0, 900_000.0, 0, -10.0, 5_500_000.0),
    (2018, 2022),
    EUCROPMAP,
    {
        Cover.WATER: 700, Cover.WETLAND: 800, Cover.DECIDUOUS: 300, Cover.EVERGREEN: 300, Cover.MIXED: 300,
        Cover.SHRUB: 300, Cover.GRASS: 500, Cover.BARREN: 600, Cover.SNOW: 600, Cover.OPEN_SPACE: 100,
        Cover.CROP: 290, **dict.fromkeys(_TOWN, 100),
    },
    {
        Crop.MAIZE: 216, Crop.SOYBEAN: 233, Crop.WINTER_WHEAT: 211, Crop.SPRING_WHEAT: 211, Crop.BARLEY: 213,
        Crop.OATS: 215, Crop.RYE: 214, Crop.RAPESEED: 232, Crop.SUNFLOWER: 231, Crop.SUGAR_BEET: 222,
        Crop.POTATO: 221, Crop.DRY_BEAN: 240, Crop.SORGHUM: 219, Crop.COTTON: 230, Crop.RICE: 217, Crop.ALFALFA: 250,
        Crop.HAY: 250, Crop.WHEAT_THEN_SOYBEAN: 211, Crop.FALLOW: 290,
    },
)  # fmt: skip

ANNUAL_CROP_INVENTORY_MAP = MapKind(
    "AAFC/ACI",
    "Canada AAFC Annual Crop Inventory (simulated)",
    "landcover",
    "uint8",
    "EPSG:3978",
    Affine(30.0, 0, -2_600_000.0, 0, -30.0, 4_000_000.0),
    tuple(range(2009, 2025)),
    ANNUAL_CROP_INVENTORY,
    {
        Cover.WATER: 20, Cover.WETLAND: 80, Cover.DECIDUOUS: 220, Cover.EVERGREEN: 210, Cover.MIXED: 230,
        Cover.SHRUB: 50, Cover.GRASS: 110, Cover.BARREN: 30, Cover.SNOW: 30, Cover.OPEN_SPACE: 34, Cover.CROP: 120,
        **dict.fromkeys(_TOWN, 34),
    },
    {
        Crop.MAIZE: 147, Crop.SOYBEAN: 158, Crop.WINTER_WHEAT: 145, Crop.SPRING_WHEAT: 146, Crop.BARLEY: 133,
        Crop.OATS: 136, Crop.RYE: 137, Crop.RAPESEED: 153, Crop.SUNFLOWER: 157, Crop.SUGAR_BEET: 178,
        Crop.POTATO: 177, Crop.DRY_BEAN: 167, Crop.SORGHUM: 142, Crop.COTTON: 199, Crop.RICE: 134, Crop.ALFALFA: 122,
        Crop.HAY: 122, Crop.WHEAT_THEN_SOYBEAN: 145, Crop.FALLOW: 131,
    },
)  # fmt: skip

MAP_KINDS = (WORLD_COVER_MAP, EUCROPMAP_MAP, ANNUAL_CROP_INVENTORY_MAP)


def code_table(codes: Mapping[Any, int], dtype: type[np.generic] | str) -> NDArray[Any]:
    """Codes as an array that is indexed by the members' numbers; 0 where there is none."""
    table = np.zeros(max(codes) + 1, dtype=dtype)
    for member, code in codes.items():
        table[int(member)] = code
    return table


def crop_of(landscape: Landscape, grid: PixelGrid, kept: Kept, year: int) -> NDArray[np.uint8]:
    """`Crop` numbers of a surface's pixels in a harvest year, uint8 (N,); meaningless where nothing is farmed."""
    return np.asarray(landscape.seasons(grid, kept, year)[0].crop[kept.surface.unit])


def new_year(year: int) -> int:
    """The beginning of a year, milliseconds since 1970 UTC."""
    return day_number(date(year, 1, 1)) * MS_PER_DAY


class ClassMap:
    """A collection with one image of classes for each of some years.

    Args:
        kind: Which map.
        landscape: What is mapped.
    """

    type = "IMAGE_COLLECTION"

    def __init__(self, kind: MapKind, landscape: Landscape) -> None:
        self.asset_id = kind.asset_id
        self._kind = kind
        self._landscape = landscape
        self._covers = code_table(kind.covers, kind.dtype)
        self._crops = code_table(kind.crops, kind.dtype) if kind.crops else None

    def properties(self) -> dict[str, Any]:
        """Properties of the collection."""
        return {"title": self._kind.title}

    def images(self, start_ms: int | None, end_ms: int | None, bbox: BBox | None) -> Iterator[ImageInfo]:
        """Its images in time; all of them cover the globe."""
        for year in self._kind.years:
            if in_time(new_year(year), start_ms, end_ms):
                yield self.image(str(year))

    def image(self, index: str) -> ImageInfo:
        """The image of a year, such as `2021`."""
        kind, year = self._kind, self._year(index)
        values = [entry.value for entry in kind.legend]
        span = float(min(values)), float(max(values))
        band = BandInfo(kind.band, np.dtype(kind.dtype), kind.crs, kind.transform, value_range=span)
        properties: dict[str, Any] = {
            "system:index": index,
            "system:time_start": new_year(year),
            "system:time_end": new_year(year + 1),
        }
        return ImageInfo(f"{kind.asset_id}/{index}", (band,), properties | class_properties(kind.band, kind.legend))

    def pixels(self, index: str, bands: Sequence[str], grid: PixelGrid) -> dict[str, BandPixels]:
        """Codes."""
        kind, year = self._kind, self._year(index)
        for band in bands:
            if band != kind.band:
                raise unknown_band(f"{kind.asset_id}/{index}", band, (kind.band,))

        def codes(kept: Kept) -> NDArray[Any]:
            cover = kept.surface.land.cover
            if self._crops is None:
                return np.asarray(self._covers[cover])
            crops = self._crops[crop_of(self._landscape, grid, kept, year)]
            return np.where(cover == Cover.CROP, crops, self._covers[cover])

        return {band: self._landscape.mosaic(grid, year, kind.dtype, codes) for band in bands}

    def _year(self, index: str) -> int:
        years = self._kind.years
        if index.isdigit() and int(index) in years:
            return int(index)
        raise AssetNotFoundError(f"{self.asset_id} has no image {index!r}; it has {', '.join(map(str, years))}.")
