"""`run.json`: what a map is. Written last; a folder without it is not a finished map."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass
from rsbot_beam.errors import InputError

RUN_FILE = "run.json"
# What those who read it count on.
PARTS: Mapping[str, tuple[str, ...]] = {
    "model": ("name", "path"),
    "recipe": ("name",),
    "region": ("source", "bbox", "area_m2"),
    "period": ("start", "end"),
    "grid": ("crs", "resolution", "tile_size"),
    "tiles": ("asked", "predicted", "empty", "dead"),
}
_NUMBERS = ("blocks", "nbytes", "seconds")
_OF_CLASS = {"code", "name", "colour", "hectares", "objects"}


def read_map_file(root: str) -> dict[str, Any] | None:
    """Content of a finished map's `run.json`, or None where there is none.

    Args:
        root: The map's folder, local or `gs://`.

    Raises:
        InputError: It is damaged.
    """
    path = storage.join(root, RUN_FILE)
    try:
        content: dict[str, Any] = json.loads(storage.read_text(path))
        wrong = _wrong_part(content)
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged ({error}): remove it and start the same command again") from error
    if wrong:
        raise InputError(f"{path} is damaged ({wrong}): remove it and start the same command again")
    return content


def _wrong_part(content: Any) -> str:  # noqa: ANN401 - whatever the file holds
    """What a description of a map lacks, or empty."""
    if not isinstance(content, dict):
        return "it is no JSON object"
    for name, keys in PARTS.items():
        part = content.get(name)
        if not (isinstance(part, dict) and part.keys() >= set(keys)):
            return f"`{name}` does not say {', '.join(keys)}"
    numbers = [name for name in _NUMBERS if not isinstance(content.get(name), int | float)]
    if numbers:
        return f"it lacks {', '.join(numbers)}"
    items = content.get("classes")
    if not (isinstance(items, list) and items and all(isinstance(i, dict) and i.keys() >= _OF_CLASS for i in items)):
        return f"`classes` is no list that says {', '.join(sorted(_OF_CLASS))}"
    return ""


def require_map_file(root: str) -> dict[str, Any]:
    """Content of a finished map's `run.json`.

    Raises:
        InputError: There is no map, or it is half-made.
    """
    content = read_map_file(root)
    if content is not None:
        return content
    if storage.exists(storage.join(root, "predict.json")):
        raise InputError(f"the map {root} is half-made: start the same `rsbot predict` again to finish it")
    raise InputError(f"there is no map in {root}: it has no {RUN_FILE}; make one with `rsbot predict`")


def classes_of_map(content: Mapping[str, Any]) -> tuple[LabelClass, ...]:
    """The classes of a map, in the order of its probabilities."""
    return tuple(LabelClass(item["code"], item["name"], item["colour"]) for item in content["classes"])
