"""Tiles around vector features, and background tiles beside them."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from rsbot_beam.data.samples import Sample
from rsbot_beam.geometry import Cover, TileKey
from rsbot_beam.sampling.around import Outcome, tiles_around
from rsbot_beam.sampling.background import Clearings, background_samples
from rsbot_beam.sampling.occupied import Occupied
from rsbot_beam.sampling.placing import checked_lonlat, in_region
from rsbot_beam.sampling.selection import Selection, Shortfall, only_short
from rsbot_beam.sampling.settings import SamplingSettings

if TYPE_CHECKING:
    from rsbot_beam.data.feature_index import Places

_logger = logging.getLogger(__name__)

KIND = "feature"
NO_PLACES = np.empty((0, 2))


def feature_samples(
    cover: Cover, places: Places, settings: SamplingSettings, hard_places: np.ndarray = NO_PLACES
) -> Selection:
    """Draws a tile for each feature of a region, and background tiles.

    Features come in an order that the seed decides. One whose place a tile already sees, 1/16 of its side away from its
    edge, gets none of its own; the others get a tile with their place anywhere in it that `shift` allows. Order and shifts
    of a feature depend on the seed, its name and its place, not on other features.

    Args:
        cover: The region and the grid; tiles are on its pixel grid, not on its tile grid.
        places: All features in the region and around it (`FeatureIndex.places`): background tiles keep clear of their
            bboxes.
        settings: `count` (tiles around features at most; None: no limit), `background`, `hard`, `shift`, `overlap` and
            `seed` count.
        hard_places: (n, 2) longitude and latitude in degrees of places that look like features.

    Returns:
        Samples of the kinds "feature", "hard background" and "background", in this order; shortfalls for features without
        room for a tile, for too few features, and for too few background tiles.

    Raises:
        InputError: A place is not on the globe.
        GridError: The grid's CRS cannot hold the region.
    """
    lonlat = np.column_stack(checked_lonlat(places.lon, places.lat, "feature"))
    inside = np.flatnonzero(in_region(cover.region, *lonlat.T))
    occupied = Occupied(overlap=settings.overlap)
    names = [str(places.ids[n]) for n in inside.tolist()]
    keys, outcomes = _feature_tiles(cover, lonlat[inside], names, settings, occupied)
    _logger.info(
        "%d of %d features are in the region: %d have tiles of their own, %d are seen by these, %d find no room",
        len(inside),
        len(lonlat),
        len(keys),
        outcomes[Outcome.SEEN],
        outcomes[Outcome.CROWDED],
    )
    wanted = round(len(keys) * settings.background)
    background = background_samples(cover, wanted, Clearings(places.bboxes), hard_places, settings, occupied)
    short = _shortfalls(settings, len(inside), len(keys), outcomes)
    return Selection([Sample(key, kind=KIND) for key in keys] + background.samples, short + background.shortfalls)


def _feature_tiles(
    cover: Cover, lonlat: np.ndarray, names: list[str], settings: SamplingSettings, occupied: Occupied
) -> tuple[list[TileKey], Counter[Outcome]]:
    outcomes: Counter[Outcome] = Counter()
    keys: list[TileKey] = []
    for outcome, key in tiles_around(
        cover, lonlat, names, seed=settings.seed, purpose=KIND, shift=settings.shift, occupied=occupied
    ):
        outcomes[outcome] += 1
        if key is not None:
            keys.append(key)
        if len(keys) == settings.count:
            break
    return keys, outcomes


def _shortfalls(settings: SamplingSettings, inside: int, found: int, outcomes: Counter[Outcome]) -> list[Shortfall]:
    crowded = outcomes[Outcome.CROWDED]
    looked_at = outcomes.total()
    why_crowded = (
        f"{crowded} features are so close to the tiles of others that theirs would overlap them; let tiles overlap "
        "(--overlapping), or take smaller tiles"
    )
    why_few = (
        f"the region has {inside} features, of which {outcomes[Outcome.SEEN]} are seen by the tiles of others; choose a "
        "larger region, or ask for fewer"
    )
    return only_short(
        Shortfall("features seen", looked_at, looked_at - crowded, why_crowded),
        Shortfall("tiles around features", settings.count or 0, found, why_few),
    )
