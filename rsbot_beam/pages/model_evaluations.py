"""The evaluations of a model: scores beside the baselines, and confusion, as the page of a model shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rsbot_beam import storage
from rsbot_beam.errors import InputError
from rsbot_beam.pages.kinds import METRICS
from rsbot_beam.pages.page import css_colour, data_uri
from rsbot_beam.views.encoding import reencoded

FOLDER = "evaluation"
_PARTS = ("task", "model", "dataset", "unit", "scores")
# Evaluations on a page: each brings some 300 kB of pictures.
MOST_EVALUATIONS = 12
_OVERALL = (("accuracy", "Accuracy"), ("mean_f1", "Mean F1"), ("mean_iou", "Mean IoU"))
# Pictures that an evaluation leaves, and what they show; the first is in sight, the others repeat tables and charts.
_PICTURES = (
    ("examples.png", "The best patches, some drawn at random, and the worst: image, label, prediction"),
    ("confusion.png", "Confusion matrix"),
    ("curves.png", "How the training went, and scores by class"),
)
# Share of a label's class from which on a cell of the confusion matrix has a number.
_LEAST_SHARE = 0.005


def find_evaluations(path: str) -> tuple[list[str], int]:
    """Folders of a model's evaluations, sorted by name, and how many more there are than a page shows."""
    found = [
        file.path.rpartition("/")[0]
        for file in storage.walk(storage.join(path, FOLDER))
        if storage.name_of(file.path) == METRICS
    ]
    return found[:MOST_EVALUATIONS], max(0, len(found) - MOST_EVALUATIONS)


def read_evaluation(folder: str, colours: Mapping[str, str]) -> dict[str, Any]:
    """What the template needs of an evaluation.

    Args:
        folder: Of the evaluation, local or `gs://`.
        colours: Of the classes, by name.

    Raises:
        InputError: Its `metrics.json` is damaged.
    """
    metrics = read_metrics(folder)
    scores = metrics["scores"]
    try:
        tables = _segmentation(metrics, colours) if metrics["task"] == "segmentation" else _detection(scores)
    except (LookupError, ValueError, TypeError) as error:
        raise _damaged(folder, error) from error
    return {
        "name": storage.name_of(folder),
        "dataset": metrics["dataset"],
        "task": metrics["task"],
        "unit": metrics["unit"],
        "who": list(scores),
        "pictures": [
            {"uri": _picture(storage.join(folder, name)), "text": text}
            for name, text in _PICTURES
            if storage.exists(storage.join(folder, name))
        ],
        **tables,
    }


def _picture(file: str) -> str:
    content = storage.read_bytes(file)
    try:
        return data_uri(reencoded(content), "webp")
    except OSError as error:  # of Pillow, whose words do not name the file
        raise InputError(f"{file} is damaged: remove it, or start the same `rsbot evaluate` again") from error


def read_metrics(folder: str) -> dict[str, Any]:
    """Content of the `metrics.json` of an evaluation.

    Raises:
        InputError: It is damaged, or lacks something.
    """
    try:
        metrics: dict[str, Any] = json.loads(storage.read_text(storage.join(folder, METRICS)))
        missing = [name for name in _PARTS if name not in metrics]
    except (ValueError, TypeError) as error:
        raise _damaged(folder, error) from error
    if missing:
        raise _damaged(folder, KeyError(*missing))
    return metrics


def _damaged(folder: str, error: Exception) -> InputError:
    return InputError(f"{storage.join(folder, METRICS)} is damaged ({error!r}): start the same `rsbot evaluate` again")


def _segmentation(metrics: Mapping[str, Any], colours: Mapping[str, str]) -> dict[str, Any]:
    scores = metrics["scores"]
    who = list(scores)
    rows = [
        {
            "name": name,
            "colour": css_colour(colours.get(name, "")),
            "support": of_model["support"],
            **{score: of_model[score] for score in ("precision", "recall", "iou")},
            "f1": [(other, scores[other]["classes"][name]["f1"]) for other in who],
        }
        for name, of_model in scores[who[0]]["classes"].items()
        if of_model["support"]
    ]
    return {
        "overall": [(title, [scores[name][key] for name in who]) for key, title in _OVERALL],
        "rows": rows,
        "confusion": confusion_table(list(scores[who[0]]["classes"]), scores[who[0]]["confusion"], colours),
    }


def confusion_table(
    names: Sequence[str], counts: Sequence[Sequence[float]], colours: Mapping[str, str]
) -> dict[str, Any]:
    """A confusion matrix as shares of the label's class, without the classes that are in neither labels nor predictions.

    Args:
        names: Of all classes.
        counts: (classes, classes), row = label, column = prediction.
        colours: Of the classes, by name.
    """
    matrix = np.asarray(counts, float).reshape(len(names), len(names))
    present = [int(i) for i in np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))]
    support = matrix.sum(axis=1)
    rows = []
    for i in present:
        shares = matrix[i] / support[i] if support[i] else np.zeros(len(names))
        cells = [
            {
                "share": float(shares[j]),
                "shown": shares[j] >= _LEAST_SHARE,
                "amount": float(matrix[i, j]),
                "right": i == j,
            }
            for j in present
        ]
        rows.append(
            {
                "name": names[i],
                "colour": css_colour(colours.get(names[i], "")),
                "support": float(support[i]),
                "cells": cells,
            }
        )
    return {"names": [(names[j], css_colour(colours.get(names[j], ""))) for j in present], "rows": rows}


def _detection(scores: Mapping[str, Any]) -> dict[str, Any]:
    who = list(scores)
    rows = [
        {
            "name": name,
            "way": way,
            "precision": [(other, scores[other]["classes"][name][way]["average_precision"]) for other in who],
            **{key: found[key] for key in ("best_f1", "best_score", "labels", "detections")},
        }
        for name, ways in scores[who[0]]["classes"].items()
        for way, found in ways.items()
    ]
    mean = [(way, [scores[name]["mean"][way] for name in who]) for way in scores[who[0]]["mean"]]
    return {"overall": mean, "rows": rows, "confusion": None}
