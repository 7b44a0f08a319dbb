"""Tiles and blocks: places on a grid, without pixels.

Both are plain values: frozen, ordered (by CRS, then from north to south and west to east), hashable, small when
pickled, and with a text that is fit for file names and parses back to an equal value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from rsbot_beam.errors import GridError

Bounds = tuple[float, float, float, float]
"""(left, bottom, right, top) in units of the CRS."""

_NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_KEY_TEXT = re.compile(
    rf"EPSG(?P<epsg>\d+)_(?P<resolution>{_NUMBER})_(?P<size>\d+)_r(?P<row>-?\d+)_c(?P<col>-?\d+)"
    rf"(?:_o(?P<x>{_NUMBER})x(?P<y>{_NUMBER}))?(?:_(?P<rows>\d+)x(?P<cols>\d+))?"
)


@dataclass(frozen=True, order=True, slots=True)
class TileKey:
    """A square place of `size` x `size` pixels on a pixel grid.

    Rows and columns count pixels, not tiles, so that tiles off the tile grid (shifted samples) are keys as well; tiles
    of a `Grid` have `row % size == col % size == 0`. A tile owns its top and left edge, not its bottom and right one.

    Attributes:
        crs: "EPSG:n".
        resolution: Side of a (square) pixel in units of the CRS.
        size: Pixels per side.
        row: Pixels from the origin down to the top edge, growing south: top = origin_y - row * resolution.
        col: Pixels from the origin to the left edge, growing east: left = origin_x + col * resolution.
        origin: (x, y) of the corner that pixel (0, 0) hangs from, in units of the CRS. Sentinel-2 and most others:
            (0, 0); Landsat: (15, 15), as its pixel corners lie on odd multiples of 15 m.

    Raises:
        GridError: A size or resolution that is not positive, or an offset that is not a whole number.
    """

    crs: str
    resolution: float
    size: int
    row: int
    col: int
    origin: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        # Millions of keys are made from plain numbers: look, but convert only what would pickle to other bytes.
        if not (type(self.row) is type(self.col) is type(self.size) is int and type(self.resolution) is float):
            _make_plain(self, "size", "row", "col")
        if not (self.size > 0 and 0 < self.resolution < math.inf):
            raise GridError(_bad_numbers(self))

    def __reduce__(self) -> tuple[type[TileKey], tuple[Any, ...]]:
        return TileKey, (self.crs, self.resolution, self.size, self.row, self.col, self.origin)

    def __str__(self) -> str:
        return _key_text(self)

    @classmethod
    def parse(cls, text: str) -> TileKey:
        """Returns the key whose `str` is `text`.

        Raises:
            GridError: The text is not a tile key.
        """
        groups = _KEY_TEXT.fullmatch(text)
        if groups is None or groups["rows"]:
            raise GridError(f"{text!r} is no tile key: expected a text such as EPSG32633_10_128_r-527104_c39168")
        return cls(**_key_fields(groups))

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.size, self.size

    @property
    def transform(self) -> Affine:
        """Affine from (column, row) of a pixel corner in the tile to (x, y) in the CRS."""
        return _transform(self)

    @property
    def bounds(self) -> Bounds:
        """(left, bottom, right, top) in units of the CRS. Tiles that share an edge have it bit for bit."""
        return _bounds(self, self.size, self.size)

    @property
    def geobox(self) -> GeoBox:
        """The tile as an odc-geo GeoBox: shape, transform and CRS in one."""
        return GeoBox(self.shape, self.transform, self.crs)

    @property
    def aligned(self) -> bool:
        """Whether the tile lies on the tile grid, as all tiles of a `Grid` do."""
        return self.row % self.size == 0 and self.col % self.size == 0

    def shifted(self, rows: int, cols: int) -> TileKey:
        """Returns the key `rows` pixels further south and `cols` pixels further east."""
        return TileKey(self.crs, self.resolution, self.size, self.row + rows, self.col + cols, self.origin)

    def overlaps(self, other: TileKey | TileBlock) -> bool:
        """Tells whether both share a pixel. Only places on the same pixel grid can be compared.

        Raises:
            GridError: The other is on another pixel grid.
        """
        if pixel_grid(self) != pixel_grid(other):
            raise GridError(f"{self} and {other} are on different pixel grids: compare their ground in one CRS instead")
        height, width = other.shape
        return (
            self.row < other.row + height
            and other.row < self.row + self.size
            and self.col < other.col + width
            and other.col < self.col + self.size
        )


@dataclass(frozen=True, order=True, slots=True)
class TileBlock:
    """A rectangle of `rows` x `cols` tiles that lie side by side; a cell of the quadtree, or the ground of one request.

    Attributes:
        crs: "EPSG:n".
        resolution: Side of a pixel in units of the CRS.
        size: Pixels per side of each tile.
        row: Pixel offset of the top-left tile, as in `TileKey`.
        col: Pixel offset of the top-left tile, as in `TileKey`.
        rows: Number of tiles from north to south.
        cols: Number of tiles from west to east.
        origin: (x, y) of the grid's origin, as in `TileKey`.

    Raises:
        GridError: A size, resolution or number of tiles that is not positive, or an offset that is not a whole number.
    """

    crs: str
    resolution: float
    size: int
    row: int
    col: int
    rows: int = 1
    cols: int = 1
    origin: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        _make_plain(self, "size", "row", "col", "rows", "cols")
        if not (self.size > 0 and 0 < self.resolution < math.inf and self.rows > 0 and self.cols > 0):
            raise GridError(_bad_numbers(self))

    def __reduce__(self) -> tuple[type[TileBlock], tuple[Any, ...]]:
        fields = (self.crs, self.resolution, self.size, self.row, self.col, self.rows, self.cols, self.origin)
        return TileBlock, fields

    @classmethod
    def of(cls, key: TileKey, rows: int = 1, cols: int = 1) -> TileBlock:
        """Returns the block of `rows` x `cols` tiles whose top-left tile is `key`."""
        return cls(key.crs, key.resolution, key.size, key.row, key.col, rows, cols, key.origin)

    def __str__(self) -> str:
        return f"{_key_text(self)}_{self.rows}x{self.cols}"

    @classmethod
    def parse(cls, text: str) -> TileBlock:
        """Returns the block whose `str` is `text`.

        Raises:
            GridError: The text is not a block.
        """
        groups = _KEY_TEXT.fullmatch(text)
        if groups is None or not groups["rows"]:
            raise GridError(f"{text!r} is no block of tiles: expected a text such as EPSG32633_10_128_r0_c0_8x8")
        return cls(**_key_fields(groups), rows=int(groups["rows"]), cols=int(groups["cols"]))

    def __len__(self) -> int:
        return self.rows * self.cols

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.rows * self.size, self.cols * self.size

    @property
    def transform(self) -> Affine:
        """Affine from (column, row) of a pixel corner in the block to (x, y) in the CRS."""
        return _transform(self)

    @property
    def bounds(self) -> Bounds:
        """(left, bottom, right, top) in units of the CRS."""
        return _bounds(self, *self.shape)

    @property
    def geobox(self) -> GeoBox:
        """The block as an odc-geo GeoBox: shape, transform and CRS in one."""
        return GeoBox(self.shape, self.transform, self.crs)

    def tiles(self) -> Iterator[TileKey]:
        """Yields the block's tiles from north to south, and each row from west to east."""
        for row in range(self.row, self.row + self.rows * self.size, self.size):
            for col in range(self.col, self.col + self.cols * self.size, self.size):
                yield TileKey(self.crs, self.resolution, self.size, row, col, self.origin)

    def part(self, row: int, col: int, rows: int, cols: int) -> TileBlock:
        """Returns the `rows` x `cols` tiles that start `row` tiles below and `col` tiles right of the block's first.

        Raises:
            GridError: The part would reach beyond the block.
        """
        if not (0 <= row <= row + rows <= self.rows and 0 <= col <= col + cols <= self.cols):
            raise GridError(f"{rows} x {cols} tiles from ({row}, {col}) are not inside the block {self}")
        top, left = self.row + row * self.size, self.col + col * self.size
        return TileBlock(self.crs, self.resolution, self.size, top, left, rows, cols, self.origin)

    def halves(self) -> tuple[TileBlock, ...]:
        """Returns the block cut in two across its longer side, or alone when it is a single tile."""
        if len(self) == 1:
            return (self,)
        if self.rows >= self.cols:
            middle = self.rows // 2
            return self.part(0, 0, middle, self.cols), self.part(middle, 0, self.rows - middle, self.cols)
        middle = self.cols // 2
        return self.part(0, 0, self.rows, middle), self.part(0, middle, self.rows, self.cols - middle)

    def cut(self, array: np.ndarray, axis: int = 0) -> Iterator[tuple[TileKey, np.ndarray]]:
        """Cuts the block's pixels into views, one for each tile, in the order of `tiles`.

        Args:
            array: Pixels of the block, (height, width, ...) for `axis` 0, (time, height, width, ...) for `axis` 1.
            axis: The axis of the height; the width's follows it.

        Yields:
            The tile and its pixels: a view, not a copy, with `size` along both axes.

        Raises:
            GridError: The array does not have the block's shape.
        """
        if tuple(array.shape[axis : axis + 2]) != self.shape:
            raise GridError(f"array of shape {array.shape} does not fit the {self.shape} pixels of block {self}")
        for key in self.tiles():
            top, left = key.row - self.row, key.col - self.col
            window = (slice(top, top + self.size), slice(left, left + self.size))
            yield key, array[(slice(None),) * axis + window]


Place = TypeVar("Place", TileKey, TileBlock)


def pixel_grid(place: TileKey | TileBlock) -> tuple[str, float, tuple[float, float]]:
    """Returns what two places must have in common for their rows and columns to be comparable."""
    return place.crs, place.resolution, place.origin


def _make_plain(place: TileKey | TileBlock, *whole: str) -> None:
    """Turns NumPy's and other numbers into int and float, so that equal places are equal bytes as well."""
    try:
        for name in whole:
            value = getattr(place, name)
            if int(value) != value:
                raise ValueError(f"{name} must be a whole number of pixels or tiles")
            object.__setattr__(place, name, int(value))
        object.__setattr__(place, "resolution", float(place.resolution))
    except (TypeError, ValueError) as error:
        raise GridError(_bad_numbers(place)) from error


def _bad_numbers(place: TileKey | TileBlock) -> str:
    numbers = ", ".join(f"{name}={getattr(place, name)!r}" for name in place.__slots__)
    return f"{type(place).__name__}({numbers}): resolution and sizes must be positive, offsets whole numbers of pixels"


def _transform(place: TileKey | TileBlock) -> Affine:
    left, top = place.origin[0] + place.col * place.resolution, place.origin[1] - place.row * place.resolution
    return Affine(place.resolution, 0.0, left, 0.0, -place.resolution, top)


def _bounds(place: TileKey | TileBlock, height: int, width: int) -> Bounds:
    x, y = place.origin
    return (
        x + place.col * place.resolution,
        y - (place.row + height) * place.resolution,
        x + (place.col + width) * place.resolution,
        y - place.row * place.resolution,
    )


def _number_text(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _key_text(place: TileKey | TileBlock) -> str:
    resolution = _number_text(place.resolution)
    text = f"{place.crs.replace(':', '')}_{resolution}_{place.size}_r{place.row}_c{place.col}"
    if place.origin == (0.0, 0.0):
        return text
    x, y = place.origin
    return f"{text}_o{_number_text(x)}x{_number_text(y)}"


def _key_fields(groups: re.Match[str]) -> dict[str, Any]:
    origin = (float(groups["x"]), float(groups["y"])) if groups["x"] else (0.0, 0.0)
    whole = {name: int(groups[name]) for name in ("size", "row", "col")}
    return {"crs": f"EPSG:{groups['epsg']}", "resolution": float(groups["resolution"]), "origin": origin, **whole}
