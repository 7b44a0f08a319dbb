"""Many images as one: mosaics, stacks of bands, and what reductions of collections share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.collection import MAX_ELEMENTS, Collection
from rsbot_beam.local_ee.functions.bands import unique_names
from rsbot_beam.local_ee.image import Image, PixelContext, Raster
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.types import Band
from rsbot_beam.local_ee.values import Value


@function("ImageCollection.mosaic")
def mosaic(collection: Collection) -> Image:
    """The last valid pixel of all images."""
    return stacked(collection, _mosaic_band)


def _mosaic_band(rasters: Sequence[Raster], context: PixelContext, dtype: np.dtype[Any]) -> Raster:
    """The last raster on top, done from the last back until every pixel is covered."""
    values, mask = None, context.none_valid
    for raster in reversed(rasters):
        if values is None:
            values, mask = raster.values.astype(dtype, copy=False), raster.mask
        else:
            shown = mask if mask.dtype == np.bool_ else mask > 0
            values = np.where(shown, values, raster.values.astype(dtype, copy=False))
            mask = np.where(shown, mask, raster.mask)
        if mask.all():
            break
    return context.masked(dtype) if values is None else Raster(values, mask)


@function("ImageCollection.qualityMosaic")
def quality_mosaic(collection: Collection, quality_band: str) -> Image:
    """Every pixel from the image that has the largest value of a band there."""
    template = template_of(collection)

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        images = [i for i in members(collection, context) if i.index_of(quality_band) is not None]
        if not images:
            return [context.masked(template().bands[index].type.dtype) for index in indices]
        bands = [template().bands[index] for index in indices]
        every = gather(images, [quality_band, *(band.name for band in bands)], context)
        quality = [found[quality_band] for found in every]
        scores = np.stack([np.where(q.valid, q.values.astype(np.float64), -np.inf) for q in quality])
        best = scores.argmax(axis=0)[None]
        # Where the best image lacks a band, there is none.
        return [
            _chosen([found.get(band.name) or context.masked(band.type.dtype) for found in every], best)
            for band in bands
        ]

    return _collection_image(collection, template, compute, lambda band: band)


def _chosen(rasters: Sequence[Raster], best: Value) -> Raster:
    values = np.take_along_axis(np.stack([r.values for r in rasters]), best, 0)[0]
    mask = np.take_along_axis(np.stack([r.mask for r in rasters]), best, 0)[0]
    return Raster(values, mask)


@function("ImageCollection.toBands")
def to_bands(collection: Collection) -> Image:
    """All bands of all images, named `index_band`; of images with the same index, later ones get a suffix."""
    listed: list[list[tuple[Image, int, str]]] = []

    def places() -> list[tuple[Image, int, str]]:
        if not listed:
            images = list(islice(collection.images(), MAX_ELEMENTS + 1))
            found = [(image, number) for image in images for number in range(len(image.bands))]
            if len(found) > MAX_ELEMENTS:
                raise RequestError(f"ImageCollection.toBands: The maximum number of bands is {MAX_ELEMENTS}.")
            names = unique_names(
                [
                    f"{image.properties.get('system:index', position)}_{name}"
                    for position, image in enumerate(images)
                    for name in image.names
                ]
            )
            listed.append([(*place, name) for place, name in zip(found, names, strict=True)])
        return listed[0]

    def bands() -> list[Band]:
        return [replace(image.bands[number], name=name) for image, number, name in places()]

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        chosen = [places()[index] for index in indices]
        for image in dict.fromkeys(image for image, _, _ in chosen):
            context.rasters(image, [number for source, number, _ in chosen if source is image])
        return [context.raster(image, number) for image, number, _ in chosen]

    return Image(bands, compute)


def members(collection: Collection, context: PixelContext) -> list[Image]:
    """The images of a collection that may be valid on a context's grid."""
    return list(collection.images(context.grid.bbox()))


def stacked(collection: Collection, reduce: Callable[[Sequence[Raster], PixelContext, np.dtype[Any]], Raster]) -> Image:
    """One image whose bands are made from the same bands of all images; bands and types are those of the first image."""
    template = template_of(collection)

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        images = members(collection, context)
        bands = [template().bands[index] for index in indices]
        by_image = gather(images, [band.name for band in bands], context)
        return [
            reduce([found[band.name] for found in by_image if band.name in found], context, band.type.dtype)
            for band in bands
        ]

    return _collection_image(collection, template, compute, lambda band: band)


def gather(images: Sequence[Image], names: Sequence[str], context: PixelContext) -> list[dict[str, Raster]]:
    """For each image its rasters of these bands by name; bands that an image does not have are left out."""
    found = []
    for image in images:
        have = [(name, index) for name in names if (index := image.index_of(name)) is not None]
        rasters = context.rasters(image, [index for _, index in have])
        found.append({name: raster for (name, _), raster in zip(have, rasters, strict=True)})
    return found


def template_of(collection: Collection) -> Callable[[], Image]:
    """A thunk of the image whose bands stand for those of all; an image without bands for an empty collection."""
    found: list[Image] = []

    def template() -> Image:
        if not found:
            element = collection.first()
            found.append(element if isinstance(element, Image) else Image((), lambda _indices, _context: []))
        return found[0]

    return template


def _collection_image(
    collection: Collection,
    template: Callable[[], Image],
    compute: Value,
    change: Callable[[Band], Band],
) -> Image:
    """An image of a whole collection: it has the projection EPSG:4326 at one degree, as Earth Engine's composites."""

    def bands() -> list[Band]:
        return [change(Band(band.name, band.type)) for band in template().bands]

    return Image(bands, compute)
