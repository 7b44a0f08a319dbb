"""Dates and date ranges."""

from __future__ import annotations

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.image import Image
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.temporal import (
    MAX_MS,
    MIN_MS,
    UNIT_MS,
    Date,
    DateRange,
    datetime,
    parse_date,
    parse_joda,
    to_ms,
    unit_name,
)
from rsbot_beam.local_ee.values import Value

UTC_NAMES = (None, "", "UTC", "Etc/UTC", "GMT", "Z")


def _check_zone(zone: str | None) -> None:
    if zone not in UTC_NAMES:
        raise RequestError(f"Date: the local Earth Engine knows the time zone UTC only, not '{zone}'.")


@function("Date")
def date(value: Value, time_zone: str | None = None) -> Date:
    """A date from milliseconds or ISO 8601 text."""
    _check_zone(time_zone)
    if isinstance(value, Date):
        return value
    if isinstance(value, str):
        return parse_date(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Date(int(value))
    raise RequestError(f"Date: Parameter 'value' must be a number or a text, got {value!r}.")


@function("Date.fromYMD")
def from_ymd(year: int, month: int, day: int, time_zone: str | None = None) -> Date:
    """A date from year, month and day."""
    _check_zone(time_zone)
    return parse_date(f"{year:04d}-{month:02d}-{day:02d}")


@function("Date.parse")
def parse(format: str, date: str, time_zone: str | None = None) -> Date:
    """A date from text by a Joda-Time pattern."""
    _check_zone(time_zone)
    return parse_joda(format, date)


@function("Date.advance")
def advance(date: Date, delta: float, unit: str, time_zone: str | None = None) -> Date:
    """Later by so many units."""
    return date.advance(delta, unit)


@function("Date.difference")
def difference(date: Date, start: Date, unit: str) -> float:
    """How many units later than another date; calendar months and years count their mean length."""
    return (date.ms - start.ms) / UNIT_MS[unit_name(unit)]


@function("Date.format")
def format_date(date: Date, format: str | None = None, time_zone: str | None = None) -> str:
    """Text by a Joda-Time pattern."""
    _check_zone(time_zone)
    return date.format(format)


@function("Date.get")
def get(date: Date, unit: str, time_zone: str | None = None) -> int:
    """A calendar field."""
    return date.get(unit)


@function("Date.getFraction")
def get_fraction(date: Date, unit: str, time_zone: str | None = None) -> float:
    """How much of the unit that it lies in has passed."""
    start = date.floor(unit)
    return (date.ms - start.ms) / (start.advance(1, unit).ms - start.ms)


@function("Date.getRelative")
def get_relative(date: Date, unit: str, in_unit: str, time_zone: str | None = None) -> int:
    """Units since the start of a larger one, from 0: the day of the year, say."""
    return date.relative(unit, in_unit)


@function("Date.getRange")
def get_range(date: Date, unit: str, time_zone: str | None = None) -> DateRange:
    """The unit that it lies in."""
    start = date.floor(unit)
    return DateRange(start.ms, start.advance(1, unit).ms)


@function("Date.millis")
def millis(date: Date) -> int:
    """Milliseconds since 1970."""
    return date.ms


@function("Date.unitRatio")
def unit_ratio(numerator: str, denominator: str) -> float:
    """How many of one unit make another."""
    return UNIT_MS[unit_name(numerator)] / UNIT_MS[unit_name(denominator)]


@function("Date.update")
def update(
    date: Date,
    year: int | None = None,
    month: int | None = None,
    day: int | None = None,
    hour: int | None = None,
    minute: int | None = None,
    second: float | None = None,
    time_zone: str | None = None,
) -> Date:
    """Some calendar fields replaced."""
    fields = {"year": year, "month": month, "day": day, "hour": hour, "minute": minute}
    changed: datetime = date.moment.replace(**{k: v for k, v in fields.items() if v is not None})  # type: ignore[arg-type]
    return Date(to_ms(changed if second is None else changed.replace(second=int(second))))


@function("DateRange")
def date_range(start: Value, end: Value = None, time_zone: str | None = None) -> DateRange:
    """From one date, included, to another, excluded; a single millisecond by default."""
    if isinstance(start, DateRange):
        return start
    first = date(start, time_zone)
    last = first.ms + 1 if end is None else date(end, time_zone).ms
    if last <= first.ms:
        raise RequestError(
            f"DateRange: the end ({Date(last).format(None)}) must come after the start ({first.format(None)})."
        )
    return DateRange(first.ms, last)


@function("DateRange.unbounded")
def unbounded() -> DateRange:
    """All time."""
    return DateRange(MIN_MS, MAX_MS)


@function("DateRange.start")
def start(date_range: DateRange) -> Date:
    """Its start."""
    return Date(date_range.start)


@function("DateRange.end")
def end(date_range: DateRange) -> Date:
    """Its end."""
    return Date(date_range.end)


@function("DateRange.contains")
def contains(date_range: DateRange, other: Value) -> bool:
    """Whether a date or range lies in it."""
    if isinstance(other, DateRange):
        return date_range.start <= other.start and other.end <= date_range.end
    return date_range.contains(date(other).ms)


@function("DateRange.intersects")
def intersects(date_range: DateRange, other: DateRange) -> bool:
    """Whether two ranges share time."""
    return date_range.start < other.end and other.start < date_range.end


@function("DateRange.intersection")
def intersection(date_range: DateRange, other: DateRange) -> DateRange:
    """The time that two ranges share."""
    return DateRange(max(date_range.start, other.start), min(date_range.end, other.end))


@function("DateRange.union")
def union(date_range: DateRange, other: DateRange) -> DateRange:
    """From the earlier start to the later end."""
    return DateRange(min(date_range.start, other.start), max(date_range.end, other.end))


@function("DateRange.isEmpty")
def is_empty(date_range: DateRange) -> bool:
    """Whether it has no time."""
    return date_range.end <= date_range.start


@function("DateRange.isUnbounded")
def is_unbounded(date_range: DateRange) -> bool:
    """Whether it is all time."""
    return date_range.start <= MIN_MS and date_range.end >= MAX_MS


@function("Image.date")
def image_date(image: Image) -> Date:
    """`system:time_start` as a date."""
    value = image.properties.get("system:time_start")
    if value is None:
        raise RequestError("Image.date: the image has no 'system:time_start'.")
    return date(value)
