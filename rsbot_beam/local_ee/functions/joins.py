"""Joins of two collections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rsbot_beam.local_ee.collection import Collection, Element, Feature, list_collection
from rsbot_beam.local_ee.filters import Filter
from rsbot_beam.local_ee.functions.collections import set_property
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.values import Value


@dataclass(frozen=True)
class Join:
    """How the matches of an element of the left collection change the result.

    Attributes:
        results: Elements of the result by a left element and its matches.
        pairs: Whether results are features made of two elements, not elements of the left collection.
    """

    results: Callable[[Element, list[Element]], Iterable[Element]]
    pairs: bool = False


@function("Join.apply")
def apply(join: Join, primary: Collection, secondary: Collection, condition: Filter) -> Collection:
    """The join of two collections under a condition."""
    right = list(secondary.iterate())
    found = [
        result
        for left in primary.iterate()
        for result in join.results(left, [other for other in right if condition.joins(left, other)])
    ]
    return list_collection(found, of_images=primary.of_images and not join.pairs)


@function("Join.simple")
def simple() -> Join:
    """Left elements that have a match."""
    return Join(lambda left, matches: [left] if matches else [])


@function("Join.inverted")
def inverted() -> Join:
    """Left elements that have no match."""
    return Join(lambda left, matches: [] if matches else [left])


@function("Join.inner")
def inner(primary_key: str = "primary", secondary_key: str = "secondary", measure_key: Value = None) -> Join:
    """A feature for each matching pair."""
    return Join(
        lambda left, matches: [Feature(None, {primary_key: left, secondary_key: other}) for other in matches],
        pairs=True,
    )


def _ordered(matches: list[Element], ordering: str | None, ascending: bool) -> list[Element]:
    if ordering is None:
        return matches
    return sorted(matches, key=lambda element: element.properties[ordering], reverse=not ascending)


@function("Join.saveAll")
def save_all(
    matches_key: str,
    ordering: str | None = None,
    ascending: bool = True,
    measure_key: Value = None,
    outer: bool = False,
) -> Join:
    """Left elements with the list of their matches as a property."""

    def results(left: Element, matches: list[Element]) -> list[Element]:
        found = _ordered(matches, ordering, ascending)
        return [set_property(left, matches_key, found)] if found or outer else []

    return Join(results)


@function("Join.saveFirst")
def save_first(
    match_key: str,
    ordering: str | None = None,
    ascending: bool = True,
    measure_key: Value = None,
    outer: bool = False,
) -> Join:
    """Left elements with their first match as a property."""

    def results(left: Element, matches: list[Element]) -> list[Element]:
        found = _ordered(matches, ordering, ascending)
        if found:
            return [set_property(left, match_key, found[0])]
        return [left] if outer else []

    return Join(results)
