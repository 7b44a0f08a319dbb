"""Features as pixels: painted onto an image, or reduced where they overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.collection import Collection, Feature
from rsbot_beam.local_ee.functions.casts import cast_values
from rsbot_beam.local_ee.functions.reducing import output_type, reduced
from rsbot_beam.local_ee.image import Image, PixelContext, Raster
from rsbot_beam.local_ee.rasterize import burn, grid_frame, on_grid
from rsbot_beam.local_ee.reducers import Output, Reducer
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.stack import Stack
from rsbot_beam.local_ee.types import DOUBLE, Band
from rsbot_beam.local_ee.values import Value

# Overlapping features that a reducer without a short cut takes; each costs a raster of its own.
MAX_OVERLAID = 2_000

Shapes = list[tuple[BaseGeometry, Feature]]


def shapes_on(collection: Collection, context: PixelContext) -> Shapes:
    """(geometry in the grid's CRS, feature) of all features that touch a grid."""
    frame = grid_frame(context.grid)
    found = []
    for feature in collection.features(context.grid.bbox()):
        if feature.geometry is None or feature.geometry.shape.is_empty:
            continue
        local = on_grid(feature.geometry, context.grid)
        if shapely.intersects(local, frame):
            found.append((local, feature))
    return found


def number_of(feature: Feature, source: Value) -> float | None:
    """A number, or the property of that name; None where the feature has no number there."""
    value = feature.properties.get(source) if isinstance(source, str) else source
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, (int, float)) else None


@function("Image.paint")
def paint(image: Image, feature_collection: Collection, color: Value = 0, width: Value = None) -> Image:
    """Features filled, or their outlines drawn, with a number or a property; what is painted becomes valid."""

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        drawn = [
            (_drawn(shape, feature, width, context), number_of(feature, color))
            for shape, feature in shapes_on(feature_collection, context)
        ]
        known = [(shape, value) for shape, value in drawn if value is not None]
        values = burn(known, context.grid, np.float64)
        painted = burn([(shape, 1) for shape, _ in known], context.grid, np.uint8).astype(bool)
        rasters = context.rasters(image, indices)
        return [_over(r, values, painted, image.bands[index]) for r, index in zip(rasters, indices, strict=True)]

    return image.derive(lambda: image.bands, compute, footprint=lambda: None)


def _over(raster: Raster, values: NDArray[Any], painted: NDArray[np.bool_], band: Band) -> Raster:
    return Raster(
        np.where(painted, cast_values(values, band.type), raster.values), np.where(painted, True, raster.mask)
    )


def _drawn(shape: BaseGeometry, feature: Feature, width: Value, context: PixelContext) -> BaseGeometry:
    """The area of a geometry to fill: itself, or its outline of so many pixels."""
    if width is None:
        return shape
    pixels = number_of(feature, width) or 1
    size = float(np.sqrt(abs(context.grid.transform.determinant)))
    line = shape.boundary if shape.geom_type in ("Polygon", "MultiPolygon") else shape
    return shapely.buffer(line, pixels * size / 2)


@function("Collection.reduceToImage")
def reduce_to_image(collection: Collection, properties: list, reducer: Reducer) -> Image:
    """Properties of the features that cover each pixel's centre, reduced."""
    if reducer.inputs != len(properties):
        raise RequestError(
            f"Collection.reduceToImage: The reducer has {reducer.inputs} inputs but {len(properties)} properties are given."
        )

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        shapes = shapes_on(collection, context)
        outputs = [reducer.outputs[index] for index in indices]
        return [_overlaid(shapes, str(properties[output.input]), output, context) for output in outputs]

    return Image([Band(output.name, output_type(output, DOUBLE)) for output in reducer.outputs], compute)


def _overlaid(shapes: Shapes, name: str, output: Output, context: PixelContext) -> Raster:
    valued = [(shape, value) for shape, feature in shapes if (value := number_of(feature, name)) is not None]
    dtype = output_type(output, DOUBLE).dtype
    if not valued:
        return Raster(context.full(0, dtype), context.none_valid)
    covered = burn([(shape, 1) for shape, _ in valued], context.grid, np.uint8).astype(bool)
    short_cut = SHORT_CUTS.get(output.name)
    if short_cut is not None:
        return Raster(short_cut(valued, context).astype(dtype), covered)
    if len(valued) > MAX_OVERLAID:
        raise RequestError("User memory limit exceeded.")
    masks = [burn([(shape, 1)], context.grid, np.uint8).astype(bool).reshape(-1) for shape, _ in valued]
    values = np.repeat(np.array([[value] for _, value in valued], dtype=np.float64), masks[0].size, axis=1)
    return Raster(reduced(output, Stack(values, np.stack(masks)), DOUBLE, context).values, covered)


Valued = list[tuple[BaseGeometry, float]]


def _ordered(key: Callable[[Valued], Valued]) -> Callable[[Valued, PixelContext], NDArray[Any]]:
    """Burnt in an order in which the feature that counts comes last."""
    return lambda shapes, context: burn(key(shapes), context.grid, np.float64)


def _sums(shapes: Valued, context: PixelContext) -> NDArray[Any]:
    return burn(shapes, context.grid, np.float64, add=True)


def _counts(shapes: Valued, context: PixelContext) -> NDArray[Any]:
    return burn([(shape, 1) for shape, _ in shapes], context.grid, np.float64, add=True)


SHORT_CUTS: dict[str, Callable[[Valued, PixelContext], NDArray[Any]]] = {
    "first": _ordered(lambda shapes: shapes[::-1]),
    "last": _ordered(lambda shapes: shapes),
    "max": _ordered(lambda shapes: sorted(shapes, key=lambda item: item[1])),
    "min": _ordered(lambda shapes: sorted(shapes, key=lambda item: -item[1])),
    "sum": _sums,
    "count": _counts,
    "mean": lambda shapes, context: _sums(shapes, context) / np.maximum(_counts(shapes, context), 1),
}
