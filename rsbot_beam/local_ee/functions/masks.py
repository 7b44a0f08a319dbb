"""Masks: which pixels are valid, and what stands in for those that are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.functions.arithmetic import pairs
from rsbot_beam.local_ee.functions.casts import cast_values
from rsbot_beam.local_ee.geometries import Geometry
from rsbot_beam.local_ee.image import Image, PixelContext, Raster, both_valid, constant_image
from rsbot_beam.local_ee.rasterize import inside
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.types import FLOAT, Band, union_type
from rsbot_beam.local_ee.values import Value


@function("Image.mask")
def mask(image: Image, mask: Image | None = None) -> Image:
    """The image's mask as an image (0..1); or the image with another mask, whatever was masked before."""
    if mask is None:
        return _mask_of(image)
    return _with_mask(image, mask, update=False)


@function("Image.updateMask")
def update_mask(image: Image, mask: Image) -> Image:
    """Masks further pixels: those where the mask is 0 or itself masked."""
    return _with_mask(image, mask, update=True)


@function("Image.selfMask")
def self_mask(image: Image) -> Image:
    """Masks pixels that are 0, band by band."""

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        rasters = context.rasters(image, indices)
        return [Raster(r.values, both_valid(r.mask, as_mask(r), context)) for r in rasters]

    return image.derive(lambda: image.bands, compute)


@function("Image.unmask")
def unmask(input: Image, value: Image | None = None, same_footprint: bool = True) -> Image:
    """Fills masked pixels with a value; outside of the footprint only if `sameFootprint` is false."""
    fill = value if value is not None else constant_image(0)

    def bands() -> list[Band]:
        matched = pairs("unmask", input, fill)
        return [
            replace(input.bands[i], type=union_type((input.bands[i].type, fill.bands[j].type))) for _, i, j in matched
        ]

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        every = pairs("unmask", input, fill)
        matched = [every[index] for index in indices]
        rasters = context.rasters(input, [i for _, i, _ in matched])
        return [
            _filled(input, fill, pair, raster, context, same_footprint)
            for pair, raster in zip(matched, rasters, strict=True)
        ]

    return input.derive(bands, compute, footprint=lambda: input.footprint if same_footprint else _joined(input, fill))


def _filled(
    image: Image, fill: Image, pair: tuple[str, int, int], raster: Raster, context: PixelContext, bounded: bool
) -> Raster:
    _, i, j = pair
    if raster.mask is context.all_valid:
        dtype = union_type((image.bands[i].type, fill.bands[j].type)).dtype
        return Raster(raster.values.astype(dtype, copy=False), raster.mask)
    other = context.raster(fill, j)
    dtype = union_type((image.bands[i].type, fill.bands[j].type)).dtype
    values = np.where(raster.valid, raster.values.astype(dtype, copy=False), other.values.astype(dtype, copy=False))
    filled = other.mask
    if bounded and image.footprint is not None:
        filled = both_valid(filled, inside(Geometry(image.footprint), context), context)
    return Raster(values, _either(raster.mask, filled, context))


def _either(first: NDArray[Any], second: NDArray[Any], context: PixelContext) -> NDArray[Any]:
    if second is context.all_valid and first.dtype == np.bool_:
        return second
    if first.dtype == np.bool_ and second.dtype == np.bool_:
        return first | second
    return np.where(first > 0, first, second)


def _joined(image: Image, fill: Image) -> Value:
    if image.footprint is None or fill.footprint is None:
        return None
    return image.footprint.union(fill.footprint)


@function("Image.where")
def where(input: Image, test: Image, value: Image) -> Image:
    """Where the test is not 0 and both are valid, the value instead of the input's."""

    def bands() -> list[Band]:
        return [
            replace(input.bands[i], type=union_type((input.bands[i].type, value.bands[j].type)))
            for _, i, j in _value_pairs(input, value)
        ]

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        matched = _value_pairs(input, value)
        tests = range(len(test.bands)) if len(test.bands) > 1 else [0] * len(matched)
        bases = context.rasters(input, indices)
        chosens = context.rasters(value, [matched[index][2] for index in indices])
        flags = context.rasters(test, [tests[index] for index in indices])
        found = []
        for index, base, chosen, flag in zip(indices, bases, chosens, flags, strict=True):
            replaced = (flag.values != 0) & flag.valid & chosen.valid
            dtype = union_type((input.bands[index].type, value.bands[matched[index][2]].type)).dtype
            values = np.where(replaced, chosen.values.astype(dtype), base.values.astype(dtype))
            # The input's mask stays: where() never makes a masked pixel valid.
            found.append(Raster(values, base.mask))
        return found

    return input.derive(bands, compute)


def _value_pairs(image: Image, value: Image) -> list[tuple[str, int, int]]:
    if len(value.bands) == 1:
        return [(name, index, 0) for index, name in enumerate(image.names)]
    if len(value.bands) != len(image.bands):
        raise RequestError(f"Image.where: The value has {len(value.bands)} bands but the input {len(image.bands)}.")
    return [(name, index, index) for index, name in enumerate(image.names)]


@function("Image.blend")
def blend(bottom: Image, top: Image) -> Image:
    """The top image where it is valid, else the bottom one."""

    def bands() -> list[Band]:
        return [
            replace(bottom.bands[i], type=union_type((bottom.bands[i].type, top.bands[j].type)))
            for _, i, j in pairs("blend", bottom, top)
        ]

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        every = pairs("blend", bottom, top)
        matched = [every[index] for index in indices]
        lows = context.rasters(bottom, [i for _, i, _ in matched])
        highs = context.rasters(top, [j for _, _, j in matched])
        found = []
        for (_, i, j), low, high in zip(matched, lows, highs, strict=True):
            dtype = union_type((bottom.bands[i].type, top.bands[j].type)).dtype
            values = np.where(high.valid, high.values.astype(dtype), low.values.astype(dtype))
            found.append(Raster(values, _either(high.mask, low.mask, context)))
        return found

    return bottom.derive(bands, compute, footprint=lambda: _joined(bottom, top))


@function("Image.clip")
def clip(input: Image, geometry: Geometry) -> Image:
    """Masks pixels whose centre lies outside of a geometry."""

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        within = inside(geometry, context)
        return [Raster(r.values, both_valid(r.mask, within, context)) for r in context.rasters(input, indices)]

    def footprint() -> Value:
        return geometry.lonlat if input.footprint is None else input.footprint.intersection(geometry.lonlat)

    return input.derive(lambda: input.bands, compute, footprint=footprint)


@function("Image.clipToCollection")
def clip_to_collection(input: Image, collection: Geometry) -> Image:
    """Masks pixels whose centre lies in no feature of a collection."""
    return clip(input=input, geometry=collection)


def as_mask(raster: Raster) -> NDArray[Any]:
    """A raster's values as a mask: bool where they are only 0 and 1 or more, else float32 clipped to [0, 1]."""
    values = raster.values
    if values.dtype.kind in "uib":
        found: NDArray[Any] = values != 0 if values.dtype.kind != "i" else values > 0
    else:
        found = np.clip(values, 0, 1).astype(np.float32)
        if not ((found > 0) & (found < 1)).any():
            found = found > 0
    return found & raster.mask if found.dtype == raster.mask.dtype == np.bool_ else np.where(raster.valid, found, 0)


def _mask_of(image: Image) -> Image:
    def bands() -> list[Band]:
        return [replace(band, type=replace(FLOAT, low=0, high=1)) for band in image.bands]

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        return [
            Raster(cast_values(raster.mask, FLOAT), context.all_valid) for raster in context.rasters(image, indices)
        ]

    return image.derive(bands, compute, footprint=lambda: None)


def _with_mask(image: Image, mask: Image, update: bool) -> Image:
    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        matched = _mask_bands(image, mask)
        rasters = context.rasters(image, indices)
        masks = context.rasters(mask, [matched[index] for index in indices])
        found = []
        for raster, other in zip(rasters, masks, strict=True):
            given = as_mask(other)
            found.append(Raster(raster.values, both_valid(raster.mask, given, context) if update else given))
        return found

    return image.derive(lambda: image.bands, compute)


def _mask_bands(image: Image, mask: Image) -> list[int]:
    if len(mask.bands) == 1:
        return [0] * len(image.bands)
    if len(mask.bands) != len(image.bands):
        raise RequestError(
            f"Image.updateMask: The mask must have one band or as many as the image: {len(mask.bands)} for "
            f"{len(image.bands)} bands."
        )
    return list(range(len(image.bands)))
