"""Choosing, naming and joining bands."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Any

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.image import Image, PixelContext, Raster, constant_type
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.temporal import Date
from rsbot_beam.local_ee.types import Band
from rsbot_beam.local_ee.values import Value


@function("Image.select")
def select(input: Image, band_selectors: list, new_names: list | None = None) -> Image:
    """Bands by name, regular expression or index, renamed if wanted; a band chosen again gets a suffix."""
    return deferred(input, lambda: band_indices(input, band_selectors), new_names, "Image.select")


@function("Image.rename")
def rename(input: Image, names: list) -> Image:
    """All bands with new names."""
    return deferred(input, lambda: range(len(input.bands)), [str(name) for name in names], "Image.rename")


@function("Image.slice")
def slice_bands(image: Image, start: int, end: int | None = None) -> Image:
    """Bands from one index on, up to another."""
    return deferred(image, lambda: range(len(image.bands))[start:end], None, "Image.slice")


@function("Image.regexpRename")
def regexp_rename(input: Image, regex: str, replacement: str, all: bool = True) -> Image:
    """Bands renamed by a regular expression."""
    groups = re.sub(r"\$(\d)", r"\\\1", replacement)
    names = [re.sub(regex, groups, name, count=0 if all else 1) for name in input.names]
    return deferred(input, lambda: range(len(names)), names, "Image.regexpRename")


@function("Image.addBands")
def add_bands(dst_img: Image, src_img: Image, names: list | None = None, overwrite: bool = False) -> Image:
    """The bands of both; a name that is there already is overwritten or gets a suffix."""
    source = src_img if names is None else select(src_img, names)

    def places() -> list[tuple[Image, int, str]]:
        found = [(dst_img, index, name) for index, name in enumerate(dst_img.names)]
        for index, name in enumerate(source.names):
            taken = [label for _, _, label in found]
            if overwrite and name in taken:
                found[taken.index(name)] = (source, index, name)
            else:
                found.append((source, index, free_name(name, taken)))
        return found

    return joined(dst_img, places)


@function("Image.cat")
def cat(images: list) -> Image:
    """The bands of several images."""
    if not images or not all(isinstance(image, Image) for image in images):
        raise RequestError("Image.cat: Parameter 'images' must be a list of at least one image.")

    def places() -> list[tuple[Image, int, str]]:
        found: list[tuple[Image, int, str]] = []
        for image in images:
            for index, name in enumerate(image.names):
                found.append((image, index, free_name(name, [label for _, _, label in found])))
        return found

    return joined(images[0], places)


@function("Image.bandNames")
def band_names(image: Image) -> list[str]:
    """Names of the bands."""
    return image.names


@function("Image.bandTypes")
def band_types(image: Image) -> dict[str, Any]:
    """Types of the bands by name."""
    return {band.name: band.type for band in image.bands}


@function("Image.metadata")
def metadata(image: Image, property: str, name: str | None = None) -> Image:
    """A constant image of a numeric property, masked where the image is."""

    def value() -> float:
        found = image.properties.get(property)
        found = found.ms if isinstance(found, Date) else found
        if not isinstance(found, (int, float)):
            raise RequestError(f"Image.metadata: Property '{property}' is missing or not a number: {found!r}.")
        return found

    def bands() -> list[Band]:
        return [replace(image.bands[0], name=name or property, type=constant_type(value()))]

    def compute(_indices: Sequence[int], context: PixelContext) -> list[Raster]:
        number = value()
        return [Raster(context.full(number, constant_type(number).dtype), context.raster(image).mask)]

    return image.derive(bands, compute)


def deferred(image: Image, indices: Value, names: Sequence[str] | None, caller: str) -> Image:
    """Picks bands by a thunk of their indices, when the image's bands are needed.

    Raises:
        RequestError: When two of the names given are the same.
    """
    if names is not None:
        refuse_duplicates(names, caller)
    chosen: list[Sequence[int]] = []

    def picked() -> Sequence[int]:
        if not chosen:
            found = list(indices())
            if names is not None and len(names) != len(found):
                raise RequestError(
                    f"{caller}: The number of names ({len(names)}) must match the number of bands ({len(found)}): "
                    f"{list(names)} for {[image.names[i] for i in found]}."
                )
            chosen.append(found)
        return chosen[0]

    def bands() -> list[Band]:
        found = [image.bands[index] for index in picked()]
        labels = unique_names([band.name for band in found]) if names is None else [str(name) for name in names]
        return [replace(band, name=name) for band, name in zip(found, labels, strict=True)]

    def compute(wanted: Sequence[int], context: PixelContext) -> list[Raster]:
        places = picked()
        return context.rasters(image, [places[index] for index in wanted])

    return image.derive(bands, compute, id=image.id)


def joined(base: Image, places: Value) -> Image:
    """Bands from several images; properties of the first."""
    found: list[list[tuple[Image, int, str]]] = []

    def sources() -> list[tuple[Image, int, str]]:
        if not found:
            found.append(places())
        return found[0]

    def bands() -> list[Band]:
        return [replace(image.bands[index], name=name) for image, index, name in sources()]

    def compute(wanted: Sequence[int], context: PixelContext) -> list[Raster]:
        chosen = [sources()[index] for index in wanted]
        for image in dict.fromkeys(image for image, _, _ in chosen):
            context.rasters(image, [index for source, index, _ in chosen if source is image])
        return [context.raster(image, index) for image, index, _ in chosen]

    return base.derive(bands, compute, id=base.id)


def free_name(name: str, taken: Container[str]) -> str:
    """The name, with `_1`, `_2` ... where it is taken."""
    if name not in taken:
        return name
    number = 1
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def unique_names(names: Sequence[str]) -> list[str]:
    """The names in order, those that came before with `_1`, `_2` ...; a name that is there once stays as it is."""
    if len(set(names)) == len(names):
        return list(names)
    taken, found = set(names), []
    seen: set[str] = set()
    for name in names:
        label = free_name(name, taken) if name in seen else name
        seen.add(name)
        taken.add(label)
        found.append(label)
    return found


def refuse_duplicates(names: Sequence[Any], caller: str) -> None:
    """Bands of an image have different names.

    Raises:
        RequestError: When two are the same, with the name.
    """
    labels = [str(name) for name in names]
    twice = sorted({label for label in labels if labels.count(label) > 1}) if len(set(labels)) < len(labels) else []
    if twice:
        raise RequestError(f"{caller}: Duplicate band name '{twice[0]}': the bands of an image need different names.")


def band_indices(image: Image, selectors: Sequence[Any]) -> list[int]:
    """Indices of the bands that selectors (names, regular expressions, indices) mean, in their order.

    Raises:
        RequestError: When one matches no band, with the names that there are.
    """
    return [index for selector in selectors for index in _matches(image, selector)]


def _matches(image: Image, selector: Value) -> list[int]:
    if isinstance(selector, (int, float)) and not isinstance(selector, bool):
        if not 0 <= selector < len(image.bands):
            raise RequestError(
                f"Image.select: Band index {int(selector)} is out of range. Image has {len(image.bands)} bands."
            )
        return [int(selector)]
    exact = image.index_of(str(selector))
    if exact is not None:
        return [exact]
    try:
        found = [index for index, name in enumerate(image.names) if re.fullmatch(str(selector), name)]
    except re.error:
        found = []
    if not found:
        raise RequestError(
            f"Image.select: Band pattern '{selector}' did not match any bands. "
            f"Available bands: [{', '.join(image.names)}]"
        )
    return found
