"""A recipe as data for people: facts, parameters with their types, defaults and meaning, and terms of the assets."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Iterator
from typing import Any

from rsbot_beam.recipes.loading import type_hint
from rsbot_beam.recipes.recipe import Recipe, plain

# A field of a Google-style docstring's `Attributes:`, and lines that go on with it.
_ATTRIBUTE = re.compile(r"(\w+): (.*)")


def describe(recipe: Recipe) -> dict[str, Any]:
    """Everything that is known of a recipe without Earth Engine, as plain values.

    Returns:
        name, description, about (the docstring), resolution, bands, static_bands, label_band, detects, time_axis, classes,
        parameters (name, type, value, default, help, settable), example (flags) and assets.
    """
    return {
        "name": recipe.name,
        "description": recipe.description,
        "about": about(type(recipe)),
        "resolution": float(recipe.resolution),
        "time_axis": has_time_axis(recipe),
        "bands": [dataclasses.asdict(band) for band in recipe.bands],
        "static_bands": [dataclasses.asdict(band) for band in recipe.static_bands],
        "label_band": dataclasses.asdict(recipe.label_band) if recipe.label_band else None,
        "detects": recipe.detects,
        "classes": [dataclasses.asdict(item) for item in recipe.classes],
        "parameters": parameters(recipe),
        "example": recipe.example,
        "assets": [plain(asset) for asset in recipe.assets],
    }


def has_time_axis(recipe: Recipe) -> bool:
    """Whether its inputs are a time series."""
    return type(recipe).steps is not Recipe.steps


def parameters(recipe: Recipe) -> list[dict[str, Any]]:
    """The parameters in the order of the class: name, type, value, default, help, and whether text can set it."""
    helps = attributes(type(recipe))
    found = []
    for item in dataclasses.fields(recipe):
        hint = type_hint(recipe, item.name)
        found.append(
            {
                "name": item.name,
                "type": type_name(hint),
                "value": plain(getattr(recipe, item.name)),
                "default": plain(_default(item)),
                "help": helps.get(item.name, ""),
                "settable": not dataclasses.is_dataclass(hint),
            }
        )
    return found


def _default(item: dataclasses.Field[Any]) -> object:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return None if item.default is dataclasses.MISSING else item.default


def type_name(hint: object) -> str:
    """A type for people: "number", "whole number", "text", "true or false", "a, b or c", "list of text", "... or none"."""
    known = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "none"}
    options = typing.get_args(hint)
    if isinstance(hint, type) and hint in known:
        return known[hint]
    if typing.get_origin(hint) is typing.Literal:
        return _listed([str(option) for option in options])
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _listed([type_name(option) for option in options])
    if typing.get_origin(hint) is tuple:
        return f"list of {type_name(options[0])}"
    return getattr(hint, "__name__", str(hint))


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


def about(kind: type) -> str:
    """The docstring of a class without its sections; empty where it has none of its own."""
    text = inspect.cleandoc(kind.__dict__.get("__doc__") or "")
    # Dataclasses without a docstring get their signature.
    return "" if text.startswith(f"{kind.__name__}(") else text.partition("\nAttributes:")[0].strip()


def attributes(kind: type) -> dict[str, str]:
    """What the docstrings of a class and of its bases say of attributes; the nearest says it."""
    found: dict[str, str] = {}
    for base in kind.__mro__:
        for name, text in _attributes(inspect.cleandoc(base.__dict__.get("__doc__") or "")):
            found.setdefault(name, text)
    return found


def _attributes(docstring: str) -> Iterator[tuple[str, str]]:
    section = docstring.partition("\nAttributes:\n")[2]
    name, lines = "", list[str]()
    for line in section.splitlines():
        if line and not line.startswith("    "):
            break
        start = _ATTRIBUTE.fullmatch(line[4:]) if not line.startswith("     ") else None
        if start:
            if name:
                yield name, " ".join(lines)
            name, lines = start[1], [start[2]]
        elif line.strip():
            lines.append(line.strip())
    if name:
        yield name, " ".join(lines)
