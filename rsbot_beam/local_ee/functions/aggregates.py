"""Statistics of a property over a collection, and of the columns of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.collection import Collection
from rsbot_beam.local_ee.functions.filtering import field_value
from rsbot_beam.local_ee.reducers import SIMPLE, Reducer
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.stack import number_text
from rsbot_beam.local_ee.temporal import Date
from rsbot_beam.local_ee.values import Value

_PREFIX = "AggregateFeatureCollection."


def column(collection: Collection, name: str) -> list[Any]:
    """The values of a property, elements without it left out; dates as milliseconds."""
    found = (field_value(element, name) for element in collection.iterate())
    return [value.ms if isinstance(value, Date) else value for value in found if value is not None]


def _register(name: str, aggregate: Callable[[list[Any]], Any]) -> None:
    @function(_PREFIX + name)
    def on_collection(collection: Collection, property: str) -> Value:
        return aggregate(column(collection, property))


def _by_reducer(name: str) -> Callable[[list[Any]], Any]:
    def aggregate(values: list[Any]) -> Value:
        return next(iter(SIMPLE[name].scalars([values]).values())) if values else None

    return aggregate


def _stats(values: list[Any]) -> dict[str, Any]:
    numbers = {
        "max": "max",
        "mean": "mean",
        "min": "min",
        "sample_sd": "sampleStdDev",
        "sample_var": "sampleVariance",
        "sum": "sum",
        "total_sd": "stdDev",
        "total_var": "variance",
    }
    found = {label: _by_reducer(name)(values) for label, name in numbers.items()}
    return {**found, "total_count": len(values), "valid_count": len(values), "sum_sq": sum(v * v for v in values)}


_register("array", lambda values: values)
_register("count", len)
_register("count_distinct", lambda values: len({number_text(value) for value in values}))
_register("first", lambda values: values[0] if values else None)
_register("histogram", lambda values: dict(sorted(Counter(number_text(value) for value in values).items())))
_register("stats", _stats)
for _name, _reducer in {
    "max": "max",
    "min": "min",
    "mean": "mean",
    "sum": "sum",
    "product": "product",
    "sample_sd": "sampleStdDev",
    "sample_var": "sampleVariance",
    "total_sd": "stdDev",
    "total_var": "variance",
}.items():
    _register(_name, _by_reducer(_reducer))


@function("Collection.reduceColumns")
def reduce_columns(
    collection: Collection, reducer: Reducer, selectors: list, weight_selectors: list | None = None
) -> dict[str, Any]:
    """Properties of all elements reduced; outputs by name. Rows that lack one of the properties are left out."""
    if weight_selectors:
        raise RequestError("Collection.reduceColumns: weights are not served by the local Earth Engine.")
    names = list(selectors)
    if reducer.inputs == 1 and len(names) > 1:
        found = [reduce_columns(collection, reducer, [name]) for name in names]
        return {output: [entry[output] for entry in found] for output in reducer.names}
    if len(names) != reducer.inputs:
        raise RequestError(
            f"Collection.reduceColumns: The reducer has {reducer.inputs} inputs but {len(names)} selectors are given."
        )
    rows = [[field_value(element, name) for name in names] for element in collection.iterate()]
    complete = [row for row in rows if all(value is not None for value in row)]
    return reducer.scalars([[row[number] for row in complete] for number in range(len(names))])
