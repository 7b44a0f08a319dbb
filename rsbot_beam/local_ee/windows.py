"""Sums and extremes of rectangular neighbourhoods.

They are taken along the rows, then along the columns: so many steps as a rectangle has rows and columns, not as it has
pixels. Every pixel adds its neighbours up in the same order, so that its value does not depend on the grid around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee import deadlines
from rsbot_beam.local_ee.reducers import SIMPLE, Output
from rsbot_beam.local_ee.stack import largest, smallest

Outcome = tuple[NDArray[Any], NDArray[np.bool_]]
_NAMES: dict[Callable[..., Any], str] = {
    SIMPLE[name].outputs[0].reduce: name for name in ("sum", "mean", "min", "max", "count")
}


def fits(weights: NDArray[np.float64], outputs: Sequence[Output]) -> bool:
    """Whether a kernel is a rectangle of one weight, and all outputs can be computed by `reduce_windows`."""
    flat = bool(weights.flat[0] > 0 and (weights == weights.flat[0]).all())
    return flat and all(output.reduce in _NAMES for output in outputs)


def reduce_windows(
    values: NDArray[Any], valid: NDArray[np.bool_], weights: NDArray[np.float64], outputs: Sequence[Output]
) -> list[Outcome]:
    """Outputs for every place that a rectangle has within an array.

    Args:
        values: (H + rows - 1, W + columns - 1).
        valid: Of the same shape; values that are not valid do not count.
        weights: (rows, columns), all the same.
        outputs: Such as `fits` says yes to.

    Returns:
        For each output its values (H, W), and where there are any.
    """
    rows, columns = weights.shape
    weight = float(weights.flat[0])

    def slide(array: NDArray[Any], operation: np.ufunc) -> NDArray[Any]:
        return _along(_along(array, rows, operation).T, columns, operation).T

    count = slide(valid.astype(np.int64), np.add)

    def value(name: str) -> NDArray[Any]:
        if name == "count":
            return count
        if name in ("min", "max"):
            operation, fill = (np.minimum, largest) if name == "min" else (np.maximum, smallest)
            return slide(np.where(valid, values, fill(values.dtype)), operation)
        total = slide(np.where(valid, values, 0).astype(np.float64), np.add)
        return total * weight if name == "sum" else total / np.maximum(count, 1)

    return [(value(_NAMES[output.reduce]), (count > 0) | output.always) for output in outputs]


def _along(array: NDArray[Any], size: int, operation: np.ufunc) -> NDArray[Any]:
    """So many rows in a row, taken together: (N - size + 1, M) of (N, M)."""
    length = len(array) - size + 1
    found = array[:length].copy()
    for start in range(1, size):
        deadlines.check()
        operation(found, array[start : start + length], out=found)
    return found
