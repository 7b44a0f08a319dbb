"""Logs that TensorBoard shows. Keras's own callback needs the package tensorboard to write what only it reads later."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from rsbot_beam import storage
from rsbot_beam.errors import RsbotError
from rsbot_beam.training.reasons import reason

FOLDER = "logs"


class ScalarLogs(keras.callbacks.Callback):
    """Writes losses, metrics and the learning rate of each epoch, training and validation apart, as Keras does.

    Args:
        root: The model's folder, local; a bucket gets no logs, as TensorFlow's own writer of them knows no emulator.
    """

    def __init__(self, root: str) -> None:
        super().__init__()
        self._folder = None if storage.is_gcs(root) else storage.join(root, FOLDER)
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes a number for each of the logs.

        Raises:
            RsbotError: They cannot be written, as on a full disk.
        """
        if self._folder is None:
            return
        try:
            self._write(self._folder, epoch, logs or {})
        except tf.errors.OpError as error:
            raise RsbotError(
                f"the logs of the training cannot be written to {self._folder} ({reason(error)}): once that is cured, the "
                "same command continues where it was"
            ) from error

    def _write(self, folder: str, epoch: int, logs: dict[str, Any]) -> None:
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        for name, value in {**logs, "learning_rate": rate}.items():
            split = "validation" if name.startswith("val_") else "train"
            if split not in self._writers:
                self._writers[split] = tf.summary.create_file_writer(storage.join(folder, split))
            with self._writers[split].as_default():
                _scalar(f"epoch_{name.removeprefix('val_')}", float(value), epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the files."""
        for writer in self._writers.values():
            writer.close()


def _scalar(tag: str, value: float, step: int) -> None:
    """As `tf.summary.scalar`, whose code is in the package tensorboard."""
    plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
    metadata = tf.compat.v1.SummaryMetadata(plugin_data=plugin, data_class="DATA_CLASS_SCALAR")
    tf.summary.write(tag, tf.constant(value, tf.float32), step, metadata.SerializeToString())
