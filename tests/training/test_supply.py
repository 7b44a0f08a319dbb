"""A validation split that says nothing of how good a model is, is told and done without."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsbot_beam.data.objects import Objects
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.errors import DatasetError
from rsbot_beam.models.classes import ClassIndex
from rsbot_beam.training.supply import can_validate, label_counts
from tests.training.conftest import PLAIN, SITES, field_patch, site_patch, train, write_dataset

SPLIT = SpatialSplit((60, 20, 20), block=1)
CENTERNET = {"model": "centernet", "settings": {"width": "4", "depth": "2", "head": "4"}}


def unlabelled(patch: Patch) -> Patch:
    return dataclasses.replace(patch, valid={**patch.valid, "landcover": np.zeros((16, 16), bool)})


def of_a_class_that_train_lacks(patch: Patch) -> Patch:
    return dataclasses.replace(patch, pixels={**patch.pixels, "landcover": np.full((16, 16), 9, np.uint8)})


def without_objects(patch: Patch) -> Patch:
    nothing = Objects(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, bool), ())
    return dataclasses.replace(patch, objects=nothing)


def made(root: Path, patches: list[Patch], change: Callable[[Patch], Patch]) -> str:
    """A dataset whose patches of the validation split are changed."""
    return write_dataset(root, [change(p) if SPLIT.split_of(p.key) == "validation" else p for p in patches])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "settings", "labels"),
    [
        (unlabelled, {}, "pixels"),
        (of_a_class_that_train_lacks, {}, "pixels"),
        (without_objects, CENTERNET, "objects"),
    ],
)
def test_all_epochs_are_trained_and_the_lowest_training_loss_is_kept(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[Patch], Patch],
    settings: dict[str, Any],
    labels: str,
) -> None:
    make = (lambda col: site_patch(SITES, col)) if settings else (lambda col: field_patch(PLAIN, col))
    root = made(tmp_path / "dataset", [make(col) for col in range(20)], change)
    with caplog.at_level(logging.WARNING):
        result = train(root, tmp_path / "model", patience=1, epochs=3, **settings)
    assert (
        f"the validation split of {root} has no {labels} of the classes that are learned: all 3 epochs" in caplog.text
    )
    history = json.loads((tmp_path / "model" / "history.json").read_text())
    assert not [name for name in history if name.startswith("val_")]
    assert result.description["training"]["epochs_done"] == 3
    assert result.description["training"]["best_epoch"] == 1 + int(np.argmin(history["loss"]))


def content(pixels: dict[int, int], examples: int = 4) -> dict[str, Any]:
    """Of `dataset.json`: labels of the validation split by class code; the train split has twice as many of 1 and 2."""
    counts = {code: {"train": 2 * count if code < 9 else 0, "validation": count} for code, count in pixels.items()}
    return {
        "classes": [{"code": code, "pixels": found, "objects": found} for code, found in counts.items()],
        "splits": {"train": {"examples": 8}, "validation": {"examples": examples}},
    }


@pytest.mark.parametrize("task", ["segmentation", "detection"])
@pytest.mark.parametrize(
    ("pixels", "examples", "can"),
    [
        ({1: 5, 2: 0, 9: 0}, 4, True),
        ({1: 0, 2: 0, 9: 7}, 4, False),  # only of a class that is not learned
        ({1: 0, 2: 0, 77: 7}, 4, False),  # only of a code that is no class
        ({1: 0, 2: 0}, 4, False),
        ({1: 5}, 0, False),
    ],
)
def test_whether_a_split_can_validate(task: Any, pixels: dict[int, int], examples: int, can: bool) -> None:
    told = content(pixels, examples)
    assert can_validate(told, task, ClassIndex((1, 2, 9), frozenset({9}))) is can


def test_labels_are_counted_by_task() -> None:
    told = content({1: 5})
    told["classes"][0]["objects"] = {"train": 3, "validation": 1}
    assert label_counts(told, "segmentation", "train") == {1: 10}
    assert label_counts(told, "detection", "validation") == {1: 1}


@pytest.mark.slow
def test_a_single_class_is_nothing_to_tell_apart(
    plain_dataset: str, changed_dataset: Callable[..., str], tmp_path: Path
) -> None:
    def edit(told: dict[str, Any]) -> None:
        for item in told["classes"]:
            item["pixels"]["train"] *= item["code"] == 2

    with pytest.raises(DatasetError, match=r"'meadow' is the only class in the train split: .*--sampling stratified"):
        train(changed_dataset(plain_dataset, "single", edit), tmp_path / "model")
