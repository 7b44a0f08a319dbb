"""Dates and date ranges: milliseconds since 1970-01-01 UTC, with calendar arithmetic in UTC."""

from __future__ import annotations

import calendar
import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from rsbot_beam.local_ee.answers import RequestError

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Milliseconds of the units of fixed length.
UNIT_MS = {"second": 1000.0, "minute": 60_000.0, "hour": 3_600_000.0, "day": 86_400_000.0, "week": 604_800_000.0}
# Mean Gregorian month and year in days, as Earth Engine counts where a calendar unit is used as a length.
UNIT_MS |= {"month": 365.2425 / 12 * 86_400_000.0, "year": 365.2425 * 86_400_000.0}
# Bounds of what datetime can hold, used for open ends.
MIN_MS, MAX_MS = -62135596800000, 253402300799000

_ISO = re.compile(
    r"^(-?\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2})(?::(\d{2})(?::(\d{2})(?:\.(\d+))?)?)?)?)?)?Z?$"
)
# Joda-Time pattern letters (what Earth Engine's format strings are made of) -> value of a datetime.
_JODA = {
    "y": lambda t: t.year,
    "Y": lambda t: t.year,
    "M": lambda t: t.month,
    "d": lambda t: t.day,
    "D": lambda t: t.timetuple().tm_yday,
    "H": lambda t: t.hour,
    "h": lambda t: (t.hour % 12) or 12,
    "m": lambda t: t.minute,
    "s": lambda t: t.second,
    "S": lambda t: t.microsecond // 1000,
    "w": lambda t: t.isocalendar()[1],
    "x": lambda t: t.isocalendar()[0],
    "e": lambda t: t.isoweekday(),
}


@dataclass(frozen=True, order=True)
class Date:
    """A moment.

    Attributes:
        ms: Milliseconds since 1970-01-01 UTC.
    """

    ms: int

    @property
    def moment(self) -> datetime:
        """As a datetime in UTC."""
        return EPOCH + timedelta(milliseconds=self.ms)

    def to_json(self) -> dict[str, Any]:
        """As `getInfo` shows it."""
        return {"type": "Date", "value": self.ms}

    def advance(self, delta: float, unit: str) -> Date:
        """Later by so many units; months and years follow the calendar, cut at the month's end."""
        unit = unit_name(unit)
        if unit not in ("month", "year"):
            return Date(round(self.ms + delta * UNIT_MS[unit]))
        months = delta * (12 if unit == "year" else 1)
        whole = math.floor(months)
        moved = _add_months(self.moment, whole)
        rest = (months - whole) * UNIT_MS["month"]
        return Date(to_ms(moved) + round(rest))

    def get(self, unit: str) -> int:
        """The calendar field: year, month (1-12), week, day (of the month), hour, minute, second."""
        unit = unit_name(unit)
        return self.moment.isocalendar()[1] if unit == "week" else int(getattr(self.moment, unit))

    def floor(self, unit: str) -> Date:
        """The start of the unit that it lies in."""
        unit = unit_name(unit)
        moment = self.moment
        if unit == "week":
            day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
            return Date(to_ms(day - timedelta(days=moment.weekday())))
        order = ["year", "month", "day", "hour", "minute", "second"]
        reset = {name: 1 if name in ("month", "day") else 0 for name in order[order.index(unit) + 1 :]}
        return Date(to_ms(moment.replace(microsecond=0, **reset)))  # type: ignore[arg-type]

    def relative(self, unit: str, in_unit: str) -> int:
        """How many whole units, from 0, have passed since the start of the larger unit."""
        start = self.floor(in_unit)
        if unit_name(unit) == "month":
            return self.moment.month - start.moment.month + 12 * (self.moment.year - start.moment.year)
        return int((self.ms - start.ms) // UNIT_MS[unit_name(unit)])

    def format(self, pattern: str | None) -> str:
        """Text by a Joda-Time pattern; ISO 8601 by default."""
        moment = self.moment
        if pattern is None:
            return moment.strftime("%Y-%m-%dT%H:%M:%S")
        return re.sub(r"'([^']*)'|([A-Za-z])\2*", lambda found: _joda_piece(found, moment), pattern)


@dataclass(frozen=True)
class DateRange:
    """A span of time, the start included and the end excluded.

    Attributes:
        start: Milliseconds.
        end: Milliseconds.
    """

    start: int
    end: int

    def contains(self, ms: float) -> bool:
        """Whether a moment lies in it."""
        return self.start <= ms < self.end

    def to_json(self) -> dict[str, Any]:
        """As `getInfo` shows it."""
        return {"type": "DateRange", "dates": [self.start, self.end]}


def unit_name(unit: str) -> str:
    """The singular lower-case name of a unit.

    Raises:
        RequestError: For an unknown unit.
    """
    name = unit.lower().removesuffix("s")
    if name not in UNIT_MS:
        raise RequestError(f"Date: Unknown unit '{unit}'. Known units: {', '.join(UNIT_MS)}.")
    return name


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of a datetime with a time zone."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def parse_date(text: str) -> Date:
    """A date from ISO 8601 text, as short as a year.

    Raises:
        RequestError: When the text is no date.
    """
    found = _ISO.match(text.strip())
    if found is None:
        raise RequestError(f"Date: Bad date/time '{text}'.")
    year, month, day, hour, minute, second = (int(part) if part else None for part in found.groups()[:6])
    fraction = int((found.group(7) or "0")[:3].ljust(3, "0"))
    try:
        moment = datetime(year or 1, month or 1, day or 1, hour or 0, minute or 0, second or 0, fraction * 1000, UTC)
    except ValueError as error:
        raise RequestError(f"Date: Bad date/time '{text}': {error}.") from error
    return Date(to_ms(moment))


def parse_joda(pattern: str, text: str) -> Date:
    """A date from text by a Joda-Time pattern of year, month, day, hour, minute, second.

    Raises:
        RequestError: When the text does not fit.
    """
    names = {"y": "year", "Y": "year", "M": "month", "d": "day", "H": "hour", "m": "minute", "s": "second", "D": "doy"}
    expression = re.sub(
        r"([A-Za-z])\1*", lambda run: rf"(?P<{names.get(run[1], run[1])}>\d{{1,{max(len(run[0]), 2)}}})", pattern
    )
    found = re.match(expression + "$", text)
    if found is None:
        raise RequestError(f"Date.parse: '{text}' does not match the format '{pattern}'.")
    fields = {name: int(value) for name, value in found.groupdict().items()}
    doy = fields.pop("doy", 1)
    moment = datetime(**{"year": 1970, "month": 1, "day": 1, **fields}, tzinfo=UTC)
    return Date(to_ms(moment + timedelta(days=doy - 1)))


def _add_months(moment: datetime, months: int) -> datetime:
    total = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(total, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _joda_piece(found: re.Match[str], moment: datetime) -> str:
    if found.group(1) is not None:
        return found.group(1) or "'"
    letter, width = found.group(0)[0], len(found.group(0))
    if letter == "M" and width >= 3:
        return moment.strftime("%b" if width == 3 else "%B")
    if letter == "E":
        return moment.strftime("%a" if width <= 3 else "%A")
    if letter == "a":
        return moment.strftime("%p")
    if letter not in _JODA:
        return found.group(0)
    value = _JODA[letter](moment)
    return f"{value % 100:02d}" if letter in "yY" and width == 2 else str(value).zfill(width)
