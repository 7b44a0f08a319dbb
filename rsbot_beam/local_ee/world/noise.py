"""Smooth fields made of hashes: value noise in the plane and on the globe, and fields sampled at nodes.

Value noise with smoothstep weights (K. Perlin, "An image synthesizer", 1985, in its value form): cheap, and bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.world.hashing import hash_of, salt, unit

FloatArray: TypeAlias = NDArray[np.floating[Any]]
Float32Array: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int64]

EARTH_RADIUS = 6_371_000.0  # metres, mean radius (IUGG); the globe of the noise is a sphere
# Value noise of one octave, uniform at its nodes, has this standard deviation in the mean over places: 1/sqrt(12) at a
# node times 26/35, the mean of the smoothstep weights' sum of squares, in each dimension's square root.
_OCTAVE_STD = 12.0**-0.5 * (26.0 / 35.0)
_GOLDEN_ANGLE = np.pi * (3.0 - 5.0**0.5)
# A dense table of nodes pays while it is not much larger than the four corners of every pixel.
_DENSE_LIMIT = 4


def _smooth(fraction: FloatArray) -> Float32Array:
    f = fraction.astype(np.float32)
    return np.asarray(f * f * (np.float32(3.0) - np.float32(2.0) * f), dtype=np.float32)


def _lerp(start: Float32Array, end: Float32Array, weight: Float32Array) -> Float32Array:
    return np.asarray(start + (end - start) * weight, dtype=np.float32)


def plane_noise(keys: Sequence[int], wavelengths: Sequence[float], x: FloatArray, y: FloatArray) -> Float32Array:
    """Several octaves of value noise in the plane, at once.

    Args:
        keys: A salt for each octave.
        wavelengths: Distance between nodes of each octave, metres.
        x: Eastings, shape (N,), metres.
        y: Northings, shape (N,).

    Returns:
        float32 (octaves, N), each with mean 0 and standard deviation of about 1.
    """
    spacing = np.asarray(wavelengths, dtype=np.float64)[:, None]
    key = np.asarray(keys, dtype=np.uint64)[:, None]
    # Every octave's lattice is turned by another angle (the golden one): aligned lattices show as a grain of the land.
    angle = np.arange(len(keys))[:, None] * _GOLDEN_ANGLE
    u = (x * np.cos(angle) + y * np.sin(angle)) / spacing
    v = (y * np.cos(angle) - x * np.sin(angle)) / spacing
    i, j = np.floor(u), np.floor(v)
    wu, wv = _smooth(u - i), _smooth(v - j)
    left, bottom = i.astype(np.int64), j.astype(np.int64)
    columns = [hash_of(key, left), hash_of(key, left + 1)]
    south = [unit(hash_of(column, bottom)) for column in columns]
    north = [unit(hash_of(column, bottom + 1)) for column in columns]
    value = _lerp(_lerp(south[0], south[1], wu), _lerp(north[0], north[1], wu), wv)
    return np.asarray((value - np.float32(0.5)) * np.float32(1.0 / _OCTAVE_STD), dtype=np.float32)


def octaves(seed: int, name: str, wavelengths: Sequence[float]) -> tuple[list[int], list[float]]:
    """Keys and wavelengths of a named stack of octaves, for `plane_noise`."""
    return [salt(seed, name, number) for number in range(len(wavelengths))], list(wavelengths)


def globe_noise(keys: Sequence[int], wavelengths: Sequence[float], lon: FloatArray, lat: FloatArray) -> Float32Array:
    """Several octaves of value noise on the globe, without seams at the antimeridian or at the poles.

    The noise lives in space, and is read where the sphere passes.

    Args:
        keys: A salt for each octave.
        wavelengths: Distance between nodes of each octave, metres.
        lon: Degrees, shape (N,).
        lat: Degrees, shape (N,).

    Returns:
        float32 (octaves, N), each with mean 0 and standard deviation of about 1.
    """
    spacing = np.asarray(wavelengths, dtype=np.float64)[:, None]
    key = np.asarray(keys, dtype=np.uint64)[:, None]
    phi, lam = np.radians(lat), np.radians(lon)
    axes = (np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi))
    scaled = [axis * EARTH_RADIUS / spacing for axis in axes]
    floors = [np.floor(axis) for axis in scaled]
    weights = [_smooth(axis - floor) for axis, floor in zip(scaled, floors, strict=True)]
    i, j, k = (floor.astype(np.int64) for floor in floors)
    value = _cube(key, (i, j, k), weights)
    # One dimension more averages once more, hence the third power's root of the plane's factor.
    return np.asarray((value - np.float32(0.5)) * np.float32(12.0**0.5 * (35.0 / 26.0) ** 1.5), dtype=np.float32)


def _cube(key: NDArray[np.uint64], corner: Sequence[IntArray], weights: Sequence[Float32Array]) -> Float32Array:
    i, j, k = corner
    planes = []
    for step in (0, 1):
        first = hash_of(key, i + step)
        edges = [hash_of(first, j), hash_of(first, j + 1)]
        lines = [_lerp(unit(hash_of(edge, k)), unit(hash_of(edge, k + 1)), weights[2]) for edge in edges]
        planes.append(_lerp(lines[0], lines[1], weights[1]))
    return _lerp(planes[0], planes[1], weights[0])


def weighted_sum(noise: Float32Array, weights: Sequence[float]) -> Float32Array:
    """Octaves (K, N) added with weights, float32 (N,).

    Written out, not a matrix product or a reduction: those round differently by the array's size, and a place's value must
    not depend on the request.
    """
    total = noise[0] * np.float32(weights[0])
    for octave, weight in zip(noise[1:], weights[1:], strict=True):
        total = total + octave * np.float32(weight)
    return np.asarray(total, dtype=np.float32)


class NodeMesh:
    """The nodes of a fixed lattice around some pixels, and how to read between them.

    The nodes are at multiples of the spacing wherever the request lies; so what is read depends on the place only.

    Args:
        x: Eastings of the pixels, shape (N,), metres.
        y: Northings, shape (N,).
        spacing: Distance of the nodes, metres.
        margin: Nodes to have around the pixels, for reading aside.

    Attributes:
        nodes: (x, y) of the M nodes, metres.
    """

    def __init__(self, x: FloatArray, y: FloatArray, spacing: float, margin: int = 0) -> None:
        u, v = x / spacing, y / spacing
        i, j = np.floor(u), np.floor(v)
        self._wu = (u - i).astype(np.float32)
        self._wv = (v - j).astype(np.float32)
        self._columns, self._rows = i.astype(np.int64), j.astype(np.int64)
        self._margin = margin
        self._spacing = spacing
        left, right = int(self._columns.min()) - margin, int(self._columns.max()) + 1 + margin
        bottom, top = int(self._rows.min()) - margin, int(self._rows.max()) + 1 + margin
        self.width, self.height = right - left + 1, top - bottom + 1
        # A few thousand nodes are always cheap: the work is then in the calls, not in the elements.
        self.dense = self.width * self.height <= max(4096, _DENSE_LIMIT * x.size)
        if self.dense:
            self._index = ((self._rows - bottom) * self.width + (self._columns - left)).astype(np.intp)
            grid_x, grid_y = np.meshgrid(np.arange(left, right + 1), np.arange(bottom, top + 1))
            self.nodes = grid_x.ravel() * spacing, grid_y.ravel() * spacing
        else:
            self.nodes = self._corners(0, 0)

    def _corners(self, shift_columns: int, shift_rows: int) -> tuple[FloatArray, FloatArray]:
        i, j = self._columns + shift_columns, self._rows + shift_rows
        columns = np.concatenate([i, i + 1, i, i + 1])
        rows = np.concatenate([j, j, j + 1, j + 1])
        return columns * self._spacing, rows * self._spacing

    def shifted_nodes(self, columns: int, rows: int) -> tuple[FloatArray, FloatArray]:
        """Nodes to evaluate for `interpolate(..., columns, rows)`: the mesh's own when it is dense."""
        return self.nodes if self.dense else self._corners(columns, rows)

    def interpolate(self, values: Float32Array, columns: int = 0, rows: int = 0) -> Float32Array:
        """Bilinear values at the pixels.

        Args:
            values: (..., M) at `nodes` (or at `shifted_nodes(columns, rows)`).
            columns: Read so many nodes further east; at most the margin.
            rows: Read so many nodes further north; at most the margin.

        Returns:
            float32 (..., N).
        """
        if self.dense:
            index = self._index + (rows * self.width + columns)
            corners = [index, index + 1, index + self.width, index + self.width + 1]
            south_west, south_east, north_west, north_east = (np.take(values, at, axis=-1) for at in corners)
        else:
            south_west, south_east, north_west, north_east = np.split(values, 4, axis=-1)
        south = _lerp(south_west, south_east, self._wu)
        return _lerp(south, _lerp(north_west, north_east, self._wu), self._wv)
