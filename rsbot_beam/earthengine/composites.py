"""One image of many: the observations of a period reduced pixel by pixel, and never an image without bands.

An empty collection reduces to an image without bands, and the first `select` of it fails for the whole request. So each
collection gets one more image, of the bands and types of the others, of which no pixel is valid: a month without any
observation is masked like a month that was all cloud.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import ee

from rsbot_beam.data.period import Period
from rsbot_beam.errors import RecipeError

# Numpy type -> the method of ee.Image that casts to it. Earth Engine reduces only collections of one type.
_CASTS = {
    "uint8": "toUint8",
    "int8": "toInt8",
    "uint16": "toUint16",
    "int16": "toInt16",
    "uint32": "toUint32",
    "int32": "toInt32",
    "float32": "toFloat",
    "float64": "toDouble",
}
_PERCENTILE = re.compile(r"p(\d{1,3})")


def in_period(collection: str, region: ee.Geometry, period: Period) -> ee.ImageCollection:
    """The images of a collection that meet a region's boxes, within a period (open at its end)."""
    start, end = period.start.isoformat(), period.end.isoformat()
    return ee.ImageCollection(collection).filterBounds(region).filterDate(start, end)


def reduce_images(images: ee.ImageCollection, bands: Sequence[str], dtype: str, reducer: str = "median") -> ee.Image:
    """Reduce images to one.

    Args:
        images: Images with at least `bands`; there may be none.
        bands: Names of bands.
        dtype: Numpy name of the type that the images' bands have.
        reducer: "median", "mean", "min", "max", "mosaic" (the last valid pixel on top), or "pNN", a percentile of 0..100.

    Returns:
        Image with `bands`; pixels that no image has are masked, all of them where there is no image.
    """
    names = list(bands)
    same = images.select(names).map(lambda image: cast(image, dtype))
    return _reduce(same.merge(ee.ImageCollection([nothing(names, dtype)])), names, reducer)


def _reduce(images: ee.ImageCollection, names: list[str], reducer: str) -> ee.Image:
    percentile = _PERCENTILE.fullmatch(reducer)
    if percentile:
        return images.reduce(ee.Reducer.percentile([int(percentile[1])])).rename(names)
    # A collection's own methods keep the names of the bands.
    return getattr(images, reducer)()


def nothing(bands: Sequence[str], dtype: str) -> ee.Image:
    """An image with these bands of which no pixel is valid."""
    zeros = ee.Image.constant([0] * len(bands)).rename(list(bands))
    return cast(zeros, dtype).updateMask(ee.Image.constant(0))


def cast(image: ee.Image, dtype: str) -> ee.Image:
    """An image in another type, by its numpy name: clamped to the type's range, fractions cut off."""
    return getattr(image, _CASTS[dtype])()


def asset_composite(
    asset: str, region: ee.Geometry, period: Period, bands: Sequence[str], reducer: str = "median"
) -> ee.Image:
    """An image asset as it is, or the images of a collection, reduced.

    Where no image is left, this is an image without bands, which the check of the recipe's image reports.

    Args:
        asset: Id of an image or of a collection; Earth Engine is asked which it is.
        region: For `filterBounds`.
        period: Days to look at; images without a date belong to every period.
        bands: Names of bands.
        reducer: As for `reduce_images`.

    Raises:
        RecipeError: There is no such asset, or it holds no images.
    """
    if kind_of(asset) == "IMAGE":
        return ee.Image(asset).select(list(bands))
    dated = ee.Filter.date(period.start.isoformat(), period.end.isoformat())
    undated = ee.Filter.notNull(["system:time_start"]).Not()
    images = ee.ImageCollection(asset).filterBounds(region).filter(ee.Filter.Or(dated, undated))
    return _reduce(images.select(list(bands)), list(bands), reducer)


def asset_mosaic(asset: str) -> ee.Image:
    """An image asset as it is, or a collection's images, of which the last valid pixel is on top.

    Raises:
        RecipeError: There is no such asset, or it holds no images.
    """
    return ee.Image(asset) if kind_of(asset) == "IMAGE" else ee.ImageCollection(asset).mosaic()


def kind_of(asset: str) -> str:
    """Whether an asset is an "IMAGE" or an "IMAGE_COLLECTION", as Earth Engine says.

    Raises:
        RecipeError: It is neither, does not exist, or may not be read.
    """
    try:
        kind = str(ee.data.getAsset(asset)["type"])
    except ee.EEException as error:
        raise RecipeError(
            f"Earth Engine does not have the asset {asset!r}, or not for this account: {error} Correct its id, or ask its "
            "owner to share it"
        ) from error
    if kind not in ("IMAGE", "IMAGE_COLLECTION"):
        raise RecipeError(f"the asset {asset!r} is a {kind}: give the id of an image or of an image collection")
    return kind
