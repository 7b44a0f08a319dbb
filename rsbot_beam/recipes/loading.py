"""Find a recipe by name or file, and set its parameters."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.util
import sys
import traceback
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsbot_beam.data.bands import Band, LabelClass
from rsbot_beam.errors import RecipeError
from rsbot_beam.recipes.assets import Asset
from rsbot_beam.recipes.recipe import Recipe

# Where the built-in recipes live: module, and the name of the class in it. Looked up lazily, to keep `--help` fast.
BUILT_IN = {
    "landcover": ("rsbot_beam.recipes.landcover", "LandCover"),
    "crops": ("rsbot_beam.recipes.crops", "Crops"),
    "solar": ("rsbot_beam.recipes.energy", "Solar"),
    "wind": ("rsbot_beam.recipes.energy", "Wind"),
    "power_plants": ("rsbot_beam.recipes.energy", "PowerPlants"),
}
# What of a recipe is a method.
METHODS = ("inputs", "static", "label", "features", "stratum", "hard_background", "steps")
# What text can stand for, and what else it must be.
_CHOICES: dict[object, dict[str, object]] = {bool: {"true": True, "false": False}}
_EXPECTED: dict[object, str] = {str: "text", int: "a whole number", float: "a number"}
# Name under which a user's recipe file is imported.
USER_MODULE = "rsbot_user_recipe"


def load_recipe(name: str, settings: Mapping[str, str] | None = None) -> Recipe:
    """Load a built-in recipe by name, or a user's own from a Python file that defines `recipe`.

    Args:
        name: Name of a built-in recipe, or path of a `.py` file.
        settings: Parameters to set, as text.

    Raises:
        RecipeError: There is no such recipe, the file is broken, or a parameter is unknown or of a wrong type.
    """
    recipe = _from_file(Path(name)) if name.endswith(".py") or "/" in name else _built_in(name)
    check_recipe(recipe, name)
    recipe = with_settings(recipe, settings or {})
    check_recipe(recipe, name)
    return recipe


def _built_in(name: str) -> Recipe:
    if name not in BUILT_IN:
        close = difflib.get_close_matches(name, BUILT_IN, 1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise RecipeError(
            f"there is no recipe {name!r}{hint} Built-in are {', '.join(BUILT_IN)}; your own is given as a .py file"
        )
    module, attribute = BUILT_IN[name]
    recipe: Recipe = getattr(importlib.import_module(module), attribute)()
    return recipe


def _from_file(path: Path) -> Recipe:
    if not path.is_file():
        raise RecipeError(f"the recipe file {path} does not exist")
    spec = importlib.util.spec_from_file_location(USER_MODULE, path)
    if spec is None or spec.loader is None:
        raise RecipeError(f"the recipe file {path} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[USER_MODULE] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise RecipeError(f"the recipe {location(error, path)} fails: {type(error).__name__}: {error}") from error
    if not isinstance(recipe := getattr(module, "recipe", None), Recipe):
        found = f"it is a {type(recipe).__name__}" if recipe is not None else "there is none"
        raise RecipeError(
            f"{path} must define `recipe`, an instance of a class derived from rsbot_beam.Recipe; {found}"
        )
    return recipe


def location(error: BaseException, path: Path) -> str:
    """`file:line` of the last frame of `error` that lies in `path`."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).resolve() == path.resolve():
        return f"{path}:{error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve() == path.resolve()]
    return f"{path}:{frames[-1].lineno}" if frames else str(path)


def _no_methods(recipe: Recipe) -> list[str]:
    hints = {"static": "; bands without a time axis are listed in `static_bands`"}
    names = [name for name in METHODS if not callable(getattr(recipe, name))]
    return [f"`{name}` must be a method{hints.get(name, '')}" for name in names]


def check_recipe(recipe: Recipe, origin: str) -> None:
    """Say everything that a recipe lacks, in one message.

    Raises:
        RecipeError: Lists what is missing or of the wrong kind.
    """
    kind = type(recipe)
    problems = []
    if not recipe.name:
        problems.append("`name` is missing: give a short text")
    problems += _no_methods(recipe)
    if kind.inputs is Recipe.inputs:
        problems.append("the method `inputs(self, region, period)` is missing")
    if not recipe.bands or not _holds_only(Band, recipe.bands):
        problems.append("`bands` must be a tuple of rsbot_beam.Band(name, dtype), one for each input band")
    problems += _label_problems(recipe)
    if not _holds_only(Band, recipe.static_bands):
        problems.append("`static_bands` must be a tuple of rsbot_beam.Band(name, dtype)")
    if not _holds_only(LabelClass, recipe.classes):
        problems.append("`classes` must be a tuple of rsbot_beam.LabelClass(code, name, colour)")
    if not _holds_only(Asset, recipe.assets):
        problems.append("`assets` must be a tuple of rsbot_beam.Asset(id, bands, kind)")
    if not (isinstance(recipe.resolution, int | float) and recipe.resolution > 0):
        problems.append(f"`resolution` is {recipe.resolution!r}: it must be a positive number, in metres")
    if problems:
        line = _line_of(kind)
        raise RecipeError(f"the recipe {origin}{line} ({kind.__name__}) is incomplete: " + "; ".join(problems))


def _label_problems(recipe: Recipe) -> list[str]:
    kind, band = type(recipe), recipe.label_band
    labels, features = kind.label is not Recipe.label, kind.features is not Recipe.features
    wrong = band is not None and not isinstance(band, Band)
    # Features can be learnt as boxes alone.
    if wrong or (labels and band is None and not features) or (band is not None and not (labels or features)):
        return ["`label` and `label_band` go together: give the method (or `features`) and the Band, or neither"]
    return []


def _holds_only(kind: type, items: object) -> bool:
    # A single item in brackets, without the comma, is no tuple.
    return isinstance(items, tuple | list) and all(isinstance(item, kind) for item in items)


def _line_of(kind: type) -> str:
    import inspect

    try:
        return f":{inspect.getsourcelines(kind)[1]}"
    except (OSError, TypeError):
        return ""


def with_settings(recipe: Recipe, settings: Mapping[str, str]) -> Recipe:
    """A copy of the recipe with parameters set from text.

    Raises:
        RecipeError: No such parameter (names the nearest), or the text does not fit its type.
    """
    known = {f.name for f in dataclasses.fields(recipe)}
    values: dict[str, Any] = {}
    for name, text in settings.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            raise RecipeError(
                f"recipe {recipe.name!r} has no parameter {name!r}{hint} It has {', '.join(sorted(known))}"
            )
        values[name] = _convert(name, text, type_hint(recipe, name))
    return dataclasses.replace(recipe, **values)


def type_hint(recipe: Recipe, name: str) -> object:
    """The type of a parameter."""
    namespace = {"ee": typing.Any, "Sequence": typing.Any, "Period": typing.Any}
    return typing.get_type_hints(type(recipe), localns=namespace)[name]


def _convert(name: str, text: str, kind: object) -> object:
    options = typing.get_args(kind)
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        if text.lower() == "none":
            return None
        return _convert(name, text, next(option for option in options if option is not type(None)))
    if origin is tuple:
        return tuple(_convert(name, part.strip(), options[0]) for part in text.split(",") if part.strip())
    choices = _CHOICES.get(kind) or ({str(option): option for option in options} if origin is typing.Literal else {})
    if not choices and kind not in _EXPECTED:
        raise RecipeError(f"parameter {name!r} cannot be set from the command line: derive a recipe of your own")
    try:
        return choices[text.lower() if kind is bool else text] if choices else kind(text)  # type: ignore[operator]
    except (KeyError, ValueError) as error:
        expected = f"one of {', '.join(choices)}" if choices else _EXPECTED[kind]
        raise RecipeError(f"parameter {name}={text!r} is not {expected}") from error
