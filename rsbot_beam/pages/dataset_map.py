"""The map of all tiles of a dataset: what its script gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rsbot_beam.geometry import TileKey
from rsbot_beam.pages.dataset_tiles import GROUPS, Tiles
from rsbot_beam.pages.footprints import pack_footprints, packed_numbers
from rsbot_beam.pages.outlines import outlines_near

# Tiles on the map: 39 bytes each in the page. Of more, every so many-th one is drawn.
MOST_FOOTPRINTS = 200_000


def map_of_tiles(tiles: Tiles, classes: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The data of the map, and what has to be said of it.

    Args:
        tiles: All tiles.
        classes: What is known of some: their classes in words, by the text of the key.
    """
    every = -(-len(tiles.keys) // MOST_FOOTPRINTS)
    keys, groups = tiles.keys[::every], tiles.groups[::every]
    found = pack_footprints(keys, groups)
    notes = [f"Only one in {every} of {len(tiles.keys):,} tiles is drawn."] if every > 1 else []
    if found.beyond:
        notes.append(
            f"{found.beyond:,} tiles lie around a pole or beyond 85.05° of latitude, where this map (Web Mercator) ends, "
            "and are not drawn."
        )
    drawn = [keys[index] for index in found.shown]
    names, which, places = _key_parts(drawn)
    known = {str(at): classes[text] for at, key in enumerate(drawn) if classes and (text := str(key)) in classes}
    data = {
        **found.packed,
        "styles": list(GROUPS),
        "view": {"bounds": found.bounds, "outlines": outlines_near(found.bounds)},
        "key_names": names,
        "key_of": packed_numbers(which, "<u2"),
        "key_places": packed_numbers(places, "<i4"),
        "classes": known,
    }
    return data, notes


def _key_parts(keys: Sequence[TileKey]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Texts of keys with {row} and {col} for their place, each text once; for each key the number of its text; its place."""
    kinds: dict[tuple[object, ...], int] = {}
    names: list[str] = []
    which = np.empty(len(keys), np.int64)
    for index, key in enumerate(keys):
        kind = (key.crs, key.resolution, key.size, key.origin)
        if kind not in kinds:
            kinds[kind] = len(names)
            names.append(str(key).replace(f"_r{key.row}_c{key.col}", "_r{row}_c{col}", 1))
        which[index] = kinds[kind]
    return names, which, np.array([(key.row, key.col) for key in keys], np.int64).reshape(-1, 2)
