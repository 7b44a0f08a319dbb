"""Tiles at places that are uniform by area, whatever the CRS of the grid."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely

from rsbot_beam.data.samples import Sample
from rsbot_beam.geometry import Cover, Region, TileKey
from rsbot_beam.geometry.crs import LONLAT, transformer
from rsbot_beam.geometry.polygons import polygons_of
from rsbot_beam.geometry.region import EQUAL_AREA
from rsbot_beam.geometry.zones import wrap_longitude
from rsbot_beam.sampling.ground import Ground
from rsbot_beam.sampling.occupied import Occupied
from rsbot_beam.sampling.placing import Accept, centres_in_region, pixels_at, tiles_centred
from rsbot_beam.sampling.seeds import UniformStream
from rsbot_beam.sampling.selection import Selection, Shortfall, only_short
from rsbot_beam.sampling.settings import SamplingSettings

_LEAST_DRAWS, _DRAWS = 1000, 50
"""Places that are drawn at most, at least and for each tile wanted, before a region counts as full. Tiles at random fill
about 56 % of the ground until none fits (Brosilow, Ziff and Vigil, Phys. Rev. A 43, 631, 1991), and 50 draws for each come
within some percent of that; the last ones would take longer than all before."""

_BATCHES = (64, 8192)
"""Places that are drawn at once, at least and at most; the outcome does not depend on it."""


class AreaDraw:
    """Draws places from a region, each equally likely to be in any square metre of it.

    Drawn in EPSG:6933, which is equal-area on the WGS 84 ellipsoid: for each polygon a box around it, chosen by its
    area, and in it a place, kept if the polygon holds it.

    Args:
        region: Where from.
        seed: Not negative.
        purpose: What the places are for; other purposes have other places.
    """

    def __init__(self, region: Region, seed: int, purpose: str) -> None:
        self._parts = np.array(polygons_of(region.to_crs(EQUAL_AREA)), object)
        shapely.prepare(self._parts)
        self._bounds = shapely.bounds(self._parts)
        self._shares = np.cumsum(np.prod(self._bounds[:, 2:] - self._bounds[:, :2], axis=1))
        self._stream = UniformStream(seed, purpose)

    def take(self, tries: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns longitudes and latitudes of the next places, (n,) degrees each, with n at most `tries`."""
        draws = self._stream.take(tries, 3)
        part = np.searchsorted(self._shares, draws[:, 0] * self._shares[-1], side="right").clip(0, len(self._parts) - 1)
        low, high = self._bounds[part, :2], self._bounds[part, 2:]
        x, y = (low + draws[:, 1:] * (high - low)).T
        inside = shapely.contains_xy(self._parts[part], x, y)
        lon, lat = transformer(EQUAL_AREA, LONLAT).transform(x[inside], y[inside])
        return np.array([wrap_longitude(value) for value in lon.tolist()], float), lat


def random_samples(cover: Cover, settings: SamplingSettings) -> Selection:
    """Draws tiles at places uniform by area, with their centres in the region.

    Uniform are the places, of which those without room for a tile are passed over. The samples of a smaller count are
    the first ones of a larger count.

    Args:
        cover: The region and the grid; tiles are on its pixel grid, not on its tile grid.
        settings: `count`, `seed` and `overlap` (the same tile is never drawn twice) count.

    Returns:
        Samples of kind "random"; a shortfall where the region has no room for so many.

    Raises:
        InputError: There is no count.
        GridError: The grid's CRS cannot hold the region.
    """
    draw = AreaDraw(cover.region, settings.seed, "random tiles")
    count = settings.required_count
    keys = draw_tiles(cover, count, draw, Occupied(overlap=settings.overlap))
    found = [Sample(key, kind="random") for key in keys]
    return Selection(found, only_short(Shortfall("random tiles", count, len(keys), no_room(cover))))


def no_room(cover: Cover) -> str:
    """Returns why no more tiles were drawn at random, and what to do."""
    grid = cover.grid
    return (
        f"the region ({cover.region}) has hardly room for more tiles of {grid.patch_size} pixels of {grid.resolution:g}; "
        "ask for fewer or smaller ones, let them overlap, or take all tiles of the grid (--sampling grid)"
    )


def draw_tiles(
    cover: Cover, count: int, draw: AreaDraw, occupied: Occupied, accept: Accept | None = None
) -> list[TileKey]:
    """Draws tiles with their centres in the region until there are `count`, or no more are found.

    Args:
        cover: The region and the grid.
        count: Number of tiles at most.
        draw: Where the places come from.
        occupied: What is taken already; the new tiles are added.
        accept: Which tiles may be taken; None: all.
    """
    found: list[TileKey] = []
    for ground in _batches(cover, count, draw, accept):
        for index in range(len(ground)):
            if len(found) == count:
                return found
            if occupied.take(ground, index):
                found.append(ground.keys[index])
    return found


def _batches(cover: Cover, count: int, draw: AreaDraw, accept: Accept | None) -> Iterator[Ground]:
    """Yields the ground of the drawn tiles that may be taken."""
    left = _LEAST_DRAWS + _DRAWS * count if count else 0
    size = int(np.clip(2 * count, *_BATCHES))
    while left > 0:
        lon, lat = draw.take(size)
        keys = tiles_centred(cover.grid, pixels_at(cover.grid, lon[:left], lat[:left]))
        left -= len(keys)
        usable = centres_in_region(cover, keys)
        if accept is not None:
            usable[usable] = accept([key for key, good in zip(keys, usable, strict=True) if good])
        yield Ground.of([key for key, good in zip(keys, usable, strict=True) if good])
