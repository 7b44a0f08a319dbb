"""Projections, and images brought to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from affine import Affine

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.functions.casts import cast_values
from rsbot_beam.local_ee.functions.reducing import output_type
from rsbot_beam.local_ee.image import Image, PixelContext, Raster
from rsbot_beam.local_ee.provider import crs_of
from rsbot_beam.local_ee.reducers import Reducer
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.resampling import aggregated, through_projection
from rsbot_beam.local_ee.types import FLOAT, WGS84_DEGREE, Band, PixelType, Projection

MODES = ("bilinear", "bicubic")


def placed(projection: Projection, crs_transform: Sequence[float] | None, scale: float | None) -> Projection:
    """A projection with another transform or scale.

    Raises:
        RequestError: When both are given.
    """
    if crs_transform is not None and scale is not None:
        raise RequestError("Only one of 'crsTransform' and 'scale' may be specified.")
    if crs_transform is not None:
        return replace(projection, transform=Affine(*[float(number) for number in crs_transform]))
    return projection if scale is None else projection.at_scale(scale)


@function("Image.projection")
def image_projection(image: Image) -> Projection:
    """The default projection, which all bands must share."""
    found = {band.projection for band in image.bands}
    if len(found) != 1:
        raise RequestError(
            "Image.projection: The bands of the specified image contains different projections. Use Image.select to "
            "pick a single band."
        )
    return found.pop()


@function("Image.reproject")
def reproject(image: Image, crs: Projection, crs_transform: list | None = None, scale: float | None = None) -> Image:
    """Computed on the pixels of a projection, whatever is asked for later."""
    projection = placed(crs, crs_transform, scale)

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        return through_projection(image, indices, context, projection, "nearest")

    return image.derive(lambda: [replace(band, projection=projection, shape=None) for band in image.bands], compute)


@function("Image.setDefaultProjection")
def set_default_projection(
    image: Image, crs: Projection, crs_transform: list | None = None, scale: float | None = None
) -> Image:
    """Another default projection; pixels stay as they are."""
    projection = placed(crs, crs_transform, scale)

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        return context.rasters(image, indices)

    return image.derive(lambda: [replace(band, projection=projection, shape=None) for band in image.bands], compute)


@function("Image.resample")
def resample(image: Image, mode: str = "bilinear") -> Image:
    """Interpolated between its own pixels instead of the nearest one.

    Composites have no pixels of their own (Earth Engine computes them wherever they are asked for) and stay as they are.
    """
    if mode not in MODES:
        raise RequestError(f"Image.resample: Unknown mode '{mode}'; it may be {' or '.join(MODES)}.")

    def bands() -> list[Band]:
        return [band if not _has_pixels(band) else replace(band, type=_interpolated(band.type)) for band in image.bands]

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        found: dict[int, Raster] = {}
        for projection, group in _by_projection(image, indices).items():
            found |= zip(group, _resampled(image, group, context, projection, mode), strict=True)
        return [found[index] for index in indices]

    return image.derive(bands, compute)


def _has_pixels(band: Band) -> bool:
    return band.projection != WGS84_DEGREE


def _interpolated(pixel_type: PixelType) -> PixelType:
    return FLOAT if pixel_type.is_integer else pixel_type


def _by_projection(image: Image, indices: Sequence[int]) -> dict[Projection | None, list[int]]:
    """Bands by their pixels, those of composites under None: what has the same pixels is computed at once."""
    groups: dict[Projection | None, list[int]] = {}
    for index in dict.fromkeys(indices):
        band = image.bands[index]
        groups.setdefault(band.projection if _has_pixels(band) else None, []).append(index)
    return groups


def _resampled(
    image: Image, indices: Sequence[int], context: PixelContext, projection: Projection | None, mode: str
) -> list[Raster]:
    if projection is None:
        return context.rasters(image, indices)
    types = [_interpolated(image.bands[index].type) for index in indices]
    rasters = through_projection(image, indices, context, projection, mode)
    return [Raster(r.values.astype(kind.dtype), r.mask) for r, kind in zip(rasters, types, strict=True)]


@function("Image.reduceResolution")
def reduce_resolution(image: Image, reducer: Reducer, best_effort: bool = False, max_pixels: int = 64) -> Image:
    """The image's own pixels within each pixel of whatever grid it is computed on, reduced."""
    if len(reducer.outputs) != 1:
        raise RequestError("Image.reduceResolution: The reducer must have a single output.")
    output = reducer.outputs[0]

    def bands() -> list[Band]:
        return [replace(band, type=output_type(output, band.type)) for band in image.bands]

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        found = []
        for index in indices:
            band = image.bands[index]
            limit = 1 << 16 if best_effort else max_pixels
            raster = aggregated(image, index, context, band.projection, reducer, limit)[0]
            found.append(Raster(cast_values(raster.values, output_type(output, band.type)), raster.mask))
        return found

    return image.derive(bands, compute)


@function("Projection", "Proj")
def projection(crs: Projection, transform: list | None = None, transform_wkt: str | None = None) -> Projection:
    """A projection of a code, with a transform."""
    if transform_wkt is not None:
        raise RequestError("Projection: transformWkt is not served by the local Earth Engine; use 'transform'.")
    return placed(crs, transform, None)


@function("Projection.atScale")
def at_scale(projection: Projection, meters: float) -> Projection:
    """With pixels of so many metres."""
    return projection.at_scale(meters)


@function("Projection.nominalScale")
def nominal_scale(proj: Projection) -> float:
    """Metres of a pixel."""
    return proj.nominal_scale


@function("Projection.crs")
def crs(projection: Projection) -> str:
    """The code of the CRS."""
    return projection.crs


@function("Projection.wkt")
def wkt(projection: Projection) -> str:
    """The CRS as WKT 1."""
    return str(crs_of(projection.crs).to_wkt("WKT1_GDAL"))


@function("Projection.transform")
def transform(projection: Projection) -> str:
    """The affine as WKT."""
    t = projection.transform
    rows = [("elt_0_0", t.a), ("elt_0_1", t.b), ("elt_0_2", t.c), ("elt_1_0", t.d), ("elt_1_1", t.e), ("elt_1_2", t.f)]
    listed = ", ".join(f'PARAMETER["{name}", {value!r}]' for name, value in rows)
    return f'PARAM_MT["Affine", PARAMETER["num_row", 3], PARAMETER["num_col", 3], {listed}]'


@function("Projection.scale")
def scale(projection: Projection, x: float, y: float) -> Projection:
    """Pixels larger by factors."""
    return replace(projection, transform=projection.transform * Affine.scale(x, y))


@function("Projection.translate")
def translate(projection: Projection, x: float, y: float) -> Projection:
    """Moved by so many pixels."""
    return replace(projection, transform=projection.transform * Affine.translation(x, y))
