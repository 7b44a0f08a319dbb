"""Filters: conditions on an element's properties and place, with what a provider can use of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from rsbot_beam.local_ee.provider import BBox

if TYPE_CHECKING:
    from rsbot_beam.local_ee.collection import Element

Times: TypeAlias = tuple[int | None, int | None]


@dataclass(frozen=True)
class Filter:
    """A condition on elements.

    Attributes:
        matches: Whether an element fulfils it.
        pair: Whether two elements, of the left and the right collection of a join, fulfil it.
        times: What it demands of `system:time_start` at least: (start included, end excluded) in ms, None = open.
        bbox: Where elements must be at least, None = anywhere.
    """

    matches: Callable[[Element], bool]
    pair: Callable[[Element, Element], bool] | None = None
    times: Times = (None, None)
    bbox: BBox | None = None

    def both(self, other: Filter) -> Filter:
        """This and the other."""
        return Filter(
            lambda element: self.matches(element) and other.matches(element),
            lambda left, right: self.joins(left, right) and other.joins(left, right),
            intersect_times(self.times, other.times),
            self.bbox if other.bbox is None else other.bbox,  # an element may meet both where they do not meet
        )

    def joins(self, left: Element, right: Element) -> bool:
        """Whether it holds between two elements of a join."""
        return self.matches(left) if self.pair is None else self.pair(left, right)


def intersect_times(first: Times, second: Times) -> Times:
    """The span of time that lies in both."""
    starts = [time for time in (first[0], second[0]) if time is not None]
    ends = [time for time in (first[1], second[1]) if time is not None]
    return (max(starts, default=None), min(ends, default=None))
