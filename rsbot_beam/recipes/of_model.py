"""The recipe that a dataset or model was made with, from its description."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from rsbot_beam.errors import RecipeError
from rsbot_beam.recipes.loading import BUILT_IN, load_recipe
from rsbot_beam.recipes.recipe import Recipe, plain


def described_recipe(told: Mapping[str, Any], file: str | None = None) -> Recipe:
    """The recipe of a description, with its parameters.

    Args:
        told: `recipe` of `dataset.json` or `model.json`: `name` and `parameters`.
        file: The Python file of a user's own recipe, which a description does not hold.

    Raises:
        RecipeError: It is a user's own and no file is given, or the recipe has changed since.
    """
    name = str(told["name"])
    if file is None and name not in BUILT_IN:
        raise RecipeError(f"the model was trained with the recipe {name!r} of your own: give its file with --recipe")
    recipe = load_recipe(file or name)
    if recipe.name != name:
        raise RecipeError(f"{file} is the recipe {recipe.name!r}, but the model was trained with {name!r}")
    wanted = told["parameters"]
    known = {f.name for f in dataclasses.fields(recipe)}
    if unknown := sorted(set(wanted) - known):
        raise RecipeError(
            f"the recipe {name!r} has no parameter {', '.join(unknown)}, which the model was trained with: use the version "
            "of rsbot-beam, or of your recipe's file, that it was trained with"
        )
    now = recipe.parameters()
    changed: dict[str, Any] = {
        key: _value(getattr(recipe, key), value) for key, value in wanted.items() if now[key] != value
    }
    recipe = dataclasses.replace(recipe, **changed)
    differing = [key for key, value in wanted.items() if plain(getattr(recipe, key)) != value]
    if differing:
        raise RecipeError(f"the recipe {name!r} cannot be given the parameters of the model: {', '.join(differing)}")
    return recipe


def _value(default: object, value: object) -> object:
    """A plain value as the parameter has it: lists become tuples, mappings the dataclass that stands there."""
    if isinstance(value, Mapping) and dataclasses.is_dataclass(default) and not isinstance(default, type):
        return dataclasses.replace(default, **{k: _value(getattr(default, k), v) for k, v in value.items()})
    return tuple(_value(None, item) for item in value) if isinstance(value, list) else value
