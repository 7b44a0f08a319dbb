"""The learning rate where the loss stays: as Keras does it, but known from the history alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsbot_beam.training.checkpoints import Checkpoints
from rsbot_beam.training.schedules import LOWER, PLATEAU_EPOCHS, HalveOnPlateau, halvings

pytestmark = pytest.mark.slow


def model(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    made.compile(keras.optimizers.Adam(0.5), "mse")
    return made


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([], 0),
        ([3, 2, 1, 0.5], 0),
        ([1, 2, 2], 0),
        ([1, 2, 2, 2], 1),
        ([1, 2, 2, 2, 0.5, 1, 1], 1),
        ([1, 2, 2, 2, 2, 2, 2], 2),
        ([1, 1 - LOWER / 2, 1 - LOWER / 2, 1 - LOWER / 2], 1),  # hardly lower is not lower
    ],
)
def test_it_is_halved_where_the_loss_stays(losses: list[float], expected: int) -> None:
    assert halvings(losses) == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 2, allow_nan=False, width=16), max_size=30))
def test_it_is_halved_as_often_as_by_keras(losses: list[float]) -> None:
    theirs = keras.callbacks.ReduceLROnPlateau("loss", 0.5, PLATEAU_EPOCHS)
    trained = model()
    theirs.set_model(trained)
    theirs.on_train_begin()
    for epoch, loss in enumerate(losses):
        theirs.on_epoch_end(epoch, {"loss": loss})
    assert float(trained.optimizer.learning_rate) == pytest.approx(0.5 * 0.5 ** halvings(losses))


class Rates(keras.callbacks.Callback):
    """Notes the rate of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seen.append(float(self.model.optimizer.learning_rate))


def fitted(root: Path, epochs: range) -> tuple[list[float], list[np.ndarray]]:
    """Rates of the epochs and the weights after them, of a training that goes on where the folder's is."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 3)), rng.normal(size=(16, 2))
    trained, rates = model(seed=epochs.start), Rates()
    checkpoints = Checkpoints(str(root), epochs.stop, 0, "loss")
    checkpoints.restore(trained)
    calls = [HalveOnPlateau(0.5, checkpoints.state), rates, checkpoints]
    trained.fit(x, y, initial_epoch=epochs.start, epochs=epochs.stop, shuffle=False, verbose=0, callbacks=calls)
    return rates.seen, trained.get_weights()


def test_a_killed_training_ends_with_the_very_weights(tmp_path: Path) -> None:
    """Stopped after each of the epochs in which it waits."""
    whole = fitted(tmp_path / "whole", range(40))
    assert len(set(whole[0])) > 3
    before = fitted(tmp_path / "broken", range(1))
    found = before[0]
    for start, stop in ((1, 12), (12, 13), (13, 14), (14, 15), (15, 25), (25, 40)):
        rates, weights = fitted(tmp_path / "broken", range(start, stop))
        found = found + rates
    assert found == whole[0]
    for one, other in zip(weights, whole[1], strict=True):
        assert np.array_equal(one, other)
