"""Arithmetic, comparison, logic and bits, on images and on numbers, from one table of NumPy functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.image import Image, PixelContext, Raster, both_valid
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.types import BOOLEAN, DOUBLE, FLOAT, Band, PixelType, integer_type, union_type
from rsbot_beam.local_ee.values import Value

Array = NDArray[Any]
UnaryRule = Callable[[PixelType], PixelType]
BinaryRule = Callable[[PixelType, PixelType], PixelType]


def _float(*types: PixelType) -> PixelType:
    return DOUBLE if union_type(types).precision == "double" else FLOAT


def _same(pixel_type: PixelType) -> PixelType:
    return pixel_type


def _boolean(*_types: PixelType) -> PixelType:
    return BOOLEAN


def _union(first: PixelType, second: PixelType) -> PixelType:
    return union_type((first, second))


def _int64(*_types: PixelType) -> PixelType:
    return integer_type(-(2**63), 2**63 - 1)


def _byte(*_types: PixelType) -> PixelType:
    return integer_type(0, 255)


def _corners(operation: Callable[[float, float], float]) -> BinaryRule:
    """The range of an integer result from the corners of the two ranges; the union's precision otherwise."""

    def rule(first: PixelType, second: PixelType) -> PixelType:
        joined = union_type((first, second))
        if not joined.is_integer:
            return joined
        ends = [operation(a, b) for a in first.range() for b in second.range()]
        return integer_type(min(ends), max(ends))

    return rule


def _bits_and(first: PixelType, second: PixelType) -> PixelType:
    joined = union_type((first, second))
    if first.range()[0] >= 0 and second.range()[0] >= 0 and joined.is_integer:
        return integer_type(0, min(first.range()[1], second.range()[1]))
    return joined if joined.is_integer else _int64()


def _bits_or(first: PixelType, second: PixelType) -> PixelType:
    joined = union_type((first, second))
    if not joined.is_integer or joined.range()[0] < 0:
        return joined if joined.is_integer else _int64()
    return integer_type(0, (1 << int(joined.range()[1]).bit_length()) - 1)


def _shift_right(first: PixelType, _second: PixelType) -> PixelType:
    return first if first.is_integer else _int64()


def _absolute(pixel_type: PixelType) -> PixelType:
    if not pixel_type.is_integer:
        return replace(pixel_type, low=None, high=None)
    low, high = pixel_type.range()
    return integer_type(0 if low <= 0 <= high else min(abs(low), abs(high)), max(abs(low), abs(high)))


def _rounded(pixel_type: PixelType) -> PixelType:
    return pixel_type if pixel_type.is_integer else _int64()


def _first_non_zero(first: Array, second: Array) -> Array:
    return np.where(first != 0, first, second)


def _divide(first: Array, second: Array) -> Array:
    # Earth Engine gives 0 for a division by 0.
    return np.divide(first, second, out=np.zeros(np.broadcast(first, second).shape, first.dtype), where=second != 0)


def _modulo(first: Array, second: Array) -> Array:
    # The sign is the dividend's, as in Java.
    return np.fmod(first, second, out=np.zeros(np.broadcast(first, second).shape, first.dtype), where=second != 0)


def _whole(operation: Callable[..., Array]) -> Callable[..., Array]:
    """The operation on int64."""

    def compute(*arrays: Array) -> Array:
        return operation(*(array.astype(np.int64) for array in arrays))

    return compute


def _half_up(values: Array) -> Array:
    # Java's Math.round: halves go up, unlike NumPy's to even.
    return values if values.dtype.kind in "ui" else np.floor(values + 0.5)


def _bit_count(values: Array) -> Array:
    bits = np.unpackbits(np.ascontiguousarray(values.astype(np.int64))[..., None].view(np.uint8), axis=-1)
    return bits.sum(axis=-1)


@dataclass(frozen=True)
class Operation:
    """An elementwise function.

    Attributes:
        compute: On arrays of the type that `works_in` gives.
        result: Type of the result by those of the inputs.
        works_in: Type that inputs are converted to first; the result's own by default.
    """

    compute: Callable[..., Array]
    result: Callable[..., PixelType]
    works_in: Callable[..., PixelType] | None = None


def _compare(compute: Callable[..., Array]) -> Operation:
    return Operation(compute, _boolean, lambda *types: union_type(types))


def _bits(compute: Callable[..., Array], result: BinaryRule) -> Operation:
    return Operation(_whole(compute), result, _int64)


BINARY: dict[str, Operation] = {
    "add": Operation(np.add, _corners(lambda a, b: a + b)),
    "subtract": Operation(np.subtract, _corners(lambda a, b: a - b)),
    "multiply": Operation(np.multiply, _corners(lambda a, b: a * b)),
    "divide": Operation(_divide, _float),
    "mod": Operation(_modulo, _union),
    "pow": Operation(np.power, _float, lambda *_types: DOUBLE),
    "atan2": Operation(np.arctan2, _float, lambda *_types: DOUBLE),
    "hypot": Operation(np.hypot, _float, lambda *_types: DOUBLE),
    "min": Operation(np.minimum, _corners(min)),
    "max": Operation(np.maximum, _corners(max)),
    "first": Operation(lambda first, second: first, _union),
    "firstNonZero": Operation(_first_non_zero, _union),
    "eq": _compare(np.equal),
    "neq": _compare(np.not_equal),
    "gt": _compare(np.greater),
    "gte": _compare(np.greater_equal),
    "lt": _compare(np.less),
    "lte": _compare(np.less_equal),
    "and": _compare(np.logical_and),
    "or": _compare(np.logical_or),
    "bitwiseAnd": _bits(np.bitwise_and, _bits_and),
    "bitwiseOr": _bits(np.bitwise_or, _bits_or),
    "bitwiseXor": _bits(np.bitwise_xor, _bits_or),
    "leftShift": _bits(np.left_shift, _int64),
    "rightShift": _bits(np.right_shift, _shift_right),
}

UNARY: dict[str, Operation] = {
    "abs": Operation(np.abs, _absolute, _same),
    "not": Operation(np.logical_not, _boolean, _same),
    "floor": Operation(np.floor, _rounded, _same),
    "ceil": Operation(np.ceil, _rounded, _same),
    "round": Operation(_half_up, _rounded, _same),
    "signum": Operation(
        np.sign, lambda t: integer_type(-1, 1) if t.is_integer else t, lambda t: t if t.range()[0] < 0 else FLOAT
    ),
    "bitwiseNot": _bits(np.bitwise_not, _int64),
    "bitCount": Operation(_bit_count, _byte, _int64),
}
UNARY |= {
    name: Operation(compute, _float, lambda *_types: DOUBLE)
    for name, compute in {
        "sqrt": np.sqrt,
        "cbrt": np.cbrt,
        "exp": np.exp,
        "log": np.log,
        "log10": np.log10,
        "sin": np.sin,
        "cos": np.cos,
        "tan": np.tan,
        "asin": np.arcsin,
        "acos": np.arccos,
        "atan": np.arctan,
        "sinh": np.sinh,
        "cosh": np.cosh,
        "tanh": np.tanh,
    }.items()
}
# Older spellings that the client's API still has.
ALIASES = {
    "bitwise_and": "bitwiseAnd",
    "bitwise_or": "bitwiseOr",
    "bitwise_xor": "bitwiseXor",
    "bitwise_not": "bitwiseNot",
    "left_shift": "leftShift",
    "right_shift": "rightShift",
    "first_nonzero": "firstNonZero",
}


def apply(operation: Operation, *arrays: Array, types: Sequence[PixelType]) -> Array:
    """The operation on arrays of these types, in the dtype of the result's type."""
    works_in = operation.works_in or operation.result
    dtype = works_in(*types).dtype
    result = operation.compute(*(array.astype(dtype, copy=False) for array in arrays))
    return result.astype(operation.result(*types).dtype, copy=False)


def unary(operation: Operation, image: Image) -> Image:
    """The operation on every band."""

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        rasters = context.rasters(image, indices)
        return [
            Raster(apply(operation, raster.values, types=[image.bands[index].type]), raster.mask)
            for index, raster in zip(indices, rasters, strict=True)
        ]

    bands = lambda: [replace(band, type=operation.result(band.type)) for band in image.bands]  # noqa: E731
    return image.derive(bands, compute, properties=lambda: kept_properties(image))


def pairs(name: str, first: Image, second: Image) -> list[tuple[str, int, int]]:
    """(output name, index in the first, index in the second) by Earth Engine's rules of matching bands."""
    one, two = first.names, second.names
    if len(two) == 1:
        return [(band, index, 0) for index, band in enumerate(one)]
    if len(one) == 1:
        return [(band, 0, index) for index, band in enumerate(two)]
    if len(one) == len(two):
        if set(one) == set(two):
            return [(band, index, two.index(band)) for index, band in enumerate(one)]
        return [(band, index, index) for index, band in enumerate(one)]
    shared = [(band, index, two.index(band)) for index, band in enumerate(one) if band in two]
    if not shared:
        raise RequestError(
            f"Image.{name}: Images have {len(one)} and {len(two)} bands and none of the same name: {one} and {two}."
        )
    return shared


def binary(name: str, first: Image, second: Image) -> Image:
    """A two-image operation of the table, by name."""
    operation = BINARY[name]

    def bands() -> list[Band]:
        found = []
        for label, i, j in pairs(name, first, second):
            base = first.bands[i] if len(first.bands) >= len(second.bands) else second.bands[j]
            found.append(replace(base, name=label, type=operation.result(first.bands[i].type, second.bands[j].type)))
        return found

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        matched = pairs(name, first, second)
        left = context.rasters(first, [matched[index][1] for index in indices])
        right = context.rasters(second, [matched[index][2] for index in indices])
        types = [(first.bands[matched[i][1]].type, second.bands[matched[i][2]].type) for i in indices]
        return [
            Raster(apply(operation, a.values, b.values, types=both), both_valid(a.mask, b.mask, context))
            for a, b, both in zip(left, right, types, strict=True)
        ]

    return first.derive(
        bands, compute, properties=lambda: kept_properties(first), footprint=lambda: _common(first, second)
    )


def kept_properties(image: Image) -> dict[str, Any]:
    """What arithmetic keeps of the first image's properties: its index, as Earth Engine does. Copy others by hand."""
    index = image.properties.get("system:index")
    return {} if index is None else {"system:index": index}


def _common(first: Image, second: Image) -> Value:
    if first.footprint is None or second.footprint is None:
        return second.footprint if first.footprint is None else first.footprint
    if first.footprint is second.footprint:
        return first.footprint
    return first.footprint.intersection(second.footprint)


def number(name: str, *values: float) -> float:
    """An operation of the tables on plain numbers."""
    operation = (BINARY if len(values) == 2 else UNARY)[name]
    types = [integer_type(-(2**53), 2**53) if isinstance(value, int) else DOUBLE for value in values]
    found = apply(operation, *(np.asarray(value) for value in values), types=types).item()
    return int(found) if name in ("floor", "ceil", "round") else found


def _register_binary(name: str, kernel: str) -> None:
    @function(f"Image.{name}")
    def on_images(image1: Image, image2: Image) -> Image:
        return binary(kernel, image1, image2)

    @function(f"Number.{name}")
    def on_numbers(left: float, right: float) -> float:
        return number(kernel, left, right)


def _register_unary(name: str, kernel: str) -> None:
    @function(f"Image.{name}")
    def on_image(value: Image) -> Image:
        return unary(UNARY[kernel], value)

    @function(f"Number.{name}")
    def on_number(input: float) -> float:
        return number(kernel, input)


for _name in BINARY:
    _register_binary(_name, _name)
for _name in UNARY:
    _register_unary(_name, _name)
for _name, _kernel in ALIASES.items():
    (_register_binary if _kernel in BINARY else _register_unary)(_name, _kernel)


@function("Image.clamp")
def clamp(input: Image, low: float, high: float) -> Image:
    """Values limited to a range."""

    def limit(values: Array) -> Array:
        return np.clip(values, low, high)

    def result(pixel_type: PixelType) -> PixelType:
        if pixel_type.is_integer and float(low).is_integer() and float(high).is_integer():
            bottom, top = pixel_type.range()
            return integer_type(min(max(low, bottom), high), max(min(high, top), low))
        return DOUBLE if pixel_type.is_integer else pixel_type

    def works_in(pixel_type: PixelType) -> PixelType:
        return union_type((pixel_type, integer_type(low, high))) if result(pixel_type).is_integer else DOUBLE

    return unary(Operation(limit, result, works_in), input)


@function("Image.unitScale")
def unit_scale(input: Image, low: float, high: float) -> Image:
    """Maps [low, high] to [0, 1], not clamped."""
    return unary(Operation(lambda values: (values - low) / (high - low), _float, lambda *_types: DOUBLE), input)


@function("Image.polynomial")
def polynomial(image: Image, coefficients: list) -> Image:
    """A polynomial of every pixel, coefficients of increasing degree."""
    return unary(
        Operation(lambda x: np.polynomial.polynomial.polyval(x, coefficients), lambda _t: DOUBLE, lambda _t: DOUBLE),
        image,
    )


@function("Number.clamp")
def clamp_number(number: float, min: float, max: float) -> float:
    """A number limited to a range."""
    return sorted((min, number, max))[1]


@function("Number.unitScale")
def unit_scale_number(number: float, min: float, max: float) -> float:
    """Maps [min, max] to [0, 1]."""
    return (number - min) / (max - min)
