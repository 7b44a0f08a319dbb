"""The places of many tiles for a map, packed: 100,000 of them are a few megabytes of a page."""

from __future__ import annotations

import base64
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rsbot_beam.geometry import TileKey
from rsbot_beam.geometry.corners import lonlat_corners, unwrapped
from rsbot_beam.pages.lonlat import MERCATOR_END, Frame, view_of

# Degrees: 0.1 m on the ground, and 180 degrees still fit in 31 bits ten times over.
UNIT = 1e-6
_SHORT = 32_000


@dataclass(frozen=True)
class Footprints:
    """Tiles on a map.

    Attributes:
        packed: For `rsbot.Footprints` in `map.js`.
        bounds: Of all tiles, [[south, west], [north, east]].
        beyond: How many tiles lie where Mercator shows nothing, and are not drawn.
        shown: Indices of the tiles that are drawn, in the order of `packed`.
    """

    packed: dict[str, Any]
    bounds: list[list[float]]
    beyond: int
    shown: np.ndarray


def pack_footprints(keys: Sequence[TileKey], groups: Sequence[int]) -> Footprints:
    """Pack the outlines of tiles.

    A tile across the antimeridian stays in one piece: its longitudes pass 180 degrees. One around a pole, or beyond the
    end of Mercator, cannot be drawn and is counted.

    Args:
        keys: The tiles, of any CRSs; one or more.
        groups: A number 0..255 for each tile, such as that of its split.
    """
    corners = tile_corners(keys)
    lon, lat = unwrapped(corners[..., 0]), corners[..., 1]
    visible = _visible(lon, lat)
    lon, lat = lon[visible], np.clip(lat[visible], -MERCATOR_END, MERCATOR_END)
    if not len(lon):
        return Footprints(
            _pack(lon, lat, np.empty(0, np.uint8)), [[-60.0, -180.0], [80.0, 180.0]], len(keys), visible.nonzero()[0]
        )
    frame = Frame.around((lon.min(axis=1) + lon.max(axis=1)) / 2)
    middle = (lon.min(axis=1) + lon.max(axis=1)) / 2
    lon = lon + (frame.place(middle) - middle)[:, None]
    bounds = view_of(float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max()))
    packed = _pack(lon, lat, np.asarray(groups, np.uint8)[visible])
    return Footprints(packed, bounds, int((~visible).sum()), visible.nonzero()[0])


def tile_corners(keys: Sequence[TileKey]) -> np.ndarray:
    """Corners of tiles of any CRSs, as `lonlat_corners` orders them; float64 (n, 4, 2), degrees."""
    of_crs: dict[str, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        of_crs[key.crs].append(index)
    found = np.empty((len(keys), 4, 2))
    for crs, indices in of_crs.items():
        found[indices] = lonlat_corners(crs, *np.array([keys[i].bounds for i in indices]).T)
    return found


def _visible(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Tiles that Mercator can show: not wholly beyond its end, and not around a pole (which no ring of theirs shows)."""
    finite = np.isfinite(lon).all(axis=1) & np.isfinite(lat).all(axis=1)
    width = np.where(finite, np.nan_to_num(lon.max(axis=1) - lon.min(axis=1)), 999.0)
    within = (np.abs(np.nan_to_num(lat, nan=90.0)) < MERCATOR_END).any(axis=1)
    return np.asarray(finite & within & (width < 180))


def _pack(lon: np.ndarray, lat: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """First corners as 32-bit numbers of `UNIT`, the others as 16-bit steps from them.

    Corners are rounded before they are compared, so that tiles that share one share it in the page as well.
    """
    corners = np.round(np.stack([lon, lat], axis=-1) / UNIT).astype(np.int64).reshape(-1, 4, 2)
    away = corners[:, 1:] - corners[:, :1]
    step = max(1, math.ceil(int(np.abs(away).max(initial=0)) / _SHORT))
    return {
        "count": len(lon),
        "unit": UNIT,
        "step": step,
        "corners": packed_numbers(corners[:, 0], "<i4"),
        "offsets": packed_numbers(np.round(away / step), "<i2"),
        "groups": packed_numbers(groups, "u1"),
    }


def packed_numbers(values: np.ndarray, dtype: str) -> str:
    """Numbers as base64 of little-endian bytes, for `rsbot.numbers` in `page.js`."""
    return base64.b64encode(np.ascontiguousarray(values).astype(dtype).tobytes()).decode("ascii")
