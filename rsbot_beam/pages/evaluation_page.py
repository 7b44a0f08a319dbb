"""The page of one evaluation of a model."""

from __future__ import annotations

from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.model_file import read_model_file
from rsbot_beam.errors import InputError
from rsbot_beam.pages.model_evaluations import read_evaluation, read_metrics
from rsbot_beam.pages.page import PageOptions, render


def page(path: str, options: PageOptions) -> str:
    """The page of an evaluation as HTML.

    Args:
        path: Its folder, local or `gs://`; its model need not be there any more.
        options: How pages are made.

    Raises:
        InputError: Its `metrics.json` is damaged, or the extra `views` is not installed.
    """
    metrics = read_metrics(path)
    evaluation = read_evaluation(path, _colours(metrics["model"]["path"]))
    return render(
        "evaluation.html.j2",
        f"Evaluation {storage.name_of(path)}",
        options=options,
        path=path,
        facts=facts(metrics),
        evaluation=evaluation,
    )


def facts(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """The headline of an evaluation."""
    model, others = metrics["model"], list(metrics["scores"])[1:]
    return [
        ("Model", f"{model['name']} ({model['path']})"),
        ("Dataset", metrics["dataset"]["path"]),
        ("Compared with", ", ".join(others) or "nothing"),
    ]


def _colours(model: str) -> dict[str, str]:
    """Colours of the model's classes, by name; none where the model is not where it was."""
    try:
        found = read_model_file(model)
    except InputError:
        found = None
    return {} if found is None else {item["name"]: item["colour"] for item in found["classes"]}
