"""Operations on a pixel's surroundings. They work on the pixels of the grid that is asked for, as Earth Engine's do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from rsbot_beam.local_ee import deadlines
from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.functions.casts import cast_values
from rsbot_beam.local_ee.functions.kernel_makers import shape_kernel
from rsbot_beam.local_ee.functions.reducing import output_type
from rsbot_beam.local_ee.image import Image, PixelContext, Raster, both_valid
from rsbot_beam.local_ee.kernels import MAX_REACH, Kernel
from rsbot_beam.local_ee.reducers import SIMPLE, Output, Reducer
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.stack import Stack
from rsbot_beam.local_ee.types import DOUBLE, FLOAT, Band, Projection
from rsbot_beam.local_ee.values import Value
from rsbot_beam.local_ee.windows import Outcome, fits, reduce_windows

# Values (neighbours x pixels) held at a time: 32 MB of float64, and a few times that while they are reduced.
MAX_STACK = 1 << 22


def weights_for(kernel: Kernel, context: PixelContext) -> NDArray[np.float64]:
    """A kernel's weights for a context's pixel size.

    Raises:
        RequestError: When the kernel is too large.
    """
    weights = kernel.weights(Projection(context.grid.crs, context.grid.transform).nominal_scale)
    if max(weights.shape) > 2 * MAX_REACH + 1:
        raise RequestError(
            f"Kernel is too large: {weights.shape[1]}x{weights.shape[0]} pixels, at most {2 * MAX_REACH}."
        )
    return weights


def surroundings(image: Image, indices: Sequence[int], context: PixelContext, reach: tuple[int, int]) -> list[Raster]:
    """Bands on the grid and so many (rows, columns) of pixels around it."""
    rows, columns = context.grid.shape
    padded = context.grid.window(-reach[0], -reach[1], (rows + 2 * reach[0], columns + 2 * reach[1]))
    return context.at(padded).rasters(image, indices)


def shifted(array: NDArray[Any], dy: int, dx: int, reach: tuple[int, int], shape: tuple[int, int]) -> NDArray[Any]:
    """The part of a padded array that lies (dy, dx) away from each pixel."""
    return array[reach[0] + dy : reach[0] + dy + shape[0], reach[1] + dx : reach[1] + dx + shape[1]]


@function("Image.reduceNeighborhood")
def reduce_neighborhood(
    image: Image,
    reducer: Reducer,
    kernel: Kernel,
    input_weight: Value = "kernel",
    skip_masked: bool = True,
    optimization: Value = None,
) -> Image:
    """The neighbours that a kernel weighs, reduced; bands are named `band_output`."""
    places = [(index, output) for index in range(len(image.bands)) for output in reducer.outputs]

    def bands() -> list[Band]:
        return [
            replace(image.bands[i], name=f"{image.bands[i].name}_{o.name}", type=output_type(o, image.bands[i].type))
            for i, o in places
        ]

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        weights = weights_for(kernel, context)
        chosen = [places[index] for index in indices]
        needed = list(dict.fromkeys(i for i, _ in chosen))
        padded = surroundings(image, needed, context, _reach(weights))
        done = {
            i: _reduced(image.bands[i], raster, context, weights, reducer, skip_masked)
            for i, raster in zip(needed, padded, strict=True)
        }
        return [done[i][reducer.outputs.index(o)] for i, o in chosen]

    return image.derive(bands, compute)


def _reach(weights: NDArray[np.float64]) -> tuple[int, int]:
    return weights.shape[0] // 2, weights.shape[1] // 2


def _reduced(
    band: Band, padded: Raster, context: PixelContext, weights: NDArray[np.float64], reducer: Reducer, skip_masked: bool
) -> list[Raster]:
    reach = _reach(weights)
    height, width = context.grid.shape
    centre = shifted(padded.mask, 0, 0, reach, (height, width))
    windows = fits(weights, reducer.outputs)
    outcomes = (reduce_windows if windows else _reduce_pieces)(padded.values, padded.valid, weights, reducer.outputs)
    found = []
    for output, (values, known) in zip(reducer.outputs, outcomes, strict=True):
        mask = both_valid(known, centre, context) if skip_masked else known
        found.append(Raster(cast_values(values, output_type(output, band.type)), mask))
    return found


def _reduce_pieces(
    values: NDArray[Any], valid: NDArray[np.bool_], weights: NDArray[np.float64], outputs: Sequence[Output]
) -> list[Outcome]:
    """As `reduce_windows`, for any kernel and reducer: all neighbours of some pixels at a time."""
    shape = values.shape[0] - weights.shape[0] + 1, values.shape[1] - weights.shape[1] + 1
    chosen = weights != 0
    pieces = []
    for rows, columns in _pieces(shape, max(1, MAX_STACK // max(1, int(chosen.sum())))):
        deadlines.check()
        around, known = (_neighbours(part, chosen, rows, columns) for part in (values, valid))
        stack = Stack(around, known, weights[chosen].reshape(-1, 1))
        pieces.append([(np.asarray(o.reduce(stack)), (stack.count > 0) | o.always) for o in outputs])
    joined = []
    for of_output in zip(*pieces, strict=True):
        found, mask = (np.concatenate(parts).reshape(shape) for parts in zip(*of_output, strict=True))
        joined.append((found, mask))
    return joined


def _pieces(shape: tuple[int, int], pixels: int) -> Iterator[tuple[slice, slice]]:
    """A grid in pieces of at most so many pixels, row by row: whole rows, or parts of one."""
    rows, columns = max(1, pixels // shape[1]), min(shape[1], pixels)
    for top in range(0, shape[0], rows):
        for left in range(0, shape[1], columns):
            yield slice(top, min(top + rows, shape[0])), slice(left, min(left + columns, shape[1]))


def _neighbours(part: NDArray[Any], chosen: NDArray[np.bool_], rows: slice, columns: slice) -> NDArray[Any]:
    """(N, P): the neighbours of the pixels of a piece."""
    size = (rows.stop - rows.start, columns.stop - columns.start)
    if chosen.sum() > size[0] * size[1]:
        windows = sliding_window_view(part, chosen.shape)[rows, columns]
        return np.ascontiguousarray(windows[..., chosen].reshape(size[0] * size[1], -1).T)
    return np.stack(
        [
            part[rows.start + y : rows.stop + y, columns.start + x : columns.stop + x].reshape(-1)
            for y, x in np.argwhere(chosen)
        ]
    )


@function("Image.convolve")
def convolve(image: Image, kernel: Kernel) -> Image:
    """The weighted sum of the neighbours; masked ones count as 0."""

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        weights = weights_for(kernel, context)
        padded = surroundings(image, indices, context, _reach(weights))
        return [_convolved(image.bands[i], raster, context, weights) for i, raster in zip(indices, padded, strict=True)]

    return image.derive(lambda: [replace(band, type=_real(band)) for band in image.bands], compute)


def _real(band: Band) -> Value:
    return DOUBLE if band.type.precision == "double" else FLOAT


def _convolved(band: Band, padded: Raster, context: PixelContext, weights: NDArray[np.float64]) -> Raster:
    reach = _reach(weights)
    clean = np.where(padded.valid, padded.values, 0).astype(np.float64)
    total = np.zeros(context.grid.shape)
    # A convolution: the kernel is turned round.
    for dy, dx in np.argwhere(weights != 0) - np.array(reach):
        deadlines.check()
        total += shifted(clean, -dy, -dx, reach, context.grid.shape) * weights[reach[0] + dy, reach[1] + dx]
    mask = shifted(padded.mask, 0, 0, reach, context.grid.shape)
    return Raster(total.astype(_real(band).dtype), mask)


def _register_focal(names: Sequence[str], statistic: str) -> None:
    @function(*names)
    def focal(
        image: Image,
        radius: float = 1.5,
        kernel_type: str = "circle",
        units: str = "pixels",
        iterations: int = 1,
        kernel: Kernel | None = None,
    ) -> Image:
        chosen = kernel or shape_kernel(kernel_type, radius, units)
        found = image
        for _ in range(iterations):
            reduced = reduce_neighborhood(found, SIMPLE[statistic], chosen, skip_masked=False)
            found = reduced.pick(range(len(image.bands)), image.names)
        return found


for _name in ("max", "mean", "median", "min", "mode"):
    _register_focal([f"Image.focal_{_name}", f"Image.focal{_name.title()}"], _name)


@function("Image.neighborhoodToBands")
def neighborhood_to_bands(image: Image, kernel: Kernel) -> Image:
    """Each neighbour as a band `band_dx_dy`; kernels in pixels only."""
    weights = kernel.weights(1.0)
    reach = _reach(weights)
    offsets = [(int(dy), int(dx)) for dy, dx in np.argwhere(weights != 0) - np.array(reach)]
    places = [(index, dy, dx) for index in range(len(image.bands)) for dy, dx in offsets]

    def bands() -> list[Band]:
        return [replace(image.bands[i], name=f"{image.bands[i].name}_{dx}_{dy}") for i, dy, dx in places]

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        chosen, shape = [places[index] for index in indices], context.grid.shape
        padded = surroundings(image, [i for i, _, _ in chosen], context, reach)
        return [
            Raster(*(shifted(part, dy, dx, reach, shape) for part in raster))
            for raster, (_, dy, dx) in zip(padded, chosen, strict=True)
        ]

    return image.derive(bands, compute)
