"""From a recipe to the one image that workers fetch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.period import Period
from rsbot_beam.errors import RecipeError, RsbotError
from rsbot_beam.geometry import Region
from rsbot_beam.recipes.loading import location
from rsbot_beam.recipes.recipe import PlainAsset, Recipe

if TYPE_CHECKING:
    import ee

    from rsbot_beam.earthengine.source import FetchBand, PixelSource


def build_source(recipe: Recipe, region: Region, period: Period, *, labels: bool = True) -> tuple[Layout, PixelSource]:
    """Run the recipe's functions, serialise what they return, once, and have Earth Engine check it.

    Args:
        recipe: The recipe; its functions are called here and nowhere else.
        region: Its bounding boxes are handed to the recipe.
        period: Handed to the recipe.
        labels: Whether the label is fetched as well; a map is made of the inputs alone.

    Returns:
        The layout of the patches, and the request text that yields `layout.fetched()`.

    Raises:
        RecipeError: A function of the recipe fails (names file and line), returns something else than images, or Earth
            Engine does not have what it asks for.
        EarthEngineError: Earth Engine did not answer the check.
    """
    import ee

    from rsbot_beam.earthengine.images import check_source, compose
    from rsbot_beam.earthengine.source import FetchBand

    layout = recipe.layout(period) if labels else recipe.layout(period).of_inputs()
    boxes = region_boxes(region)
    bands = [FetchBand(fetched.name, fetched.band.dtype) for fetched in layout.fetched()]
    inputs = _call(recipe, recipe.inputs, boxes, period)
    if isinstance(inputs, PlainAsset):
        source, image = _plain(recipe, layout, inputs, bands), ee.Image(inputs.asset)
    else:
        image = _whole_image(recipe, layout, inputs, boxes, period)
        source = compose(image, bands)
    try:
        check_source(source, image.select([band.name for band in bands]))
    except RecipeError as error:
        if "Available bands: []" not in str(error):
            raise
        raise RecipeError(
            f"the recipe {recipe.name!r} finds no image in {period} over the region {region.source!r}: a collection is "
            f"empty. Check the period, the region and the recipe's filters ({error})"
        ) from error
    return layout, source


def _plain(recipe: Recipe, layout: Layout, inputs: PlainAsset, bands: Sequence[FetchBand]) -> PixelSource:
    from rsbot_beam.earthengine.source import plain_asset

    if layout.steps or layout.static or layout.label:
        raise RecipeError(
            f"`inputs` of the recipe {recipe.name!r} returns a PlainAsset, which cannot be joined with a time axis, static "
            f"bands or a label: return ee.Image({inputs.asset!r}) instead"
        )
    return plain_asset(inputs.asset, bands, inputs.nodata)


def _whole_image(recipe: Recipe, layout: Layout, inputs: object, boxes: ee.Geometry, period: Period) -> ee.Image:
    import ee

    parts = list(_input_images(recipe, layout, inputs))
    if layout.static:
        parts.append(_image_of(recipe, recipe.static, layout.static, boxes, period))
    if layout.label and not layout.painted:
        parts.append(_image_of(recipe, recipe.label, (layout.label,), boxes, period))
    return parts[0].addBands(ee.Image.cat(parts[1:])) if len(parts) > 1 else parts[0]


def build_stratum(recipe: Recipe, layout: Layout, region: Region, period: Period) -> PixelSource:
    """The label alone, as what stratified sampling looks at.

    Raises:
        RecipeError: The recipe has no label image, or its function fails.
        EarthEngineError: Earth Engine did not answer the check.
    """
    from rsbot_beam.earthengine.images import check_source, compose
    from rsbot_beam.earthengine.source import FetchBand

    if layout.label is None or layout.painted:
        raise RecipeError(
            f"--sampling stratified counts the classes of a label image, and the recipe {recipe.name!r} has none"
            f"{': it paints its label from vector features, so use --sampling features' if layout.painted else ''}"
        )
    image = _image_of(recipe, recipe.stratum, (layout.label,), region_boxes(region), period)
    source = compose(image, [FetchBand(layout.label.name, layout.label.dtype)])
    check_source(source, image)
    return source


def hard_background(recipe: Recipe, region: Region, period: Period) -> ee.Image | None:
    """Where the recipe says that a place looks like what is searched: 1 there, 0 or masked elsewhere."""
    import ee

    image = _call(recipe, recipe.hard_background, region_boxes(region), period)
    if image is None or isinstance(image, ee.Image):
        return image
    raise RecipeError(
        f"`hard_background` of the recipe {recipe.name!r} must return an ee.Image or None; it returned a "
        f"{type(image).__name__}"
    )


def region_boxes(region: Region) -> ee.Geometry:
    """The region's bounding boxes, planar in degrees, as recipes are handed them."""
    import ee

    return ee.Geometry.MultiPolygon([_ring(bbox) for bbox in region.bboxes], None, False)


def _ring(bbox: tuple[float, float, float, float]) -> list[list[list[float]]]:
    west, south, east, north = bbox
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


def _input_images(recipe: Recipe, layout: Layout, result: object) -> Iterable[ee.Image]:
    import ee

    names = [band.name for band in layout.bands]
    if isinstance(result, ee.Image) and not layout.steps:
        yield result.select(names)
        return
    images = list(result) if isinstance(result, (list, tuple)) else []
    if len(images) != layout.steps or not all(isinstance(image, ee.Image) for image in images) or not images:
        wanted = f"a list of {layout.steps} ee.Image, one for each step" if layout.steps else "an ee.Image"
        found = f"a list of {len(images)}" if images else f"a {type(result).__name__}"
        raise RecipeError(
            f"`inputs` of the recipe {recipe.name!r} must return {wanted}; it returned {found}. "
            "A time series needs the method steps(period) as well, which says how many images there are"
        )
    for step, image in enumerate(images):
        fetched = [item.name for item in layout.fetched() if item.step == step]
        yield image.select(names, fetched)


def _image_of(
    recipe: Recipe, function: Callable, bands: tuple[Band, ...], boxes: ee.Geometry, period: Period
) -> ee.Image:
    import ee

    image = _call(recipe, function, boxes, period)
    if not isinstance(image, ee.Image):
        raise RecipeError(
            f"`{function.__name__}` of the recipe {recipe.name!r} must return an ee.Image with "
            f"{[band.name for band in bands]}; it returned a {type(image).__name__}"
        )
    return image.select([band.name for band in bands])


def _call(recipe: Recipe, function: Callable, boxes: ee.Geometry, period: Period) -> object:
    try:
        return function(boxes, period)
    except RsbotError:
        raise
    except Exception as error:
        place = location(error, Path(inspect.getsourcefile(type(recipe)) or "?"))
        raise RecipeError(
            f"`{function.__name__}` of the recipe {recipe.name!r} fails at {place}: {type(error).__name__}: {error}"
        ) from error
