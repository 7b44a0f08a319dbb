"""`rsbot recipes`: which recipes there are, and what is in one."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.command_line import CommandParser
from rsbot_beam.recipes import BUILT_IN, Recipe, load_recipe


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rsbot recipes`; returns the exit code."""
    parser = CommandParser("recipes", "List the built-in recipes, or show one: `rsbot recipes show landcover`.")
    parser.add_argument("action", nargs="?", default="list", help="list, show, or the name of a recipe to show")
    parser.add_argument("name", nargs="?", help="name of a recipe, or your own .py file")
    flags, _ = parser.parse(argv or [])
    if flags.action == "list":
        print("\n".join(f"{name:12} {load_recipe(name).description}" for name in BUILT_IN))
        return 0
    name = flags.name if flags.action == "show" else flags.action
    if not name:
        parser.error("show needs the name of a recipe")
    print(explain(load_recipe(name)))
    return 0


def explain(recipe: Recipe) -> str:
    """A recipe's parameters, bands, classes and assets as text."""
    lines = [f"{recipe.name}: {recipe.description}", "", "parameters (--set name=value):"]
    lines += [f"  {name} = {value}" for name, value in recipe.parameters().items()]
    lines += ["", "bands:"]
    lines += [f"  {b.name:10} {b.dtype:8} {b.unit:22} {b.description}" for b in recipe.bands + recipe.static_bands]
    if recipe.label_band:
        label = recipe.label_band
        lines += ["", f"label: {label.name} {label.dtype}  {label.description}"]
        lines += [f"  {item.code:4} {item.colour} {item.name}" for item in recipe.classes]
    if recipe.assets:
        lines += ["", "assets:", *(f"  {asset}" for asset in recipe.assets)]
    return "\n".join(lines)
