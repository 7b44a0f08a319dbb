"""Conversion of graph values to the type that a function's argument asks for, as Earth Engine promotes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import shapely

from rsbot_beam.local_ee.collection import Collection, Feature, as_feature, list_collection
from rsbot_beam.local_ee.environment import Environment, FunctionValue
from rsbot_beam.local_ee.filters import Filter
from rsbot_beam.local_ee.geometries import WORLD, Geometry, geometry_from_json
from rsbot_beam.local_ee.image import Image, constant_image
from rsbot_beam.local_ee.kernels import Kernel
from rsbot_beam.local_ee.reducers import Reducer
from rsbot_beam.local_ee.temporal import Date, DateRange, parse_date
from rsbot_beam.local_ee.types import PixelType, Projection, named_projection
from rsbot_beam.local_ee.values import Value


def to_image(value: Value, environment: Environment) -> Image:
    """A number or list as a constant, a text as an asset, a collection as its mosaic's first image."""
    if isinstance(value, Image):
        return value
    if isinstance(value, str):
        return environment.catalog.image(value)
    if isinstance(value, (bool, int, float, list)):
        return constant_image(value)
    raise TypeError("Image<unknown bands>")


def to_collection(value: Value, environment: Environment) -> Collection:
    """One element, a list of them or an asset's id as a collection."""
    if isinstance(value, Collection):
        return value
    if isinstance(value, str):
        return environment.catalog.collection(value)
    if isinstance(value, (Image, Feature)):
        return list_collection([value], isinstance(value, Image))
    if isinstance(value, Geometry):
        return list_collection([Feature(value)], False)
    if isinstance(value, list) and all(isinstance(item, (Image, Feature)) for item in value):
        return list_collection(value, bool(value) and isinstance(value[0], Image))
    raise TypeError("FeatureCollection")


def to_geometry(value: Value, environment: Environment | None = None) -> Geometry:
    """A feature's geometry, an image's footprint, the union of a collection's, GeoJSON."""
    if isinstance(value, Geometry):
        return value
    if isinstance(value, (Feature, Image)):
        return as_feature(value).geometry or Geometry(WORLD)
    if isinstance(value, Collection):
        found = [feature.geometry.lonlat for feature in value.features() if feature.geometry is not None]
        return Geometry(shapely.union_all(found))
    if isinstance(value, dict):
        return geometry_from_json(value)
    raise TypeError("Geometry")


def to_element(value: Value, environment: Environment) -> Image | Feature | Collection:
    """An image, feature or collection, which all have properties; a geometry as a feature."""
    if isinstance(value, (Image, Feature, Collection)):
        return value
    if isinstance(value, Geometry):
        return Feature(value)
    raise TypeError("Element")


def to_date(value: Value, environment: Environment) -> Date:
    """Milliseconds or ISO text as a date; a range as its start."""
    if isinstance(value, Date):
        return value
    if isinstance(value, str):
        return parse_date(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Date(int(value))
    if isinstance(value, DateRange):
        return Date(value.start)
    raise TypeError("Date")


def to_projection(value: Value, environment: Environment) -> Projection:
    """A code as a projection of 1-unit pixels."""
    if isinstance(value, Projection):
        return value
    if isinstance(value, str):
        return named_projection(value)
    raise TypeError("Projection")


def to_int(value: Value, environment: Environment) -> int:
    """A number cut to an integer."""
    return int(to_float(value, environment, "Integer"))


def to_float(value: Value, environment: Environment, expected: str = "Number") -> float:
    """A number; truth values count as 0 and 1."""
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    raise TypeError(expected)


def to_str(value: Value, environment: Environment) -> str:
    """A text."""
    if isinstance(value, str):
        return value
    raise TypeError("String")


def to_bool(value: Value, environment: Environment) -> bool:
    """A truth value; numbers are true unless 0."""
    if isinstance(value, (bool, int, float)):
        return bool(value)
    raise TypeError("Boolean")


def to_list(value: Value, environment: Environment) -> list[Any]:
    """A list; a single text or number as a list of one."""
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, (str, int, float)):
        return [value]
    raise TypeError("List<Object>")


def to_dict(value: Value, environment: Environment) -> dict[str, Any]:
    """A dictionary; an element's properties."""
    if isinstance(value, dict):
        return value
    if isinstance(value, (Image, Feature)):
        return dict(value.properties)
    raise TypeError("Dictionary<Object>")


def _exactly(kind: type, name: str) -> Callable[[Any, Environment], Any]:
    def convert(value: Value, environment: Environment) -> Value:
        if isinstance(value, kind):
            return value
        raise TypeError(name)

    return convert


def to_filter(value: Value, environment: Environment) -> Value:
    """A filter, or the text of one."""
    if isinstance(value, str):
        # Filters are made of converted arguments themselves.
        from rsbot_beam.local_ee.functions.filter_texts import filter_of_text

        return filter_of_text(value)
    return _exactly(Filter, "Filter")(value, environment)


CONVERTERS: dict[Any, Callable[[Any, Environment], Any]] = {
    Image: to_image,
    Collection: to_collection,
    Geometry: to_geometry,
    Feature: to_element,
    Date: to_date,
    Projection: to_projection,
    int: to_int,
    float: to_float,
    str: to_str,
    bool: to_bool,
    list: to_list,
    dict: to_dict,
    DateRange: _exactly(DateRange, "DateRange"),
    Filter: to_filter,
    Reducer: _exactly(Reducer, "Reducer"),
    Kernel: _exactly(Kernel, "Kernel"),
    PixelType: _exactly(PixelType, "PixelType"),
    FunctionValue: _exactly(FunctionValue, "Algorithm"),
}
