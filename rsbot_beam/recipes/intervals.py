"""A period cut into the steps of a time series."""

from __future__ import annotations

import re

from rsbot_beam.data.period import Period
from rsbot_beam.errors import RecipeError

_INTERVAL = re.compile(r"(\d*)[ _-]?(day|month)s?")


def parse_interval(text: str) -> tuple[int, str]:
    """Read `month`, `2 months` or `10 days`; the number and the unit may be joined by a space, `_`, `-` or nothing.

    Returns:
        How many, and "day" or "month".

    Raises:
        RecipeError: The text is none of these, or the number is 0.
    """
    found = _INTERVAL.fullmatch(text.strip().lower())
    if found is None or (found[1] and int(found[1]) == 0):
        raise RecipeError(f"parameter interval={text!r} is not an interval: write month, '2 months' or '10 days'")
    return int(found[1] or 1), found[2]


def cut(period: Period, interval: str) -> list[Period]:
    """Consecutive stretches of a period.

    Months are those of the calendar, so the first one is shorter where the period begins within a month; the last stretch
    is shorter where the period ends within one.

    Raises:
        RecipeError: The interval cannot be read.
    """
    count, unit = parse_interval(interval)
    if unit == "day":
        return period.intervals(count)
    months = period.intervals()
    groups = [months[start : start + count] for start in range(0, len(months), count)]
    return [Period(group[0].start, group[-1].end) for group in groups]
