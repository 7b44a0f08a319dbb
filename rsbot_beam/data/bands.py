"""Bands, classes and the layout in which a patch holds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rsbot_beam.errors import RecipeError

# The pixel types that Earth Engine answers with and tf.Transform reads; no 64-bit integers on either side.
DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


@dataclass(frozen=True)
class Band:
    """One raster band of a recipe.

    Attributes:
        name: Name in the recipe's image, also the key of its pixels in a patch.
        dtype: Numpy name of the type in which it is fetched and stored, one of `DTYPES`.
        unit: Unit of the stored number, e.g. "reflectance * 10000", "m", "dB"; empty for codes.
        description: One line for people.
    """

    name: str
    dtype: str
    unit: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise RecipeError(
                f"band name {self.name!r} is not an identifier: use letters, digits and _, e.g. with image.rename(...)"
            )
        if self.dtype not in DTYPES:
            raise RecipeError(f"band {self.name!r} has dtype {self.dtype!r}; choose one of {', '.join(DTYPES)}")

    @property
    def numpy(self) -> np.dtype:
        """The type as numpy has it."""
        return np.dtype(self.dtype)


@dataclass(frozen=True)
class LabelClass:
    """One class of a recipe's label.

    Attributes:
        code: Pixel value in the label band.
        name: Name for people.
        colour: "#rrggbb".
    """

    code: int
    name: str
    colour: str = "#808080"


@dataclass(frozen=True)
class Attribute:
    """Something that the user's own points say of their tile, carried into the examples.

    Attributes:
        name: Name of the column.
        dtype: "float64", with NaN where there is none, or "text".
    """

    name: str
    dtype: str


@dataclass(frozen=True)
class FetchedBand:
    """One band of the image that Earth Engine is asked for.

    Attributes:
        name: Band id in the request and in the answer.
        band: The recipe's band that it is a part of.
        step: Index on the time axis, or None for a band without one.
    """

    name: str
    band: Band
    step: int | None


@dataclass(frozen=True)
class Layout:
    """Which bands a patch holds, and in which shape.

    Attributes:
        bands: Input bands: each an array (height, width), or (steps, height, width) where `steps` is not 0.
        steps: Length of the time axis; 0 means that there is none.
        static: Input bands that do not change in time, (height, width); empty without a time axis.
        label: The label band, (height, width), or None for a recipe without labels.
        classes: The classes of the label; empty where it is a measured quantity.
        painted: Whether the label is painted from vector features, instead of being fetched.
        objects: Whether a patch holds the boxes of objects.
        attributes: What the user's points carry into the examples.
    """

    bands: tuple[Band, ...]
    steps: int = 0
    static: tuple[Band, ...] = ()
    label: Band | None = None
    classes: tuple[LabelClass, ...] = ()
    painted: bool = False
    objects: bool = False
    attributes: tuple[Attribute, ...] = ()

    def __post_init__(self) -> None:
        names = [band.name for band in self.all_bands]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not self.bands:
            raise RecipeError("a recipe needs at least one input band: give `bands`")
        if twice:
            raise RecipeError(f"bands {twice} are listed twice among bands, static bands and label; rename one of them")

    def of_inputs(self) -> Layout:
        """The same without what is to be learnt, as maps are made of it."""
        return Layout(self.bands, self.steps, self.static)

    @property
    def inputs(self) -> tuple[Band, ...]:
        """Input bands with and without a time axis."""
        return self.bands + self.static

    @property
    def all_bands(self) -> tuple[Band, ...]:
        """Input bands, then the label."""
        return self.inputs + ((self.label,) if self.label else ())

    def shape(self, band: Band, size: int) -> tuple[int, ...]:
        """Shape of the band's array in a patch of `size` x `size` pixels."""
        return (self.steps, size, size) if self.steps and band in self.bands else (size, size)

    def fetched(self) -> Iterator[FetchedBand]:
        """The bands to ask Earth Engine for, in the order of the request: one for each band and step."""
        for band in self.inputs if self.painted else self.all_bands:
            if self.steps and band in self.bands:
                yield from (FetchedBand(f"{band.name}_{step:02d}", band, step) for step in range(self.steps))
            else:
                yield FetchedBand(band.name, band, None)

    def patch_bytes(self, size: int) -> int:
        """Bytes of a patch's pixels, without validity."""
        return sum(int(np.prod(self.shape(band, size))) * band.numpy.itemsize for band in self.all_bands)
