"""The export of a trained model: SavedModel with the preprocessing inside, Keras model, description."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from rsbot_beam import storage
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.model_file import KERAS_MODEL, SAVED_MODEL
from rsbot_beam.errors import RsbotError
from rsbot_beam.learning.serving import ServingModule


def export_model(trained: keras.Model, served: keras.Model, root: str, dataset: str, layout: Layout) -> None:
    """Write the SavedModel and, beside it, the Keras model.

    Args:
        trained: The network, from transformed features to what it learned.
        served: The same, to what users are given (see `models.serving.serving_model`).
        root: The model's folder, local or `gs://`.
        dataset: Folder of the dataset that it was trained on: its transform_fn goes into the SavedModel.
        layout: The dataset's.

    Raises:
        RsbotError: It cannot be written.
    """
    module = serving_module(served, dataset, layout)
    base = None if storage.is_gcs(root) else root
    try:
        with tempfile.TemporaryDirectory(prefix=storage.temporary_name(), dir=base) as folder:
            tf.saved_model.save(module, f"{folder}/{SAVED_MODEL}", signatures={"serving_default": module.signature()})
            trained.save(Path(folder) / KERAS_MODEL)
            storage.copy_folder(folder, root)
    except tf.errors.OpError as error:
        raise RsbotError(
            f"the model cannot be written to {root} ({error.message}): once that is cured, the same command continues "
            "where it was"
        ) from error


def serving_module(served: keras.Model, dataset: str, layout: Layout) -> ServingModule:
    """The network behind the dataset's preprocessing."""
    inputs = {tensor.name: tensor.dtype for tensor in served.inputs}

    def network(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        fed = {name: tf.cast(features[name], dtype) for name, dtype in inputs.items()}
        outputs: dict[str, tf.Tensor] = served(fed, training=False)
        return outputs

    return ServingModule(network, served, storage.local_folder(storage.join(dataset, "transform_fn")), layout)
