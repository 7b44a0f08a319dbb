"""Folders of models with all that their pages read, but without networks: quick to write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from rsbot_beam.data.detection_scores import DetectionTally
from rsbot_beam.data.model_file import write_model_file
from rsbot_beam.data.scores import ConfusionMatrix
from rsbot_beam.views.training_pictures import confusion_picture
from tests.pages.made import EVIL

CLASSES = ((1, EVIL, "#0072b2"), (2, "meadow", "#009e73"), (5, "maize", "#e69f00"), (9, "never there", "#cc79a7"))
NAMES = [name for _, name, _ in CLASSES]
# Hectares by label (row) and prediction (column): meadow is taken for maize in one of four.
COUNTS = np.array([[9.0, 1, 0, 0], [0, 30, 10, 0], [0, 0, 50, 0], [0, 0, 0, 0]])


def write_model(root: Path, **changes: Any) -> Path:
    """A model of a U-Net after three epochs."""
    dataset = {
        "path": "data/made",
        "fingerprint": "0",
        "region": {"source": EVIL, "bbox": [0, 0, 1, 1], "area_m2": 1.0},
    }
    dataset["splits"] = {"train": {"examples": 1200}, "validation": {"examples": 20}, "test": {"examples": 0}}
    content: dict[str, Any] = {
        "task": "segmentation",
        "model": {"name": "unet", "source": "unet", "parameters": {"width": 4, "note": EVIL}},
        "recipe": {"name": "made", "description": EVIL},
        "layout": {"bands": [{"name": "B4"}, {"name": "B8"}], "static": [{"name": "height"}], "steps": 3},
        "classes": [{"code": code, "name": name, "colour": colour} for code, name, colour in CLASSES],
        "grid": {"crs": "EPSG:32633", "resolution": 10.0, "patch_size": 128},
        "period": {"start": "2023-04-01", "end": "2023-10-01"},
        "receptive_field": {"radius": 23, "multiple": 4},
        "overlap": 24,
        "training": {
            "epochs_done": 3,
            "best_epoch": 2,
            "dataset": dataset,
            "pixels_of_classes": {"1": 5, "2": 5000},
            "weights_of_classes": {"1": 2.5},
        },
        "scores": {"accuracy": 0.9, "loss": 0.5, "val_accuracy": 0.8, "val_loss": 0.6},
        "versions": {"rsbot-beam": "0.1.0"},
        **changes,
    }
    write_model_file(str(root), content)
    history = {
        "loss": [3, 2, 1],
        "val_loss": [3, 2.5, 2.6],
        "accuracy": [0.1, 0.5, 0.9],
        "val_accuracy": [0.1, 0.6, 0.5],
    }
    (root / "history.json").write_text(json.dumps(history))
    return root


def write_evaluation(model: Path, name: str, scores: dict[str, Any], task: str = "segmentation") -> Path:
    """An evaluation of a model, as `rsbot evaluate` leaves it."""
    folder = model / "evaluation" / name
    folder.mkdir(parents=True)
    metrics = {
        "task": task,
        "model": {"path": str(model), "name": "unet"},
        "dataset": {
            "path": f"data/{EVIL}",
            "split": "test",
            "patches": 7,
            "period": {"start": "2024-04-01", "end": "2024-10-01"},
            "same_as_trained": False,
        },
        "unit": "ha" if task == "segmentation" else "objects",
        "scores": scores,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    picture = confusion_picture(COUNTS, ["a", "b", "c", "d"], "made", "ha")
    for file in ("examples.png", "confusion.png"):
        (folder / file).write_bytes(picture)
    return folder


def segmentation_scores() -> dict[str, Any]:
    """Of the model and one baseline."""
    matrix = ConfusionMatrix(COUNTS)
    return {"model": matrix.to_dict(NAMES), "majority class": matrix.majority().to_dict(NAMES)}


def detection_scores() -> dict[str, Any]:
    """Of a model that finds one of two objects."""
    tally = DetectionTally.by_overlap(0.5)
    labels = np.array([[0, 0, 10, 10], [20, 20, 30, 30]], float)
    tally.add(labels[:1], np.array([0.9]), labels)
    nothing = DetectionTally.by_overlap(0.5)
    return {
        who: {"mean": {"IoU 0.5": value}, "classes": {EVIL: {"IoU 0.5": t.to_dict()}}}
        for who, value, t in (("model", 0.5, tally), ("box in the centre", None, nothing))
    }
