"""Values of the graph as the JSON that `getInfo` returns."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

import numpy as np

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.collection import MAX_ELEMENTS, Collection, Feature
from rsbot_beam.local_ee.geometries import Geometry
from rsbot_beam.local_ee.image import Image
from rsbot_beam.local_ee.temporal import Date, DateRange
from rsbot_beam.local_ee.types import PixelType, Projection
from rsbot_beam.local_ee.values import Value


def encode_value(value: Value) -> Value:
    """The JSON of any value of the graph.

    Raises:
        RequestError: For functions and other things that have no JSON, and for collections over 5,000 elements.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float, np.generic)):
        return encode_number(value)
    if isinstance(value, (list, tuple, np.ndarray)):
        return [encode_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): encode_value(item) for key, item in value.items()}
    if isinstance(value, Image):
        return encode_image(value)
    if isinstance(value, Feature):
        return encode_feature(value)
    if isinstance(value, Collection):
        return encode_collection(value)
    if isinstance(value, (Geometry, Date, DateRange, Projection, PixelType)):
        return value.to_json()
    raise RequestError(f"A value of type {type(value).__name__} cannot be returned.")


def encode_number(value: Value) -> Value:
    """A JSON number: whole ones without a decimal point; None for NaN and infinity, which JSON has not."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float):
        if not math.isfinite(plain):
            return None
        return int(plain) if plain.is_integer() and abs(plain) < 2**53 else plain
    return plain


def encode_image(image: Image) -> dict[str, Any]:
    """`{"type": "Image", "bands": [...], "id": ..., "properties": {...}}`."""
    found: dict[str, Any] = {"type": "Image", "bands": [encode_value(band.to_json()) for band in image.bands]}
    if image.id is not None:
        found["id"] = image.id
    properties = encode_value(dict(image.properties))
    if properties:
        found["properties"] = properties
    return found


def encode_feature(feature: Feature) -> dict[str, Any]:
    """A GeoJSON feature; `system:index` becomes its id."""
    properties = {key: encode_value(value) for key, value in feature.properties.items() if key != "system:index"}
    found: dict[str, Any] = {
        "type": "Feature",
        "geometry": None if feature.geometry is None else feature.geometry.to_json(),
        "properties": properties,
    }
    if feature.id is not None:
        found["id"] = feature.id
    return found


def encode_collection(collection: Collection) -> dict[str, Any]:
    """A collection with all its elements."""
    elements = list(islice(collection.iterate(), MAX_ELEMENTS + 1))
    if len(elements) > MAX_ELEMENTS:
        raise RequestError(f"Collection query aborted after accumulating over {MAX_ELEMENTS} elements.")
    found: dict[str, Any] = {"type": "ImageCollection" if collection.of_images else "FeatureCollection"}
    if collection.id is not None:
        found["id"] = collection.id
    if collection.properties:
        found["properties"] = encode_value(collection.properties)
    if collection.of_images:
        found["bands"] = []
    else:
        found["columns"] = _columns(elements)
    found["features"] = [encode_value(element) for element in elements]
    return found


def _columns(elements: list[Any]) -> dict[str, str]:
    first = elements[0].properties if elements else {}
    return {name: _column_type(value) for name, value in first.items()}


def _column_type(value: Value) -> str:
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int):
        return "Integer"
    if isinstance(value, float):
        return "Float"
    return "String" if isinstance(value, str) else "Object"
