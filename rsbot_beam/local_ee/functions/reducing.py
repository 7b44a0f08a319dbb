"""Reducers, and the reduction of the images of a collection or of the bands of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.collection import Collection
from rsbot_beam.local_ee.functions.casts import cast_values
from rsbot_beam.local_ee.functions.composites import gather, members, template_of
from rsbot_beam.local_ee.image import Image, PixelContext, Raster
from rsbot_beam.local_ee.reducers import SIMPLE, Output, Reducer, combine, percentile_reducer, repeat, tuple_reducer
from rsbot_beam.local_ee.reducers import for_each as named_copies
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.stack import Stack
from rsbot_beam.local_ee.types import Band, PixelType, union_type
from rsbot_beam.local_ee.values import Value


def _register_simple(name: str, reducer: Reducer) -> None:
    @function(f"Reducer.{name}")
    def make(
        num_inputs: int = 1,
        max_buckets: Value = None,
        min_bucket_width: Value = None,
        max_raw: Value = None,
    ) -> Reducer:
        if num_inputs == 1:
            return reducer
        # Further inputs are those that belong to the extreme of the first one: not served here.
        raise RequestError(f"Reducer.{name}: numInputs of {num_inputs} is not served by the local Earth Engine.")


for _name, _reducer in SIMPLE.items():
    if _name != "toList":
        _register_simple(_name, _reducer)


@function("Reducer.toList")
def to_list(tuple_size: int | None = None, num_optional: int = 0) -> Reducer:
    """All values as a list, or as many inputs as the tuples have entries as a list of tuples."""
    if num_optional:
        raise RequestError("Reducer.toList: numOptional is not served by the local Earth Engine: tuples are complete.")
    if tuple_size is None:
        return SIMPLE["toList"]
    if tuple_size < 1:
        raise RequestError(f"Reducer.toList: Parameter 'tupleSize' must be at least 1, got {tuple_size}.")
    return tuple_reducer(tuple_size)


@function("Reducer.percentile")
def percentile(
    percentiles: list,
    output_names: list | None = None,
    max_buckets: Value = None,
    min_bucket_width: Value = None,
    max_raw: Value = None,
) -> Reducer:
    """Percentiles, 0 to 100."""
    return percentile_reducer(percentiles, output_names)


@function("Reducer.combine")
def combined(reducer1: Reducer, reducer2: Reducer, output_prefix: str = "", shared_inputs: bool = False) -> Reducer:
    """Two reducers at once."""
    return combine(reducer1, reducer2, output_prefix, shared_inputs)


@function("Reducer.repeat")
def repeated(reducer: Reducer, count: int) -> Reducer:
    """A reducer for each of so many inputs."""
    return repeat(reducer, count)


@function("Reducer.forEach")
def for_each(reducer: Reducer, output_names: list) -> Reducer:
    """A reducer for each name."""
    return named_copies(reducer, output_names)


@function("Reducer.forEachBand")
def for_each_band(reducer: Reducer, image: Image) -> Reducer:
    """A reducer for each band of an image."""
    return named_copies(reducer, image.names)


@function("Reducer.setOutputs")
def set_outputs(reducer: Reducer, outputs: list) -> Reducer:
    """Other names of the outputs."""
    return reducer.renamed(outputs)


@function("Reducer.getOutputs")
def get_outputs(reducer: Reducer) -> list[str]:
    """Names of the outputs."""
    return reducer.names


@function("Reducer.unweighted")
def unweighted(reducer: Reducer) -> Reducer:
    """The same: nothing is weighted here."""
    return reducer


@function("Reducer.group")
def group(reducer: Reducer, group_field: int = 0, group_name: str = "group") -> Reducer:
    """Results for each value of one of the inputs."""
    return replace(reducer, inputs=reducer.inputs + 1, group=group_field, group_name=group_name)


@function("Reducer.histogram")
def histogram(max_buckets: int = 256, min_bucket_width: float | None = None, max_raw: Value = None) -> Reducer:
    """Bucket means and counts: `{"bucketMeans", "bucketMin", "bucketWidth", "histogram"}`."""

    def reduce(stack: Stack) -> dict[str, Any]:
        low, width, counts = _buckets(stack, max_buckets, min_bucket_width)
        means = [low + width * number for number in range(len(counts))]
        return {"bucketMeans": means, "bucketMin": low, "bucketWidth": width, "histogram": counts}

    return Reducer((Output("histogram", reduce, None, always=True),))


@function("Reducer.autoHistogram")
def auto_histogram(
    max_buckets: int = 256, min_bucket_width: float | None = None, max_raw: Value = None, cumulative: bool = False
) -> Reducer:
    """Counts of buckets as wide as they need to be, as a list of [lower end, count]."""

    def reduce(stack: Stack) -> list[list[float]]:
        low, width, counts = _buckets(stack, max_buckets, min_bucket_width)
        shown = np.cumsum(counts).tolist() if cumulative else counts
        return [[low + width * number, count] for number, count in enumerate(shown)]

    return Reducer((Output("histogram", reduce, None, always=True),))


def _buckets(stack: Stack, most: int, least_width: float | None) -> tuple[float, float, list[int]]:
    """(lower end, width, counts) of at most so many buckets, whose width is a power of two, as Earth Engine's is."""
    values = stack.values[stack.valid].astype(np.float64)
    if values.size == 0:
        return 0.0, 0.0, []
    spread = float(values.max() - values.min())
    width = 2.0 ** np.ceil(np.log2(max(spread, 1e-9) / most)) if spread else 1.0
    width = float(max(width, least_width or 0.0))
    low = float(np.floor(values.min() / width) * width)
    return low, width, np.bincount(((values - low) / width).astype(np.int64)).tolist()


@function("Reducer.fixedHistogram")
def fixed_histogram(min: float, max: float, steps: int, cumulative: bool = False) -> Reducer:
    """Counts of equal buckets, as a list of [lower end, count]; values outside are not counted."""

    def reduce(stack: Stack) -> list[list[float]]:
        counts, edges = np.histogram(stack.values[stack.valid], bins=steps, range=(min, max))
        counts = np.cumsum(counts) if cumulative else counts
        return [[float(edge), float(count)] for edge, count in zip(edges[:-1], counts, strict=True)]

    return Reducer((Output("histogram", reduce, None, always=True),))


def _register_collection(name: str) -> None:
    @function(f"reduce.{name}")
    def reduce(collection: Collection) -> Image:
        return reduce_collection(collection, SIMPLE[name], keep_names=True)


for _name in ("and", "count", "max", "mean", "median", "min", "mode", "or", "product", "sum"):
    _register_collection(_name)


@function("ImageCollection.reduce")
def reduce_images(collection: Collection, reducer: Reducer, parallel_scale: float = 1) -> Image:
    """The images of a collection, pixel by pixel; bands are named `band_output`."""
    return reduce_collection(collection, reducer, keep_names=False)


def reduce_collection(collection: Collection, reducer: Reducer, keep_names: bool) -> Image:
    """One image of a collection's.

    Args:
        collection: Images that have the same bands as the first.
        reducer: Of one input, applied to each band, or of as many inputs as bands.
        keep_names: Whether bands keep their names instead of getting the output's name appended.
    """
    template = template_of(collection)

    def columns() -> list[tuple[int, Output]]:
        bands = template().bands
        if reducer.inputs not in (1, len(bands)):
            raise RequestError(
                f"ImageCollection.reduce: The reducer has {reducer.inputs} inputs, the images {len(bands)} bands."
            )
        if reducer.inputs == 1:
            return [(index, output) for index in range(len(bands)) for output in reducer.outputs]
        return [(output.input, output) for output in reducer.outputs]

    def bands() -> list[Band]:
        own = template().bands
        single = reducer.inputs == 1
        return [
            Band(
                own[i].name if keep_names else f"{own[i].name}_{o.name}" if single else o.name,
                output_type(o, own[i].type),
            )
            for i, o in columns()
        ]

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        chosen = [columns()[index] for index in indices]
        own = template().bands
        images = members(collection, context)
        names = list(dict.fromkeys(own[i].name for i, _ in chosen))
        by_image = gather(images, names, context)
        stacks = {name: stack_rasters([found[name] for found in by_image if name in found], context) for name in names}
        return [reduced(o, stacks[own[i].name], own[i].type, context) for i, o in chosen]

    return Image(bands, compute)


def stack_rasters(rasters: Sequence[Raster], context: PixelContext) -> Stack:
    """Rasters of one band of many images as a stack (N, H x W); NaN counts as masked."""
    pixels = context.grid.shape[0] * context.grid.shape[1]
    if not rasters:
        return Stack(np.zeros((0, pixels)), np.zeros((0, pixels), bool))
    dtype = np.result_type(*{raster.values.dtype for raster in rasters})
    values = np.empty((len(rasters), pixels), dtype)
    valid = np.empty((len(rasters), pixels), bool)
    for number, raster in enumerate(rasters):
        values[number] = raster.values.reshape(-1)
        valid[number] = raster.valid.reshape(-1)
    if dtype.kind == "f":
        valid &= ~np.isnan(values)
    return Stack(values, valid)


def reduced(output: Output, stack: Stack, pixel_type: PixelType, context: PixelContext) -> Raster:
    """An output of a stack as a raster."""
    target = output_type(output, pixel_type).dtype
    if len(stack.values) == 0:
        return Raster(context.full(0, target), context.all_valid) if output.always else context.masked(target)
    values = np.asarray(output.reduce(stack)).reshape(context.grid.shape)
    mask = context.all_valid if output.always else (stack.count > 0).reshape(context.grid.shape)
    if not output.always and mask.all():
        mask = context.all_valid
    values = values if mask is context.all_valid else np.where(mask, values, 0)
    return Raster(cast_values(values, output_type(output, pixel_type)), mask)


def output_type(output: Output, pixel_type: PixelType) -> PixelType:
    """Type of an output; a reducer that gives lists makes no image.

    Raises:
        RequestError: For such a reducer.
    """
    if output.type is None:
        raise RequestError(f"Reducer output '{output.name}' is not a number and cannot become a band.")
    return output.type(pixel_type)


@function("Image.reduce")
def reduce_bands(image: Image, reducer: Reducer) -> Image:
    """The bands of an image, pixel by pixel; bands are named by the outputs."""

    def input_bands(output: Output) -> list[int]:
        if reducer.inputs == 1:
            return list(range(len(image.bands)))
        if reducer.inputs != len(image.bands):
            raise RequestError(
                f"Image.reduce: The reducer has {reducer.inputs} inputs, the image {len(image.bands)} bands."
            )
        return [output.input]

    def input_type(output: Output) -> PixelType:
        return union_type(image.bands[index].type for index in input_bands(output))

    def bands() -> list[Band]:
        first = image.bands[0]
        return [replace(first, name=o.name, type=output_type(o, input_type(o))) for o in reducer.outputs]

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        stacks: dict[tuple[int, ...], Stack] = {}
        found = []
        for output in (reducer.outputs[index] for index in indices):
            key = tuple(input_bands(output))
            if key not in stacks:
                stacks[key] = stack_rasters(context.rasters(image, key), context)
            found.append(reduced(output, stacks[key], input_type(output), context))
        return found

    return image.derive(bands, compute)
