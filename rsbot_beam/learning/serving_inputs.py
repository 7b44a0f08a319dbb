"""What the served model is fed: workers of a map need this, and nothing of tf.Transform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from rsbot_beam.data.bands import Band, Layout

# Bytes of a batch's inputs as the model takes them, float32 and a byte of validity: beyond this no model runs faster on a
# CPU, and the layers of a network hold some ten times as much.
BATCH_BYTES = 32_000_000
MAX_BATCH = 32


class RawPixels(Protocol):
    """Pixels of some place: a `Patch`, or a `PaddedBlock`."""

    @property
    def layout(self) -> Layout:
        """What the arrays are."""

    @property
    def pixels(self) -> Mapping[str, np.ndarray]:
        """By band, native dtype: ([steps,] height, width)."""

    @property
    def valid(self) -> Mapping[str, np.ndarray]:
        """The same, bool."""


def batch_size_for(patch_values: int, asked: int = 0) -> int:
    """Patches in a call of the model.

    Args:
        patch_values: Numbers in the inputs of one patch: steps x height x width x bands.
        asked: By the user; 0 chooses.
    """
    return asked or max(1, min(MAX_BATCH, BATCH_BYTES // (5 * patch_values)))


def shape_of(patch: RawPixels) -> tuple[int, ...]:
    """(height, width) of a patch."""
    return patch.pixels[patch.layout.inputs[0].name].shape[-2:]


def values_of(patch: RawPixels) -> int:
    """Numbers in the inputs of a patch."""
    return sum(patch.pixels[band.name].size for band in patch.layout.inputs)


def input_dtype(bands: Sequence[Band]) -> np.dtype:
    """Type in which the served model takes bands together: float32, or float64 where float32 would round one's values."""
    exact = all(np.can_cast(band.numpy, np.float32) for band in bands)
    return np.dtype(np.float32 if exact else np.float64)


def serving_inputs(patches: Sequence[RawPixels]) -> dict[str, np.ndarray]:
    """Raw patches of one shape as the serving function takes them.

    Returns:
        `image` (batch, [steps,] height, width, bands) in the type of `input_dtype`, `valid` uint8 in the same shape, and
        `static`, `static_valid` where there are static bands.
    """
    layout = patches[0].layout
    found: dict[str, np.ndarray] = {}
    for name, flags, bands in (("image", "valid", layout.bands), ("static", "static_valid", layout.static)):
        if bands:
            found[name] = _filled([p.pixels for p in patches], bands, input_dtype(bands))
            found[flags] = _filled([p.valid for p in patches], bands, np.dtype(np.uint8))
    return found


def _filled(arrays: Sequence[Mapping[str, np.ndarray]], bands: Sequence[Band], dtype: np.dtype) -> np.ndarray:
    """(batch, ..., bands) in one pass: each array is copied and converted once."""
    filled = np.empty((len(arrays), *arrays[0][bands[0].name].shape, len(bands)), dtype)
    for row, of_patch in enumerate(arrays):
        for index, band in enumerate(bands):
            filled[row, ..., index] = of_patch[band.name]
    return filled
