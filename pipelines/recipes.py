"""`rsbot recipes`: which recipes there are, and what is in one."""

from __future__ import annotations

import json
import shlex
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipelines.command_line import CommandParser
from rsbot_beam.errors import InputError
from rsbot_beam.recipes import BUILT_IN, Recipe, load_recipe

EXAMPLE = """

examples:
  rsbot recipes                                     list the built-in recipes
  rsbot recipes show crops                          bands, classes, parameters and assets of one
  rsbot recipes show crops --set labels=aafc        the same with a parameter set
  rsbot recipes show my_recipe.py --json            of your own, for programs
"""
WIDTH = 120


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rsbot recipes`; returns the exit code."""
    parser = CommandParser("recipes", "List the built-in recipes, or show one." + EXAMPLE)
    parser.add_argument("action", nargs="?", default="list", help="list, show, or the name of a recipe to show")
    parser.add_argument("name", nargs="?", help="name of a recipe, or your own .py file")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="parameter; repeatable")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    flags, _ = parser.parse(argv or [])
    if flags.action == "list":
        print(listing(flags.json))
        return 0
    name = flags.name if flags.action == "show" else flags.action
    if not name:
        parser.error("show needs the name of a recipe")
    recipe = load_recipe(name, settings_of(flags.set))
    print(as_json(recipe) if flags.json else explain(recipe, name, flags.set))
    return 0


def settings_of(pairs: Sequence[str]) -> dict[str, str]:
    """Parameters by name, from texts `name=value`.

    Raises:
        InputError: A text has no `=`.
    """
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise InputError(f"--set {wrong[0]!r} is not NAME=VALUE")
    return dict(pair.split("=", 1) for pair in pairs)


def listing(as_data: bool = False) -> str:
    """Names and descriptions of the built-in recipes, as lines or as JSON."""
    found = {name: load_recipe(name).description for name in BUILT_IN}
    return json.dumps(found, indent=1) if as_data else "\n".join(f"{name:12} {text}" for name, text in found.items())


def as_json(recipe: Recipe) -> str:
    """All that is known of a recipe."""
    from rsbot_beam.recipes.describe import describe

    return json.dumps(describe(recipe), indent=1)


def explain(recipe: Recipe, name: str | None = None, settings: Sequence[str] = ()) -> str:
    """A recipe's bands, classes, parameters, assets and a command that uses it, as text."""
    from rsbot_beam.recipes.describe import describe

    found = describe(recipe)
    lines = [f"{recipe.name}: {recipe.description}"]
    lines += [
        line for part in found["about"].split("\n\n") for line in ("", *textwrap.wrap(" ".join(part.split()), WIDTH))
    ]
    lines += ["", "parameters (--set name=value):", *_parameters(found["parameters"])]
    lines += ["", f"bands{' of each step of the time series' if found['time_axis'] else ''}:", *_bands(found["bands"])]
    if found["static_bands"]:
        lines += ["", "bands that do not change in time:", *_bands(found["static_bands"])]
    lines += ["", *_label(found)]
    if found["assets"]:
        lines += ["", "assets:", *(line for asset in found["assets"] for line in _asset(asset))]
    return "\n".join([*lines, "", "example:", f"  {example(recipe, name or recipe.name, settings)}"])


def example(recipe: Recipe, name: str, settings: Sequence[str] = ()) -> str:
    """A command that exports a small dataset of a recipe."""
    flags = [part for pair in settings for part in ("--set", pair)]
    return f"{shlex.join(['rsbot', 'export', '--recipe', name, *flags])} {recipe.example} --output out/"


def _parameters(items: Iterable[Mapping[str, Any]]) -> list[str]:
    lines = []
    for item in items:
        kind = item["type"] if item["settable"] else "only in Python"
        was = "" if item["value"] == item["default"] else f"; by default {_text(item['default'])}"
        lines.append(f"  {item['name']} = {_text(item['value'])}    ({kind}{was})")
        lines += textwrap.wrap(item["help"], WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return lines


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "(none given)"
    if isinstance(value, dict):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _bands(bands: Iterable[Mapping[str, Any]]) -> list[str]:
    return [f"  {b['name']:10} {b['dtype']:8} {b['unit']:24} {b['description']}".rstrip() for b in bands]


def _label(found: Mapping[str, Any]) -> list[str]:
    label, classes = found["label_band"], found["classes"]
    boxes = "boxes of objects" if found["detects"] else ""
    mask = f"{label['name']} {label['dtype']}  {label['description']}" if label else ""
    lines = [f"label: {'; and '.join(part for part in (mask, boxes) if part) or 'none'}"]
    return lines + [f"  {item['code']:4} {item['colour']} {item['name']}" for item in classes]


def _asset(asset: Mapping[str, Any]) -> list[str]:
    size = f", {asset['resolution']:g} m" if asset["resolution"] else ""
    first = f"  {asset['id']}  {asset['title']} ({', '.join(asset['bands'])}{size})"
    return [first, f"      {asset['licence'] or 'terms unknown: ask its owner'}"]
