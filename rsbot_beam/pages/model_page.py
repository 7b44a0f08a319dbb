"""The page of a model."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rsbot_beam import storage
from rsbot_beam.data.description_file import READING_ERRORS, what_is_wrong
from rsbot_beam.data.model_file import MODEL_FILE, REMEDY, require_model_file
from rsbot_beam.data.period import period_text
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.units import unit_of
from rsbot_beam.pages.charts import Chart, Line, line_chart
from rsbot_beam.pages.model_evaluations import find_evaluations, read_evaluation
from rsbot_beam.pages.page import PageOptions, number, render

HISTORY = "history.json"
_VALIDATION = "val_"
# How far above nine tenths of its values a curve is drawn where some are twice as far.
_ASTRAY = 1.5


def page(path: str, options: PageOptions) -> str:
    """The page of a model as HTML.

    Args:
        path: Its folder, local or `gs://`.
        options: How pages are made.

    Raises:
        InputError: Its training has not ended, a file is damaged, or the extra `views` is not installed.
    """
    model = require_model_file(path)
    try:
        told = _told(path, model)
        colours = {item["name"]: item["colour"] for item in model["classes"]}
    except READING_ERRORS as error:
        raise InputError(f"{storage.join(path, MODEL_FILE)} is damaged ({what_is_wrong(error)}): {REMEDY}") from error
    folders, more = find_evaluations(path)
    return render(
        "model.html.j2",
        f"Model {storage.name_of(path)}",
        options=options,
        path=path,
        model=model,
        charts_of_training=training_charts(read_history(path)),
        evaluations=[read_evaluation(folder, colours) for folder in folders],
        more_evaluations=more,
        **told,
    )


def _told(path: str, model: Mapping[str, Any]) -> dict[str, Any]:
    """What the page says of a model by its description alone."""
    training = model["training"]
    return {
        "facts": facts(model),
        "best_epoch": training["best_epoch"],
        "evaluate_command": _evaluate_command(path, training["dataset"]),
        "counts_pixels": any((training.get("pixels_of_classes") or {}).values()),
    }


def _evaluate_command(path: str, dataset: Mapping[str, Any]) -> str:
    """How to score a model, on a split that has examples; the last resort are those that it was trained on."""
    split = next((name for name in ("test", "validation") if dataset["splits"].get(name, {}).get("examples")), "train")
    return shlex.join(["rsbot", "evaluate", "--model", path, "--dataset", dataset["path"], "--split", split])


def facts(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The headline of a model."""
    training, grid, layout = model["training"], model["grid"], model["layout"]
    dataset = training["dataset"]
    parameters = ", ".join(f"{name} {value}" for name, value in model["model"]["parameters"].items())
    steps = f", {layout['steps']} steps" if layout["steps"] else ""
    bands = ", ".join(band["name"] for band in (*layout["bands"], *layout["static"]))
    examples = ", ".join(f"{split} {number(part['examples'])}" for split, part in dataset["splits"].items())
    return [
        ("Network", f"{model['model']['name']} ({model['task']}){': ' + parameters if parameters else ''}"),
        ("Recipe", f"{model['recipe']['name']}: {model['recipe']['description']}"),
        ("Bands", bands + steps),
        ("Pixels", f"{grid['resolution']:g} {unit_of(grid['crs'])}; trained on patches of {grid['patch_size']}"),
        ("How far it looks", _reach(model)),
        ("Trained on", f"{dataset['path']}: {examples}"),
        ("Region and period", f"{dataset['region']['source']}, {period_text(model['period'])}"),
        ("Training", f"{training['epochs_done']} epochs, the best was {training['best_epoch']}"),
        ("Scores of the best epoch", ", ".join(f"{name} {number(value)}" for name, value in model["scores"].items())),
        ("Made with", ", ".join(f"{name} {version}" for name, version in model["versions"].items())),
    ]


def _reach(model: Mapping[str, Any]) -> str:
    radius = model["receptive_field"]["radius"]
    sees = "the whole patch" if radius is None else f"{radius} pixels to each side"
    return f"{sees}; neighbouring tiles need an overlap of {model['overlap']} pixels to agree"


def read_history(path: str) -> dict[str, list[float]]:
    """Losses and metrics by epoch; none where the file is gone.

    Raises:
        InputError: The file is damaged.
    """
    file = storage.join(path, HISTORY)
    try:
        content = json.loads(storage.read_text(file))
        return {str(name): [float(value) for value in values] for name, values in content.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is damaged ({error}): remove it") from error


def training_charts(history: Mapping[str, Sequence[float]]) -> list[tuple[str, Chart]]:
    """A chart of each metric, train beside validation; the loss first."""
    names = [name for name in history if not name.startswith(_VALIDATION)]
    found = []
    for name in sorted(names, key=lambda name: (name != "loss", name)):
        lines = [
            Line(split, np.array(history[key], float), f"line-{split}", x=np.arange(1, len(history[key]) + 1))
            for split, key in (("train", name), ("validation", _VALIDATION + name))
            if history.get(key)
        ]
        if lines:
            top = _top(lines)
            cut = [replace(line, y=np.minimum(line.y, top)) for line in lines]
            more = "" if all(np.nanmax(line.y, initial=top) <= top for line in lines) else f", cut off at {top:.3g}"
            found.append((name, line_chart(f"{name} by epoch{more}", cut, unit="epoch")))
    return found


def _top(lines: Sequence[Line]) -> float:
    """Up to where curves are drawn: an epoch that went astray would flatten all others."""
    values = np.concatenate([line.y for line in lines])
    values = values[np.isfinite(values)]
    if not values.size:
        return np.inf
    most, usual = float(values.max()), float(np.quantile(values, 0.9))
    return _ASTRAY * usual if most > 2 * _ASTRAY * usual > 0 else most
