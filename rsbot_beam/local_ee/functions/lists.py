"""Lists."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.collection import Feature
from rsbot_beam.local_ee.environment import FunctionValue
from rsbot_beam.local_ee.filters import Filter
from rsbot_beam.local_ee.functions.strings import to_text
from rsbot_beam.local_ee.reducers import Reducer
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.values import Value

# Elements that a list may have, so that a sequence with a wrong step does not eat the memory.
MAX_LENGTH = 10_000_000


@function("List.get", "List.getNumber", "List.getString", "List.getArray", "List.getGeometry")
def get(list: list, index: int) -> Value:
    """An element; negative counts from the end."""
    if not -len(list) <= index < len(list):
        raise RequestError(
            f"List.get: List index must be between 0 and {len(list) - 1}, or -1 and -{len(list)}. Found {index}."
        )
    return list[index]


@function("List.map")
def map_list(list: list, base_algorithm: FunctionValue, drop_nulls: bool = False) -> list:
    """Every element through a function."""
    found = [base_algorithm(item) for item in list]
    return [item for item in found if item is not None] if drop_nulls else found


@function("List.iterate")
def iterate(list: list, function: FunctionValue, first: Value) -> Value:
    """A function of (element, result so far) over all elements."""
    result = first
    for item in list:
        result = function(item, result)
    return result


@function("List.filter")
def filter_list(list: list, filter: Filter) -> list:
    """The elements that match; plain values have the property `item`."""
    return [
        item for item in list if filter.matches(item if hasattr(item, "properties") else Feature(None, {"item": item}))
    ]


@function("List.reduce")
def reduce(list: list, reducer: Reducer) -> Value:
    """The elements reduced; a dictionary where the reducer has several outputs."""
    found = reducer.scalars(_columns(list, reducer.inputs))
    return next(iter(found.values())) if len(found) == 1 else found


def _columns(rows: Sequence[Any], inputs: int) -> list[Sequence[Any]]:
    """The values of each input: the elements, or where there are several inputs the entries of each element."""
    if inputs == 1:
        return [rows]
    for row in rows:
        if not isinstance(row, list) or len(row) != inputs:
            raise RequestError(f"List.reduce: The reducer has {inputs} inputs: each element must be a list of so many.")
    return [[row[number] for row in rows] for number in range(inputs)]


@function("List.sequence")
def sequence(start: float, end: float | None = None, step: float = 1, count: int | None = None) -> list[float]:
    """Numbers from a start to an end, included, or so many of them."""
    if count is not None:
        if end is not None and count > 1:
            step = (end - start) / (count - 1)
        number = count
    else:
        if end is None or step == 0:
            raise RequestError("List.sequence: 'end' with a step other than 0, or 'count', must be given.")
        number = max(int((end - start) / step + 1e-9) + 1, 0)
    if number > MAX_LENGTH:
        raise RequestError(f"List.sequence: {number} elements are more than {MAX_LENGTH}.")
    return [start + step * index for index in range(number)]


@function("List.size", "List.length")
def size(list: list) -> int:
    """Number of elements."""
    return len(list)


@function("List.add")
def add(list: list, element: Value) -> list:
    """One element more."""
    return [*list, element]


@function("List.cat")
def cat(list: list, other: list) -> list:
    """Both lists."""
    return [*list, *other]


@function("List.contains")
def contains(list: list, element: Value) -> bool:
    """Whether an element is there."""
    return element in list


@function("List.containsAll")
def contains_all(list: list, other: list) -> bool:
    """Whether all elements of another list are there."""
    return all(item in list for item in other)


@function("List.distinct")
def distinct(list: list) -> list:
    """Each element once."""
    found: Value = []
    for item in list:
        if item not in found:
            found.append(item)
    return found


@function("List.equals")
def equals(list: list, other: list) -> bool:
    """Whether two lists are equal."""
    return bool(list == other)


@function("List.flatten")
def flatten(list: list) -> list:
    """Elements of nested lists."""
    found: Value = []
    for item in list:
        found.extend(flatten(item) if isinstance(item, type(found)) else [item])
    return found


@function("List.frequency")
def frequency(list: list, element: Value) -> int:
    """How often an element is there."""
    return list.count(element)


@function("List.indexOf")
def index_of(list: list, element: Value) -> int:
    """Where an element is first, -1 if it is not there."""
    return list.index(element) if element in list else -1


@function("List.insert")
def insert(list: list, index: int, element: Value) -> list:
    """An element put in."""
    return [*list[:index], element, *list[index:]]


@function("List.join")
def join(list: list, separator: str = "") -> str:
    """Elements as one text."""
    return separator.join(to_text(item) for item in list)


@function("List.remove")
def remove(list: list, element: Value) -> list:
    """Without the first such element."""
    index = index_of(list, element)
    return list if index < 0 else [*list[:index], *list[index + 1 :]]


@function("List.removeAll")
def remove_all(list: list, other: list) -> list:
    """Without all elements of another list."""
    return [item for item in list if item not in other]


@function("List.repeat")
def repeat(value: Value, count: int) -> list:
    """So many times the same."""
    return [value] * count


@function("List.replace")
def replace(list: list, oldval: Value, newval: Value) -> list:
    """The first such element replaced."""
    index = index_of(list, oldval)
    return list if index < 0 else [*list[:index], newval, *list[index + 1 :]]


@function("List.replaceAll")
def replace_all(list: list, oldval: Value, newval: Value) -> list:
    """All such elements replaced."""
    return [newval if item == oldval else item for item in list]


@function("List.reverse")
def reverse(list: list) -> list:
    """Backwards."""
    return list[::-1]


@function("List.rotate")
def rotate(list: list, distance: int) -> list:
    """Moved to the end by so many places."""
    shift = distance % len(list) if list else 0
    return list[shift:] + list[:shift]


@function("List.set")
def set_item(list: list, index: int, element: Value) -> list:
    """One element replaced."""
    found = [*list]
    found[index] = element
    return found


@function("List.shuffle")
def shuffle(list: list, seed: Value = None) -> list:
    """In an order that depends on the seed only."""
    found = [*list]
    Random(str(seed)).shuffle(found)  # noqa: S311 - reproducible on purpose
    return found


@function("List.slice")
def slice_list(list: list, start: int, end: int | None = None, step: int | None = None) -> list:
    """From one element on, up to another."""
    return list[start:end:step]


@function("List.sort")
def sort(list: list, keys: list | None = None) -> list:
    """In order, of another list if one is given."""
    if keys is None:
        return sorted(list)
    return [item for _, item in sorted(zip(keys, list, strict=True), key=lambda pair: pair[0])]


@function("List.splice")
def splice(list: list, start: int, count: int, other: list | None = None) -> list:
    """Some elements replaced by another list."""
    return [*list[:start], *(other or []), *list[start + count :]]


@function("List.swap")
def swap(list: list, pos1: int, pos2: int) -> list:
    """Two elements exchanged."""
    found = [*list]
    found[pos1], found[pos2] = found[pos2], found[pos1]
    return found


@function("List.zip")
def zip_lists(list: list, other: list) -> list:
    """Pairs of two lists' elements, as many as the shorter has."""
    return [[one, two] for one, two in zip(list, other, strict=False)]


@function("List.unzip")
def unzip(list: list) -> list:
    """Columns of a list of rows."""
    return [[*column] for column in zip(*list, strict=True)]
