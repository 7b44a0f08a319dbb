"""The period that a run looks at."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from rsbot_beam.errors import InputError


@dataclass(frozen=True, order=True)
class Period:
    """A stretch of days, UTC.

    Attributes:
        start: First day.
        end: Day after the last one (the range is open at the end, as in `ee.ImageCollection.filterDate`).
    """

    start: datetime.date
    end: datetime.date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise InputError(
                f"the period {self.start}..{self.end} is empty: its end, the day after the last one, must come later"
            )

    def __str__(self) -> str:
        return f"{self.start.isoformat()}/{self.end.isoformat()}"

    @classmethod
    def year(cls, year: int) -> Period:
        """The calendar year.

        Raises:
            InputError: There is no such year.
        """
        if not 1900 <= year <= 2200:
            raise InputError(f"the year {year} is not one that satellites have seen; write it with four digits")
        return cls(datetime.date(year, 1, 1), datetime.date(year + 1, 1, 1))

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read `2023`, `2023-04-01/2023-10-01` or `2023-04-01,2023-10-01` (the end is the day after the last one).

        Raises:
            InputError: The text is none of these.
        """
        parts = text.replace(",", "/").split("/")
        try:
            if len(parts) == 1:
                return cls.year(int(text))
            start, end = (datetime.date.fromisoformat(part.strip()) for part in parts)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(
                f"the period {text!r} cannot be read ({error}): write a year (2023) or start,end (2023-04-01,2023-10-01)"
            ) from error
        return cls(start, end)

    def intervals(self, days: int | None = None) -> list[Period]:
        """Cut into calendar months, or into stretches of `days` days; the last one may be shorter.

        Raises:
            InputError: `days` is less than one.
        """
        if days is not None and days < 1:
            raise InputError(f"the period {self} cannot be cut into stretches of {days} days: give 1 or more")
        pieces, start = [], self.start
        while start < self.end:
            following = _next_month(start) if days is None else start + datetime.timedelta(days=days)
            pieces.append(Period(start, min(following, self.end)))
            start = following
        return pieces


def _next_month(day: datetime.date) -> datetime.date:
    return datetime.date(day.year + day.month // 12, day.month % 12 + 1, 1)


def period_text(period: Mapping[str, str]) -> str:
    """The first and the last day of a period; its `end` is the day after."""
    last = datetime.date.fromisoformat(period["end"]) - datetime.timedelta(days=1)
    return f"{period['start']} to {last}"
