"""The baseline that a network must beat: a random forest that looks at one pixel at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsbot_beam.data.patch import Patch
from rsbot_beam.errors import InputError
from rsbot_beam.models.classes import ClassIndex

# Trees and their depth as in Pelletier et al. 2016 (https://doi.org/10.1016/j.rse.2016.10.010): more change nothing.
TREES, DEPTH = 100, 25
# Pixels it learns from: with 13 classes some 5,000 of each, in half a minute on two cores.
TRAIN_PIXELS = 60_000
# Pixels of a patch that it is scored on: as many as say 1 % apart, in a quarter of the time of all of 128 x 128.
SCORED_PIXELS = 4096


@dataclass(frozen=True)
class Forest:
    """A random forest over the raw values of a pixel: all bands at all steps, missing ones as NaN.

    Attributes:
        trees: scikit-learn's classifier of class numbers.
        pixels: How many it learned from.
    """

    trees: Any
    pixels: int

    @classmethod
    def fit(cls, patches: Iterable[Patch], index: ClassIndex, count: int, seed: int) -> Forest:
        """Learn from a random draw of the labelled pixels.

        Args:
            patches: Of the train split.
            index: The classes.
            count: Number of patches.
            seed: Any number.

        Raises:
            InputError: scikit-learn is not installed, or no pixel is labelled.
        """
        try:
            from sklearn.ensemble import RandomForestClassifier
        except ImportError as error:
            raise InputError(
                "the baseline needs scikit-learn: pip install scikit-learn, or give --baselines majority"
            ) from error
        rng = np.random.default_rng(seed)
        drawn = [_draw(patch, index, max(1, TRAIN_PIXELS // max(1, count)), rng) for patch in patches]
        if not sum(len(numbers) for _, numbers, _ in drawn):
            raise InputError("no labelled pixel in the train split: the random forest has nothing to learn from")
        values, numbers = (np.concatenate([item[i] for item in drawn]) for i in (0, 1))
        trees = RandomForestClassifier(TREES, max_depth=DEPTH, n_jobs=-1, random_state=seed)
        return cls(trees.fit(values, numbers), len(numbers))

    def score(self, patch: Patch, index: ClassIndex, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
        """Predict a random draw of a patch's labelled pixels.

        Returns:
            Class numbers of the labels and of the predictions, int (n,), and the share of the labelled pixels drawn.
        """
        values, numbers, share = _draw(patch, index, SCORED_PIXELS, rng)
        return numbers, self.trees.predict(values) if len(numbers) else numbers, share


def _draw(patch: Patch, index: ClassIndex, most: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """Values float32 (n, bands * steps), class numbers (n,) and the share of the labelled pixels that was drawn."""
    places = np.flatnonzero(labelled_numbers(patch, index).ravel() >= 0)
    chosen = rng.choice(places, most, replace=False) if len(places) > most else places
    return (
        pixel_values(patch)[chosen],
        labelled_numbers(patch, index).ravel()[chosen],
        len(chosen) / max(1, len(places)),
    )


def labelled_numbers(patch: Patch, index: ClassIndex) -> np.ndarray:
    """Class numbers of a patch's label, int32 (height, width); -1 where label or imagery is not valid."""
    label, valid = patch.label, patch.label_valid
    if label is None or valid is None:
        raise InputError(f"the patch {patch.key} has no label to score against")
    return np.where(valid & patch.seen, index.numbers(label), -1)


def pixel_values(patch: Patch) -> np.ndarray:
    """Raw values of each pixel, float32 (height * width, values); NaN where a value is not valid."""
    columns = []
    for band in patch.layout.inputs:
        values = np.where(patch.valid[band.name], patch.pixels[band.name].astype(np.float32), np.nan)
        columns += list(values.reshape(-1, values.shape[-2] * values.shape[-1]))
    return np.stack(columns, axis=-1).astype(np.float32)
