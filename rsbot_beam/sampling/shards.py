"""Samples that lie side by side, together in shards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from rsbot_beam.data.samples import Sample
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileKey
from rsbot_beam.geometry.tile import pixel_grid

PER_SHARD = 16
"""Tiles of a shard: as many as the shards of 4 x 4 tiles of a grid have."""

_BITS = 16
"""Bits of a place along each axis of the curve: 65,536 places a side tell all neighbours of a continent apart."""


def sample_shards(samples: Sequence[Sample], per_shard: int = PER_SHARD) -> list[tuple[str, tuple[int, ...]]]:
    """Groups samples by place: along a Hilbert curve through the tiles' centres, which hardly ever jumps.

    Args:
        samples: No tile twice. A shard has tiles of one pixel grid and size only.
        per_shard: Tiles of a shard at most.

    Returns:
        For each shard its name, "samples-" and 16 hexadecimal digits that depend on nothing but its tiles and their
        order, and the indices of its samples. The shards do not depend on the order of the samples.

    Raises:
        InputError: Not one tile per shard, or a tile is there twice.
    """
    if per_shard < 1:
        raise InputError(f"{per_shard} tiles per shard are too few: give 1 or more, such as {PER_SHARD}")
    keys = [sample.key for sample in samples]
    if len(set(keys)) < len(keys):
        raise InputError(f"{len(keys) - len(set(keys))} of {len(keys)} samples are of a tile that is there already")
    return [
        (_name([keys[n] for n in part]), tuple(part))
        for indices in _by_grid(keys)
        for part in _parts(_along_curve(keys, indices), per_shard)
    ]


def _by_grid(keys: Sequence[TileKey]) -> Iterator[list[int]]:
    grids: dict[tuple[str, float, tuple[float, float], int], list[int]] = {}
    for n, key in enumerate(keys):
        grids.setdefault((*pixel_grid(key), key.size), []).append(n)
    yield from (grids[grid] for grid in sorted(grids))


def _along_curve(keys: Sequence[TileKey], indices: list[int]) -> list[int]:
    offsets = np.array([(keys[n].row, keys[n].col) for n in indices], float)
    extent = max(float(np.ptp(offsets, axis=0).max()), 1.0)
    places = ((offsets - offsets.min(axis=0)) / extent * (2**_BITS - 1)).astype(np.int64)
    curve = hilbert(places[:, 1], places[:, 0], _BITS).tolist()
    return [n for _, _, n in sorted((place, keys[n], n) for place, n in zip(curve, indices, strict=True))]


def _parts(indices: list[int], many: int) -> Iterator[list[int]]:
    return (indices[start : start + many] for start in range(0, len(indices), many))


def _name(keys: Sequence[TileKey]) -> str:
    return "samples-" + hashlib.blake2b("\n".join(map(str, keys)).encode(), digest_size=8).hexdigest()


def hilbert(x: np.ndarray, y: np.ndarray, bits: int) -> np.ndarray:
    """Returns how far along a Hilbert curve places are, (n,) int64 (Warren, Hacker's Delight, 2nd ed., 16-2).

    Args:
        x: (n,) whole numbers in [0, 2**bits).
        y: As `x`.
        bits: At most 31.
    """
    x, y, along = x.astype(np.int64), y.astype(np.int64), np.zeros(len(x), np.int64)
    for bit in range(bits - 1, -1, -1):
        right, upper = (x >> bit) & 1, (y >> bit) & 1
        along = 4 * along + ((3 * right) ^ upper)
        # The lower quarters run along the other diagonal: the rest of the way is mirrored.
        flip = (upper == 0) & (right == 1)
        x, y = np.where(flip, ~x, x), np.where(flip, ~y, y)
        x, y = np.where(upper == 0, y, x), np.where(upper == 0, x, y)
    return along
