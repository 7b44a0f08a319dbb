"""What the served model is fed: workers of a map need this, and nothing of tf.Transform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rsbot_beam.data.bands import Band
from rsbot_beam.data.patch import Patch


def serving_inputs(patches: Sequence[Patch]) -> dict[str, np.ndarray]:
    """Raw patches as the serving function takes them.

    Returns:
        `image` float32 (batch, [steps,] height, width, bands), `valid` uint8 in the same shape, and `static`,
        `static_valid` where there are static bands.
    """
    layout = patches[0].layout
    found: dict[str, np.ndarray] = {}
    for name, flags, bands in (("image", "valid", layout.bands), ("static", "static_valid", layout.static)):
        if bands:
            found[name] = _filled([p.pixels for p in patches], bands, np.dtype(np.float32))
            found[flags] = _filled([p.valid for p in patches], bands, np.dtype(np.uint8))
    return found


def _filled(arrays: Sequence[Mapping[str, np.ndarray]], bands: Sequence[Band], dtype: np.dtype) -> np.ndarray:
    """(batch, ..., bands) in one pass: each array is copied and converted once."""
    filled = np.empty((len(arrays), *arrays[0][bands[0].name].shape, len(bands)), dtype)
    for row, of_patch in enumerate(arrays):
        for index, band in enumerate(bands):
            filled[row, ..., index] = of_patch[band.name]
    return filled
