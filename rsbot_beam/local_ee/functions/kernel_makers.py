"""Kernels of neighbourhood operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.kernels import Kernel, reach_of, scaled, shaped
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.values import Value

# Whether a pixel belongs to the kernel, or its weight, by (dx, dy, radius) in pixels.
SHAPES: dict[str, Callable[[Any, Any, float], Any]] = {
    "square": lambda dx, dy, _radius: np.ones_like(dx),
    "circle": lambda dx, dy, radius: dx * dx + dy * dy <= radius * radius,
    "diamond": lambda dx, dy, radius: abs(dx) + abs(dy) <= radius,
    "plus": lambda dx, dy, _radius: (dx == 0) | (dy == 0),
    "cross": lambda dx, dy, _radius: abs(dx) == abs(dy),
    "octagon": lambda dx, dy, radius: abs(dx) + abs(dy) <= radius * np.sqrt(2),
    "euclidean": lambda dx, dy, radius: np.where(np.hypot(dx, dy) <= radius, np.hypot(dx, dy), 0),
    "manhattan": lambda dx, dy, radius: np.where(abs(dx) + abs(dy) <= radius, abs(dx) + abs(dy), 0),
    "chebyshev": lambda dx, dy, _radius: np.maximum(abs(dx), abs(dy)),
}
_DISTANCES = ("euclidean", "manhattan", "chebyshev")
# Weights of the fixed kernels, https://developers.google.com/earth-engine/apidocs (ee.Kernel.*).
FIXED = {
    "laplacian4": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "laplacian8": [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
    "sobel": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "prewitt": [[1, 0, -1], [1, 0, -1], [1, 0, -1]],
    "roberts": [[1, 0], [0, -1]],
    "kirsch": [[5, 5, 5], [-3, 0, -3], [-3, -3, -3]],
    "compass": [[1, 1, -1], [1, -2, -1], [1, 1, -1]],
}


def shape_kernel(
    kind: str, radius: float, units: str = "pixels", normalize: bool | None = None, magnitude: float = 1
) -> Kernel:
    """A kernel of a known shape; flat ones are normalised unless told otherwise.

    Raises:
        RequestError: For an unknown shape or unit.
    """
    if kind not in SHAPES or units not in ("pixels", "meters"):
        raise RequestError(f"Kernel: unknown shape '{kind}' or units '{units}'; units may be 'pixels' or 'meters'.")
    return shaped(radius, units, kind not in _DISTANCES if normalize is None else normalize, magnitude, SHAPES[kind])


def _register(kind: str) -> None:
    @function(f"Kernel.{kind}")
    def make(radius: float, units: str = "pixels", normalize: bool | None = None, magnitude: float = 1) -> Kernel:
        return shape_kernel(kind, radius, units, normalize, magnitude)


for _kind in SHAPES:
    _register(_kind)


def _register_fixed(kind: str) -> None:
    @function(f"Kernel.{kind}")
    def make(magnitude: float = 1, normalize: bool = False) -> Kernel:
        weights = scaled(centred(np.array(FIXED[kind], dtype=np.float64)), normalize, magnitude)
        return Kernel(lambda _metres: weights)


for _kind in FIXED:
    _register_fixed(_kind)


def centred(weights: Value, x: int = -1, y: int = -1) -> Value:
    """Weights padded with 0 so that the focus (by default the centre) is in the middle of an odd shape."""
    height, width = weights.shape
    focus_x, focus_y = (width - 1) // 2 if x < 0 else x, (height - 1) // 2 if y < 0 else y
    reach_x, reach_y = max(focus_x, width - 1 - focus_x), max(focus_y, height - 1 - focus_y)
    found = np.zeros((2 * reach_y + 1, 2 * reach_x + 1))
    found[reach_y - focus_y : reach_y - focus_y + height, reach_x - focus_x : reach_x - focus_x + width] = weights
    return found


@function("Kernel.gaussian")
def gaussian(
    radius: float, sigma: float = 1, units: str = "pixels", normalize: bool = True, magnitude: float = 1
) -> Kernel:
    """A bell curve, cut at the radius."""

    def make(metres: float) -> Value:
        size = metres if units == "meters" else 1.0
        reach = reach_of(radius / size)
        dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
        return scaled(np.exp(-(dx * dx + dy * dy) / (2 * (sigma / size) ** 2)), normalize, magnitude)

    return Kernel(make)


@function("Kernel.rectangle")
def rectangle(
    x_radius: float, y_radius: float, units: str = "pixels", normalize: bool = True, magnitude: float = 1
) -> Kernel:
    """A rectangle."""

    def make(metres: float) -> Value:
        size = metres if units == "meters" else 1.0
        return scaled(
            np.ones([2 * reach_of(radius / size) + 1 for radius in (y_radius, x_radius)]), normalize, magnitude
        )

    return Kernel(make)


@function("Kernel.fixed")
def fixed(
    weights: list, width: int = -1, height: int = -1, x: int = -1, y: int = -1, normalize: bool = False
) -> Kernel:
    """Given weights, row by row."""
    found = scaled(centred(np.array(weights, dtype=np.float64), x, y), normalize, 1)
    return Kernel(lambda _metres: found)


@function("Kernel.add")
def add(kernel1: Kernel, kernel2: Kernel, normalize: bool = False) -> Kernel:
    """The sum of two kernels."""

    def make(metres: float) -> Value:
        one, two = kernel1.weights(metres), kernel2.weights(metres)
        rows, columns = (max(one.shape[axis], two.shape[axis]) for axis in (0, 1))
        total = np.zeros((rows, columns))
        for weights in (one, two):
            top, left = (rows - weights.shape[0]) // 2, (columns - weights.shape[1]) // 2
            total[top : top + weights.shape[0], left : left + weights.shape[1]] += weights
        return scaled(total, normalize, 1)

    return Kernel(make)


@function("Kernel.rotate")
def rotate(kernel: Kernel, rotations: int) -> Kernel:
    """Turned by quarters, clockwise."""
    return Kernel(lambda metres: np.rot90(kernel.weights(metres), -rotations))


@function("Kernel.inverse")
def inverse(kernel: Kernel) -> Kernel:
    """One over each weight; 0 stays 0."""

    def make(metres: float) -> Value:
        weights = kernel.weights(metres)
        return np.divide(1.0, weights, out=np.zeros_like(weights), where=weights != 0)

    return Kernel(make)
