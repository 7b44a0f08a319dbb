"""The learned preprocessing (transform_fn) of a dataset: loading, applying, and reading its statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.learning.columns import batch_size, tensors, valid_name
from rsbot_beam.learning.preprocessing import REPORTED_QUANTILES, STATISTICS_PREFIX


class TransformFn:
    """Applies the learned preprocessing to patches.

    Args:
        folder: The transform_fn's folder, local.
        layout: What the patches hold.
    """

    def __init__(self, folder: str, layout: Layout) -> None:
        self.folder = folder
        # The object has to live as long as its functions are called.
        self._loaded = tf.saved_model.load(folder)
        self._layout = layout
        # What is not asked for is not computed: statistics are for `statistics` alone. XLA makes one pass over the pixels
        # of what TensorFlow does in ten, in half the time and to the same bits.
        self._features = tf.function(self._without_statistics, jit_compile=True)

    def _without_statistics(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs = self._loaded.transform_fn(inputs)
        return {name: value for name, value in outputs.items() if not name.startswith(STATISTICS_PREFIX)}

    def apply(self, patches: Sequence[Patch]) -> list[dict[str, np.ndarray]]:
        """Features of each patch: `image` float32, `valid` float32 and the like (see `make_preprocessing_fn`)."""
        results: list[dict[str, np.ndarray]] = []
        size = batch_size(self._layout, patches[0].key.size) if patches else 1
        for start in range(0, len(patches), size):
            batch = list(patches[start : start + size])
            # Always the same shape: each new one would be compiled, which takes half a second.
            filled = batch + batch[-1:] * (size - len(batch))
            outputs = self._features(_constants(tensors(filled, self._layout)))
            arrays = {name: value.numpy() for name, value in outputs.items()}
            results += [{name: array[i] for name, array in arrays.items()} for i in range(len(batch))]
        return results

    def statistics(self, size: int) -> dict[str, Any]:
        """Statistics of the train split, as plain numbers.

        Args:
            size: Patch size in pixels.

        Returns:
            `bands`: by band name count, mean, std, min, max and quantiles of the valid pixels; `class_counts`: number of
            valid label pixels by class code, where there are any.
        """
        zeros: dict[str, np.ndarray] = {}
        for band in self._layout.all_bands:
            shape = (1, *self._layout.shape(band, size))
            zeros |= {band.name: np.zeros(shape, band.numpy), valid_name(band): np.zeros(shape, np.uint8)}
        outputs = self._loaded.transform_fn(_constants(zeros))
        found = {
            k[len(STATISTICS_PREFIX) :]: v.numpy()[0] for k, v in outputs.items() if k.startswith(STATISTICS_PREFIX)
        }
        bands = _band_statistics(found, "image", self._layout.bands)
        bands |= _band_statistics(found, "static", self._layout.static)
        counts = found.get("label/counts", np.zeros(0, int))
        least = int(np.iinfo(self._layout.label.numpy).min) if counts.size and self._layout.label else 0
        return {"bands": bands, "class_counts": {int(i) + least: int(counts[i]) for i in np.flatnonzero(counts)}}


# Float64 in the bits of int64 (see `preprocessing`).
_NUMBERS = ("mean", "std", "min", "max")


def _constants(arrays: Mapping[str, np.ndarray]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(array) for name, array in arrays.items()}


def _band_statistics(found: Mapping[str, np.ndarray], feature: str, bands: Sequence[Band]) -> dict[str, dict]:
    result = {}
    for index, band in enumerate(bands):
        quantiles = found[f"{feature}/quantiles"].view(np.float64).reshape(len(bands), -1)[index]
        count = int(found[f"{feature}/count"][index])
        numbers = {name: float(found[f"{feature}/{name}"].view(np.float64)[index]) for name in _NUMBERS}
        if not count:
            numbers, quantiles = dict.fromkeys(numbers, 0.0), np.zeros_like(quantiles)
        named = {str(q): float(value) for q, value in zip(REPORTED_QUANTILES, quantiles, strict=True)}
        result[band.name] = {"count": count, **numbers, "quantiles": named}
    return result
