"""Filters on properties, time and place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import shapely

from rsbot_beam.local_ee.collection import Element, Feature, as_feature
from rsbot_beam.local_ee.convert import to_geometry
from rsbot_beam.local_ee.filters import Filter, intersect_times
from rsbot_beam.local_ee.geometries import WORLD, Geometry, bbox_of, geodesic_distance
from rsbot_beam.local_ee.image import Image
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.temporal import Date, DateRange
from rsbot_beam.local_ee.values import Value

Test = Callable[[Any, Any], bool]


def _ms(value: Value) -> Value:
    return value.ms if isinstance(value, Date) else value


def _ordered(compare: Test) -> Test:
    """The comparison, false where a value is missing or not comparable."""

    def test(left: Value, right: Value) -> bool:
        left, right = _ms(left), _ms(right)
        if left is None or right is None:
            return False
        try:
            return bool(compare(left, right))
        except TypeError:
            return False

    return test


TESTS: dict[str, Test] = {
    "equals": _ordered(lambda left, right: left == right),
    "notEquals": _ordered(lambda left, right: left != right),
    "lessThan": _ordered(lambda left, right: left < right),
    "lessThanOrEquals": _ordered(lambda left, right: left <= right),
    "greaterThan": _ordered(lambda left, right: left > right),
    "greaterThanOrEquals": _ordered(lambda left, right: left >= right),
    "inList": _ordered(lambda left, right: left in right),
    "listContains": _ordered(lambda left, right: right in left),
    "stringContains": _ordered(lambda left, right: right in left),
    "stringStartsWith": _ordered(lambda left, right: left.startswith(right)),
    "stringEndsWith": _ordered(lambda left, right: left.endswith(right)),
    "dateRangeContains": _ordered(lambda left, right: left.contains(right)),
}
SHORT = {"eq": "equals", "neq": "notEquals", "lt": "lessThan", "lte": "lessThanOrEquals"}
SHORT |= {"gt": "greaterThan", "gte": "greaterThanOrEquals"}


def field_value(element: Element, field: str) -> Value:
    """A property, or the geometry for `.geo` and `.all`."""
    if field in (".geo", ".all"):
        return as_feature(element).geometry or (Geometry(WORLD) if isinstance(element, Image) else None)
    if field == "system:id" and isinstance(element, Image):
        return element.id
    return element.properties.get(field)


def comparison(
    test: Test, left_field: Value, left_value: Value, right_field: Value, right_value: Value, **hints: Value
) -> Filter:
    """A filter between two sides, each a field or a value."""

    def side(element: Element, field: Value, value: Value) -> Value:
        return field_value(element, field) if field is not None else value

    return Filter(
        lambda element: test(side(element, left_field, left_value), side(element, right_field, right_value)),
        lambda left, right: test(side(left, left_field, left_value), side(right, right_field, right_value)),
        **hints,
    )


def _register(name: str, test: Test) -> None:
    @function(f"Filter.{name}")
    def make(
        left_field: str | None = None,
        right_value: Value = None,
        right_field: str | None = None,
        left_value: Value = None,
    ) -> Filter:
        return comparison(
            test, left_field, left_value, right_field, right_value, **hints(name, left_field, right_value, left_value)
        )


def hints(name: str, left_field: Value, right_value: Value, left_value: Value) -> dict[str, Any]:
    """What a comparison demands of the time."""
    if name == "dateRangeContains" and isinstance(left_value, DateRange):
        return {"times": (left_value.start, left_value.end)}
    value = _ms(right_value)
    if left_field != "system:time_start" or not isinstance(value, (int, float)):
        return {}
    bounds = {
        "greaterThan": (value, None),
        "greaterThanOrEquals": (value, None),
        "lessThan": (None, value),
        "lessThanOrEquals": (None, value + 1),
        "equals": (value, value + 1),
    }
    return {"times": bounds[name]} if name in bounds else {}


for _name, _test in TESTS.items():
    _register(_name, _test)
for _short, _name in SHORT.items():
    _register(_short, TESTS[_name])


def _geometry(value: Value) -> Value:
    if isinstance(value, (Feature, Image)):
        return as_feature(value).geometry
    return value


def _spatial(name: str, predicate: Callable[[Any, Any], Any], bounded: bool) -> None:
    def test(left: Value, right: Value) -> bool:
        one, two = _geometry(left), _geometry(right)
        if not isinstance(one, Geometry) or not isinstance(two, Geometry):
            return False
        return bool(predicate(one.lonlat, two.lonlat))

    @function(f"Filter.{name}")
    def make(
        left_field: str | None = None,
        right_value: Value = None,
        right_field: str | None = None,
        left_value: Value = None,
        max_error: Value = None,
    ) -> Filter:
        fixed = right_value if right_field is None else left_value if left_field is None else None
        area = None if fixed is None else to_geometry(fixed)
        if area is not None:
            shapely.prepare(area.lonlat)
        left = area if left_field is None else None
        right = area if right_field is None else None
        hints = {"bbox": bbox_of(area.lonlat)} if bounded and area is not None else {}
        return comparison(test, left_field, left, right_field, right, **hints)


_spatial("intersects", shapely.intersects, True)
_spatial("contains", shapely.contains, True)
_spatial("isContained", shapely.within, True)
_spatial("disjoint", shapely.disjoint, False)


@function("Filter.withinDistance")
def within_distance(
    distance: float,
    left_field: str | None = None,
    right_value: Value = None,
    right_field: str | None = None,
    left_value: Value = None,
    max_error: Value = None,
) -> Filter:
    """Geometries at most so many metres apart."""

    def test(left: Value, right: Value) -> bool:
        one, two = _geometry(left), _geometry(right)
        return isinstance(one, Geometry) and isinstance(two, Geometry) and geodesic_distance(one, two) <= distance

    return comparison(test, left_field, left_value, right_field, right_value)


@function("Filter.maxDifference")
def max_difference(
    difference: float,
    left_field: str | None = None,
    right_value: Value = None,
    right_field: str | None = None,
    left_value: Value = None,
) -> Filter:
    """Numbers or dates that differ by at most so much."""
    test = _ordered(lambda left, right: abs(left - right) <= difference)
    return comparison(test, left_field, left_value, right_field, right_value)


@function("Filter.and")
def all_of(filters: list) -> Filter:
    """All of them."""
    found = always()
    for condition in filters:
        found = found.both(condition)
    return found


@function("Filter.or")
def any_of(filters: list) -> Filter:
    """Any of them."""
    return Filter(
        lambda element: any(condition.matches(element) for condition in filters),
        lambda left, right: any(condition.joins(left, right) for condition in filters),
        _hull([condition.times for condition in filters]),
    )


def _hull(times: list[Any]) -> Value:
    starts, ends = [t[0] for t in times], [t[1] for t in times]
    if not times:
        return (None, None)
    return (None if None in starts else min(starts), None if None in ends else max(ends))


@function("Filter.not")
def not_(filter: Filter) -> Filter:
    """Not this."""
    return Filter(lambda element: not filter.matches(element), lambda left, right: not filter.joins(left, right))


@function("Filter.always")
def always() -> Filter:
    """Everything."""
    return Filter(lambda _element: True)


@function("Filter.never")
def never() -> Filter:
    """Nothing."""
    return Filter(lambda _element: False, times=intersect_times((0, None), (None, 0)))


@function("Filter.notNull")
def not_null(properties: list) -> Filter:
    """Elements that have all these properties."""
    return Filter(lambda element: all(field_value(element, name) is not None for name in properties))


@function("Filter.hasGeometry")
def has_geometry() -> Filter:
    """Elements that have a geometry."""
    return Filter(lambda element: as_feature(element).geometry is not None)


@function("Filter.rangeContains")
def range_contains(field: str, min_value: Value, max_value: Value) -> Filter:
    """A property within a range, both ends included."""
    low, high = _ms(min_value), _ms(max_value)
    test = _ordered(lambda left, _right: low <= left <= high)
    hints = {"times": (low, high + 1)} if field == "system:time_start" else {}
    return comparison(test, field, None, None, 0, **hints)


@function("Filter.calendarRange")
def calendar_range(start: int, end: int | None = None, field: str = "day_of_year") -> Filter:
    """A calendar field of `system:time_start` within a range, both ends included, perhaps over the year's end."""
    last = start if end is None else end

    def test(element: Element) -> bool:
        ms = _ms(element.properties.get("system:time_start"))
        if ms is None:
            return False
        value = _calendar_field(Date(int(ms)), field)
        return start <= value <= last if start <= last else value >= start or value <= last

    return Filter(test)


@function("Filter.dayOfYear")
def day_of_year(start: int, end: int) -> Filter:
    """Day of the year from `start` to before `end`."""
    return calendar_range(start, end - 1)


def _calendar_field(date: Date, field: str) -> int:
    moment = date.moment
    return {
        "day_of_year": moment.timetuple().tm_yday,
        "day_of_month": moment.day,
        "day_of_week": moment.isoweekday() % 7 + 1,
        "hour": moment.hour,
        "minute": moment.minute,
        "month": moment.month,
        "week": moment.isocalendar()[1],
        "year": moment.year,
    }.get(field, moment.timetuple().tm_yday)
