"""Which assets an expression loads, read from the expression itself: no request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ee

# Function that loads an asset -> (the argument with its id, the kind that it must be).
_LOADERS = {
    "Image.load": ("id", "IMAGE"),
    "ImageCollection.load": ("id", "IMAGE_COLLECTION"),
    "Collection.loadTable": ("tableId", "TABLE"),
}


def loaded_assets(value: ee.ComputedObject) -> dict[str, str]:
    """Ids of the assets that an expression loads, with the kind that it takes them for.

    Ids that are computed by Earth Engine are not seen.

    Args:
        value: Any Earth Engine object.

    Returns:
        "IMAGE", "IMAGE_COLLECTION" or "TABLE" by asset id.
    """
    values = ee.serializer.encode(value, for_cloud_api=True)["values"]
    found: dict[str, str] = {}
    for call in _calls(values):
        argument, kind = _LOADERS.get(call.get("functionName", ""), ("", ""))
        name = _constant(call.get("arguments", {}).get(argument), values)
        if kind and isinstance(name, str):
            found.setdefault(name, kind)
    return found


def _calls(graph: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The function calls in a JSON graph, at any depth (no recursion: chains of calls can be thousands long)."""
    waiting: list[Any] = [graph]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            if "functionInvocationValue" in node:
                yield node["functionInvocationValue"]
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _constant(node: Mapping[str, Any] | None, values: Mapping[str, Any]) -> object:
    while node is not None and "valueReference" in node:
        node = values.get(str(node["valueReference"]))
    return None if node is None else node.get("constantValue")
