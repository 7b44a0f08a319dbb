"""The learning rate: by step, or by what the loss has done so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from rsbot_beam.training.checkpoints import TrainingState
from rsbot_beam.training.config import TrainConfig

# Share of the steps in which the learning rate rises: the first gradients of new weights point anywhere.
WARM_UP = 0.05
# Epochs without a lower loss after which the schedule "plateau" halves the learning rate, and by how much a loss must be
# lower to count, as in Keras's ReduceLROnPlateau.
PLATEAU_EPOCHS = 3
LOWER = 1e-4


def learning_rate(config: TrainConfig, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate by step, or the one to begin with.

    Args:
        config: The training.
        steps: Steps in an epoch.
    """
    if config.schedule != "cosine":
        return config.learning_rate
    total = steps * config.epochs
    warm_up = max(1, round(WARM_UP * total))
    return keras.optimizers.schedules.CosineDecay(
        config.learning_rate / warm_up,
        max(1, total - warm_up),
        warmup_target=config.learning_rate,
        warmup_steps=warm_up,
    )


def halvings(losses: Sequence[float]) -> int:
    """How often the learning rate is halved after epochs with these losses.

    It is halved where the loss has not been lower for `PLATEAU_EPOCHS` epochs, and then again after as many.
    """
    best, waited, halved = float("inf"), 0, 0
    for loss in losses:
        if loss < best - LOWER:
            best, waited = loss, 0
            continue
        waited += 1
        if waited == PLATEAU_EPOCHS:
            halved, waited = halved + 1, 0
    return halved


class HalveOnPlateau(keras.callbacks.Callback):
    """Halves the learning rate where the loss stays.

    Unlike Keras's ReduceLROnPlateau it remembers nothing: the rate follows from the history, which a restarted training has
    as well.

    Args:
        rate: The learning rate to begin with.
        state: The history and the name of the loss, as a checkpoint keeps them.
    """

    def __init__(self, rate: float, state: TrainingState) -> None:
        super().__init__()
        self._rate, self._state = rate, state

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Sets the rate of the epoch."""
        losses = self._state.history.get(self._state.monitor, [])
        self.model.optimizer.learning_rate = self._rate * 0.5 ** halvings(losses)
