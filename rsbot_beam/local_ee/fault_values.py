"""Checks of what faults are made of: control requests are written by hand, and a wrong one should say so at once."""

from __future__ import annotations

import math

from rsbot_beam.errors import InputError
from rsbot_beam.local_ee.provider import has_plane
from rsbot_beam.local_ee.values import Value

Bounds = tuple[float, float, float, float]


def check_number(name: str, value: Value, low: float = 0.0, high: float = math.inf) -> None:
    """A finite number within a range, both ends included.

    Raises:
        InputError: For anything else.
    """
    if not _is_number(value) or not low <= value <= high:
        limit = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of {low:g} or more"
        raise InputError(f"Fault '{name}' must be a number {limit}, got {value!r}.")


def check_whole(name: str, value: Value, low: float = 0, high: float = math.inf) -> None:
    """A whole number within a range, both ends included.

    Raises:
        InputError: For anything else.
    """
    check_number(name, value, low, high)
    if not isinstance(value, int):
        raise InputError(f"Fault '{name}' must be a whole number, got {value!r}.")


def check_type(name: str, value: Value, kind: type | tuple[type, ...], words: str) -> None:
    """A value of one type, which `words` describe.

    Raises:
        InputError: For anything else.
    """
    if not isinstance(value, kind):
        raise InputError(f"Fault '{name}' must be {words}, got {value!r}.")


def checked_bounds(value: Value) -> Bounds:
    """(left, bottom, right, top), where a side may have no length.

    Raises:
        InputError: For anything else.
    """
    if not isinstance(value, (list, tuple)) or len(value) != 4 or not all(_is_number(number) for number in value):
        raise InputError(f"A failing place needs bounds of four numbers (left, bottom, right, top), got {value!r}.")
    left, bottom, right, top = (float(number) for number in value)
    if left > right or bottom > top:
        raise InputError(
            f"A failing place's bounds are left, bottom, right, top, the smaller number first, got {value!r}; "
            "across the antimeridian give two places."
        )
    return left, bottom, right, top


def check_crs(value: Value) -> None:
    """The code of a CRS that bounds can be in.

    Raises:
        InputError: For anything else.
    """
    if not has_plane(value):
        raise InputError(f"A failing place's crs must be a code such as EPSG:32633, got {value!r}.")


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
