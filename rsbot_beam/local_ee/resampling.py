"""Images computed on the grid of another projection, and brought from there to the grid that is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.image import Image, PixelContext, Raster
from rsbot_beam.local_ee.provider import PixelGrid
from rsbot_beam.local_ee.reducers import Reducer
from rsbot_beam.local_ee.stack import Stack
from rsbot_beam.local_ee.types import Projection
from rsbot_beam.local_ee.values import Value

# Pixels of an intermediate projection that one block of a request may need; Earth Engine refuses above such a number.
MAX_PIXELS = 1 << 25
# Pixels: a centre this close to an edge counts as on it (see raster_file.EDGE).
EDGE = 1e-6

Places = tuple[NDArray[np.float64], NDArray[np.float64]]


def places_in(projection: Projection, grid: PixelGrid) -> Places:
    """(columns, rows) of a grid's pixel centres in the pixel coordinates of a projection, each (H, W) float64."""
    x, y = grid.coordinates(projection.crs)
    columns, rows = ~projection.transform * (x, y)
    return np.asarray(columns), np.asarray(rows)


def covering_grid(projection: Projection, places: Places, margin: int) -> PixelGrid | None:
    """The pixels of a projection under places in it, with a margin; None when no place is finite.

    Raises:
        RequestError: When they are too many.
    """
    columns, rows = places
    finite = np.isfinite(columns) & np.isfinite(rows)
    if not finite.any():
        return None
    left, right = int(np.floor(columns[finite].min())) - margin, int(np.floor(columns[finite].max())) + margin + 1
    top, bottom = int(np.floor(rows[finite].min())) - margin, int(np.floor(rows[finite].max())) + margin + 1
    if (right - left) * (bottom - top) > MAX_PIXELS:
        raise RequestError(f"Reprojection output too large ({right - left}x{bottom - top} pixels).")
    origin = PixelGrid(projection.crs, projection.transform, (1, 1))
    return origin.window(top, left, (bottom - top, right - left))


def through_projection(
    image: Image, indices: Sequence[int], context: PixelContext, projection: Projection, mode: str
) -> list[Raster]:
    """Bands computed on a projection's pixels and read there at the context's pixel centres.

    Args:
        image: The image.
        indices: Bands wanted.
        context: Where.
        projection: Pixels to compute on.
        mode: `nearest`, `bilinear` or `bicubic`.
    """
    columns, rows = places_in(projection, context.grid)
    native = covering_grid(projection, (columns, rows), {"nearest": 0, "bilinear": 1, "bicubic": 2}[mode])
    dtypes = [image.bands[index].type.dtype for index in indices]
    if native is None:
        return [context.masked(dtype) for dtype in dtypes]
    offset_columns, offset_rows = _offset(projection, native)
    local = (np.nan_to_num(columns, posinf=-1, neginf=-1, nan=-1) - offset_columns, rows - offset_rows)
    rasters = context.at(native).rasters(image, indices)
    if mode == "nearest":
        return [_nearest(raster, local, context) for raster in rasters]
    taps = _bilinear_taps(local) if mode == "bilinear" else _bicubic_taps(local)
    return [_interpolated(raster, taps) for raster in rasters]


def _offset(projection: Projection, native: PixelGrid) -> tuple[float, float]:
    column, row = ~projection.transform * (native.transform.c, native.transform.f)
    return round(column), round(row)


def _nearest(raster: Raster, local: Places, context: PixelContext) -> Raster:
    height, width = raster.values.shape
    columns, rows = (np.floor(np.nan_to_num(axis, nan=-1) + EDGE).astype(np.int64) for axis in local)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    picked = (np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1))
    mask = raster.mask[picked]
    return Raster(raster.values[picked], mask if inside.all() else np.where(inside, mask, False))


Taps = list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]


def _bilinear_taps(local: Places) -> Taps:
    return _taps(local, (0, 1), lambda share: [1 - share, share])


def _bicubic_taps(local: Places) -> Taps:
    return _taps(local, (-1, 0, 1, 2), _keys)


def _keys(share: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Weights of the four neighbours by Keys (1981), a = -0.5."""
    a = -0.5

    def near(t: NDArray[np.float64]) -> NDArray[np.float64]:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1

    def far(t: NDArray[np.float64]) -> NDArray[np.float64]:
        return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a

    return [far(1 + share), near(share), near(1 - share), far(2 - share)]


def _taps(local: Places, steps: Sequence[int], weights: Value) -> Taps:
    """(rows, columns, weight) of every neighbour that takes part."""
    (columns, rows) = local
    left, top = np.floor(columns - 0.5), np.floor(rows - 0.5)
    across, down = weights(columns - 0.5 - left), weights(rows - 0.5 - top)
    base_column, base_row = left.astype(np.int64), top.astype(np.int64)
    return [
        (base_row + dy, base_column + dx, down[j] * across[i])
        for j, dy in enumerate(steps)
        for i, dx in enumerate(steps)
    ]


def _interpolated(raster: Raster, taps: Taps) -> Raster:
    """A weighted sum; masked where a neighbour that counts is masked."""
    height, width = raster.values.shape
    total = np.zeros(taps[0][0].shape)
    mask = np.ones(total.shape, bool)
    valid = raster.valid
    for rows, columns, weight in taps:
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        picked = (np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1))
        total += np.where(weight != 0, raster.values[picked] * weight, 0)
        mask &= (valid[picked] & inside) | (np.abs(weight) < EDGE)
    return Raster(total, mask)


def aggregated(
    image: Image, index: int, context: PixelContext, projection: Projection, reducer: Reducer, max_pixels: int
) -> list[Raster]:
    """The native pixels that lie in each pixel of the context's grid, reduced; where there is none, the nearest one.

    Args:
        image: The image.
        index: Its band.
        context: Where.
        projection: Native pixels.
        reducer: Of one input.
        max_pixels: Native pixels that one pixel may take.

    Raises:
        RequestError: When there are more.
    """
    grid = context.grid
    native = covering_grid(
        projection, places_in(projection, grid.window(-1, -1, (grid.shape[0] + 2, grid.shape[1] + 2))), 1
    )
    if native is None:
        return [context.masked(image.bands[index].type.dtype) for _ in reducer.outputs]
    raster = context.at(native).raster(image, index)
    columns, rows = places_in(Projection(grid.crs, grid.transform), native)
    stack = _groups(raster, np.floor(rows), np.floor(columns), grid.shape, max_pixels)
    nearest = through_projection(image, [index], context, projection, "nearest")[0]
    found = []
    for output in reducer.outputs:
        reduced = np.asarray(output.reduce(stack)).reshape(grid.shape)
        empty = (stack.count_all == 0).reshape(grid.shape)
        values = np.where(empty, nearest.values, reduced)
        found.append(Raster(values, np.where(empty, nearest.valid, (stack.count > 0).reshape(grid.shape))))
    return found


class _Groups(Stack):
    """A stack that also knows how many values, valid or not, each pixel has."""

    count_all: NDArray[np.int64]


def _groups(raster: Raster, rows: Value, columns: Value, shape: tuple[int, int], max_pixels: int) -> _Groups:
    height, width = shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    group = (rows[inside] * width + columns[inside]).astype(np.int64)
    order = np.argsort(group, kind="stable")
    group = group[order]
    counts = np.bincount(group, minlength=height * width)
    most = int(counts.max()) if counts.size else 0
    if most > max_pixels:
        raise RequestError(
            f"Image.reduceResolution: Too many input pixels per output pixel: {most}, but maxPixels allows only {max_pixels}."
        )
    position = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
    values = np.zeros((max(most, 1), height * width), raster.values.dtype)
    valid = np.zeros(values.shape, bool)
    values[position, group] = raster.values[inside][order]
    valid[position, group] = raster.valid[inside][order]
    found = _Groups(values, valid)
    found.count_all = counts
    return found
