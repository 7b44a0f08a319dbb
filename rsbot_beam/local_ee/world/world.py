"""The world: a landscape that is computed, under Earth Engine's asset ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from shapely.geometry.base import BaseGeometry

from rsbot_beam.local_ee.provider import AssetNotFoundError, BandPixels, BBox, ImageInfo, PixelGrid
from rsbot_beam.local_ee.world.assets import Source
from rsbot_beam.local_ee.world.cloud_score import CloudScore
from rsbot_beam.local_ee.world.cropland import CroplandDataLayer
from rsbot_beam.local_ee.world.landscape import Landscape
from rsbot_beam.local_ee.world.maps import MAP_KINDS, ClassMap
from rsbot_beam.local_ee.world.naip import Naip
from rsbot_beam.local_ee.world.plants import SOLAR_PLANTS, WIND_TURBINES, Feature, solar_plants, wind_turbines
from rsbot_beam.local_ee.world.sentinel1 import Sentinel1
from rsbot_beam.local_ee.world.sentinel2 import Sentinel2
from rsbot_beam.local_ee.world.terrain import Srtm


class World:
    """A deterministic landscape, anywhere on Earth; a `Provider`.

    Values are functions of longitude, latitude, time and seed: two requests that see the same place see the same values.

    Args:
        seed: Another seed is another world.
    """

    def __init__(self, seed: int = 0) -> None:
        landscape = Landscape(seed)
        sentinel2 = Sentinel2(seed, landscape)
        sources: tuple[Source, ...] = (
            sentinel2,
            CloudScore(sentinel2, landscape),
            Sentinel1(landscape),
            CroplandDataLayer(seed, landscape),
            *(ClassMap(kind, landscape) for kind in MAP_KINDS),
            Srtm(landscape),
            Naip(landscape),
        )
        surfaces = landscape.surfaces
        self._tables: dict[str, Callable[[BBox | None], Iterator[Feature]]] = {
            SOLAR_PLANTS: partial(solar_plants, surfaces.structures),
            WIND_TURBINES: partial(wind_turbines, surfaces.parks),
        }
        self._sources = {source.asset_id: source for source in sources}

    def asset_ids(self) -> Iterable[str]:
        """Ids of all images, collections and tables."""
        return [*self._sources, *self._tables]

    def info(self, asset_id: str) -> dict[str, Any]:
        """Type and properties of an asset, also of a collection's member."""
        if asset_id in self._sources:
            source = self._sources[asset_id]
            return {"type": source.type, "properties": source.properties()}
        if asset_id in self._tables:
            return {"type": "TABLE", "properties": {}}
        return {"type": "IMAGE", "properties": dict(self.image(asset_id).properties)}

    def image(self, asset_id: str) -> ImageInfo:
        """An image by its id."""
        source, index = self._resolve(asset_id)
        return source.image(index)

    def images(self, asset_id: str, start_ms: int | None, end_ms: int | None, bbox: BBox | None) -> Iterable[ImageInfo]:
        """Images of a collection in time (milliseconds, half open) and space (degrees), in order of time."""
        source = self._sources.get(asset_id)
        if source is None or source.type != "IMAGE_COLLECTION":
            raise AssetNotFoundError(
                f"The world has no image collection {asset_id!r}; it has {', '.join(self._sources)}."
            )
        return source.images(start_ms, end_ms, bbox)

    def features(
        self, asset_id: str, bbox: BBox | None
    ) -> Iterable[tuple[str, BaseGeometry | None, Mapping[str, Any]]]:
        """Features of a table that may intersect a bbox."""
        if asset_id not in self._tables:
            raise AssetNotFoundError(f"The world has no table {asset_id!r}; it has {', '.join(self._tables)}.")
        return self._tables[asset_id](bbox)

    def pixels(self, image_id: str, bands: Sequence[str], grid: PixelGrid) -> dict[str, BandPixels]:
        """Pixels of an image at the centres of a grid."""
        source, index = self._resolve(image_id)
        return source.pixels(index, bands, grid)

    def _resolve(self, image_id: str) -> tuple[Source, str]:
        """The source of an image and the image's index in it."""
        if image_id in self._sources and self._sources[image_id].type == "IMAGE":
            return self._sources[image_id], ""
        collection, _, index = image_id.rpartition("/")
        if collection in self._sources and index:
            return self._sources[collection], index
        raise AssetNotFoundError(f"The world has no image {image_id!r}.")
