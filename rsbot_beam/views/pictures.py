"""A patch as arrays of colour: its imagery, its label, and what of both is not valid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.composite import TRUE_COLOUR, picture_bands
from rsbot_beam.data.patch import Patch

__all__ = [
    "INVALID",
    "TRUE_COLOUR",
    "UNNAMED",
    "label_picture",
    "picture",
    "picture_bands",
    "shown_steps",
    "stretch_of",
]

# Near infrared, red and green shown as red, green and blue: plants are red.
FALSE_COLOUR = (("B8", "B4", "B3"), ("SR_B5", "SR_B4", "SR_B3"), ("N", "R", "G"))
# Pixels that are not valid are striped in two light greys: no ground is striped so, and no legend has these colours.
INVALID = (0.86, 0.86, 0.86)
_INVALID_TOO = (0.98, 0.98, 0.98)
# Stripes along a side of a picture: wide enough to be seen in a panel of 100 screen pixels.
_STRIPES = 16
# Colour of classes that the recipe does not name.
UNNAMED = "#ffff00"
# Every so many-th pixel is enough for percentiles of some patches; a prime, so that it does not follow rows or fields.
_EVERY = 17


def false_colour_bands(layout: Layout) -> tuple[str, ...]:
    """The bands of a false colour picture in which plants are red; none where the near infrared is not there."""
    names = [band.name for band in layout.bands]
    return next((rgb for rgb in FALSE_COLOUR if set(rgb) <= set(names)), ())


def shown_steps(steps: int, most: int) -> tuple[int, ...]:
    """Which steps of a time series to show: the first, the last, and evenly between them.

    Args:
        steps: Length of the time axis; 0 where there is none.
        most: Steps that there is room for, 1 or more.

    Returns:
        Indices, ascending; the middle one where there is room for one; (0,) where there is no time axis.
    """
    if steps <= most:
        return tuple(range(max(1, steps)))
    if most == 1:
        return (steps // 2,)
    return tuple(int(index) for index in np.linspace(0, steps - 1, most).round())


def stretch_of(
    patches: Sequence[Patch], steps: Sequence[int] | None = None, names: Sequence[str] = ()
) -> dict[str, tuple[float, float]]:
    """What is black and what is white: the 2nd and 98th percentile of the valid pixels.

    One range for all bands and patches keeps colours, and makes patches comparable.

    Args:
        patches: One or more, of one layout.
        steps: Of a time series the steps that are shown; None for the middle one.
        names: Bands; none given takes those of `picture_bands`.

    Returns:
        Lowest and highest value by name of the bands.
    """
    names = names or picture_bands(patches[0].layout)
    values = [
        _step(patch.pixels[name], step)[_step(patch.valid[name], step)][::_EVERY]
        for patch in patches
        for name in names
        for step in (steps if steps is not None else (None,))
    ]
    found = np.concatenate(values)
    low, high = np.percentile(found, (2, 98)) if found.size else (0.0, 1.0)
    return dict.fromkeys(names, (float(low), float(max(high, low + 1e-6))))


def picture(patch: Patch, stretch: dict[str, tuple[float, float]], step: int | None = None) -> np.ndarray:
    """The patch's imagery as RGB, (height, width, 3) float 0..1; striped where it is not valid.

    Args:
        patch: The patch.
        stretch: Lowest and highest value by band, for three bands or one (see `stretch_of`).
        step: Which step of a time series; None for the middle one.
    """
    bands = [
        np.clip((_step(patch.pixels[name], step).astype(float) - low) / (high - low), 0, 1)
        for name, (low, high) in stretch.items()
    ]
    image = np.stack(bands * (3 if len(bands) == 1 else 1), axis=-1)
    valid = np.logical_and.reduce([_step(patch.valid[name], step) for name in stretch])
    return np.where(valid[..., None], image, stripes(valid.shape))


def label_picture(patch: Patch) -> np.ndarray:
    """The label in its classes' colours, (height, width, 3) float 0..1; striped where it is not valid.

    Raises:
        ValueError: The patch has no label.
    """
    label, valid = patch.label, patch.label_valid
    if label is None or valid is None:
        raise ValueError("the patch has no label to draw")
    if not patch.layout.classes:
        image = np.repeat((label.astype(float) / max(float(label.max()), 1e-9))[..., None], 3, axis=-1)
    else:
        image = np.full((*label.shape, 3), to_rgb(UNNAMED))
        for item in patch.layout.classes:
            image[label == item.code] = to_rgb(item.colour)
    return np.where(valid[..., None], image, stripes(valid.shape))


def stripes(shape: tuple[int, ...]) -> np.ndarray:
    """Slanting stripes of light greys, (height, width, 3) float 0..1, for what is not valid."""
    height, width = shape
    slant = (np.arange(height)[:, None] + np.arange(width)) * _STRIPES // max(height, width)
    return np.where((slant % 2 == 0)[..., None], INVALID, _INVALID_TOO)


def _step(array: np.ndarray, step: int | None) -> np.ndarray:
    """One step of a time series, by default the middle one; a plain band as it is."""
    if array.ndim == 2:
        return array
    return np.asarray(array[len(array) // 2 if step is None else step])
