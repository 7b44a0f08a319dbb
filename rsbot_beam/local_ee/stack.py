"""Statistics over the first axis of (N, P) values of which only some are valid. The innermost loop of composites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.values import Value

# Pixels sorted together: 36 images of this many uint16 pixels (1.2 MB) stay in the second-level cache.
CHUNK = 1 << 14


class Stack:
    """N values for each of P pixels.

    Args:
        values: (N, P); values that are not valid may be anything.
        valid: (N, P) bool.
        weights: (N, 1), of sum and mean; None = all 1.
    """

    def __init__(
        self, values: NDArray[Any], valid: NDArray[np.bool_], weights: NDArray[np.float64] | None = None
    ) -> None:
        self.values = values
        self.valid = valid
        self.weights = weights

    @staticmethod
    def of_list(column: Sequence[Any] | NDArray[Any]) -> Stack:
        """The values of one pixel; None entries are not valid. Texts stay objects."""
        if isinstance(column, np.ndarray) and column.dtype.kind != "O":
            return Stack(column.reshape(-1, 1), np.ones((column.size, 1), bool))
        valid = np.array([value is not None for value in column], dtype=bool).reshape(-1, 1)
        kept = [value for value in column if value is not None]
        numbers = all(isinstance(value, (int, float)) for value in kept)
        values = np.array([0 if value is None else value for value in column], dtype=None if numbers else object)
        return Stack(values.reshape(-1, 1), valid)

    @staticmethod
    def tuples(stacks: Sequence[Stack]) -> Stack:
        """Stacks (N, 1) as one of lists with a value of each; valid where all are."""
        values = np.empty((len(stacks[0].values), 1), dtype=object)
        for row, entries in enumerate(zip(*(stack.values[:, 0].tolist() for stack in stacks), strict=True)):
            values[row, 0] = list(entries)
        return Stack(values, np.logical_and.reduce([stack.valid for stack in stacks]))

    @cached_property
    def count(self) -> NDArray[np.int64]:
        """(P,): how many values are valid."""
        return self.valid.sum(axis=0, dtype=np.int64)

    def count_every(self) -> NDArray[np.int64]:
        """(P,): how many values there are, valid or not."""
        return np.full(self.values.shape[1], self.values.shape[0], np.int64)

    def sum(self) -> NDArray[Any]:
        """(P,) float64, weighted."""
        clean = np.where(self.valid, self.values, 0)
        return clean.sum(axis=0, dtype=np.float64) if self.weights is None else (clean * self.weights).sum(axis=0)

    def mean(self) -> NDArray[Any]:
        """(P,) float64, weighted."""
        if self.weights is None:
            return self.sum() / np.maximum(self.count, 1)
        total = (self.valid * self.weights).sum(axis=0)
        return np.divide(self.sum(), total, out=np.zeros_like(total), where=total != 0)

    def product(self) -> NDArray[Any]:
        """(P,) float64."""
        return np.where(self.valid, self.values, 1).prod(axis=0, dtype=np.float64)

    def variance(self, freedom: int = 0) -> NDArray[Any]:
        """(P,) float64, of the population, or with `freedom` 1 of the sample."""
        centred = np.where(self.valid, self.values - self.mean(), 0)
        return (centred * centred).sum(axis=0) / np.maximum(self.count - freedom, 1)

    def moment(self, order: int) -> NDArray[Any]:
        """(P,) float64: standardised central moment."""
        centred = np.where(self.valid, self.values - self.mean(), 0)
        spread = np.sqrt(self.variance())
        total = (centred**order).sum(axis=0) / np.maximum(self.count, 1)
        return total / np.where(spread > 0, spread, 1) ** order

    def min(self) -> NDArray[Any]:
        """(P,) in the values' dtype."""
        return np.where(self.valid, self.values, largest(self.values.dtype)).min(axis=0)

    def max(self) -> NDArray[Any]:
        """(P,) in the values' dtype."""
        return np.where(self.valid, self.values, smallest(self.values.dtype)).max(axis=0)

    def any(self) -> NDArray[Any]:
        """(P,) bool: whether a valid value is not 0."""
        return ((self.values != 0) & self.valid).any(axis=0)

    def all(self) -> NDArray[Any]:
        """(P,) bool: whether no valid value is 0."""
        return ((self.values != 0) | ~self.valid).all(axis=0)

    def bitwise(self, operation: np.ufunc) -> NDArray[Any]:
        """(P,): bitwise and, or, over the valid values."""
        neutral = -1 if operation is np.bitwise_and else 0
        return operation.reduce(np.where(self.valid, self.values.astype(np.int64), neutral), axis=0)

    def first(self) -> NDArray[Any]:
        """(P,): the first valid value."""
        return self._at(self.valid.argmax(axis=0))

    def last(self) -> NDArray[Any]:
        """(P,): the last valid value."""
        return self._at(len(self.valid) - 1 - self.valid[::-1].argmax(axis=0))

    def mode(self) -> NDArray[Any]:
        """(P,): the most frequent valid value, the smallest of several."""
        ordered = self.sorted
        best, best_run = ordered[0].copy(), np.ones(ordered.shape[1], np.int64)
        run = np.ones(ordered.shape[1], np.int64)
        for number in range(1, len(ordered)):
            run = np.where(ordered[number] == ordered[number - 1], run + 1, 1)
            better = (run > best_run) & (number < self.count)
            best, best_run = np.where(better, ordered[number], best), np.where(better, run, best_run)
        return best

    def count_distinct(self) -> NDArray[np.int64]:
        """(P,): how many different valid values."""
        ordered = self.sorted
        changed = (ordered[1:] != ordered[:-1]) & (np.arange(1, len(ordered))[:, None] < self.count)
        return changed.sum(axis=0) + (self.count > 0)

    def percentile(self, percent: float) -> NDArray[np.float64]:
        """(P,) float64: percentile with linear interpolation between the ranks of the valid values."""
        ordered = self.sorted
        if len(ordered) == 0:
            return np.zeros(ordered.shape[1])
        position = np.maximum(self.count - 1, 0) * (percent / 100)
        low = position.astype(np.int64)
        high = np.minimum(low + 1, np.maximum(self.count - 1, 0))
        share = position - low
        below = np.take_along_axis(ordered, low[None], 0)[0].astype(np.float64)
        above = np.take_along_axis(ordered, high[None], 0)[0].astype(np.float64)
        return below + (above - below) * share

    @cached_property
    def sorted(self) -> NDArray[Any]:
        """(N, P): each pixel's valid values in order, followed by those that are not valid."""
        # The fill is the dtype's largest value: a valid value that equals it sorts the same, so nothing is confused.
        filled = np.where(self.valid, self.values, largest(self.values.dtype))
        if filled.dtype.kind == "O" or filled.shape[1] < len(filled):
            return np.sort(filled, axis=0)
        for start in range(0, filled.shape[1], CHUNK):
            _sort_rows(filled[:, start : start + CHUNK])
        return filled

    def to_list(self) -> list[Any]:
        """The valid values of all pixels."""
        return [value.item() if isinstance(value, np.generic) else value for value in self.values[self.valid]]

    def frequencies(self) -> dict[str, int]:
        """How often each valid value occurs, by its text."""
        values, counts = np.unique(self.values[self.valid], return_counts=True)
        return {number_text(value): int(count) for value, count in zip(values.tolist(), counts, strict=True)}

    def _at(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return np.take_along_axis(self.values, rows[None], 0)[0]


def number_text(value: Value) -> str:
    """A dictionary key of a value: whole numbers without a decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def largest(dtype: np.dtype[Any]) -> Value:
    """The largest value of a dtype; text sorts behind everything by a high code point."""
    if dtype.kind in "ui":
        return dtype.type(np.iinfo(dtype).max)
    if dtype.kind == "b":
        return np.True_
    return "\U0010ffff" if dtype.kind == "O" else dtype.type(np.inf)


def smallest(dtype: np.dtype[Any]) -> Value:
    """The smallest value of a dtype."""
    if dtype.kind in "ui":
        return dtype.type(np.iinfo(dtype).min)
    if dtype.kind == "b":
        return np.False_
    return "" if dtype.kind == "O" else dtype.type(-np.inf)


def _sort_rows(block: NDArray[Any]) -> None:
    """Sorts a (N, P) block along the first axis, in place.

    A sorting network compares whole rows, vectorised over pixels: for the tens of images of a composite it is several
    times faster than `np.sort`, which works through every pixel's column by itself.
    """
    if len(block) < 2:
        return
    rows: list[NDArray[Any]] = list(block)
    spare = np.empty_like(rows[0])
    for low, high in sorting_network(len(rows)):
        np.minimum(rows[low], rows[high], out=spare)
        np.maximum(rows[low], rows[high], out=rows[high])
        rows[low], spare = spare, rows[low]
    # The spare row took part: rows are copied home from wherever they ended.
    block[...] = np.stack(rows)


@lru_cache(maxsize=64)
def sorting_network(size: int) -> tuple[tuple[int, int], ...]:
    """Comparators (low, high) of Batcher's odd-even merge sort for any number of rows (Knuth 5.2.2, algorithm M)."""
    return tuple(_batcher(size))


def _batcher(size: int) -> Iterator[tuple[int, int]]:
    if size < 2:
        return
    top = 1 << ((size - 1).bit_length() - 1)
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while d > 0:
            yield from ((i, i + d) for i in range(size - d) if i & p == r)
            d, q, r = q - p, q >> 1, p
        p >>= 1
