"""`USDA/NASS/CDL`: the crops of every year.

The layer knows the truth, but for the errors that such maps have. Unlike the real one it is not confined to the United
States, so that crops can be learnt and tested on any continent; and it is sharp at 10 m, where the real one has 30 m.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from rsbot_beam.local_ee.provider import AssetNotFoundError, BandInfo, BandPixels, BBox, ImageInfo, PixelGrid
from rsbot_beam.local_ee.world.assets import unknown_band
from rsbot_beam.local_ee.world.covers import Cover
from rsbot_beam.local_ee.world.crops import Crop
from rsbot_beam.local_ee.world.hashing import Float32Array, draw, hash_of, salt
from rsbot_beam.local_ee.world.landscape import Kept, Landscape
from rsbot_beam.local_ee.world.legends import CROPLAND_DATA_LAYER, CULTIVATED, class_properties
from rsbot_beam.local_ee.world.maps import code_table, crop_of, new_year
from rsbot_beam.local_ee.world.sentinel2 import in_time

# Codes of the Cropland Data Layer.
_CDL_COVERS = {
    Cover.WATER: 111, Cover.WETLAND: 195, Cover.DECIDUOUS: 141, Cover.EVERGREEN: 142, Cover.MIXED: 143,
    Cover.SHRUB: 152, Cover.GRASS: 176, Cover.BARREN: 131, Cover.SNOW: 112, Cover.OPEN_SPACE: 121,
    Cover.LOW_DENSITY: 122, Cover.MEDIUM_DENSITY: 123, Cover.HIGH_DENSITY: 124, Cover.ROAD: 121, Cover.CROP: 44,
}  # fmt: skip
_CDL_CROPS = {
    Crop.MAIZE: 1, Crop.SOYBEAN: 5, Crop.WINTER_WHEAT: 24, Crop.SPRING_WHEAT: 23, Crop.BARLEY: 21, Crop.OATS: 28,
    Crop.RYE: 27, Crop.RAPESEED: 31, Crop.SUNFLOWER: 6, Crop.SUGAR_BEET: 41, Crop.POTATO: 43, Crop.DRY_BEAN: 42,
    Crop.SORGHUM: 4, Crop.COTTON: 2, Crop.RICE: 3, Crop.ALFALFA: 36, Crop.HAY: 37, Crop.WHEAT_THEN_SOYBEAN: 26,
    Crop.FALLOW: 61,
}  # fmt: skip
_CDL_YEARS = range(2008, 2026)
_ALBERS_CRS = "EPSG:5070"  # CONUS Albers, the real layer's grid
_ALBERS_ORIGIN = (-2_356_095.0, 3_172_605.0)  # metres
_ALBERS_SHAPE = (96_523, 153_811)
_CDL_SIZE = 30.0  # metres
_ERROR_SHARE = 0.02  # of pixels that the layer gives another of the region's crops, mostly along borders
_BORDER = 8.0  # metres from a field's border within which pixels are mixed


_CDL_COVER_TABLE = code_table(_CDL_COVERS, np.uint8)
_CDL_CROP_TABLE = code_table(_CDL_CROPS, np.uint8)


@dataclass(frozen=True)
class _Layers:
    """What the Cropland Data Layer says about N pixels."""

    cropland: NDArray[np.uint8]
    confidence: NDArray[np.uint8]


class CroplandDataLayer:
    """`USDA/NASS/CDL`, one image a year.

    Args:
        seed: The world's seed.
        landscape: What is mapped.
    """

    asset_id = "USDA/NASS/CDL"
    type = "IMAGE_COLLECTION"
    bands = ("cropland", "cultivated", "confidence")

    def __init__(self, seed: int, landscape: Landscape) -> None:
        self._landscape = landscape
        self._error_key = salt(seed, "cdl errors")

    def properties(self) -> dict[str, Any]:
        """Properties of the collection."""
        return {"title": "USDA NASS Cropland Data Layers (simulated)"}

    def images(self, start_ms: int | None, end_ms: int | None, bbox: BBox | None) -> Iterator[ImageInfo]:
        """Its images in time; all of them cover the globe."""
        for year in _CDL_YEARS:
            if in_time(new_year(year), start_ms, end_ms):
                yield self.image(str(year))

    def image(self, index: str) -> ImageInfo:
        """The image of a year, such as `2023`."""
        year = self._year(index)
        transform = Affine(_CDL_SIZE, 0, _ALBERS_ORIGIN[0], 0, -_CDL_SIZE, _ALBERS_ORIGIN[1])
        bands = tuple(BandInfo(name, np.dtype(np.uint8), _ALBERS_CRS, transform, _ALBERS_SHAPE) for name in self.bands)
        properties: dict[str, Any] = {
            "system:index": index,
            "system:time_start": new_year(year),
            "system:time_end": new_year(year + 1),
        }
        properties |= class_properties("cropland", CROPLAND_DATA_LAYER) | class_properties("cultivated", CULTIVATED)
        return ImageInfo(f"{self.asset_id}/{index}", bands, properties)

    def pixels(self, index: str, bands: Sequence[str], grid: PixelGrid) -> dict[str, BandPixels]:
        """Codes, 1 or 2 for not cultivated or cultivated, and per cent of confidence; uint8."""
        year = self._year(index)
        readers = {
            "cropland": lambda kept: self._layers(grid, kept, year).cropland,
            "confidence": lambda kept: self._layers(grid, kept, year).confidence,
            "cultivated": lambda kept: np.where(kept.surface.land.cover == Cover.CROP, 2, 1),
        }
        for band in bands:
            if band not in readers:
                raise unknown_band(f"{self.asset_id}/{index}", band, self.bands)
        return {band: self._landscape.mosaic(grid, year, np.uint8, readers[band]) for band in bands}

    def _layers(self, grid: PixelGrid, kept: Kept, year: int) -> _Layers:
        land, sites = kept.surface.land, kept.sites
        farmed = land.cover == Cover.CROP
        cropland = np.where(
            farmed, _CDL_CROP_TABLE[crop_of(self._landscape, grid, kept, year)], _CDL_COVER_TABLE[land.cover]
        )
        pixel = hash_of(self._error_key, sites.columns // 3, sites.rows // 3, np.array(year))
        border = land.parcels.edge < _BORDER
        chance = draw(pixel, 60)
        # The map errs three times as often along borders, where a pixel sees two fields.
        wrong = farmed & (chance < np.where(border, 3.0 * _ERROR_SHARE, _ERROR_SHARE))
        others = kept.surface.units.shares
        if wrong.any():
            at = np.flatnonzero(wrong)
            unit = kept.surface.unit[at]
            cropland[at] = _CDL_CROP_TABLE[self._landscape.surfaces.rotations.crops(pixel[at], others[:, unit], year)]
        return _Layers(cropland, _confidence(draw(pixel, 61), farmed, border, wrong))

    def _year(self, index: str) -> int:
        if index.isdigit() and int(index) in _CDL_YEARS:
            return int(index)
        raise AssetNotFoundError(f"{self.asset_id} has no image {index!r}: it has {_CDL_YEARS[0]} to {_CDL_YEARS[-1]}")


def _confidence(
    chance: Float32Array, farmed: NDArray[np.bool_], border: NDArray[np.bool_], wrong: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Per cent: high within fields, low along borders and where the map errs."""
    level = np.where(farmed, 82.0, 70.0) - 30.0 * border - 35.0 * wrong
    return np.clip(level + 18.0 * chance, 1.0, 100.0).astype(np.uint8)
