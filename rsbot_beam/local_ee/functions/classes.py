"""Values looked up: remapped classes, normalised differences, interpolated tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.functions.bands import band_indices, select
from rsbot_beam.local_ee.image import Image, PixelContext, Raster, both_valid, constant_type
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.types import DOUBLE, FLOAT, Band, PixelType, union_type
from rsbot_beam.local_ee.values import Value


@function("Image.remap")
def remap(
    image: Image,
    from_: list,
    to: list,
    default_value: Value = None,
    band_name: str | None = None,
) -> Image:
    """Values of one list to those of another; others become the default value, or masked without one."""
    if len(from_) != len(to):
        raise RequestError(f"Image.remap: 'from' has {len(from_)} values but 'to' has {len(to)}.")
    base = image if band_name is None else select(image, [band_name])

    def target() -> PixelType:
        found = union_type(constant_type(value) for value in to)
        return found if default_value is None else union_type((found, constant_type(default_value)))

    def compute(_indices: Sequence[int], context: PixelContext) -> list[Raster]:
        raster = context.raster(base)
        found, position = _lookup(raster.values, np.array(from_))
        values = np.array(to, dtype=target().dtype)[position] if to else np.zeros(found.shape, target().dtype)
        if default_value is None:
            return [Raster(np.where(found, values, 0), both_valid(raster.mask, found, context))]
        return [Raster(np.where(found, values, default_value).astype(target().dtype), raster.mask)]

    return image.derive(lambda: [replace(base.bands[0], name="remapped", type=target())], compute)


def _lookup(values: NDArray[Any], known: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Whether each value is known, and where."""
    if known.size == 0:
        return np.zeros(values.shape, bool), np.zeros(values.shape, np.int64)
    order = np.argsort(known, kind="stable")
    place = np.clip(np.searchsorted(known[order], values), 0, known.size - 1)
    return known[order][place] == values, order[place]


@function("Image.normalizedDifference")
def normalized_difference(input: Image, band_names: list | None = None) -> Image:
    """(first - second) / (first + second); masked where either is negative, as Earth Engine does."""

    def places() -> list[int]:
        found = band_indices(input, band_names) if band_names is not None else list(range(len(input.bands)))[:2]
        if len(found) != 2:
            raise RequestError("Image.normalizedDifference: 2 bands are needed.")
        return found

    def compute(_indices: Sequence[int], context: PixelContext) -> list[Raster]:
        one, two = context.rasters(input, places())
        first, second = one.values.astype(np.float64), two.values.astype(np.float64)
        total = first + second
        values = np.divide(first - second, total, out=np.zeros_like(total), where=total != 0)
        mask = both_valid(both_valid(one.mask, two.mask, context), (first >= 0) & (second >= 0), context)
        return [Raster(values.astype(np.float32), mask)]

    def bands() -> list[Band]:
        return [replace(input.bands[places()[0]], name="nd", type=replace(FLOAT, low=-1, high=1))]

    return input.derive(bands, compute)


@function("Image.interpolate")
def interpolate(image: Image, x: list, y: list, behavior: str = "extrapolate") -> Image:
    """Every pixel through a table of points joined by straight lines."""
    xs, ys = np.array(x, dtype=np.float64), np.array(y, dtype=np.float64)
    if len(xs) != len(ys) or len(xs) < 2:
        raise RequestError("Image.interpolate: 'x' and 'y' need the same number of at least two values.")
    if behavior not in ("extrapolate", "clamp", "mask", "input"):
        raise RequestError(f"Image.interpolate: Unknown behavior '{behavior}'.")

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        found = []
        for raster in context.rasters(image, indices):
            values = raster.values.astype(np.float64)
            outside = (values < xs[0]) | (values > xs[-1])
            result = np.interp(values, xs, ys)
            if behavior == "extrapolate":
                result = np.where(values < xs[0], _line(values, xs[:2], ys[:2]), result)
                result = np.where(values > xs[-1], _line(values, xs[-2:], ys[-2:]), result)
            if behavior == "input":
                result = np.where(outside, values, result)
            mask = both_valid(raster.mask, ~outside, context) if behavior == "mask" else raster.mask
            found.append(Raster(result, mask))
        return found

    return image.derive(lambda: [replace(band, type=DOUBLE) for band in image.bands], compute)


def _line(values: NDArray[Any], xs: NDArray[Any], ys: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(ys[0] + (values - xs[0]) * (ys[1] - ys[0]) / (xs[1] - xs[0]))
