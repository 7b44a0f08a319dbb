"""Changes of the pixel type; values are clamped to the range of the new one, as Earth Engine does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.functions.arithmetic import Operation, unary
from rsbot_beam.local_ee.functions.bands import joined, select
from rsbot_beam.local_ee.image import Image
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.types import DOUBLE, FLOAT, PixelType, pixel_type_of
from rsbot_beam.local_ee.values import Value

TYPES: dict[str, PixelType] = {
    "uint8": pixel_type_of(np.dtype(np.uint8)),
    "uint16": pixel_type_of(np.dtype(np.uint16)),
    "uint32": pixel_type_of(np.dtype(np.uint32)),
    "int8": pixel_type_of(np.dtype(np.int8)),
    "int16": pixel_type_of(np.dtype(np.int16)),
    "int32": pixel_type_of(np.dtype(np.int32)),
    "int64": pixel_type_of(np.dtype(np.int64)),
    "float": FLOAT,
    "double": DOUBLE,
}
SYNONYMS = {"byte": "uint8", "short": "int16", "int": "int32", "long": "int64"}
_NAMES = {
    **{name: name for name in TYPES},
    **SYNONYMS,
    **{f"to{name[0].upper()}{name[1:]}": SYNONYMS.get(name, name) for name in (*TYPES, *SYNONYMS)},
}


def cast_values(values: NDArray[Any], pixel_type: PixelType) -> NDArray[Any]:
    """Values in another type: clamped to its range and cut towards zero for integers; NaN becomes 0 there."""
    if not pixel_type.is_integer:
        return values.astype(pixel_type.dtype, copy=False)
    dtype = pixel_type.dtype
    limits = np.iinfo(dtype)
    if values.dtype.kind in "ui" and np.can_cast(values.dtype, dtype):
        return values.astype(dtype, copy=False)
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)
        # The float next below 2^63 still fits into int64, 2^63 itself does not.
        top = np.nextafter(float(limits.max), 0) if limits.max > 2**53 else float(limits.max)
        return np.clip(values, float(limits.min), top).astype(dtype)
    return np.clip(values, max(limits.min, _low(values)), min(limits.max, _high(values))).astype(dtype)


def _low(values: NDArray[Any]) -> int:
    return 0 if values.dtype.kind == "b" else int(np.iinfo(values.dtype).min)


def _high(values: NDArray[Any]) -> int:
    return 1 if values.dtype.kind == "b" else int(np.iinfo(values.dtype).max)


def cast(image: Image, pixel_type: PixelType) -> Image:
    """Every band in this type; properties are kept."""
    operation = Operation(lambda values: cast_values(values, pixel_type), lambda _type: pixel_type, lambda t: t)
    found = unary(operation, image)
    return found.with_properties(lambda: image.properties)


def _register(name: str, pixel_type: PixelType) -> None:
    @function(f"Image.{name}")
    def on_image(value: Image) -> Image:
        return cast(value, pixel_type)

    @function(f"Number.{name}")
    def on_number(input: float) -> float:
        found: float = cast_values(np.asarray(input), pixel_type).item()
        return found


for _name, _target in _NAMES.items():
    _register(_name, TYPES[_target])


@function("Image.cast")
def cast_bands(image: Image, band_types: dict, band_order: list | None = None) -> Image:
    """Bands cast to types by name (`int16` or a PixelType), in a new order if wanted."""
    targets = {name: named_type(kind) for name, kind in band_types.items()}
    base = image if band_order is None else select(image, band_order)

    def places() -> list[tuple[Image, int, str]]:
        return [
            (cast(base.pick([index]), targets[name]), 0, name) if name in targets else (base, index, name)
            for index, name in enumerate(base.names)
        ]

    return joined(base, places)


def named_type(kind: Value) -> PixelType:
    """A type by name, or as it is.

    Raises:
        RequestError: For an unknown name.
    """
    if isinstance(kind, PixelType):
        return kind
    if kind not in _NAMES:
        raise RequestError(f"Unknown pixel type '{kind}'. Known types: {', '.join(TYPES)}.")
    return TYPES[_NAMES[kind]]


@function("PixelType")
def pixel_type(
    precision: Value,
    min_value: float | None = None,
    max_value: float | None = None,
    dimensions: int = 0,
) -> PixelType:
    """A pixel type from a precision and a range."""
    if precision == "int" and min_value is not None and max_value is not None:
        return PixelType("int", int(min_value), int(max_value))
    return named_type(precision)


def _register_type(name: str) -> None:
    @function(f"PixelType.{name}")
    def make() -> PixelType:
        return TYPES[name]


for _name in TYPES:
    if _name != "uint64":
        _register_type(_name)
