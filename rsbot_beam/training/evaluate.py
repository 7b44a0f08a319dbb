"""Scores of a model on a dataset: raw patches through the SavedModel's own signature, beside baselines.

The examples of the dataset are not read: they went through its own transform_fn, which knows the statistics of its place,
not those that the model was trained with.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

from rsbot_beam import storage
from rsbot_beam.data.dataset_file import read_dataset_file, require_dataset_file
from rsbot_beam.data.model_file import unlearned_classes
from rsbot_beam.data.splits import SPLITS
from rsbot_beam.errors import DatasetError, InputError, RsbotError
from rsbot_beam.geometry.units import resolution_in_metres
from rsbot_beam.pages.shown import Shown
from rsbot_beam.training.boxes import FEATURES, usual_boxes
from rsbot_beam.training.description import dataset_fingerprint
from rsbot_beam.training.detection import DetectionScores
from rsbot_beam.training.feed import find_examples
from rsbot_beam.training.fitting import check_fits
from rsbot_beam.training.forest import Forest
from rsbot_beam.training.gallery import Gallery
from rsbot_beam.training.raw_patches import ALL, check_raw, split_names, split_patches
from rsbot_beam.training.segmentation import SegmentationScores
from rsbot_beam.training.trained import TrainedModel

LOGGER = logging.getLogger("rsbot_beam")
METRICS = "metrics.json"
FOLDER = "evaluation"
Baseline = Literal["majority", "forest"]
# Patches between two lines that say how far it is.
REPORT_EVERY = 200


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """One evaluation.

    Attributes:
        model: Folder of the model, local or `gs://`.
        dataset: Folder of the dataset, local or `gs://`; of any place and year.
        split: "train", "validation", "test", or "all" patches of the dataset.
        output: Folder of the results; None takes one in the model's.
        baselines: What to compare with: "majority" always is, "forest" learns from the model's own train split.
        train_dataset: Where that lies now; None where it was.
        batch_size: Patches in a call of the model.
        seed: Of the random forest and of the patches drawn.
    """

    model: str
    dataset: str
    split: str = "test"
    output: str | None = None
    baselines: tuple[Baseline, ...] = ("majority", "forest")
    train_dataset: str | None = None
    batch_size: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.split not in (*SPLITS, ALL):
            raise InputError(f"there is no split {self.split!r}: choose one of {', '.join((*SPLITS, ALL))}")
        unknown = [name for name in self.baselines if name not in get_args(Baseline)]
        if unknown:
            raise InputError(f"baselines {unknown}: choose from {', '.join(get_args(Baseline))}")
        if self.batch_size < 1:
            raise InputError(f"batch_size={self.batch_size} must be 1 or more")

    @property
    def folder(self) -> str:
        """Where the results go."""
        name = f"{PurePosixPath(self.dataset.rstrip('/')).name or 'dataset'}-{self.split}"
        return self.output or storage.join(self.model, FOLDER, name)


@dataclass(frozen=True, eq=False)
class Evaluation(Shown):
    """What an evaluation found.

    Attributes:
        folder: Where it was written.
        metrics: Content of `metrics.json`.
    """

    folder: str
    metrics: dict[str, Any] = field(repr=False)

    def _shown_at(self) -> str:
        return self.folder


def run_evaluation(config: EvaluateConfig) -> Evaluation:
    """Score a model on a dataset and write `metrics.json` and pictures.

    Args:
        config: What to do.

    Raises:
        InputError: There is no finished model, or scikit-learn is missing.
        DatasetError: There is no such dataset, it does not fit the model, its split is empty, or raw shards are missing or
            damaged.
        RsbotError: The results cannot be written.
    """
    model = TrainedModel.load(config.model)
    dataset = require_dataset_file(config.dataset)
    check_fits(model.description, dataset, config.dataset)
    _check_split(config, dataset)
    check_raw(config.dataset, dataset)
    scores = _scores(config, model)
    gallery = Gallery(config.seed)
    count = 0
    for patch, outputs in model.predictions(split_patches(config.dataset, dataset, config.split), config.batch_size):
        quality = scores.add(patch, outputs)
        gallery.add(quality, patch, outputs)
        count += 1
        if count % REPORT_EVERY == 0:
            LOGGER.info("scored %d patches", count)
    metrics = _metrics(config, model, dataset, scores, count)
    _write(config.folder, model, metrics, scores, gallery)
    return Evaluation(config.folder, metrics)


def _write(
    folder: str,
    model: TrainedModel,
    metrics: dict[str, Any],
    scores: SegmentationScores | DetectionScores,
    gallery: Gallery,
) -> None:
    from rsbot_beam.training.pictures import write_pictures

    try:
        write_pictures(folder, model, metrics, scores, gallery)
        # Last: where it is, the rest is.
        storage.write_bytes(storage.join(folder, METRICS), json.dumps(metrics, indent=1))
    except OSError as error:
        raise RsbotError(
            f"the results cannot be written to {folder} ({error.strerror or error}): once that is cured, or with another "
            "--output, evaluate again"
        ) from error


def _check_split(config: EvaluateConfig, dataset: dict[str, Any]) -> None:
    if not sum(dataset["splits"][name]["examples"] for name in split_names(config.split)):
        raise DatasetError(
            f"the {config.split} split of {config.dataset} is empty: choose another --split ({', '.join((*SPLITS, ALL))})"
        )


def _scores(config: EvaluateConfig, model: TrainedModel) -> SegmentationScores | DetectionScores:
    training = model.description["training"]
    root = config.train_dataset or training["dataset"]["path"]
    if model.task == "detection":
        grid = model.description["grid"]
        crs = "EPSG:32601" if grid["crs"] == "utm" else grid["crs"]  # Any zone: all are in metres.
        usual = _usual(model, root) if "majority" in config.baselines else {}
        return DetectionScores(model.classes, resolution_in_metres(crs, grid["resolution"]), usual)
    pixels = [training["pixels_of_classes"].get(str(item.code), 0) for item in model.classes]
    majority = max(range(len(pixels)), key=pixels.__getitem__)
    forest = _forest(config, model, root) if "forest" in config.baselines else None
    return SegmentationScores(model.classes, majority, forest, config.seed)


def _forest(config: EvaluateConfig, model: TrainedModel, root: str) -> Forest | None:
    dataset = _train_dataset(model, root)
    if dataset is None:
        return None
    count = dataset["splits"]["train"]["examples"]
    LOGGER.info("fitting a random forest to pixels of %d patches of %s", count, root)
    try:
        return Forest.fit(split_patches(root, dataset, "train"), model.index, count, config.seed)
    except DatasetError as error:
        raise DatasetError(f"no random forest can be fitted: {error}; or leave it out: --baselines majority") from error


def _usual(model: TrainedModel, root: str) -> dict[int, tuple[float, float]]:
    dataset = _train_dataset(model, root)
    if dataset is None:
        return {}
    return usual_boxes(find_examples(root, "train", dataset, FEATURES), model.index.codes)


def _train_dataset(model: TrainedModel, root: str) -> dict[str, Any] | None:
    """The description of the dataset that the model was trained on, if it is still there."""
    dataset = read_dataset_file(root)
    if dataset is None:
        LOGGER.warning("no baseline from the train split: %s is gone; say where it is with --train_dataset", root)
        return None
    if dataset_fingerprint(dataset) != model.description["training"]["dataset"]["fingerprint"]:
        LOGGER.warning("no baseline from the train split: %s is not what the model was trained on", root)
        return None
    return dataset


def _metrics(
    config: EvaluateConfig,
    model: TrainedModel,
    dataset: dict[str, Any],
    scores: SegmentationScores | DetectionScores,
    count: int,
) -> dict[str, Any]:
    forest = scores.forest if isinstance(scores, SegmentationScores) else None
    return {
        "task": model.task,
        "model": {
            "path": config.model,
            **model.description["model"],
            "not_learned": [item.name for item in unlearned_classes(model.description)],
        },
        "dataset": {
            "path": config.dataset,
            "split": config.split,
            "patches": count,
            "fingerprint": dataset_fingerprint(dataset),
            "region": dataset["region"],
            "period": dataset["period"],
            "same_as_trained": dataset_fingerprint(dataset) == model.description["training"]["dataset"]["fingerprint"],
        },
        "unit": "ha" if model.task == "segmentation" else "objects",
        "forest_pixels": forest.pixels if forest else None,
        "scores": scores.to_dict(),
    }
