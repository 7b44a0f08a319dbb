"""Properties of images and features, and conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.collection import Collection, Element, Feature, as_feature
from rsbot_beam.local_ee.convert import to_geometry
from rsbot_beam.local_ee.functions.strings import to_text
from rsbot_beam.local_ee.geometries import WORLD, Geometry
from rsbot_beam.local_ee.image import Image
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.temporal import Date
from rsbot_beam.local_ee.values import Value


@function("Feature")
def feature(geometry: Value = None, metadata: dict | None = None, geometry_key: str | None = None) -> Feature:
    """A feature of a geometry and properties."""
    if isinstance(geometry, Feature):
        return replace(geometry, properties={**geometry.properties, **(metadata or {})})
    place = None if geometry is None else to_geometry(geometry)
    return Feature(place, dict(metadata or {}))


def changed(element: Value, change: Callable[[Mapping[str, Value]], Mapping[str, Value]]) -> Value:
    """The element with properties changed by a function."""
    if isinstance(element, Image):
        return element.with_properties(lambda: change(element.properties))
    if isinstance(element, Collection):
        return element.with_properties(change(element.properties))
    return replace(element, properties=change(element.properties))


@function("Element.set")
def set_one(object: Feature, key: str, value: Value = None) -> Element:
    """One property more."""
    plain = value.ms if isinstance(value, Date) and key.startswith("system:time") else value
    return changed(object, lambda properties: {**properties, key: plain})


@function("Element.setMulti")
def set_many(object: Feature, properties: dict) -> Element:
    """Several properties more."""
    return changed(object, lambda before: {**before, **properties})


@function("Element.get", "Element.getNumber", "Element.getString", "Element.getArray")
def get(object: Feature, property: str) -> Value:
    """A property, null where there is none."""
    return _property(object, property)


def _property(element: Element, name: str) -> Value:
    if name == "system:id" and isinstance(element, Image):
        return element.id
    if name == "system:footprint" and isinstance(element, Image):
        return as_feature(element).geometry
    return element.properties.get(name)


@function("Element.propertyNames", "Feature.propertyNames")
def property_names(element: Feature) -> list[str]:
    """Names of the properties."""
    return list(element.properties)


@function("Element.toDictionary")
def to_dictionary(element: Feature, properties: list | None = None) -> dict[str, Any]:
    """Properties as a dictionary, without `system:` ones unless they are named."""
    if properties is not None:
        return {name: element.properties.get(name) for name in properties}
    return {name: value for name, value in element.properties.items() if not name.startswith("system:")}


@function("Element.copyProperties", "Image.copyProperties")
def copy_properties(
    destination: Feature | None = None,
    source: Feature | None = None,
    properties: list | None = None,
    exclude: list | None = None,
) -> Element | None:
    """Properties of another element: those named, or all but `system:` ones."""
    if destination is None or source is None:
        return destination

    def copied() -> dict[str, Any]:
        own = source.properties
        if properties is not None:
            return {name: own[name] for name in _matching_names(own, properties)}
        left_out = set(exclude or ())
        return {k: v for k, v in own.items() if not k.startswith("system:") and k not in left_out}

    return changed(destination, lambda before: {**before, **copied()})


@function("Element.replaceProperties")
def replace_properties(destination: Feature | None = None, source: Feature | None = None) -> Element | None:
    """The other element's properties instead of the own; `system:index` stays."""
    if destination is None or source is None:
        return destination
    index = {k: v for k, v in destination.properties.items() if k == "system:index"}
    return changed(destination, lambda _before: {**to_dictionary(source), **index})


def _matching_names(own: Mapping[str, Any], wanted: list[str]) -> list[str]:
    return [name for name in own if any(name == pattern or re.fullmatch(pattern, name) for pattern in wanted)]


@function("Element.geometry", "Feature.geometry", "Image.geometry")
def geometry(feature: Feature, max_error: Value = None, proj: Value = None, geodesics: Value = None) -> Geometry | None:
    """A feature's geometry, or an image's footprint."""
    found = as_feature(feature).geometry
    if found is None and isinstance(feature, Image):
        return Geometry(WORLD)
    return found


@function("Feature.setGeometry")
def set_geometry(feature: Feature, geometry: Geometry | None = None) -> Feature:
    """The feature at another place."""
    return replace(as_feature(feature), geometry=geometry)


@function("Feature.select")
def select(
    input: Feature, property_selectors: list, new_properties: list | None = None, retain_geometry: bool = True
) -> Element:
    """Some of the properties, renamed if wanted."""
    names = _matching_names(input.properties, [str(item) for item in property_selectors])
    labels = new_properties or names
    if len(labels) != len(names):
        raise RequestError(f"Feature.select: {len(names)} properties cannot take the names {labels}.")
    kept = {label: input.properties[name] for name, label in zip(names, labels, strict=True)}
    if "system:index" in input.properties:
        kept["system:index"] = input.properties["system:index"]
    if isinstance(input, Image):
        return input.with_properties(lambda: kept)
    return Feature(input.geometry if retain_geometry else None, kept)


@function("Feature.id", "Image.id")
def element_id(element: Feature) -> str | None:
    """Its id."""
    return element.id


@function("If")
def if_(condition: Value = None, true_case: Value = None, false_case: Value = None) -> Value:
    """One of two values; null, 0, false and empty texts count as false."""
    return true_case if condition not in (None, 0, False, "") else false_case


@function("IsEqual")
def is_equal(left: Value = None, right: Value = None) -> bool:
    """Whether two values are equal."""
    return bool(left == right)


@function("ObjectType")
def object_type(value: Value = None) -> str:
    """The name of a value's type."""
    names = {
        type(None): "Null",
        bool: "Boolean",
        int: "Integer",
        float: "Float",
        str: "String",
        list: "List",
        dict: "Dictionary",
    }
    return names.get(type(value), type(value).__name__)


@function("Describe")
def describe(input: Value) -> Value:
    """What `getInfo` of the value shows, as text."""
    return to_text(input)
