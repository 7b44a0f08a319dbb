"""Checks of recipes' parameters: each says the value, why it cannot be, and what can be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from rsbot_beam.errors import RecipeError

# How the observations of a period become one, as `rsbot_beam.earthengine.composites` does it; pNN is a percentile.
REDUCERS = ("median", "mean", "min", "max", "mosaic")
_PERCENTILE = re.compile(r"p(\d{1,2}|100)")


class Derived(float):
    """A number that follows from other parameters, so that `dataclasses.replace` derives it anew."""


def percentile(reducer: str) -> int | None:
    """The NN of `pNN`, 0..100; None for other reducers."""
    found = _PERCENTILE.fullmatch(reducer)
    return int(found[1]) if found else None


def check_reducer(name: str, value: str) -> None:
    """Raise where a parameter is no reducer.

    Raises:
        RecipeError: It is neither one of `REDUCERS` nor a percentile.
    """
    if value not in REDUCERS and percentile(value) is None:
        raise RecipeError(
            f"parameter {name}={value!r} is not a way to reduce observations: choose one of {', '.join(REDUCERS)}, or a "
            f"percentile p0 to p100{_nearest(value, REDUCERS)}"
        )


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise where a parameter is none of its choices.

    Raises:
        RecipeError: Names the choices, and the nearest of them.
    """
    if value not in choices:
        raise RecipeError(f"parameter {name}={value!r} is not one of {', '.join(choices)}{_nearest(value, choices)}")


def check_within(name: str, value: float, low: float, high: float, meaning: str) -> None:
    """Raise where a number is not within `low`..`high`, both included; NaN is not.

    Raises:
        RecipeError: Says what the number means.
    """
    if not low <= value <= high:
        raise RecipeError(f"parameter {name}={value!r} is not within {low:g}..{high:g}: it is {meaning}")


def check_names(name: str, values: Iterable[str], known: Iterable[str], owner: str) -> None:
    """Raise where names of bands are none, listed twice, or not those of their owner.

    Raises:
        RecipeError: Names the bands that there are.
    """
    listed, known = list(values), list(known)
    if not listed:
        raise RecipeError(f"parameter {name} is empty: list at least one band of {owner}: {', '.join(known)}")
    for value in listed:
        if value not in known:
            raise RecipeError(
                f"parameter {name}: {owner} has no band {value!r}; it has {', '.join(known)}{_nearest(value, known)}"
            )
    check_unique(name, listed)


def check_unique(name: str, values: Sequence[str]) -> None:
    """Raise where something is listed twice.

    Raises:
        RecipeError: Names it.
    """
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise RecipeError(f"parameter {name} lists {', '.join(twice)} twice: list each once")


def check_positive(name: str, value: float, meaning: str) -> None:
    """Raise where a number is not above zero, or not finite.

    Raises:
        RecipeError: Says what the number means.
    """
    if not 0 < value < float("inf"):
        raise RecipeError(f"parameter {name}={value!r} must be a positive number: it is {meaning}")


def _nearest(value: str, choices: Iterable[str]) -> str:
    close = difflib.get_close_matches(value, list(choices), 1, 0.5)
    return f" (did you mean {close[0]}?)" if close else ""
