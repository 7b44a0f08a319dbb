"""Background tiles: of the same region as the tiles around features, and without a feature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from rsbot_beam.data.feature_packing import reach_of
from rsbot_beam.data.samples import Sample
from rsbot_beam.geometry import Cover, TileKey
from rsbot_beam.sampling.around import Outcome, tiles_around
from rsbot_beam.sampling.ground import outlines_lonlat
from rsbot_beam.sampling.occupied import Occupied
from rsbot_beam.sampling.placing import checked_lonlat, in_region
from rsbot_beam.sampling.selection import Selection, Shortfall, only_short
from rsbot_beam.sampling.settings import SamplingSettings
from rsbot_beam.sampling.uniform import AreaDraw, draw_tiles, no_room

EASY, HARD = "background", "hard background"

_AROUND_POLE = 180.0
"""Degrees of longitude: a tile whose outline spans more lies around a pole, or at it."""


class Clearings:
    """Where no feature is.

    Args:
        bboxes: (n, 4) west, south, east, north in degrees of the features, of the region and around it; east > 180
            across the antimeridian.
    """

    def __init__(self, bboxes: np.ndarray) -> None:
        west, south, east, north = reach_of(bboxes).T
        # Tiles have longitudes of any turn near their centre's: all turns of the features are there to be met.
        turns = [shapely.box(west + turn, south, east + turn, north) for turn in (-360.0, 0.0, 360.0)]
        self._tree = shapely.STRtree(np.concatenate(turns))

    def __call__(self, keys: Sequence[TileKey]) -> np.ndarray:
        """Tells, as (n,) bool, which tiles see nothing of any feature's bbox."""
        clear = np.ones(len(keys), bool)
        if len(keys):
            clear[self._tree.query(_footprints(keys), predicate="intersects")[0]] = False
        return clear


def _footprints(keys: Sequence[TileKey]) -> np.ndarray:
    """Returns the polygons of tiles in degrees; for those at a pole, all longitudes down to their lowest latitude."""
    rings = outlines_lonlat(keys)[:, :-1]
    lost = ~np.isfinite(rings).all(axis=(1, 2))
    rings[lost] = 0.0
    polygons = np.asarray(shapely.polygons(rings), object)
    lon, lat = rings[..., 0], rings[..., 1]
    around = lost | (np.ptp(lon, axis=1) > _AROUND_POLE)
    if around.any():
        top = lat[around].mean(axis=1) > 0
        south = np.where(lost[around] | ~top, -90.0, lat[around].min(axis=1))
        north = np.where(lost[around] | top, 90.0, lat[around].max(axis=1))
        polygons[around] = shapely.box(np.full_like(south, -180.0), south, np.full_like(south, 180.0), north)
    return polygons


def background_samples(
    cover: Cover,
    wanted: int,
    clearings: Clearings,
    hard_places: np.ndarray,
    settings: SamplingSettings,
    occupied: Occupied,
) -> Selection:
    """Draws tiles without features: hard ones near places that look like features, easy ones uniform by area.

    Where there are too few hard ones, easy ones take their place, so that the ratio to the tiles around features stays.

    Args:
        cover: The region and the grid.
        wanted: Number of tiles, of both kinds.
        clearings: Where no feature is.
        hard_places: (n, 2) longitude and latitude in degrees; those outside the region are not used.
        settings: `hard`, `shift` and `seed` count.
        occupied: What is taken already; the new tiles are added.

    Returns:
        Samples of the kinds "hard background" and "background"; a shortfall for each of which there are too few.

    Raises:
        InputError: A hard place is not on the globe.
    """
    hard_wanted = round(wanted * settings.hard)
    given = np.asarray(hard_places, float).reshape(-1, 2)
    lonlat = np.column_stack(checked_lonlat(given[:, 0], given[:, 1], "hard place"))
    lonlat = np.unique(lonlat[in_region(cover.region, *lonlat.T)], axis=0)
    hard = _hard_tiles(cover, hard_wanted, clearings, lonlat, settings, occupied)
    draw = AreaDraw(cover.region, settings.seed, "background tiles")
    easy = draw_tiles(cover, wanted - len(hard), draw, occupied, clearings)
    samples = [Sample(key, kind=kind) for kind, keys in ((HARD, hard), (EASY, easy)) for key in keys]
    why = (
        f"of {len(lonlat)} places that look like features no more have room for a tile without a feature; tiles at random "
        "take their place (give more places, or a smaller --hard)"
    )
    return Selection(
        samples,
        only_short(
            Shortfall("hard background tiles", hard_wanted, len(hard), why),
            Shortfall("background tiles", wanted, len(samples), f"away from features, {no_room(cover)}"),
        ),
    )


def _hard_tiles(
    cover: Cover,
    wanted: int,
    clearings: Clearings,
    lonlat: np.ndarray,
    settings: SamplingSettings,
    occupied: Occupied,
) -> list[TileKey]:
    found: list[TileKey] = []
    if wanted:
        for outcome, key in tiles_around(
            cover,
            lonlat,
            [""] * len(lonlat),
            seed=settings.seed,
            purpose=HARD,
            shift=settings.shift,
            occupied=occupied,
            accept=clearings,
        ):
            if outcome is Outcome.TILE and key is not None:
                found.append(key)
            if len(found) == wanted:
                break
    return found
