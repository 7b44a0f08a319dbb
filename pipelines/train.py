"""`rsbot train`: a dataset becomes a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from pipelines.command_line import CommandParser
from pipelines.recipes import settings_of
from rsbot_beam.models.classes import Weighting
from rsbot_beam.training.config import FEWEST_EPOCHS, MOST_EPOCHS, PATCHES_SEEN, Schedule, TrainConfig

EXAMPLE = """

examples:
  rsbot train --dataset ds/ --model unet --output model/
  rsbot train --dataset ds/ --model unet --set width=32 --set encoder=mobilenetv2 --epochs 60 --output model/
  rsbot train --dataset ds/ --model my_model.py --output model/

The same command continues a training that was stopped.
"""


def parser() -> CommandParser:
    """The flags of the command."""
    p = CommandParser("train", "Train a model on a dataset and export it with its preprocessing inside." + EXAMPLE)
    add, default = p.add_argument, TrainConfig(dataset="", model="", output="-")
    add("--dataset", required=True, help="folder of the dataset, local or gs://")
    add("--model", required=True, help="name of a model (see `rsbot models`), or your own .py file")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="parameter of the model; repeatable")
    add("--output", required=True, help="folder of the model, local or gs://; the same command continues it")
    add("--epochs", type=int, default=0, help=f"most passes over the train split (default: {_by_task()})")
    add("--batch_size", type=int, default=default.batch_size, help="patches in a step (default: %(default)s)")
    add("--learning_rate", type=float, default=default.learning_rate, help="of Adam (default: %(default)s)")
    add(
        "--schedule",
        default=default.schedule,
        choices=get_args(Schedule),
        help="of the learning rate: warm-up and cosine, halved where the loss stays, constant (default: %(default)s)",
    )
    add(
        "--patience",
        type=int,
        default=default.patience,
        help="epochs without a lower validation loss after which training ends; 0 trains all (default: %(default)s)",
    )
    add(
        "--class_weights",
        default=default.class_weights,
        choices=get_args(Weighting),
        help="how rare classes are made to count (default: %(default)s)",
    )
    add("--no_augment", action="store_true", help="do not flip and turn patches, or move seasons, by chance")
    add("--mixed_precision", action="store_true", help="compute in 16 bits where that is safe")
    add("--seed", type=int, default=default.seed, help="of weights and chance (default: %(default)s)")
    return p


def _by_task() -> str:
    seen = ", ".join(f"{task} {patches:,}" for task, patches in PATCHES_SEEN.items())
    return f"as many as look at so many patches: {seen}; {FEWEST_EPOCHS} to {MOST_EPOCHS}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rsbot train`; returns the exit code."""
    flags, _ = parser().parse(argv or [])
    config = TrainConfig(
        dataset=flags.dataset.rstrip("/"),
        model=flags.model,
        output=flags.output.rstrip("/"),
        settings=settings_of(flags.set),
        epochs=flags.epochs,
        batch_size=flags.batch_size,
        learning_rate=flags.learning_rate,
        schedule=flags.schedule,
        patience=flags.patience,
        class_weights=flags.class_weights,
        augment=not flags.no_augment,
        mixed_precision=flags.mixed_precision,
        seed=flags.seed,
    )
    from rsbot_beam.training.train import run_training

    result = run_training(config)
    print(summary(result.output, result.description, result.was_complete))
    return 0


def summary(output: str, description: dict, was_complete: bool) -> str:
    """What was made, and where."""
    done, scores = description["training"], description["scores"]
    told = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
    lines = [
        f"{output}: {description['model']['name']}, {done['epochs_done']} epochs, best {done['best_epoch']}: {told}",
        "  saved_model/   raw pixels in, predictions out: tf.saved_model.load(...)",
        "  model.keras    the network alone",
        f"  model.json     recipe, bands, classes, overlap of {description['overlap']} pixels, scores",
        "  history.json   losses and metrics by epoch; logs/ for TensorBoard",
    ]
    return "\n".join(lines + (["It was complete already: nothing was done."] if was_complete else []))
