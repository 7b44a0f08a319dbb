"""Batches made by chance, in the form in which datasets give them."""

from __future__ import annotations

import os
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

Batch = dict[str, np.ndarray]


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    """A batch of patches with gaps, class codes 3, 7 and 200, and NaN wherever nothing is valid."""

    def make(
        count: int = 2,
        size: int | tuple[int, int] = 16,
        steps: int = 0,
        bands: int = 3,
        static: int = 0,
        gaps: float = 0.2,
    ) -> Batch:
        rng = np.random.default_rng([count, steps, bands, static])
        place = (size, size) if isinstance(size, int) else size
        time = (steps,) if steps else ()
        valid = (rng.random((count, *time, *place)) >= gaps).astype(np.uint8)
        image = rng.normal(size=(*valid.shape, bands)).astype(np.float32)
        batch = {"image": np.where(valid[..., None] > 0, image, np.nan).astype(np.float32), "valid": valid}
        if static:
            batch["static"] = rng.normal(size=(count, *place, static)).astype(np.float32)
            batch["static_valid"] = np.ones((count, *place), np.uint8)
        label = rng.choice(np.array([3, 7, 200], np.uint8), (count, *place))
        return batch | {"label": label, "label_valid": (rng.random(label.shape) >= gaps).astype(np.uint8)}

    return make


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same new weights in each test."""
    import keras

    keras.utils.set_random_seed(7)
