"""The tessellation of the land: blocks of some square kilometres, each ploughed into fields in a direction of its own.

A block is a Voronoi cell of a jittered lattice. Inside, fields are the cells of a rotated grid of the block's own field
size, with borders that are shifted row by row and bent a little, so that no two fields are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.world.hashing import Float32Array, UInt64Array, bell, draw, hash_of, salt
from rsbot_beam.local_ee.world.noise import FloatArray
from rsbot_beam.local_ee.world.relief import Ground

BLOCK_SPACING = 1500.0  # metres between the seeds of blocks: villages and main roads are about so far apart
_JITTER = 0.8  # of the spacing, over which a seed may lie
_BEND = 14.0  # metres that field borders are bent
# Sides of fields, metres: log-normal, which gives areas from below 1 to above 20 ha with a median of 4 ha, between
# Europe's and the Corn Belt's (Lesiv et al. 2019, Global Change Biology 25, "small" to "large" fields; Yan and Roy 2016).
_MEDIAN_WIDTH, _WIDTH_SPREAD = 170.0, 0.42
_MEDIAN_LENGTH, _LENGTH_SPREAD = 250.0, 0.38


@dataclass(frozen=True, eq=False)
class Parcels:
    """Which field and block N places are in.

    Attributes:
        field: Hash of the field.
        block: Hash of the block.
        edge: Distance to the nearest field border, metres.
        block_edge: Distance to the nearest block border, metres.
        along: Coordinate along the rows of the block, metres; crop rows and streets follow it.
        across: Coordinate across them.
        seed_x: Easting of the block's seed, metres: the place that stands for the whole block.
        seed_y: Northing of the block's seed.
    """

    field: UInt64Array
    block: UInt64Array
    edge: Float32Array
    block_edge: Float32Array
    along: Float32Array
    across: Float32Array
    seed_x: NDArray[np.float64]
    seed_y: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[Parcels]) -> Parcels:
        """Several places' parcels, one after the other."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


class Tessellation:
    """Blocks and fields of one world.

    Args:
        seed: The world's seed.
    """

    def __init__(self, seed: int) -> None:
        self._key = salt(seed, "parcels")

    def parcels(self, zone: int, x: FloatArray, y: FloatArray, ground: Ground) -> Parcels:
        """The parcels of places of a zone (metres, shape (N,))."""
        x = x + ground.bend_x * _BEND
        y = y + ground.bend_y * _BEND
        seeds, nearest = self._blocks(zone, x, y)
        block = seeds.hashes[nearest.index]
        scale = np.float32(BLOCK_SPACING)
        dx, dy, block_edge = nearest.dx * scale, nearest.dy * scale, nearest.border() * scale
        width = (_MEDIAN_WIDTH * np.exp(bell(block, 1) * np.float32(_WIDTH_SPREAD))).astype(np.float32)
        length = (_MEDIAN_LENGTH * np.exp(bell(block, 2) * np.float32(_LENGTH_SPREAD))).astype(np.float32)
        angle = draw(block, 3) * np.float32(np.pi)
        cos, sin = np.cos(angle), np.sin(angle)
        along, across = dx * cos + dy * sin, dy * cos - dx * sin
        row, across_edge = _band(across / width, block, 4)
        in_row = hash_of(block, row)
        column, along_edge = _band(along / length + draw(in_row, 5), in_row, 6)
        field = hash_of(in_row, column)
        edge = np.minimum(np.minimum(across_edge * width, along_edge * length), block_edge)
        return Parcels(field, block, edge, block_edge, along, across, *seeds.position(nearest.index))

    def _blocks(self, zone: int, x: FloatArray, y: FloatArray) -> tuple[_SeedTable, _Nearest]:
        """The seeds around places, and which of them is nearest to each."""
        i, j = np.floor(x / BLOCK_SPACING), np.floor(y / BLOCK_SPACING)
        u, v = (x / BLOCK_SPACING - i).astype(np.float32), (y / BLOCK_SPACING - j).astype(np.float32)
        seeds = _SeedTable(hash_of(self._key, np.array(zone)), i.astype(np.int64), j.astype(np.int64))
        nearest = _Nearest(x.size)
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                index, offset_x, offset_y = seeds.at(right, down)
                nearest.offer(index, u - offset_x - np.float32(right), v - offset_y - np.float32(down))
        return seeds, nearest


class _SeedTable:
    """The seeds of blocks around some places."""

    def __init__(self, key: UInt64Array, i: NDArray[np.int64], j: NDArray[np.int64]) -> None:
        left, bottom = i.min() - 1, j.min() - 1
        self._width = int(i.max() - left) + 2
        height = int(j.max() - bottom) + 2
        # Places far apart would make a large table of mostly unused seeds: then each place brings its own nine.
        self._dense = self._width * height <= max(4096, 9 * i.size)
        if self._dense:
            columns, rows = np.meshgrid(np.arange(self._width) + left, np.arange(height) + bottom)
            self._base = (j - bottom) * self._width + (i - left)
        else:
            steps = np.arange(-1, 2)
            columns = i + np.tile(steps, 3)[:, None]
            rows = j + np.repeat(steps, 3)[:, None]
            self._base = np.arange(i.size) + 4 * i.size
            self._width = 3
        self._stride = 1 if self._dense else i.size
        self._columns, self._rows = columns.ravel(), rows.ravel()
        self.hashes = hash_of(key, self._columns, self._rows)
        margin = np.float32((1.0 - _JITTER) / 2.0)
        self._x = margin + draw(self.hashes, 7) * np.float32(_JITTER)
        self._y = margin + draw(self.hashes, 8) * np.float32(_JITTER)

    def at(self, right: int, down: int) -> tuple[NDArray[np.int64], Float32Array, Float32Array]:
        """Numbers of the seeds in the lattice cells so many steps away, and their offsets in those cells (0..1)."""
        index = self._base + (down * self._width + right) * self._stride
        return index, self._x[index], self._y[index]

    def position(self, index: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Easting and northing of seeds, metres."""
        x = (self._columns[index] + self._x[index].astype(np.float64)) * BLOCK_SPACING
        y = (self._rows[index] + self._y[index].astype(np.float64)) * BLOCK_SPACING
        return x, y


class _Nearest:
    """Keeps the nearest and the second nearest of what it is offered; distances in units of the lattice."""

    def __init__(self, size: int) -> None:
        self.index = np.zeros(size, dtype=np.int64)
        self.dx, self.dy = np.zeros(size, dtype=np.float32), np.zeros(size, dtype=np.float32)
        self._dx2, self._dy2 = np.zeros(size, dtype=np.float32), np.zeros(size, dtype=np.float32)
        self._first = np.full(size, np.inf, dtype=np.float32)
        self._second = np.full(size, np.inf, dtype=np.float32)

    def offer(self, index: NDArray[np.int64], dx: Float32Array, dy: Float32Array) -> None:
        """A seed for each place, with the place's offset from it."""
        distance = dx * dx + dy * dy
        closest = distance < self._first
        closer = (distance < self._second) & ~closest
        for target, first, value in (
            (self._dx2, self.dx, dx),
            (self._dy2, self.dy, dy),
            (self._second, self._first, distance),
        ):
            np.copyto(target, first, where=closest)
            np.copyto(target, value, where=closer)
            np.copyto(first, value, where=closest)
        np.copyto(self.index, index, where=closest)

    def border(self) -> Float32Array:
        """Distance to the line half way between the two."""
        gap = np.hypot(self._dx2 - self.dx, self._dy2 - self.dy)
        return np.asarray(
            (self._second - self._first) / np.maximum(gap, np.float32(1e-3)) / np.float32(2.0), np.float32
        )


def _band(position: Float32Array, key: UInt64Array, purpose: int) -> tuple[NDArray[np.int64], Float32Array]:
    """Number of the strip of about unit width that a position lies in, and the distance to the strip's nearer border.

    Borders are near the whole numbers, each shifted by up to a quarter.
    """
    nearest = np.rint(position)
    number = nearest.astype(np.int64)
    shift = (draw(hash_of(key, number), purpose) - np.float32(0.5)) * np.float32(0.5)
    offset = position - (nearest.astype(np.float32) + shift)
    return np.where(offset >= 0, number, number - 1), np.abs(offset).astype(np.float32)
