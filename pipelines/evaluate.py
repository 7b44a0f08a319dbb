"""`rsbot evaluate`: how good a model is, beside baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.command_line import CommandParser
from rsbot_beam.views.amounts import hectares_text, patches_text

EXAMPLE = """

examples:
  rsbot evaluate --model model/ --dataset ds/ --split test
  rsbot evaluate --model model/ --dataset elsewhere/ --split all        of another place and year
"""
SEGMENTATION = (("accuracy", "accuracy"), ("mean F1", "mean_f1"), ("mean IoU", "mean_iou"))


def parser() -> CommandParser:
    """The flags of the command."""
    p = CommandParser("evaluate", "Score a model on a dataset, beside baselines." + EXAMPLE)
    add = p.add_argument
    add("--model", required=True, help="folder of a trained model, local or gs://")
    add("--dataset", required=True, help="folder of a dataset of the same recipe, of any place and year")
    add("--split", default="test", help="train, validation, test, or all patches (default: %(default)s)")
    add("--output", help="folder of the results (default: MODEL/evaluation/DATASET-SPLIT)")
    add(
        "--baselines",
        default="majority,forest",
        help="what to compare with: majority, the most frequent class or, of a detection, a box of the usual size in the "
        "centre; forest, a random forest of single pixels, of a segmentation (default: %(default)s)",
    )
    add("--train_dataset", help="where the model's train split lies now, for the baselines (default: where it was)")
    add("--batch_size", type=int, default=8, help="patches in a call of the model (default: %(default)s)")
    add("--seed", type=int, default=0, help="of the random forest and of the patches shown (default: %(default)s)")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rsbot evaluate`; returns the exit code."""
    flags, _ = parser().parse(argv or [])
    from rsbot_beam.training.evaluate import EvaluateConfig, run_evaluation

    config = EvaluateConfig(
        model=flags.model.rstrip("/"),
        dataset=flags.dataset.rstrip("/"),
        split=flags.split,
        output=flags.output.rstrip("/") if flags.output else None,
        baselines=tuple(name.strip() for name in flags.baselines.split(",") if name.strip()),
        train_dataset=flags.train_dataset,
        batch_size=flags.batch_size,
        seed=flags.seed,
    )
    found = run_evaluation(config)
    print(table(found.metrics))
    print(f"{found.folder}: metrics.json, curves.png, examples.png" + _also(found.metrics))
    return 0


def _also(metrics: Mapping[str, Any]) -> str:
    return ", confusion.png" if metrics["task"] == "segmentation" else ""


def table(metrics: Mapping[str, Any]) -> str:
    """Scores of the model and of the baselines, for people."""
    dataset = metrics["dataset"]
    head = f"{metrics['model']['name']} on {dataset['path']}: {patches_text(dataset['split'], dataset['patches'])}"
    lines = _segmentation(metrics["scores"]) if metrics["task"] == "segmentation" else _detection(metrics["scores"])
    unlearned = metrics["model"].get("not_learned")
    told = ["", f"not learned, and so never predicted: {', '.join(unlearned)}"] if unlearned else []
    return "\n".join([head, "", *lines, *told])


def _segmentation(scores: Mapping[str, Any]) -> list[str]:
    who = list(scores)
    # Classes that occur, or are predicted where they do not.
    shown = {name: found for name, found in scores[who[0]]["classes"].items() if found["f1"] is not None}
    width = 1 + max(map(len, [*shown, *(title for title, _ in SEGMENTATION)]))
    lines = [f"{'':{width}}" + "".join(f"{name:>16}" for name in who)]
    for title, key in SEGMENTATION:
        lines.append(f"{title:{width}}" + "".join(f"{_number(scores[name][key]):>16}" for name in who))
    lines += ["", f"{'F1 of':{width}}" + "".join(f"{name:>16}" for name in who) + f"{'area, ha':>14}"]
    for name, of_model in shown.items():
        row = "".join(f"{_number(scores[other]['classes'][name]['f1']):>16}" for other in who)
        lines.append(f"{name:{width}}{row}{hectares_text(of_model['support']):>14}")
    return lines


def _detection(scores: Mapping[str, Any]) -> list[str]:
    who = list(scores)
    width = 1 + max(map(len, scores[who[0]]["classes"]))
    lines = [f"{'average precision':{width + 11}}" + "".join(f"{name:>20}" for name in who) + f"{'objects':>10}"]
    for name, ways in scores[who[0]]["classes"].items():
        for way, found in ways.items():
            row = "".join(f"{_number(scores[other]['classes'][name][way]['average_precision']):>20}" for other in who)
            lines.append(f"{name:{width}}{way:11}{row}{found['labels']:>10}")
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
