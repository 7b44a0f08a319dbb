"""How the pixels of a map's rasters are stored, read and shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.composite import NAME as COMPOSITE
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileBlock

# The largest codes that leave a value for "no data" in the smallest type that holds them.
_LARGEST = {"uint8": 254, "uint16": 65534}


@dataclass(frozen=True)
class RasterStyle:
    """What the pixels of one kind of raster mean.

    Attributes:
        name: Name of the kind, and of its folder in a map: "class", "probability" ...
        dtype: Numpy name of the pixel type.
        nodata: Value of pixels without data; NaN for floats.
        bands: Name of each band.
        unit: Unit of the stored number; empty for codes.
        classes: Of a raster of codes, what each stands for; empty for measured quantities.
        description: One line for people.
        is_picture: Whether the bands are red, green and blue to look at: JPEG, with a mask of what has no data.
    """

    name: str
    dtype: str
    nodata: float
    bands: tuple[str, ...]
    unit: str = ""
    classes: tuple[LabelClass, ...] = ()
    description: str = ""
    is_picture: bool = False

    @property
    def is_codes(self) -> bool:
        """Whether pixels are codes of classes: they are counted, never averaged."""
        return bool(self.classes)

    def is_nodata(self, pixels: np.ndarray) -> np.ndarray:
        """Which pixels hold no data, as bool of the same shape."""
        return np.isnan(pixels) if math.isnan(self.nodata) else pixels == self.nodata


COMPOSITE_STYLE = RasterStyle(
    COMPOSITE, "uint8", 0.0, ("red", "green", "blue"), "", (), "picture of the model's input, to look at", True
)


def map_styles(classes: Sequence[LabelClass]) -> dict[str, RasterStyle]:
    """The rasters that a map of classes can have, by name.

    Args:
        classes: In the order in which the model scores them; the probabilities' bands are named after them.

    Raises:
        InputError: A code that no raster of the map can hold.
    """
    codes = [item.code for item in classes]
    dtype = "uint8" if max(codes, default=0) <= _LARGEST["uint8"] else "uint16"
    if min(codes, default=0) < 0 or max(codes, default=0) > _LARGEST[dtype]:
        raise InputError(
            f"class codes reach from {min(codes)} to {max(codes)}, but a map holds 0 to {_LARGEST['uint16']}: "
            "give the recipe's classes other codes"
        )
    nodata = float(_LARGEST[dtype] + 1)
    named = tuple(item.name for item in classes)
    found = (
        RasterStyle("class", dtype, nodata, ("class",), "", tuple(classes), "most probable class"),
        RasterStyle("probability", "float32", math.nan, ("probability",), "1", (), "probability of that class, 0 to 1"),
        RasterStyle("probabilities", "float32", math.nan, named, "1", (), "probability of each class, 0 to 1"),
        RasterStyle(
            "entropy",
            "float32",
            math.nan,
            ("entropy",),
            "1",
            (),
            "entropy of the probabilities over the greatest possible: 0 is sure, 1 knows nothing",
        ),
        COMPOSITE_STYLE,
    )
    return {style.name: style for style in found}


def raster_path(name: str, block: TileBlock | str) -> str:
    """Path of a block's raster in the folder of a map: `class/<block>.tif` for the raster `class`."""
    return f"{name}/{block}.tif"


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of "#rrggbb".

    Raises:
        InputError: The text is no such colour.
    """
    try:
        if len(colour) != 7 or colour[0] != "#":
            raise ValueError("not # and six hexadecimal digits")
        return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
    except ValueError as error:
        raise InputError(f"colour {colour!r} cannot be read ({error}): write it like #ff8800") from error
