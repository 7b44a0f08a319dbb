"""The assets of all providers as lazy images and collections, the first provider that has an id wins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee import deadlines
from rsbot_beam.local_ee.answers import RequestError, asset_not_found, collection_not_found, image_not_found
from rsbot_beam.local_ee.collection import Collection, Feature, list_collection, loaded_collection
from rsbot_beam.local_ee.geometries import Geometry
from rsbot_beam.local_ee.image import Image, Lazy, PixelContext, Raster
from rsbot_beam.local_ee.provider import AssetNotFoundError, BBox, ImageInfo, Provider
from rsbot_beam.local_ee.types import band_of

# Lazy images kept between requests; beyond that all are given back.
MAX_IMAGES = 8192

_NAME = re.compile(r"^projects/(?:earthengine-public|earthengine-legacy)/assets/(.+)$")


def asset_id_of(name: str) -> str:
    """The id that expressions use, of a REST resource name: public assets lose their project."""
    found = _NAME.match(name)
    return found.group(1) if found else name


class Catalog:
    """Looks assets up in the providers.

    Args:
        providers: In order of precedence.
    """

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = tuple(providers)
        self._images: dict[tuple[Provider, str], Image] = {}

    def asset_ids(self) -> list[str]:
        """Ids of all assets, without collections' members."""
        return list(dict.fromkeys(asset_id for provider in self._providers for asset_id in provider.asset_ids()))

    def info(self, asset_id: str) -> dict[str, Any]:
        """Type and properties of an asset.

        Raises:
            RequestError: 404 when no provider has it.
        """
        found = self._find(asset_id)
        if found is None:
            raise asset_not_found(asset_id)
        return found[1]

    def image(self, asset_id: str) -> Image:
        """An image by its id.

        Raises:
            RequestError: When there is none, in the words of `Image.load`.
        """
        found = self._find(asset_id_of(asset_id))
        if found is None:
            raise image_not_found(asset_id)
        if found[1]["type"] != "IMAGE":
            raise RequestError(f"Image.load: Asset '{asset_id}' is not an Image.")
        return self._image(found[0], found[0].image(asset_id_of(asset_id)))

    def collection(self, asset_id: str) -> Collection:
        """An image collection or table by its id.

        Raises:
            RequestError: When there is none.
        """
        found = self._find(asset_id_of(asset_id))
        if found is None:
            raise collection_not_found("Collection.load", "Collection", asset_id)
        kind = found[1]["type"]
        if kind == "IMAGE":
            return list_collection([self.image(asset_id)], True)
        loader = self.images if kind == "IMAGE_COLLECTION" else self.table
        return loader(asset_id)

    def images(self, asset_id: str) -> Collection:
        """An image collection by its id; see `collection`."""
        provider, info = self._of_type(asset_id, "IMAGE_COLLECTION", "ImageCollection.load", "ImageCollection")
        plain = asset_id_of(asset_id)

        def listing(start: int | None, end: int | None, bbox: BBox | None) -> Iterator[Image]:
            for member in provider.images(plain, start, end, bbox):
                deadlines.check()
                yield self._image(provider, member)

        def find(index: str) -> Image | None:
            try:
                return self._image(provider, provider.image(f"{plain}/{index}"))
            except AssetNotFoundError:
                return None

        properties = info.get("properties", {})
        return loaded_collection(listing, None, of_images=True, id=plain, properties=properties, find=find)

    def table(self, asset_id: str) -> Collection:
        """A table by its id; see `collection`."""
        provider, info = self._of_type(asset_id, "TABLE", "Collection.loadTable", "Collection")
        plain = asset_id_of(asset_id)

        def listing(_start: int | None, _end: int | None, bbox: BBox | None) -> Iterable[Feature]:
            for index, shape, properties in provider.features(plain, bbox):
                deadlines.check()
                geometry = None if shape is None else Geometry(shape)
                yield Feature(geometry, {**properties, "system:index": index})

        return loaded_collection(listing, None, of_images=False, id=plain, properties=info.get("properties", {}))

    def _image(self, provider: Provider, info: ImageInfo) -> Image:
        """The lazy image of a description, the same one every time: requests share its graph."""
        key = (provider, info.id)
        found = self._images.get(key)
        if found is None:
            if len(self._images) >= MAX_IMAGES:
                self._images.clear()
            found = self._images[key] = provider_image(provider, info)
        return found

    def _of_type(self, asset_id: str, kind: str, function: str, said: str) -> tuple[Provider, dict[str, Any]]:
        found = self._find(asset_id_of(asset_id))
        if found is None:
            raise collection_not_found(function, said, asset_id)
        if found[1]["type"] != kind:
            raise RequestError(f"{function}: Asset '{asset_id}' is not {_article(said)}.")
        return found

    def _find(self, asset_id: str) -> tuple[Provider, dict[str, Any]] | None:
        for provider in self._providers:
            try:
                return provider, provider.info(asset_id)
            except AssetNotFoundError:
                continue
        return None


def provider_image(provider: Provider, info: ImageInfo) -> Image:
    """A provider's image as a lazy image; all bands wanted are asked for at once."""
    bands = Lazy(lambda: tuple(band_of(band) for band in info.bands))

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        chosen = [bands.get()[index] for index in indices]
        found = provider.pixels(info.id, [band.name for band in chosen], context.grid)
        return [_raster(*found[band.name], context) for band in chosen]

    return Image(bands.get, compute, properties=info.properties, footprint=info.footprint, id=info.id)


def _raster(values: NDArray[Any], valid: NDArray[np.bool_], context: PixelContext) -> Raster:
    # Looking whether all pixels are valid is far cheaper than what every later operation saves by knowing it.
    return Raster(values, context.all_valid if valid.all() else valid)


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "AEIOU" else f"a {word}"
