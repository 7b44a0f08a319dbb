"""A SavedModel as it is applied to raw patches, by maps and by scores."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import tensorflow as tf

from rsbot_beam import storage
from rsbot_beam.errors import InputError
from rsbot_beam.learning.serving_inputs import RawPixels, batch_size_for, serving_inputs, shape_of, values_of

SIGNATURE = "serving_default"


class Predictor:
    """Loads a SavedModel when it is first called, and keeps it. Thread-safe.

    Args:
        folder: The SavedModel, local or `gs://`.
        batch_size: Patches in a call; 0 chooses by their size.
        threads: Threads of one operation of TensorFlow; 0 leaves it to TensorFlow.
    """

    def __init__(self, folder: str, batch_size: int = 0, threads: int = 0) -> None:
        self.folder, self.batch_size, self.threads = folder, batch_size, threads
        self._lock = threading.Lock()

    def predict(self, patches: Sequence[RawPixels], most_values: int = 0) -> Iterator[dict[str, np.ndarray]]:
        """What the model says of raw patches, in their order.

        Args:
            patches: Those of one shape that follow one another are batched.
            most_values: Numbers in the inputs of a call, as far as one patch has not more; 0 leaves it to `batch_size`.

        Yields:
            Outputs of the signature by name, of one patch: `probabilities` float32 (height, width, classes); or `boxes`
            float32 (most, 4), `scores` float32 (most,), `classes` and `count`.

        Raises:
            InputError: The SavedModel cannot be loaded, or does not take these patches.
        """
        if not patches:
            return
        batches = list(self._batches(patches, most_values))
        self.load()
        # The next batch is put together while the model works on this one.
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(_tensors, batches[0])
            for number, batch in enumerate(batches):
                inputs = waiting.result()
                if number + 1 < len(batches):
                    waiting = pool.submit(_tensors, batches[number + 1])
                found = self._call(inputs)
                for row in range(len(batch)):
                    yield {name: array[row] for name, array in found.items()}

    def _batches(self, patches: Sequence[RawPixels], most_values: int) -> Iterator[list[RawPixels]]:
        for _, group in itertools.groupby(patches, shape_of):
            alike = list(group)
            values = values_of(alike[0])
            size = max(1, most_values // values) if most_values else batch_size_for(values, self.batch_size)
            yield from (alike[start : start + size] for start in range(0, len(alike), size))

    def load(self) -> None:
        """Load the model now.

        Raises:
            InputError: It cannot be loaded.
        """
        with self._lock:
            self._loaded  # noqa: B018 - cached

    def _call(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
        try:
            found = self._loaded.signatures[SIGNATURE](**inputs)
        except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
            shapes = ", ".join(f"{name} {tuple(array.shape)}" for name, array in inputs.items())
            raise InputError(
                f"the SavedModel {self.folder} does not take {shapes}: {str(error)[:500]}. It was not made for these bands "
                "or for patches of this size"
            ) from error
        return {name: tensor.numpy() for name, tensor in found.items()}

    @cached_property
    def _loaded(self) -> tf.Module:
        if self.threads:
            # Only before TensorFlow's first operation; whoever ran one before has chosen.
            with contextlib.suppress(RuntimeError):
                tf.config.threading.set_intra_op_parallelism_threads(self.threads)
        try:
            loaded = tf.saved_model.load(storage.local_folder(self.folder))
        except Exception as error:  # A damaged file makes TensorFlow raise whatever it stumbles over.
            raise InputError(
                f"the SavedModel {self.folder} cannot be loaded ({str(error)[:500]}): it is missing or damaged. Copy the "
                "whole folder of the model again, or start the same `rsbot train` again, which makes it anew"
            ) from error
        if SIGNATURE not in loaded.signatures:
            raise InputError(
                f"the SavedModel {self.folder} has no signature {SIGNATURE!r}: it is not one of `rsbot train`"
            )
        return loaded


def _tensors(patches: Sequence[RawPixels]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(array) for name, array in serving_inputs(patches).items()}
