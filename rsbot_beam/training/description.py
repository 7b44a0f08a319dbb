"""The content of `model.json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsbot_beam import storage
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.model_file import checksums
from rsbot_beam.models.definition import ModelDefinition
from rsbot_beam.models.registry import is_file
from rsbot_beam.training.config import TrainConfig

if TYPE_CHECKING:
    from rsbot_beam.models.receptive_field import ReceptiveField
    from rsbot_beam.training.checkpoints import TrainingState
    from rsbot_beam.training.tasks import TrainingTask

PACKAGES = ("rsbot-beam", "tensorflow", "keras", "tensorflow-transform", "numpy")


def dataset_fingerprint(content: Mapping[str, Any]) -> str:
    """Changes with the pixels, the preprocessing and the partitions of a dataset; not with where it lies.

    Args:
        content: Of `dataset.json`.
    """
    told = {name: content.get(name) for name in ("raw", "layout", "preprocessing", "split", "splits", "features")}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def manifest(config: TrainConfig, definition: ModelDefinition, content: Mapping[str, Any]) -> dict[str, Any]:
    """What a run that continues a training must have in common with it."""
    model: dict[str, Any] = {"name": definition.name, "parameters": definition.parameters()}
    if is_file(config.model):
        # Under the same name and parameters an edited file builds another network.
        model["code"] = hashlib.sha256(Path(config.model).read_bytes()).hexdigest()[:16]
    return {
        "model": model,
        "training": config.comparable(),
        "dataset": dataset_fingerprint(content),
    }


def describe_model(
    config: TrainConfig, task: TrainingTask, content: Mapping[str, Any], field: ReceptiveField, state: TrainingState
) -> dict[str, Any]:
    """All that somebody needs who has the model and nothing else.

    Args:
        config: The training.
        task: What was learned.
        content: Of `dataset.json`.
        field: What a prediction depends on.
        state: How the training went.
    """
    definition, best = task.definition, state.best_epoch
    return {
        "task": definition.task,
        "model": {
            "name": definition.name,
            "source": absolute(config.model) if is_file(config.model) else config.model,
            "parameters": definition.parameters(),
        },
        "recipe": content["recipe"],
        "layout": content["layout"],
        "bands": content["bands"],
        "classes": _classes(task, content),
        "grid": content["grid"],
        "period": content["period"],
        "preprocessing": content["preprocessing"],
        "receptive_field": asdict(field),
        # Where all pixels of a patch have a say, half a patch: no seam is farther than that from its edge.
        "overlap": content["grid"]["patch_size"] // 2 if field.overlap is None else field.overlap,
        "training": {
            **config.comparable(),
            "epochs_done": state.epochs,
            "best_epoch": best + 1,
            "weights_of_classes": dict(zip(map(str, task.index.codes), task.weights, strict=False)),
            "pixels_of_classes": {str(item["code"]): item["pixels"]["train"] for item in content["classes"]},
            "dataset": {
                "path": absolute(config.dataset),
                "fingerprint": dataset_fingerprint(content),
                "region": content["region"],
                "splits": content["splits"],
            },
        },
        "scores": {name: values[best] for name, values in state.history.items()},
        "files": checksums(config.output),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _classes(task: TrainingTask, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """In the order of the model's outputs."""
    known = {item["code"]: item for item in content["layout"]["classes"]}
    pairs = zip(task.index.codes, task.index.learned, strict=True)
    return [{**known[code], "learned": learned} for code, learned in pairs]


def absolute(path: str) -> str:
    """A path as it is understood from any working directory."""
    return path if storage.is_gcs(path) else str(Path(path).absolute())


def layout_of(content: Mapping[str, Any]) -> Layout:
    """The layout of a dataset or a model."""
    from rsbot_beam.data.manifest import layout_from_dict

    return layout_from_dict(content["layout"])


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
