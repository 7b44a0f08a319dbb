"""The export of a trained model: SavedModel with the preprocessing inside, and the Keras model beside it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from rsbot_beam import leftovers, storage
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.model_file import KERAS_MODEL, SAVED_MODEL
from rsbot_beam.errors import RsbotError
from rsbot_beam.learning.serving import ServingModule
from rsbot_beam.training.reasons import reason


@dataclass(frozen=True, eq=False)
class Served:
    """A network behind the preprocessing of the dataset that it learns from.

    It is put together before the first epoch, so that a preprocessing that cannot be used is not found after the last one;
    the signature reads the network's variables, which training changes.

    Attributes:
        module: What is saved.
        signature: The serving function.
    """

    module: ServingModule
    signature: tf.types.experimental.ConcreteFunction

    @classmethod
    def of(cls, served: keras.Model, dataset: str, layout: Layout) -> Served:
        """Put a network behind a dataset's preprocessing.

        Args:
            served: The network, to what users are given (see `models.serving.serving_model`).
            dataset: The dataset's folder: its transform_fn goes into the SavedModel.
            layout: The dataset's.

        Raises:
            DatasetError: The transform_fn is missing or damaged.
        """
        inputs = {tensor.name: tensor.dtype for tensor in served.inputs}

        def network(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            fed = {name: tf.cast(features[name], dtype) for name, dtype in inputs.items()}
            outputs: dict[str, tf.Tensor] = served(fed, training=False)
            return outputs

        module = ServingModule(network, served, storage.local_folder(storage.join(dataset, "transform_fn")), layout)
        return cls(module, module.signature())


def export_model(trained: keras.Model, served: Served, root: str) -> None:
    """Write the SavedModel and, beside it, the Keras model.

    Args:
        trained: The network, from transformed features to what it learned.
        served: The same behind the preprocessing.
        root: The model's folder, local or `gs://`.

    Raises:
        RsbotError: It cannot be written.
    """
    base = None if storage.is_gcs(root) else root
    try:
        with tempfile.TemporaryDirectory(prefix=leftovers.temporary_name(), dir=base) as folder:
            tf.saved_model.save(
                served.module, f"{folder}/{SAVED_MODEL}", signatures={"serving_default": served.signature}
            )
            trained.save(Path(folder) / KERAS_MODEL)
            storage.copy_folder(folder, root)
    except tf.errors.OpError as error:
        raise RsbotError(
            f"the model cannot be written to {root} ({reason(error)}): once that is cured, the same command continues "
            "where it was"
        ) from error
