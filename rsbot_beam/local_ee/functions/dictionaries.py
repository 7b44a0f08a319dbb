"""Dictionaries."""

from __future__ import annotations

import re
from typing import Any

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.environment import FunctionValue
from rsbot_beam.local_ee.image import Image, constant_image
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.values import Value


@function("Dictionary")
def dictionary(input: Value = None) -> dict[str, Any]:
    """A dictionary, also from a list of keys and values in turn, or of an element's properties."""
    if input is None:
        return {}
    if isinstance(input, list):
        flat = [item for pair in input for item in pair] if input and isinstance(input[0], list) else input
        return {str(key): value for key, value in zip(flat[::2], flat[1::2], strict=True)}
    if isinstance(input, dict):
        return input
    if hasattr(input, "properties"):
        return dict(input.properties)
    raise RequestError(f"Dictionary: cannot make a dictionary of {input!r}.")


@function("Dictionary.fromLists")
def from_lists(keys: list, values: list) -> dict[str, Any]:
    """From a list of keys and one of values."""
    if len(keys) != len(values):
        raise RequestError(f"Dictionary.fromLists: {len(keys)} keys but {len(values)} values.")
    return {str(key): value for key, value in zip(keys, values, strict=True)}


@function(
    "Dictionary.get", "Dictionary.getNumber", "Dictionary.getString", "Dictionary.getArray", "Dictionary.getGeometry"
)
def get(dictionary: dict, key: str, default_value: Value = None) -> Value:
    """A value by its key."""
    if key not in dictionary and default_value is None:
        raise RequestError(f"Dictionary.get: Dictionary does not contain key: '{key}'.")
    return dictionary.get(key, default_value)


@function("Dictionary.set")
def set_value(dictionary: dict, key: str, value: Value) -> dict[str, Any]:
    """One entry more."""
    return {**dictionary, key: value}


@function("Dictionary.keys")
def keys(dictionary: dict) -> list[str]:
    """The keys in alphabetical order, as Earth Engine has them."""
    return sorted(dictionary)


@function("Dictionary.values")
def values(dictionary: dict, keys: list | None = None) -> list[Any]:
    """The values in the order of the keys, or of those named."""
    return [dictionary[key] for key in (sorted(dictionary) if keys is None else keys)]


@function("Dictionary.size")
def size(dictionary: dict) -> int:
    """Number of entries."""
    return len(dictionary)


@function("Dictionary.contains")
def contains(dictionary: dict, key: str) -> bool:
    """Whether a key is there."""
    return key in dictionary


@function("Dictionary.combine")
def combine(first: dict, second: dict, overwrite: bool = True) -> dict[str, Any]:
    """Both; of equal keys the second's unless `overwrite` is false."""
    return {**first, **second} if overwrite else {**second, **first}


@function("Dictionary.map")
def map_values(dictionary: dict, base_algorithm: FunctionValue) -> dict[str, Any]:
    """Every value through a function of (key, value)."""
    return {key: base_algorithm(key, value) for key, value in dictionary.items()}


@function("Dictionary.select")
def select(dictionary: dict, selectors: list, ignore_missing: bool = False) -> dict[str, Any]:
    """Some of the entries, by key or regular expression."""
    return {key: dictionary[key] for key in _matching(dictionary, selectors, ignore_missing)}


@function("Dictionary.remove")
def remove(dictionary: dict, selectors: list, ignore_missing: bool = False) -> dict[str, Any]:
    """Without some of the entries."""
    gone = set(_matching(dictionary, selectors, ignore_missing))
    return {key: value for key, value in dictionary.items() if key not in gone}


@function("Dictionary.rename")
def rename(dictionary: dict, from_: list, to: list, overwrite: bool = False) -> dict[str, Any]:
    """Other names for some of the keys."""
    names = dict(zip(from_, to, strict=True))
    return {names.get(key, key): value for key, value in dictionary.items()}


@function("Dictionary.toImage")
def to_image(dictionary: dict, names: list | None = None) -> Image:
    """A constant image with a band for each entry."""
    chosen = sorted(dictionary) if names is None else names
    return constant_image([dictionary[name] for name in chosen]).pick(range(len(chosen)), chosen)


def _matching(dictionary: dict[str, Any], selectors: list[str], ignore_missing: bool) -> list[str]:
    found: list[str] = []
    for selector in selectors:
        keys = [key for key in dictionary if key == selector or re.fullmatch(str(selector), key)]
        if not keys and not ignore_missing:
            raise RequestError(f"Dictionary does not contain key: '{selector}'.")
        found.extend(key for key in keys if key not in found)
    return found
