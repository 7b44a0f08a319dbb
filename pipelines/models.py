"""`rsbot models`: which models there are, and what one costs on a dataset."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from pipelines.command_line import CommandParser
from pipelines.models_summary import explain, listing
from pipelines.recipes import settings_of
from rsbot_beam.errors import InputError
from rsbot_beam.models.definition import ModelDefinition
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
        models = [_listed(name, flags.dataset) for name in MODELS]
        print(json.dumps(models, indent=1) if flags.json else "\n".join(listing(models)))
        return 0
    name = flags.name if flags.action == "show" else flags.action
    if not name:
        parser.error("show needs the name of a model")
    found = describe(name, settings_of(flags.set), flags.dataset)
    print(json.dumps(found, indent=1) if flags.json else "\n".join(explain(found)))
    return 0


def _listed(name: str, dataset: str | None) -> dict[str, Any]:
    """What is known of a built-in model; `unfit` says why it is none for the dataset."""
    try:
        return describe(name, {}, dataset, field=False)
    except InputError as error:
        if not dataset or not _is_readable(dataset):
            raise
        return {**facts_of(load_model_definition(name)), "unfit": str(error)}


def _is_readable(dataset: str) -> bool:
    from rsbot_beam.data.dataset_file import require_dataset_file

    return bool(require_dataset_file(dataset))


def facts_of(definition: ModelDefinition) -> dict[str, Any]:
    """What a definition says of itself, as plain values."""
    return {
        "name": definition.name,
        "description": definition.description,
        "task": definition.task,
        "time": definition.time,
        "parameters": definition.parameters(),
        "types": {item.name: _type_name(item.type) for item in fields(definition)},
        "about": inspect.getdoc(type(definition)) or "",
    }


def _type_name(kind: object) -> str:
    """As it is written: a file without postponed annotations has the types themselves."""
    return kind.__name__ if type(kind) is type else str(kind)


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
        **facts_of(definition),
        "built_for": {"bands": size.bands, "steps": size.steps, "static": size.static, "classes": size.classes},
        "size": measure_model(definition, size, field),
    }
