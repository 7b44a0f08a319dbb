"""Neighbourhood kernels: weights around a pixel, sized in pixels or metres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.answers import RequestError

Weights = NDArray[np.float64]
# Pixels that a kernel may reach; Earth Engine refuses kernels of more than 512 pixels.
MAX_REACH = 256


@dataclass(frozen=True)
class Kernel:
    """Weights that are made when the pixel size is known.

    Attributes:
        make: Weights, (2 ry + 1, 2 rx + 1), by the pixel's size in metres.
    """

    make: Callable[[float], Weights]

    def weights(self, metres: float) -> Weights:
        """(2 ry + 1, 2 rx + 1) float64, centred on the pixel.

        Args:
            metres: Size of a pixel of the grid that it is applied to.
        """
        return self.make(metres)


def shaped(
    radius: float, units: str, normalize: bool, magnitude: float, inside: Callable[[Any, Any, float], Any]
) -> Kernel:
    """A kernel by a rule of the offsets.

    Args:
        radius: In `units`.
        units: `pixels` or `meters`.
        normalize: Whether weights add up to 1.
        magnitude: Scales the weights.
        inside: Weight, or truth value, by (dx, dy, radius), offsets in pixels.
    """

    def make(metres: float) -> Weights:
        pixels = radius / metres if units.startswith("m") else radius
        reach = reach_of(pixels)
        dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
        return scaled(np.asarray(inside(dx, dy, pixels), dtype=np.float64), normalize, magnitude)

    return Kernel(make)


def reach_of(pixels: float) -> int:
    """Whole pixels within a radius, before weights are made of it.

    Raises:
        RequestError: When the kernel would be too large.
    """
    if not pixels < MAX_REACH + 1:
        raise RequestError(f"Kernel is too large: a radius of {pixels:g} pixels, at most {MAX_REACH}.")
    return max(int(pixels), 0)


def scaled(weights: Weights, normalize: bool, magnitude: float) -> Weights:
    """Weights that add up to 1 if `normalize`, times the magnitude."""
    total = weights.sum()
    return weights * (magnitude / total if normalize and total else magnitude)
