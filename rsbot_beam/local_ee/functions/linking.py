"""Images with the bands of the images of another collection that belong to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.collection import Collection, Element
from rsbot_beam.local_ee.functions.bands import add_bands, select
from rsbot_beam.local_ee.functions.masks import update_mask
from rsbot_beam.local_ee.image import Image, PixelContext, Raster, constant_image
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.values import Value


@function("Image.linkCollection")
def link_collection(
    input: Image,
    image_collection: Collection,
    linked_bands: Value = None,
    linked_properties: Value = None,
    match_property_name: str = "system:index",
) -> Image:
    """Bands and properties of the image of another collection that has the same index."""
    found: list[Image | None] = []

    def match() -> Image | None:
        if not found:
            found.append(_matching(input, image_collection, match_property_name))
        return found[0]

    names = [linked_bands] if isinstance(linked_bands, str) else list(linked_bands or [])
    labels = [linked_properties] if isinstance(linked_properties, str) else list(linked_properties or [])
    linked = _linked_bands(input, match, image_collection, names) if names else input
    if not labels:
        return linked

    def properties() -> dict[str, Any]:
        other = match()
        return {**input.properties, **{n: None if other is None else other.properties.get(n) for n in labels}}

    return linked.with_properties(properties)


def _linked_bands(
    image: Image, match: Callable[[], Image | None], collection: Collection, names: Sequence[str]
) -> Image:
    ready: list[Image] = []

    def joined() -> Image:
        if not ready:
            other = match()
            if other is None:
                template = collection.first()
                if not isinstance(template, Image):
                    raise RequestError("Image.linkCollection: The linked image collection is empty.")
                other = update_mask(template, constant_image(0))
            ready.append(add_bands(image, select(other, list(names)), overwrite=True))
        return ready[0]

    def compute(indices: Sequence[int], context: PixelContext) -> list[Raster]:
        return context.rasters(joined(), indices)

    return image.derive(lambda: joined().bands, compute)


def _matching(image: Image, collection: Collection, name: str) -> Image | None:
    value = image.properties.get(name)
    if value is None:
        return None
    if name == "system:index":
        other = collection.find(str(value))
    else:
        bbox = None if image.footprint is None else image.footprint.bounds
        other = next((i for i in collection.images(bbox) if i.properties.get(name) == value), None)
    return other if isinstance(other, Image) else None


@function("ImageCollection.combine")
def combine(primary: Collection, secondary: Collection, overwrite: bool = False) -> Collection:
    """Each image with the bands of the second collection's image of the same index; others are left out."""

    def join(element: Element) -> Element | None:
        other = secondary.find(str(element.properties.get("system:index")))
        if not isinstance(other, Image) or not isinstance(element, Image):
            return None
        return add_bands(element, other, overwrite=overwrite)

    return primary.map(join)
