"""Checkpoints after each epoch, from which a killed training goes on as if nothing had happened.

`keras.callbacks.BackupAndRestore` is not used: it writes weights and epoch one after the other and in place, so that a kill
in between loses or repeats an epoch; what early stopping, the history and the generators of dropout know is gone after a
restart; and HDF5, in which it writes, may crash the process when the disk is full.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rsbot_beam import storage
from rsbot_beam.errors import RsbotError

FOLDER = "checkpoints"
STATE = "state.json"
HISTORY = "history.json"
_SUFFIX = ".npz"


@dataclass
class TrainingState:
    """How far a training is.

    Attributes:
        history: Losses and metrics, a number for each epoch.
        monitor: Name of the loss that is to fall.
        latest: File of the weights, with those of the optimizer, after the last epoch; empty before the first.
        best: File of the weights after the epoch with the lowest loss.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    monitor: str = "val_loss"
    latest: str = ""
    best: str = ""

    @property
    def epochs(self) -> int:
        """Number of epochs done."""
        return len(self.history.get("loss", ()))

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest loss, from 0; -1 before the first."""
        losses = self.history.get(self.monitor, [])
        return min(range(len(losses)), key=losses.__getitem__) if losses else -1

    def is_over(self, epochs: int, patience: int) -> bool:
        """Whether all epochs are done, or the loss has not fallen for `patience` epochs (0: however long)."""
        waited = self.epochs - 1 - self.best_epoch
        return self.epochs >= epochs or bool(patience and self.epochs and waited >= patience)

    def add(self, logs: Mapping[str, float]) -> None:
        """Take in what an epoch ended with."""
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))


class Checkpoints(keras.callbacks.Callback):
    """Writes weights and state after each epoch, and ends the training when it is over.

    Args:
        root: The model's folder, local or `gs://`.
        epochs: Most epochs.
        patience: Epochs without a lower loss after which training ends; 0 for none.
        monitor: Name of the loss.
    """

    def __init__(self, root: str, epochs: int, patience: int, monitor: str) -> None:
        super().__init__()
        self._root, self._folder = root, storage.join(root, FOLDER)
        self._epochs, self._patience = epochs, patience
        self.state = self._read(monitor)

    def _read(self, monitor: str) -> TrainingState:
        path = storage.join(self._folder, STATE)
        try:
            return TrainingState(**json.loads(storage.read_text(path)))
        except FileNotFoundError:
            return TrainingState(monitor=monitor)
        except (ValueError, TypeError) as error:
            raise RsbotError(
                f"the checkpoint {path} is damaged ({error}): remove {self._folder} to start the training anew"
            ) from error

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to train."""
        return self.state.is_over(self._epochs, self._patience)

    def restore(self, model: keras.Model) -> None:
        """Give a model the weights and the optimizer's state of the last epoch, if there was one."""
        if self.state.latest:
            self._load(model, self.state.latest)

    def restore_best(self, model: keras.Model) -> None:
        """Give a model the weights of the best epoch."""
        self._load(model, self.state.best)

    def _load(self, model: keras.Model, name: str) -> None:
        path = storage.join(self._folder, name)
        try:
            with np.load(io.BytesIO(storage.read_bytes(path)), allow_pickle=False) as arrays:
                for index, variable in enumerate(_variables(model)):
                    variable.assign(arrays[str(index)])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise RsbotError(
                f"the checkpoint {path} cannot be read ({error}): remove {self._folder} to start the training anew"
            ) from error

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the checkpoint; the state last, which says which files are meant."""
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        if not all(math.isfinite(value) for value in numbers.values()):
            raise RsbotError(
                f"the training diverged in epoch {epoch + 1}: {numbers}. Use a lower --learning_rate in another --output"
            )
        before = {self.state.latest, self.state.best}
        self.state.add(numbers)
        self.state.latest = f"epoch-{epoch:05d}{_SUFFIX}"
        if self.state.best_epoch == epoch:
            self.state.best = self.state.latest
        self._save(self.state.latest)
        storage.write_bytes(storage.join(self._folder, STATE), json.dumps(asdict(self.state)))
        storage.write_bytes(storage.join(self._root, HISTORY), json.dumps(self.state.history, indent=1))
        for name in before - {self.state.latest, self.state.best, ""}:
            storage.remove(storage.join(self._folder, name))
        if self.is_over:
            self.model.stop_training = True

    def _save(self, name: str) -> None:
        content = io.BytesIO()
        arrays = [keras.ops.convert_to_numpy(variable) for variable in _variables(self.model)]
        np.savez(content, **{str(index): array for index, array in enumerate(arrays)})
        storage.write_bytes(storage.join(self._folder, name), content.getbuffer())

    def remove(self) -> None:
        """Remove the checkpoints: the model is finished."""
        for file in storage.walk(self._folder):
            storage.remove(file.path)
        if not storage.is_gcs(self._folder) and Path(self._folder).is_dir():
            Path(self._folder).rmdir()


def _variables(model: keras.Model) -> list[keras.Variable]:
    """All that training changes, in a stable order: weights, the state of the layers' chance, that of the optimizer."""
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]
