"""Which colours of a legend cannot be told apart by everybody, and how classes are told apart all the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb

# Full protanopia and deuteranopia in linear RGB: Machado, Oliveira and Fernandes 2009, "A Physiologically-based Model for
# Simulation of Color Vision Deficiency", table of severity 1.0. One man in twelve has one of the two, in some degree.
_VISIONS = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
)
# Linear RGB to XYZ by the white of D65 (IEC 61966-2-1).
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = _TO_XYZ.sum(axis=1)
# Distance in CIELAB from where on two patches of a legend are told apart at a glance; side by side, 2.3 can be seen.
CLEAR = 14.0
# How many ways there are to fill a class: plain, and three hatches.
PATTERNS = ("", "////", "....", "\\\\\\\\")


def perceived(colours: Sequence[str]) -> np.ndarray:
    """Colours as three kinds of eyes see them, CIELAB, float (3, n, 3)."""
    rgb = np.array([to_rgb(colour) for colour in colours], float).reshape(-1, 3)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.stack([np.clip(linear @ vision.T, 0, 1) @ _TO_XYZ.T / _WHITE for vision in _VISIONS])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def patterns(colours: Sequence[str]) -> list[int]:
    """Gives classes patterns, so that those with like colours have different ones.

    Args:
        colours: Of the classes, the most frequent first: it stays plain.

    Returns:
        Index in `PATTERNS` of each; 0 is plain.
    """
    seen = perceived(colours)
    chosen: list[int] = []
    for index in range(len(colours)):
        away = np.linalg.norm(seen[:, :index] - seen[:, index : index + 1], axis=-1).min(axis=0, initial=np.inf)
        nearest = [
            min((away[other] for other in range(index) if chosen[other] == number), default=np.inf)
            for number in range(len(PATTERNS))
        ]
        # The first that will do; where none does, the one that does best.
        chosen.append(int(np.argmax(np.minimum(nearest, CLEAR))))
    return chosen


def pattern_mask(number: int, shape: tuple[int, int]) -> np.ndarray:
    """Where a pattern has its marks, bool (height, width), on screen pixels."""
    rows, columns = np.indices(shape, sparse=True)
    if number == 1:
        return np.asarray((rows + columns) % 8 < 1)
    if number == 2:
        return np.asarray((rows % 7 < 2) & (columns % 7 < 2))
    if number == 3:
        return np.asarray((rows - columns) % 8 < 1)
    return np.zeros(shape, bool)
