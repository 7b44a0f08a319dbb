"""Reducers: many values of a pixel, a region or a list to one, or to several named outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.stack import Stack
from rsbot_beam.local_ee.types import BOOLEAN, DOUBLE, PixelType, integer_type
from rsbot_beam.local_ee.values import Value

TypeRule = Callable[[PixelType], PixelType]


@dataclass(frozen=True)
class Output:
    """One output of a reducer.

    Attributes:
        name: What the result is called.
        reduce: (P,) values of a stack (N, P); pixels without any valid value are masked by the caller.
        type: Type of the result by that of the input, or None where the result is no number but a list or dictionary.
        always: Whether there is a result even without any valid value (count).
        input: Which of the reducer's inputs it reduces.
        tuple_size: How many inputs, from `input` on, it reduces together: its stack has a list of so many values in
            place of each; None = the values themselves.
    """

    name: str
    reduce: Callable[[Stack], Any]
    type: TypeRule | None
    always: bool = False
    input: int = 0
    tuple_size: int | None = None

    def stack_of(self, stacks: Sequence[Stack]) -> Stack:
        """What it reduces of the stacks (N, 1) of all inputs."""
        if self.tuple_size is None:
            return stacks[self.input]
        return Stack.tuples(stacks[self.input : self.input + self.tuple_size])


@dataclass(frozen=True)
class Reducer:
    """Outputs computed together.

    Attributes:
        outputs: In order.
        inputs: How many values each element has.
        group: Index of the input that the others are grouped by, or None.
        group_name: What the group's value is called.
        copies: How many copies of one reducer these are; above 1 each output is a list with an entry for each copy.
    """

    outputs: tuple[Output, ...]
    inputs: int = 1
    group: int | None = None
    group_name: str = "group"
    copies: int = 1

    @property
    def names(self) -> list[str]:
        """Names of the outputs."""
        return [output.name for output in self.outputs]

    def renamed(self, names: Sequence[str]) -> Reducer:
        """With other names of the outputs.

        Raises:
            RequestError: When there are more or fewer names than outputs.
        """
        if len(names) != len(self.outputs):
            raise RequestError(f"Reducer: {len(self.outputs)} outputs cannot take the names {list(names)}.")
        return replace(self, outputs=tuple(replace(o, name=n) for o, n in zip(self.outputs, names, strict=True)))

    def scalars(self, columns: Sequence[Sequence[Any] | NDArray[Any]]) -> dict[str, Any]:
        """Outputs by name of plain lists, one for each input; None entries are left out.

        Args:
            columns: Values of each input, all of one length.
        """
        if self.group is not None:
            return {"groups": self._groups(columns)}
        stacks = [Stack.of_list(column) for column in columns]
        values = [_scalar(output, output.stack_of(stacks)) for output in self.outputs]
        if self.copies == 1:
            return dict(zip(self.names, values, strict=True))
        each = len(self.outputs) // self.copies
        return {self.outputs[number].name: values[number::each] for number in range(each)}

    def _groups(self, columns: Sequence[Sequence[Any] | NDArray[Any]]) -> list[dict[str, Any]]:
        keys = np.asarray(columns[self.group or 0])
        rest = [np.asarray(column) for index, column in enumerate(columns) if index != self.group]
        plain = replace(self, group=None)
        return [
            {self.group_name: key.item(), **plain.scalars([column[keys == key] for column in rest])}
            for key in np.unique(keys)
        ]


def _scalar(output: Output, stack: Stack) -> Value:
    if not output.always and stack.count.sum() == 0:
        return None
    result = output.reduce(stack)
    if output.type is None:
        return result
    return np.asarray(result).reshape(-1)[0].item()


def _same(pixel_type: PixelType) -> PixelType:
    return pixel_type


def _double(_type: PixelType) -> PixelType:
    return DOUBLE


def _boolean(_type: PixelType) -> PixelType:
    return BOOLEAN


def _counted(_type: PixelType) -> PixelType:
    return integer_type(0, 2**31 - 1)


def single(
    name: str, reduce: Callable[[Stack], Any], type: TypeRule | None = _double, *, always: bool = False
) -> Reducer:
    """A reducer of one input and one output."""
    return Reducer((Output(name, reduce, type, always),))


SIMPLE: dict[str, Reducer] = {
    "sum": single("sum", Stack.sum),
    "mean": single("mean", Stack.mean),
    "median": single("median", lambda stack: stack.percentile(50)),
    "min": single("min", Stack.min, _same),
    "max": single("max", Stack.max, _same),
    "product": single("product", Stack.product),
    "variance": single("variance", Stack.variance),
    "stdDev": single("stdDev", lambda stack: np.sqrt(stack.variance())),
    "sampleVariance": single("sampleVariance", lambda stack: stack.variance(1)),
    "sampleStdDev": single("sampleStdDev", lambda stack: np.sqrt(stack.variance(1))),
    "count": single("count", lambda stack: stack.count, _counted, always=True),
    "countEvery": single("count", Stack.count_every, _counted, always=True),
    "countDistinct": single("count", Stack.count_distinct, _counted, always=True),
    "first": single("first", Stack.first, _same),
    "last": single("last", Stack.last, _same),
    "mode": single("mode", Stack.mode, _same),
    "anyNonZero": single("any", Stack.any, _boolean),
    "allNonZero": single("all", Stack.all, _boolean),
    "bitwiseAnd": single("bitwise_and", lambda stack: stack.bitwise(np.bitwise_and), _same),
    "bitwiseOr": single("bitwise_or", lambda stack: stack.bitwise(np.bitwise_or), _same),
    "skew": single("skew", lambda stack: stack.moment(3)),
    "kurtosis": single("kurtosis", lambda stack: stack.moment(4) - 3),
    "toList": single("list", Stack.to_list, None, always=True),
    "frequencyHistogram": single("histogram", Stack.frequencies, None, always=True),
}
SIMPLE["minMax"] = Reducer(SIMPLE["min"].outputs + SIMPLE["max"].outputs)
SIMPLE |= {
    "and": SIMPLE["allNonZero"],
    "or": SIMPLE["anyNonZero"],
    "firstNonNull": SIMPLE["first"],
    "lastNonNull": SIMPLE["last"],
    "countDistinctNonNull": SIMPLE["countDistinct"],
}


def percentile_reducer(percentiles: Sequence[float], names: Sequence[str] | None) -> Reducer:
    """Percentiles with linear interpolation between ranks; outputs `p5`, `p95` unless named."""

    def output(percent: float, name: str) -> Output:
        return Output(name, lambda stack: stack.percentile(percent), _double)

    chosen = names or [f"p{percent:g}".replace(".", "_") for percent in percentiles]
    if len(chosen) != len(percentiles):
        raise RequestError(f"Reducer.percentile: {len(percentiles)} percentiles cannot take the names {list(chosen)}.")
    return Reducer(tuple(output(percent, name) for percent, name in zip(percentiles, chosen, strict=True)))


def tuple_reducer(size: int) -> Reducer:
    """Lists the values of so many inputs as tuples, of which none lacks a value."""
    return Reducer((replace(SIMPLE["toList"].outputs[0], tuple_size=size),), inputs=size)


def combine(first: Reducer, second: Reducer, prefix: str, shared: bool) -> Reducer:
    """Both on the same inputs (`shared`), or the second on inputs that follow the first's."""
    shift = 0 if shared else first.inputs
    inputs = max(first.inputs, second.inputs) if shared else first.inputs + second.inputs
    moved = tuple(replace(o, name=prefix + o.name, input=o.input + shift) for o in second.outputs)
    return Reducer(first.outputs + moved, inputs)


def repeat(reducer: Reducer, count: int) -> Reducer:
    """The reducer once for each of so many inputs; every output becomes a list of the copies' outputs."""
    outputs = tuple(
        replace(output, input=output.input + number * reducer.inputs)
        for number in range(count)
        for output in reducer.outputs
    )
    return replace(reducer, outputs=outputs, inputs=reducer.inputs * count, copies=count)


def for_each(reducer: Reducer, names: Sequence[str]) -> Reducer:
    """The reducer once for each name; outputs are the names, with the reducer's outputs appended if it has several."""
    repeated = repeat(reducer, len(names))
    if len(reducer.outputs) == 1:
        return replace(repeated, copies=1).renamed(names)
    labels = [f"{name}_{output.name}" for name in names for output in reducer.outputs]
    return replace(repeated, copies=1).renamed(labels)
