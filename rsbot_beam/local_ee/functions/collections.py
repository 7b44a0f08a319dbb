"""Collections: made, filtered, mapped, ordered, joined into one image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.collection import MAX_ELEMENTS, Collection, Element, Feature, list_collection
from rsbot_beam.local_ee.environment import Environment, FunctionValue
from rsbot_beam.local_ee.filters import Filter
from rsbot_beam.local_ee.functions.sources import hashed
from rsbot_beam.local_ee.geometries import Geometry, in_metres
from rsbot_beam.local_ee.image import Image, PixelContext, Raster
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.types import Band
from rsbot_beam.local_ee.values import Value


@function("ImageCollection.fromImages")
def from_images(images: list, environment: Environment) -> Collection:
    """A collection of images."""
    from rsbot_beam.local_ee.convert import to_image

    return list_collection([to_image(image, environment) for image in images], of_images=True)


@function("Collection")
def from_features(features: list) -> Collection:
    """A collection of features; geometries become features."""
    elements = [Feature(item) if isinstance(item, Geometry) else item for item in features]
    if not all(isinstance(element, (Feature, Image)) for element in elements):
        raise RequestError("Collection: Parameter 'features' must be a list of features.")
    return list_collection(elements, of_images=bool(elements) and isinstance(elements[0], Image))


@function("Collection.filter")
def filter_collection(collection: Collection, filter: Filter) -> Collection:
    """The elements that match."""
    return collection.filter(filter)


@function("Collection.map")
def map_collection(collection: Collection, base_algorithm: FunctionValue, drop_nulls: bool = False) -> Collection:
    """Every element through a function."""

    def apply(element: Element) -> Element | None:
        mapped = base_algorithm(element)
        if mapped is None and drop_nulls:
            return None
        if isinstance(mapped, Geometry):
            return Feature(mapped)
        if not isinstance(mapped, (Image, Feature)):
            raise RequestError("Collection.map: A mapped algorithm must return a Feature or Image.")
        return mapped

    return collection.map(apply, drop_nulls)


@function("Collection.iterate")
def iterate(collection: Collection, function: FunctionValue, first: Value = None) -> Value:
    """A function of (element, result so far) over all elements."""
    result = first
    for element in collection.iterate():
        result = function(element, result)
    return result


@function("Collection.size")
def size(collection: Collection) -> int:
    """Number of elements."""
    return sum(1 for _ in collection.iterate())


@function("Collection.first")
def first(collection: Collection) -> Element | None:
    """The first element, or null."""
    return collection.first()


@function("Collection.limit")
def limit(
    collection: Collection, limit: int | None = None, key: str | None = None, ascending: bool = True
) -> Collection:
    """The first so many elements, ordered by a property if one is given."""
    ordered = collection if key is None else collection.sorted(key, ascending)
    return ordered if limit is None else ordered.take(limit)


@function("Collection.toList")
def to_list(collection: Collection, count: int, offset: int = 0) -> list[Element]:
    """Elements as a list."""
    return list(islice(collection.iterate(), offset, offset + count))


@function("Collection.merge", "ImageCollection.merge")
def merge(collection1: Collection, collection2: Collection) -> Collection:
    """The elements of both."""
    return collection1.merge(collection2)


@function("Collection.flatten")
def flatten(collection: Collection) -> Collection:
    """The elements of a collection of collections."""
    parts = [part for part in collection.iterate() if isinstance(part, Collection)]
    return list_collection(
        [element for part in parts for element in part.iterate()], bool(parts) and parts[0].of_images
    )


@function("Collection.distinct")
def distinct(collection: Collection, properties: Value) -> Collection:
    """The first element of each value of some properties."""
    names = properties if isinstance(properties, list) else [properties]

    def source(bbox: Value) -> Value:
        seen = set()
        for element in collection.iterate(bbox):
            key = repr([_distinct_key(element, name) for name in names])
            if key not in seen:
                seen.add(key)
                yield element

    return collection.derive(source)


def _distinct_key(element: Element, name: str) -> Value:
    if name == ".geo" and isinstance(element, Feature) and element.geometry is not None:
        return element.geometry.lonlat.wkb
    return element.properties.get(name)


@function("Collection.cache")
def cache(collection: Collection) -> Collection:
    """The collection itself."""
    return collection


@function("Collection.geometry")
def geometry(collection: Collection, max_error: Value = None) -> Geometry:
    """The union of all geometries."""
    from rsbot_beam.local_ee.convert import to_geometry

    return to_geometry(collection)


@function("Collection.union")
def union(collection: Collection, max_error: Value = None) -> Collection:
    """One feature of the union of all geometries."""
    return list_collection([Feature(geometry(collection))], of_images=False)


@function("Collection.bounds")
def bounds(collection: Collection, max_error: Value = None, proj: Value = None) -> Geometry:
    """The rectangle around all geometries."""
    return geometry(collection).map(lambda shape: shape.envelope)


@function("Collection.randomColumn")
def random_column(
    collection: Collection,
    column_name: str = "random",
    seed: int = 0,
    distribution: str = "uniform",
    row_keys: Value = None,
) -> Collection:
    """A random number for each element, by its keys and the seed: the same in every run."""
    keys = row_keys or ["system:index"]

    def add(element: Element) -> Element:
        digest = np.frombuffer(_digest(repr([element.properties.get(key) for key in keys])), np.uint32)
        x, y = digest[0] / 1e7, digest[1] / 1e7
        value = hashed(np.array([x]), np.array([y]), seed)[0]
        if distribution == "normal":
            value = np.sqrt(-2 * np.log(1 - value)) * np.cos(2 * np.pi * hashed(np.array([y]), np.array([x]), seed)[0])
        return set_property(element, column_name, float(value))

    return collection.map(add)


def _digest(text: str) -> bytes:
    from hashlib import blake2b

    return blake2b(text.encode(), digest_size=8).digest()


def set_property(element: Element, name: str, value: Value) -> Element:
    """The element with one more property."""
    if isinstance(element, Image):
        return element.with_properties(lambda: {**element.properties, name: value})
    return replace(element, properties={**element.properties, name: value})


@function("Collection.remap")
def remap_column(collection: Collection, lookup_in: list, lookup_out: list, column_name: str) -> Collection:
    """A property mapped from one list to another; elements with other values are left out."""
    table = dict(zip(lookup_in, lookup_out, strict=True))

    def change(element: Element) -> Element | None:
        value = element.properties.get(column_name)
        return set_property(element, column_name, table[value]) if value in table else None

    return collection.map(change, drop_nulls=True)


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
    template = _template(collection)

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        images = [i for i in members(collection, context) if i.index_of(quality_band) is not None]
        if not images:
            return [context.masked(template().bands[index].type.dtype) for index in indices]
        quality = [context.raster(image, image.names.index(quality_band)) for image in images]
        scores = np.stack([np.where(q.valid, q.values.astype(np.float64), -np.inf) for q in quality])
        best = scores.argmax(axis=0)[None]
        names = [template().bands[index].name for index in indices]
        return [_chosen(images, name, best, context) for name in names]

    return _collection_image(collection, template, compute, lambda band: band)


def _chosen(images: Sequence[Image], name: str, best: Value, context: PixelContext) -> Raster:
    rasters = [context.raster(image, image.names.index(name)) for image in images]
    values = np.take_along_axis(np.stack([r.values for r in rasters]), best, 0)[0]
    mask = np.take_along_axis(np.stack([r.mask for r in rasters]), best, 0)[0]
    return Raster(values, mask)


@function("ImageCollection.toBands")
def to_bands(collection: Collection) -> Image:
    """All bands of all images, named `index_band`."""
    listed: list[list[tuple[Image, int, str]]] = []

    def places() -> list[tuple[Image, int, str]]:
        if not listed:
            images = list(islice(collection.images(), MAX_ELEMENTS + 1))
            if not images:
                return []
            listed.append(
                [
                    (image, number, f"{image.properties.get('system:index', position)}_{band.name}")
                    for position, image in enumerate(images)
                    for number, band in enumerate(image.bands)
                ]
            )
            if len(listed[0]) > MAX_ELEMENTS:
                raise RequestError(f"ImageCollection.toBands: The maximum number of bands is {MAX_ELEMENTS}.")
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
    template = _template(collection)

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


def _template(collection: Collection) -> Callable[[], Image]:
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


template_of = _template


@function("Image.linkCollection")
def link_collection(
    input: Image,
    image_collection: Collection,
    linked_bands: Value = None,
    linked_properties: Value = None,
    match_property_name: str = "system:index",
) -> Image:
    """Bands and properties of the image of another collection that has the same index."""
    found: list[Image | None] = []

    def match() -> Image | None:
        if not found:
            found.append(_matching(input, image_collection, match_property_name))
        return found[0]

    names = [linked_bands] if isinstance(linked_bands, str) else list(linked_bands or [])
    labels = [linked_properties] if isinstance(linked_properties, str) else list(linked_properties or [])
    linked = _linked_bands(input, match, image_collection, names) if names else input
    if not labels:
        return linked

    def properties() -> dict[str, Any]:
        other = match()
        return {**input.properties, **{n: None if other is None else other.properties.get(n) for n in labels}}

    return linked.with_properties(properties)


def _linked_bands(
    image: Image, match: Callable[[], Image | None], collection: Collection, names: Sequence[str]
) -> Image:
    from rsbot_beam.local_ee.functions.bands import add_bands, select
    from rsbot_beam.local_ee.functions.masks import update_mask
    from rsbot_beam.local_ee.image import constant_image

    ready: list[Image] = []

    def joined() -> Image:
        if not ready:
            other = match()
            if other is None:
                template = collection.first()
                if not isinstance(template, Image):
                    raise RequestError("Image.linkCollection: The linked image collection is empty.")
                other = update_mask(template, constant_image(0))
            ready.append(add_bands(image, select(other, list(names)), overwrite=True))
        return ready[0]

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        return context.rasters(joined(), indices)

    return image.derive(lambda: joined().bands, compute)


def _matching(image: Image, collection: Collection, name: str) -> Image | None:
    value = image.properties.get(name)
    if value is None:
        return None
    if name == "system:index":
        other = collection.find(str(value))
    else:
        bbox = None if image.footprint is None else image.footprint.bounds
        other = next((i for i in collection.images(bbox) if i.properties.get(name) == value), None)
    return other if isinstance(other, Image) else None


@function("ImageCollection.combine")
def combine(primary: Collection, secondary: Collection, overwrite: bool = False) -> Collection:
    """Each image with the bands of the second collection's image of the same index; others are left out."""
    from rsbot_beam.local_ee.functions.bands import add_bands

    def join(element: Element) -> Element | None:
        other = secondary.find(str(element.properties.get("system:index")))
        if not isinstance(other, Image) or not isinstance(element, Image):
            return None
        return add_bands(element, other, overwrite=overwrite)

    return primary.map(join, drop_nulls=True)


@function("FeatureCollection.randomPoints")
def random_points(region: Geometry, points: int = 1000, seed: int = 0, max_error: Value = None) -> Collection:
    """Uniformly distributed points in a region."""
    import shapely

    generator = np.random.default_rng(seed)
    shape = region.lonlat
    found: list[tuple[float, float]] = []
    shapely.prepare(shape)
    west, south, east, north = shape.bounds
    while len(found) < points and not shape.is_empty:
        x = generator.uniform(west, east, 4 * points)
        # Uniform in the sine of the latitude: equal areas of the sphere are equally likely.
        low, high = np.sin(np.radians([south, north]))
        y = np.degrees(np.arcsin(generator.uniform(low, high, 4 * points)))
        within = shapely.contains_xy(shape, x, y)
        found.extend(zip(x[within], y[within], strict=True))
    features = [Feature(Geometry(shapely.Point(float(x), float(y)))) for x, y in found[:points]]
    return list_collection(features, of_images=False)


__all__ = ["in_metres", "members", "stacked", "template_of"]
