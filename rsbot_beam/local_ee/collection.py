"""Lazy collections of images or features: nothing is listed before it is known where and when it is wanted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rsbot_beam.local_ee.filters import Filter
from rsbot_beam.local_ee.geometries import Geometry
from rsbot_beam.local_ee.image import Image
from rsbot_beam.local_ee.provider import BBox
from rsbot_beam.local_ee.values import Value

# Elements that Earth Engine lists before it gives up ("Collection query aborted after accumulating over 5000 elements").
MAX_ELEMENTS = 5000
# Images whose mapped graph is kept between requests of one expression; beyond that the memory is given back.
MAX_MAPPED = 4096


@dataclass(frozen=True, eq=False)
class Feature:
    """A geometry, or none, with properties; `system:index` is its id.

    Attributes:
        geometry: Where it is.
        properties: What is known of it.
    """

    geometry: Geometry | None
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str | None:
        """Its `system:index`."""
        return self.properties.get("system:index")


Element: TypeAlias = Image | Feature


class Collection:
    """Images or features that are listed on demand.

    Args:
        source: Lists the elements; those that certainly lie outside of the bbox, if one is given, may be left out.
        of_images: Whether elements are images.
        properties: The collection's own.
        id: Asset id, where it is one as it was loaded.
        find: Finds the element with this `system:index` without listing, where there is such a way.
    """

    def __init__(
        self,
        source: Callable[[BBox | None], Iterable[Element]],
        *,
        of_images: bool,
        properties: Mapping[str, Any] | None = None,
        id: str | None = None,
        find: Callable[[str], Element | None] | None = None,
    ) -> None:
        self._source = source
        self._find = find
        self.of_images = of_images
        self.properties = dict(properties or {})
        self.id = id

    def iterate(self, bbox: BBox | None = None) -> Iterator[Element]:
        """The elements in order; those that lie outside of the bbox may be left out."""
        return iter(self._source(bbox))

    def images(self, bbox: BBox | None = None) -> Iterator[Image]:
        """The elements that are images; empty ones that a map dropped are left out."""
        return (element for element in self.iterate(bbox) if isinstance(element, Image))

    def features(self, bbox: BBox | None = None) -> Iterator[Feature]:
        """The elements as features; images by their footprint."""
        return (as_feature(element) for element in self.iterate(bbox))

    def first(self) -> Element | None:
        """The first element, or None."""
        return next(self.iterate(), None)

    def find(self, index: str) -> Element | None:
        """The element with this `system:index`, or None."""
        if self._find is not None:
            return self._find(index)
        return next((e for e in self.iterate() if e.properties.get("system:index") == index), None)

    def filter(self, condition: Filter) -> Collection:
        """The elements that match."""

        def source(bbox: BBox | None) -> Iterable[Element]:
            return (element for element in self.iterate(bbox) if condition.matches(element))

        def find(index: str) -> Element | None:
            element = self.find(index)
            return element if element is not None and condition.matches(element) else None

        return self.derive(source, find=find)

    def map(self, function: Callable[[Element], Element | None]) -> Collection:
        """Every element changed, or left out for None; `system:index` is kept, and so are graphs between requests."""
        return _Mapped(self, function)

    def take(self, limit: int, offset: int = 0) -> Collection:
        """At most so many elements, after skipping some."""
        return self.derive(lambda _bbox: itertools.islice(self.iterate(), offset, offset + limit))

    def sorted(self, key: str, ascending: bool = True) -> Collection:
        """Ordered by a property; elements without it come last."""

        def source(bbox: BBox | None) -> Iterable[Element]:
            elements = list(self.iterate(bbox))
            known = [e for e in elements if e.properties.get(key) is not None]
            unknown = [e for e in elements if e.properties.get(key) is None]
            return sorted(known, key=lambda e: e.properties[key], reverse=not ascending) + unknown

        return self.derive(source, find=self._find)

    def merge(self, other: Collection) -> Collection:
        """The elements of both; their `system:index` is prefixed with 1_ and 2_, as Earth Engine does."""

        def source(bbox: BBox | None) -> Iterable[Element]:
            for prefix, part in (("1_", self), ("2_", other)):
                for element in part.iterate(bbox):
                    yield with_index(element, prefix + str(element.properties.get("system:index", "")))

        return Collection(source, of_images=self.of_images)

    def with_properties(self, properties: Mapping[str, Any]) -> Collection:
        """The same elements with other properties of the collection itself."""
        same = Collection(self._source, of_images=self.of_images, properties=properties, find=self.find)
        same.id = self.id
        return same

    def derive(
        self, source: Callable[[BBox | None], Iterable[Element]], find: Callable[[str], Element | None] | None = None
    ) -> Collection:
        """Another listing with this one's properties."""
        return Collection(source, of_images=self.of_images, properties=self.properties, find=find)


class _Mapped(Collection):
    """A collection through a function. The graph of each element is built once and kept."""

    def __init__(self, base: Collection, function: Callable[[Element], Element | None]) -> None:
        super().__init__(self._list, of_images=base.of_images, properties=base.properties, find=self._find_mapped)
        self._base = base
        self._function = function
        self._done: dict[Element, Element | None] = {}

    def _apply(self, element: Element) -> Element | None:
        # Images are the same objects in every request, features are not.
        kept = isinstance(element, Image)
        if kept and element in self._done:
            return self._done[element]
        index = element.properties.get("system:index")
        mapped = self._function(element)
        if mapped is not None and index is not None and mapped.properties.get("system:index") != index:
            mapped = with_index(mapped, index)
        if kept:
            if len(self._done) >= MAX_MAPPED:
                self._done.clear()
            self._done[element] = mapped
        return mapped

    def _list(self, bbox: BBox | None) -> Iterator[Element]:
        elements = self._base.iterate(bbox)
        if bbox is not None and self.of_images:
            head = next(elements, None)
            sample = head if head is not None else self._base.first()
            if sample is None:
                return
            if _outgrows(self._apply(sample), sample):
                elements = self._base.iterate()
            elif head is not None:
                elements = itertools.chain([head], elements)
        for element in elements:
            mapped = self._apply(element)
            if mapped is not None:
                yield mapped

    def _find_mapped(self, index: str) -> Element | None:
        element = self._base.find(index)
        return None if element is None else self._apply(element)


def _outgrows(mapped: Element | None, original: Element) -> bool:
    """Whether a function made an image that is valid where the original is not: then its place says nothing."""
    return (
        isinstance(mapped, Image)
        and isinstance(original, Image)
        and mapped.footprint is None
        and original.footprint is not None
    )


def with_index(element: Value, index: str) -> Value:
    """The element, which may be a collection in a collection, with another `system:index`."""
    if isinstance(element, Collection):
        return element.with_properties({**element.properties, "system:index": index})
    if isinstance(element, Image):
        return element.with_properties(lambda: {**element.properties, "system:index": index})
    return Feature(element.geometry, {**element.properties, "system:index": index})


def list_collection(elements: Iterable[Element], of_images: bool) -> Collection:
    """A collection of just these elements; those without a `system:index` get their number."""
    listed = [
        element if element.properties.get("system:index") is not None else with_index(element, str(number))
        for number, element in enumerate(elements)
    ]
    return Collection(lambda _bbox: listed, of_images=of_images)


def loaded_collection(
    listing: Callable[[int | None, int | None, BBox | None], Iterable[Element]],
    condition: Filter | None,
    *,
    of_images: bool,
    id: str,
    properties: Mapping[str, Any] | None = None,
    find: Callable[[str], Element | None] | None = None,
) -> Collection:
    """A collection of a provider, whose filters on time and place travel to the provider.

    Args:
        listing: Elements by (start, end, bbox).
        condition: Filter so far.
        of_images: Whether elements are images.
        id: Asset id.
        properties: The collection's own.
        find: Finds an element by its `system:index`.
    """
    return _Loaded(listing, condition, of_images=of_images, id=id, properties=properties, find=find)


class _Loaded(Collection):
    def __init__(
        self,
        listing: Callable[[int | None, int | None, BBox | None], Iterable[Element]],
        condition: Filter | None,
        **about: Value,
    ) -> None:
        super().__init__(self._list, **about)
        self._listing = listing
        self._condition = condition

    def _list(self, bbox: BBox | None) -> Iterator[Element]:
        condition = self._condition
        if condition is None:
            return iter(self._listing(None, None, bbox))
        start, end = condition.times
        # An image may reach into the filter's region and onto the grid without these two meeting.
        found = self._listing(start, end, condition.bbox if bbox is None else bbox)
        return (element for element in found if condition.matches(element))

    def find(self, index: str) -> Element | None:
        element = super().find(index)
        return element if element is None or self._condition is None or self._condition.matches(element) else None

    def filter(self, condition: Filter) -> Collection:
        joined = condition if self._condition is None else self._condition.both(condition)
        return _Loaded(
            self._listing,
            joined,
            of_images=self.of_images,
            id=self.id,
            properties=self.properties,
            find=self._find,
        )


def as_feature(element: Element) -> Feature:
    """An image as the feature of its footprint; a feature as it is."""
    if isinstance(element, Feature):
        return element
    footprint = element.footprint
    return Feature(None if footprint is None else Geometry(footprint), element.properties)
