"""`rsbot models`: which models there are, and what one costs on a dataset."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from pipelines.command_line import CommandParser
from pipelines.recipes import settings_of
from rsbot_beam.models.registry import MODELS, load_model_definition

EXAMPLE = """

examples:
  rsbot models                                      list the built-in models
  rsbot models show unet --set width=32             inputs, parameters and size of one
  rsbot models show utae --dataset ds/              the same, for the bands and classes of a dataset
  rsbot models show my_model.py --json              of your own, for programs
"""
# What sizes are told for without a dataset: Sentinel-2's ten bands of 10 and 20 m, eight months, ten classes.
BANDS, STEPS, CLASSES = 10, 8, 10
TIMES = {"required": "time series", "optional": "single image or time series", "none": "single image"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rsbot models`; returns the exit code."""
    parser = CommandParser("models", "List the built-in models, or show one." + EXAMPLE)
    parser.add_argument("action", nargs="?", default="list", help="list, show, or the name of a model to show")
    parser.add_argument("name", nargs="?", help="name of a model, or your own .py file")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="parameter; repeatable")
    parser.add_argument("--dataset", help="dataset whose bands, steps and classes the size is told for")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    flags, _ = parser.parse(argv or [])
    if flags.action == "list":
        models = [describe(name, {}, flags.dataset, field=False) for name in MODELS]
        print(json.dumps(models, indent=1) if flags.json else "\n".join(listing(models)))
        return 0
    name = flags.name if flags.action == "show" else flags.action
    if not name:
        parser.error("show needs the name of a model")
    found = describe(name, settings_of(flags.set), flags.dataset)
    print(json.dumps(found, indent=1) if flags.json else "\n".join(explain(found)))
    return 0


def describe(name: str, settings: dict[str, str], dataset: str | None = None, field: bool = True) -> dict[str, Any]:
    """All that is known of a model, as plain values.

    Args:
        name: Name of a built-in model, or path of a Python file.
        settings: Parameters, as text.
        dataset: Folder of a dataset that the size is told for.
        field: Whether to measure how far the model looks, which takes seconds.
    """
    definition = load_model_definition(name, settings)
    from rsbot_beam.training.sizing import InputSize, measure_model

    usual = InputSize(BANDS, 0 if definition.time == "none" else STEPS, 0, CLASSES)
    size = InputSize.of(dataset, definition) if dataset else usual
    return {
        "name": definition.name,
        "description": definition.description,
        "task": definition.task,
        "time": definition.time,
        "parameters": definition.parameters(),
        "types": {item.name: str(item.type) for item in fields(definition)},
        "about": inspect.getdoc(type(definition)) or "",
        "built_for": {"bands": size.bands, "steps": size.steps, "static": size.static, "classes": size.classes},
        "size": measure_model(definition, size, field),
    }


def listing(found: Sequence[dict[str, Any]]) -> list[str]:
    """What there is, two lines for each."""
    lines = []
    for model in found:
        parameters = " ".join(f"{name}={value}" for name, value in model["parameters"].items())
        lines += [f"{model['name']:12}{model['description']}"]
        lines += [f"{'':12}{TIMES[model['time']]}; {model['size']['weights']:,} weights; {parameters}"]
    built = found[0]["built_for"]
    return [*lines, "", f"Weights for {_inputs(built)}; --dataset counts them for a dataset's."]


def _inputs(built: dict[str, int]) -> str:
    series = f" at {built['steps']} steps" if built["steps"] else ""
    return f"{built['bands']} bands{series} and {built['classes']} classes"


def explain(found: dict[str, Any]) -> list[str]:
    """One model, as lines."""
    lines = [f"{found['name']}: {found['description']}", "", *found["about"].splitlines(), ""]
    lines += ["parameters (--set name=value):"]
    lines += [f"  {name} = {value}    ({found['types'][name]})" for name, value in found["parameters"].items()]
    size = found["size"]
    inputs = ", ".join(f"{name} {shape}" for name, shape in size["inputs"].items())
    lines += [
        "",
        f"inputs for {_inputs(found['built_for'])}: {inputs}",
        f"weights: {size['weights']:,} ({size['megabytes']:.1f} MB)",
    ]
    return [*lines, f"looks {size['radius']} pixels far; recommended overlap: {size['overlap']} pixels"]
