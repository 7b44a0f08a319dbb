"""What a training is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from rsbot_beam import storage
from rsbot_beam.errors import InputError
from rsbot_beam.models.classes import Weighting

Schedule = Literal["cosine", "plateau", "constant"]
# Patches that a training looks at, by the model's task: with these, 300 to 500 of 128 x 128 pixels train in under six minutes
# on two cores, time series of 7 steps of 8 bands with U-TAE, the slowest of the built-in models; single composites with
# CenterNet, which takes long to be sure. The fewer there are, the more often each is seen.
PATCHES_SEEN = {"segmentation": 2_400, "detection": 8_000}
FEWEST_EPOCHS, MOST_EPOCHS = 6, 40


def default_epochs(task: str, patches: int) -> int:
    """Passes over a train split of so many patches, for a task of `PATCHES_SEEN`."""
    return max(FEWEST_EPOCHS, min(MOST_EPOCHS, round(PATCHES_SEEN[task] / max(1, patches))))


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training.

    Attributes:
        dataset: Folder of the dataset, local or `gs://`.
        model: Name of a built-in model, or path of a Python file.
        output: Folder of the model, local or `gs://`.
        settings: Parameters of the model, as text.
        epochs: Most passes over the train split; 0 takes `default_epochs`.
        batch_size: Patches in a step.
        learning_rate: Of Adam, at its highest.
        schedule: "cosine": warm-up, then down to 0 along a cosine; "plateau": halved where the validation loss stays;
            "constant".
        patience: Epochs without a better validation loss after which training ends; 0 trains all epochs.
        class_weights: How rare classes are made to count (see `models.classes.class_weights`).
        augment: Whether patches are flipped and turned, and time series moved by up to half a step, by chance.
        mixed_precision: Whether the network computes in 16 bits where that is safe.
        seed: Of the weights, of the order of the patches and of their turns.
    """

    dataset: str
    model: str
    output: str
    settings: Mapping[str, str] = field(default_factory=dict)
    epochs: int = 0
    batch_size: int = 4
    learning_rate: float = 2e-3
    schedule: Schedule = "cosine"
    patience: int = 10
    class_weights: Weighting = "sqrt"
    augment: bool = True
    mixed_precision: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 0), ("batch_size", 1), ("patience", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}={getattr(self, name)} must be {least} or more")
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"learning_rate={self.learning_rate} must be a positive number, such as 0.001")
        for name, kind in (("schedule", Schedule), ("class_weights", Weighting)):
            if getattr(self, name) not in get_args(kind):
                raise InputError(f"{name}={getattr(self, name)!r} is not one of {', '.join(get_args(kind))}")
        storage.check_folder(self.output)

    def for_dataset(self, task: str, patches: int) -> TrainConfig:
        """The same with all that follows from the model's task and the number of patches in the train split."""
        return self if self.epochs else replace(self, epochs=default_epochs(task, patches))

    def comparable(self) -> dict[str, Any]:
        """What a later run of the same training must have in common with this one, as plain values."""
        names = ("epochs", "batch_size", "learning_rate", "schedule", "patience", "class_weights", "augment")
        return {name: getattr(self, name) for name in (*names, "mixed_precision", "seed")}
