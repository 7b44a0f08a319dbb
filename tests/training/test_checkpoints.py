"""Checkpoints: what is written, what is kept, and what a restarted training finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsbot_beam.errors import RsbotError

pytestmark = pytest.mark.slow


def small_model(seed: int = 0) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dropout(0.5)])
    model.compile("adam", "mse")
    return model


def checkpoints(root: Path, epochs: int = 10, patience: int = 2, monitor: str = "val_loss") -> Any:
    from rsbot_beam.training.checkpoints import Checkpoints

    return Checkpoints(str(root), epochs, patience, monitor)


def after(root: Path, losses: list[float], **settings: Any) -> tuple[Any, Any]:
    """A callback that has seen epochs with these losses; the model's weights are the epoch's number."""
    model, watcher = small_model(), checkpoints(root, **settings)
    watcher.set_model(model)
    for epoch, loss in enumerate(losses):
        model.set_weights([np.full_like(w, epoch + 1) for w in model.get_weights()])
        watcher.on_epoch_end(epoch, {"loss": loss, "val_loss": loss})
    return model, watcher


def test_the_best_weights_are_kept_beside_the_latest(tmp_path: Path) -> None:
    after(tmp_path, [3.0, 1.0, 2.0])
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {
        "epoch-00001.npz",
        "epoch-00002.npz",
        "state.json",
    }
    again, model = checkpoints(tmp_path), small_model()
    again.restore(model)
    assert set(model.get_weights()[0].ravel()) == {3.0}
    again.restore_best(model)
    assert set(model.get_weights()[0].ravel()) == {2.0}


def test_the_optimizer_goes_on_where_it_was(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(32, 3)), np.ones((32, 2))
    whole = small_model()
    unbroken = checkpoints(tmp_path / "unbroken", patience=0, monitor="loss")
    whole.fit(x, y, epochs=4, shuffle=False, verbose=0, callbacks=[unbroken])
    first = small_model()
    first.fit(x, y, epochs=2, shuffle=False, verbose=0, callbacks=[checkpoints(tmp_path, patience=0, monitor="loss")])
    second = small_model(seed=99)
    watcher = checkpoints(tmp_path, patience=0, monitor="loss")
    watcher.restore(second)
    assert watcher.state.epochs == 2
    second.fit(x, y, initial_epoch=2, epochs=4, shuffle=False, verbose=0, callbacks=[watcher])
    assert int(second.optimizer.iterations) == 4
    for expected, found in zip(whole.get_weights(), second.get_weights(), strict=True):
        assert np.array_equal(expected, found)


@pytest.mark.parametrize(
    ("losses", "epochs", "patience", "over"),
    [
        ([], 10, 2, False),
        ([3.0, 2.0, 1.0], 10, 2, False),
        ([1.0, 2.0], 10, 2, False),
        ([1.0, 2.0, 3.0], 10, 2, True),
        ([1.0, 2.0, 3.0, 4.0], 10, 0, False),
        ([3.0, 2.0, 1.0], 3, 2, True),
        ([1.0, 1.0, 1.0], 10, 2, True),  # as good is not better
    ],
)
def test_when_a_training_is_over(losses: list[float], epochs: int, patience: int, over: bool) -> None:
    from rsbot_beam.training.checkpoints import TrainingState

    state = TrainingState()
    for loss in losses:
        state.add({"loss": loss, "val_loss": loss})
    assert state.is_over(epochs, patience) is over


def test_patience_outlives_a_restart(tmp_path: Path) -> None:
    after(tmp_path, [1.0, 2.0])
    model, watcher = small_model(), checkpoints(tmp_path)
    watcher.set_model(model)
    assert not watcher.is_over
    watcher.on_epoch_end(2, {"loss": 2.0, "val_loss": 2.0})
    assert model.stop_training
    assert watcher.state.best_epoch == 0
    assert json.loads((tmp_path / "history.json").read_text())["val_loss"] == [1.0, 2.0, 2.0]


def test_a_new_training_restores_nothing(tmp_path: Path) -> None:
    model, watcher = small_model(), checkpoints(tmp_path)
    before = model.get_weights()
    watcher.restore(model)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert watcher.state.best_epoch == -1


def test_nothing_is_left_of_a_finished_training(tmp_path: Path) -> None:
    _, watcher = after(tmp_path, [1.0])
    watcher.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["history.json"]


def test_a_damaged_state_is_told(tmp_path: Path) -> None:
    after(tmp_path, [1.0])
    (tmp_path / "checkpoints" / "state.json").write_text("{")
    with pytest.raises(RsbotError, match=r"checkpoint .*state.json is damaged .*to start the training anew"):
        checkpoints(tmp_path)


def test_damaged_weights_are_told(tmp_path: Path) -> None:
    after(tmp_path, [1.0])
    (tmp_path / "checkpoints" / "epoch-00000.npz").write_bytes(b"no weights")
    with pytest.raises(RsbotError, match=r"checkpoint .*epoch-00000.npz cannot be read"):
        checkpoints(tmp_path).restore(small_model())


def test_a_full_disk_leaves_the_epoch_before(tmp_path: Path) -> None:
    _, watcher = after(tmp_path, [2.0])
    import resource
    import signal

    before = {path.name: path.read_bytes() for path in (tmp_path / "checkpoints").iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # as if the disk were full after 1000 bytes
    try:
        with pytest.raises(OSError, match="File too large"):
            watcher.on_epoch_end(1, {"loss": 1.0, "val_loss": 1.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert {path.name: path.read_bytes() for path in (tmp_path / "checkpoints").iterdir()} == before
    assert checkpoints(tmp_path).state.epochs == 1
