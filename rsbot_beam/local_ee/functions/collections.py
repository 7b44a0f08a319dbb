"""Collections: made, filtered, mapped, ordered, joined into one image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from itertools import islice

import numpy as np
import shapely

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.collection import Collection, Element, Feature, list_collection, with_index
from rsbot_beam.local_ee.convert import to_geometry, to_image
from rsbot_beam.local_ee.environment import Environment, FunctionValue
from rsbot_beam.local_ee.filters import Filter
from rsbot_beam.local_ee.functions.sources import hashed
from rsbot_beam.local_ee.geometries import Geometry
from rsbot_beam.local_ee.image import Image
from rsbot_beam.local_ee.provider import BBox
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.values import Value


@function("ImageCollection.fromImages")
def from_images(images: list, environment: Environment) -> Collection:
    """A collection of images, whose `system:index` are their numbers, whatever they were called before."""
    found = [to_image(image, environment) for image in images]
    return list_collection([with_index(image, str(number)) for number, image in enumerate(found)], of_images=True)


@function("Collection")
def from_features(features: list) -> Collection:
    """A collection of features, or of collections (see `flatten`); geometries become features."""
    elements = [Feature(item) if isinstance(item, Geometry) else item for item in features]
    if not all(isinstance(element, (Feature, Image, Collection)) for element in elements):
        raise RequestError("Collection: Parameter 'features' must be a list of features.")
    return list_collection(elements, of_images=bool(elements) and isinstance(elements[0], Image))


@function("Collection.filter")
def filter_collection(collection: Collection, filter: Filter) -> Collection:
    """The elements that match."""
    return collection.filter(filter)


@function("Collection.map")
def map_collection(collection: Collection, base_algorithm: FunctionValue, drop_nulls: bool = False) -> Collection:
    """Every element through a function."""

    def apply(element: Element) -> Value:
        mapped = base_algorithm(element)
        if mapped is None and drop_nulls:
            return None
        if isinstance(mapped, Geometry):
            return Feature(mapped)
        if not isinstance(mapped, (Image, Feature, Collection)):
            raise RequestError("Collection.map: A mapped algorithm must return a Feature or Image.")
        return mapped

    return collection.map(apply)


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
    """The elements of a collection of collections; indices are joined with `_`."""

    def source(bbox: BBox | None) -> Iterator[Element]:
        for part in collection.iterate():
            if not isinstance(part, Collection):
                raise RequestError("Collection.flatten: The elements must be collections.")
            outer = part.properties.get("system:index")
            for element in part.iterate(bbox):
                yield with_index(element, f"{outer}_{element.properties.get('system:index')}")

    first = collection.first()
    return Collection(source, of_images=isinstance(first, Collection) and first.of_images)


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

    return collection.map(change)


@function("FeatureCollection.randomPoints")
def random_points(region: Geometry, points: int = 1000, seed: int = 0, max_error: Value = None) -> Collection:
    """Uniformly distributed points in a region."""
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
