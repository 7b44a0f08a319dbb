"""Whether a dataset holds what a model was trained on: bands, their order and types, the time axis, the resolution."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.errors import DatasetError
from rsbot_beam.geometry.units import resolution_in_metres
from rsbot_beam.training.description import layout_of

LOGGER = logging.getLogger("rsbot_beam")
# Share by which resolutions may differ: a degree is not equally long everywhere.
SAME_RESOLUTION = 0.02


def check_fits(model: Mapping[str, Any], dataset: Mapping[str, Any], root: str) -> None:
    """Refuse a dataset whose pixels mean something else to the model than those it was trained on.

    Args:
        model: Content of `model.json`.
        dataset: Content of `dataset.json`.
        root: The dataset's folder, for messages.

    Raises:
        DatasetError: Says everything that differs.
    """
    trained, given = layout_of(model), layout_of(dataset)
    problems = [
        *_bands("bands", trained.bands, given.bands),
        *_bands("static bands", trained.static, given.static),
        *_axes(trained, given),
        *_labels(model, given),
        *_resolution(model, dataset),
    ]
    if problems:
        raise DatasetError(
            f"the dataset {root} does not fit the model: {'; '.join(problems)}. Export it with the model's recipe, "
            f"{model['recipe']['name']!r}, and the same parameters"
        )
    _warn(model, dataset, given)


def _bands(what: str, trained: Sequence[Band], given: Sequence[Band]) -> list[str]:
    names, others = [band.name for band in trained], [band.name for band in given]
    missing = [name for name in names if name not in others]
    if missing:
        return [f"its {what} {', '.join(others) or '(none)'} lack {', '.join(missing)}"]
    if names != others:
        return [f"its {what} are {', '.join(others)}, the model takes {', '.join(names)}, in this order"]
    return [
        f"{band.name} is {other.dtype}, the model takes {band.dtype}"
        for band, other in zip(trained, given, strict=True)
        if band.dtype != other.dtype
    ]


def _axes(trained: Layout, given: Layout) -> list[str]:
    if trained.steps == given.steps:
        return []
    return [f"its time axis has {given.steps} steps, the model takes {trained.steps} (0: none)"]


def _labels(model: Mapping[str, Any], given: Layout) -> list[str]:
    if model["task"] == "detection":
        return [] if given.objects else ["it has no boxes to compare with"]
    return [] if given.label else ["it has no label to compare with"]


def _resolution(model: Mapping[str, Any], dataset: Mapping[str, Any]) -> list[str]:
    sizes = [_metres(content["grid"]) for content in (model, dataset)]
    if abs(sizes[0] - sizes[1]) <= SAME_RESOLUTION * sizes[0]:
        return []
    return [f"its pixels are of {sizes[1]:.4g} m, the model takes {sizes[0]:.4g} m"]


def _metres(grid: Mapping[str, Any]) -> float:
    # A grid of UTM zones is in metres; it has no single CRS.
    return float(grid["resolution"]) if grid["crs"] == "utm" else resolution_in_metres(grid["crs"], grid["resolution"])


def _warn(model: Mapping[str, Any], dataset: Mapping[str, Any], given: Layout) -> None:
    known = {item["code"] for item in model["classes"]}
    strange = [item.name for item in given.classes if item.code not in known and item.code]
    if strange:
        LOGGER.warning("classes that the model does not know, passed over: %s", ", ".join(strange))
    there, here = (content["recipe"]["parameters"] for content in (model, dataset))
    different = sorted(name for name in there.keys() | here.keys() if there.get(name) != here.get(name))
    if model["recipe"]["name"] != dataset["recipe"]["name"] or different:
        LOGGER.warning(
            "the model was trained on the recipe %s, the dataset is of %s; parameters that differ: %s",
            model["recipe"]["name"],
            dataset["recipe"]["name"],
            ", ".join(different) or "none",
        )
