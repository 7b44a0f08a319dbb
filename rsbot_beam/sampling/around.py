"""Tiles around places, shifted at random, where there is room for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

import numpy as np

from rsbot_beam.geometry import Cover, TileKey
from rsbot_beam.geometry.crs import LONLAT, transformer
from rsbot_beam.sampling.ground import Ground, geocentric
from rsbot_beam.sampling.occupied import Occupied
from rsbot_beam.sampling.placing import Accept, centres_in_region, pixels_at, tiles_centred
from rsbot_beam.sampling.seeds import hashed_uniforms

SHIFTS = 3
"""Shifts that are tried for each place, before the tile with the place in its middle: a hash gives eight numbers, one
for the order of the places and two for each shift."""

MARGIN = 1 / 16
"""Of a tile's side: what is closer to its edge is hardly seen whole; 80 m for 128 pixels of 10 m."""

_BATCH = 2048
"""Places whose tiles are worked out at once: four for each, 4 MB."""


class Outcome(Enum):
    """What became of a place: it has a tile, is seen by one that is there already, or there is no room for a tile."""

    TILE = "tile"
    SEEN = "seen"
    CROWDED = "crowded"


def tiles_around(
    cover: Cover,
    lonlat: np.ndarray,
    names: Sequence[str],
    *,
    seed: int,
    purpose: str,
    shift: float,
    occupied: Occupied,
    accept: Accept | None = None,
) -> Iterator[tuple[Outcome, TileKey | None]]:
    """Takes a tile for each of some places, one after the other, in an order that seed and names decide.

    A place that a taken tile sees, away from its edge, gets none. The others get the first that fits, of three tiles
    shifted at random with their centres in the region, and the one with the place in its middle.

    Args:
        cover: The region and the grid; tiles are on its pixel grid, not on its tile grid.
        lonlat: (n, 2) degrees, places in the region.
        names: n names; a place with the same name and coordinates has the same order and shifts, whatever other places
            there are.
        seed: Not negative.
        purpose: What the tiles are for; other purposes have other orders and shifts.
        shift: Greatest shift, in sides of a tile; the place stays 1/16 of a side away from the edge.
        occupied: What is taken already; the new tiles are added.
        accept: Which tiles may be taken; None: all.

    Yields:
        What became of a place, and the tile that was taken for it; so long as the caller asks.
    """
    texts = [f"{name} {lon!r} {lat!r}" for name, (lon, lat) in zip(names, lonlat.tolist(), strict=True)]
    draws = hashed_uniforms(seed, purpose, texts)
    order = np.argsort(draws[:, 0], kind="stable")
    for start in range(0, len(order), _BATCH):
        batch = order[start : start + _BATCH]
        keys, usable = _candidates(cover, lonlat[batch], draws[batch, 1 : 1 + 2 * SHIFTS], shift, accept)
        ground = Ground.of(keys)
        points = geocentric(*lonlat[batch].T).tolist()
        for n, (place, point) in enumerate(zip(lonlat[batch].tolist(), points, strict=True)):
            if any(sees(key, *place) for key in occupied.near(point)):
                yield Outcome.SEEN, None
            else:
                tries = range(n * (SHIFTS + 1), (n + 1) * (SHIFTS + 1))
                taken = next((keys[t] for t in tries if usable[t] and occupied.take(ground, t)), None)
                yield Outcome.CROWDED if taken is None else Outcome.TILE, taken


def _candidates(
    cover: Cover, lonlat: np.ndarray, draws: np.ndarray, shift: float, accept: Accept | None
) -> tuple[list[TileKey], np.ndarray]:
    """Returns the shifted tiles of each place and then its middle one, and which of them may be taken."""
    size = cover.grid.patch_size
    room = max(0, min(round(shift * size), (size - 1) // 2 - _margin(size)))
    offsets = np.round((2 * draws.reshape(-1, SHIFTS, 2) - 1) * room).astype(int)
    offsets = np.concatenate([offsets, np.zeros((len(lonlat), 1, 2), int)], axis=1).reshape(-1, 2)
    middle = [key for key in tiles_centred(cover.grid, pixels_at(cover.grid, *lonlat.T)) for _ in range(SHIFTS + 1)]
    keys = [key.shifted(*offset) for key, offset in zip(middle, offsets.tolist(), strict=True)]
    usable = centres_in_region(cover, keys)
    # Its middle may be a pixel off the place, which is in the region.
    usable[SHIFTS :: SHIFTS + 1] = True
    if accept is not None:
        usable[usable] = accept([key for key, good in zip(keys, usable, strict=True) if good])
    return keys, usable


def sees(key: TileKey, lon: float, lat: float) -> bool:
    """Tells whether a tile sees a place in degrees, 1/16 of its side away from its edges."""
    x, y = transformer(LONLAT, key.crs).transform(lon, lat)
    left, bottom, right, top = key.bounds
    margin = _margin(key.size) * key.resolution
    return bool(left + margin <= x < right - margin and bottom + margin < y <= top - margin)


def _margin(size: int) -> int:
    return max(1, round(size * MARGIN)) if size > 2 else 0
