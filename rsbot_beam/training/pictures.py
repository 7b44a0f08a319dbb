"""The pictures of an evaluation, written where matplotlib is installed."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from rsbot_beam import storage
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.period import period_text
from rsbot_beam.training.detection import DetectionScores
from rsbot_beam.training.gallery import Gallery
from rsbot_beam.training.segmentation import MODEL, SegmentationScores
from rsbot_beam.training.trained import TrainedModel
from rsbot_beam.views.amounts import patches_text

LOGGER = logging.getLogger("rsbot_beam")
CONFUSION, CURVES, EXAMPLES = "confusion.png", "curves.png", "examples.png"
# Boxes below this score are not drawn, of classes of which none was found rightly.
DRAWN_SCORE = 0.3


def write_pictures(
    folder: str,
    model: TrainedModel,
    metrics: Mapping[str, Any],
    scores: SegmentationScores | DetectionScores,
    gallery: Gallery,
) -> None:
    """Write `confusion.png` (of segmentation), `curves.png` and `examples.png`.

    Args:
        folder: Where to.
        model: The model.
        metrics: Content of `metrics.json`.
        scores: What it was made from.
        gallery: The patches to show.
    """
    if importlib.util.find_spec("matplotlib") is None:
        LOGGER.warning("no pictures: pip install matplotlib to have them")
        return
    from rsbot_beam.views import training_pictures as views

    title = _title(metrics)
    names = [item.name for item in model.classes]
    if isinstance(scores, SegmentationScores):
        drawn = views.confusion_picture(scores.matrices[MODEL].counts, names, title, metrics["unit"])
        storage.write_bytes(storage.join(folder, CONFUSION), drawn)
        bars = {name: {who: found["classes"][name]["f1"] for who, found in metrics["scores"].items()} for name in names}
        # Classes that occur, or are predicted where they do not.
        occurring = {name: bars[name] for name in names if bars[name][MODEL] is not None}
        curves = views.curves_picture(_history(model), title, bars=occurring)
    else:
        found = {
            f"{name} (AP {c.average_precision:.2f})": (c.recall, c.precision) for name, c in scores.curves().items()
        }
        curves = views.curves_picture(_history(model), title, precision_recall=found)
    storage.write_bytes(storage.join(folder, CURVES), curves)
    least = _drawn_scores(model, scores)
    items = [_item(views, model, least, *chosen) for chosen in gallery.chosen()]
    if items:
        title = "\n".join([title, *_legend(len(items), gallery.seen, model, least)])
        storage.write_bytes(storage.join(folder, EXAMPLES), views.examples_picture(items, model.classes, title))


def _title(metrics: Mapping[str, Any]) -> str:
    dataset = metrics["dataset"]
    return (
        f"{metrics['model']['name']} on {dataset['path'].rpartition('/')[2]} "
        f"({patches_text(dataset['split'], dataset['patches'])}, {period_text(dataset['period'])})"
    )


def _drawn_scores(model: TrainedModel, scores: SegmentationScores | DetectionScores) -> dict[int, float]:
    """By class code the least score of boxes that are drawn: where F1 is highest. Empty for a segmentation."""
    if isinstance(scores, SegmentationScores):
        return {}
    return dict.fromkeys(model.index.codes, DRAWN_SCORE) | scores.best_scores()


def _legend(shown: int, seen: int, model: TrainedModel, drawn: Mapping[int, float]) -> list[str]:
    """What is said of the examples, in lines."""
    lines = [] if shown == seen else [f"{shown} of {seen:,} patches: the best, some drawn at random, the worst"]
    if drawn:
        least = ", ".join(f"{drawn[item.code]:.2f} ({item.name})" for item in model.classes)
        lines.append(f"boxes are drawn from a score of {least}, where F1 at IoU 0.5 is highest")
    return lines


def _history(model: TrainedModel) -> dict[str, list[float]]:
    path = storage.join(model.root, "history.json")
    found: dict[str, list[float]] = json.loads(storage.read_text(path)) if storage.exists(path) else {}
    return found


def _item(
    views: Any,  # noqa: ANN401 - a module loaded late
    model: TrainedModel,
    drawn: Mapping[int, float],
    why: str,
    patch: Patch,
    outputs: Mapping[str, np.ndarray],
) -> Any:  # noqa: ANN401 - what it draws
    if model.task == "segmentation":
        codes = np.array(model.index.codes)[outputs["probabilities"].argmax(axis=-1)]
        return views.ExamplePicture(why, patch, predicted=codes)
    least = np.array([drawn.get(int(code), np.inf) for code in outputs["classes"]])
    sure = (outputs["scores"] > 0) & (outputs["scores"] >= least.astype(np.float32))
    boxes, codes, scores = (outputs[name][sure] for name in ("boxes", "classes", "scores"))
    return views.ExamplePicture(why, patch, boxes=boxes, codes=codes.astype(int), scores=scores)
