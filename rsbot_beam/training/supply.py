"""What the partitions of a dataset have to learn from, by the dataset's own counts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from rsbot_beam.errors import DatasetError
from rsbot_beam.models.classes import ClassIndex
from rsbot_beam.models.definition import Task

LOGGER = logging.getLogger("rsbot_beam")
# What is counted of a class, by task.
LABELS = {"segmentation": "pixels", "detection": "objects"}


def label_counts(content: Mapping[str, Any], task: Task, split: str) -> dict[int, int]:
    """Labels in a partition by class code: labelled pixels, or objects for a detector.

    Args:
        content: Of `dataset.json`.
        task: What is to be learned.
        split: Name of the partition.
    """
    return {item["code"]: item[LABELS[task]][split] for item in content["classes"]}


def can_validate(content: Mapping[str, Any], task: Task, index: ClassIndex) -> bool:
    """Whether the validation split says how good a model is: whether it has a label of a class that is learned.

    Without one its loss is the same whatever the model says, and the first epoch would be taken for the best.
    """
    return bool(content["splits"]["validation"]["examples"]) and _says_something(content, task, index)


def _says_something(content: Mapping[str, Any], task: Task, index: ClassIndex) -> bool:
    counts = label_counts(content, task, "validation")
    return any(counts.get(code) for code, learned in zip(index.codes, index.learned, strict=True) if learned)


def check_train_split(root: str, content: Mapping[str, Any]) -> None:
    """Refuse a dataset without a single example to learn from.

    Raises:
        DatasetError: The train split is empty.
    """
    if not content["splits"]["train"]["examples"]:
        raise DatasetError(
            f"the train split of {root} is empty: export with a smaller --split_block, a larger region, or another --split"
        )


def warn_without_validation(root: str, content: Mapping[str, Any], task: Task, epochs: int) -> None:
    """Say why the validation split is of no use, and what follows."""
    empty = not content["splits"]["validation"]["examples"]
    LOGGER.warning(
        "the validation split of %s %s: all %d epochs are trained, and the weights with the lowest training loss are kept",
        root,
        "is empty" if empty else f"has no {LABELS[task]} of the classes that are learned",
        epochs,
    )
