"""A region's outline on one pixel grid: which squares it meets, and which it fills."""

from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np
import shapely

from rsbot_beam.geometry.grid import Grid
from rsbot_beam.geometry.polygons import Areal
from rsbot_beam.geometry.region import Region
from rsbot_beam.geometry.zones import zone_of, zones_within

OUTSIDE, BORDER, INSIDE = 0, 1, 2
"""How a square lies to the region: they share no area, some of the square, all of it."""

TOUCH = 1e-6
"""Pixels: squares are drawn smaller by this on each side, so that one which only touches the region, up to the rounding
of a projection, does not meet it."""


class Outline:
    """The projected region in one CRS of a grid, prepared for many questions. Safe to share between threads.

    Args:
        geometry: The region, or its part in one zone, in units of `crs`.
        crs: "EPSG:n".
        grid: Where pixels are counted from, and how large they are.
    """

    def __init__(self, geometry: Areal, crs: str, grid: Grid) -> None:
        self.crs = crs
        self.geometry = geometry
        self._grid = grid
        # GEOS builds the index of a prepared geometry at the first question, without a lock of its own.
        self._lock = threading.Lock()
        shapely.prepare(geometry)

    def pixel_bounds(self) -> tuple[int, int, int, int]:
        """Returns (first row, first col, last row, last col) of the pixels around the region, all of them included."""
        x, y = self._grid.origin
        left, bottom, right, top = self.geometry.bounds
        resolution = self._grid.resolution
        rows = (y - top) / resolution + TOUCH, (y - bottom) / resolution - TOUCH
        cols = (left - x) / resolution + TOUCH, (right - x) / resolution - TOUCH
        first, last = np.floor([(rows[0], cols[0]), (rows[1], cols[1])]).astype(int).tolist()
        return first[0], first[1], max(first[0], last[0]), max(first[1], last[1])

    def relate(self, rows: np.ndarray, cols: np.ndarray, height: int, width: int) -> np.ndarray:
        """Tells how rectangles of pixels lie to the region.

        Args:
            rows: (n,) integer pixel offsets of the top edges.
            cols: (n,) integer pixel offsets of the left edges.
            height: Pixels from top to bottom of each.
            width: Pixels from left to right of each.

        Returns:
            (n,) int8: OUTSIDE, BORDER or INSIDE.
        """
        (x, y), resolution = self._grid.origin, self._grid.resolution
        left, right = x + (cols + TOUCH) * resolution, x + (cols + width - TOUCH) * resolution
        top, bottom = y - (rows + TOUCH) * resolution, y - (rows + height - TOUCH) * resolution
        boxes = shapely.box(left, bottom, right, top)
        relation = np.zeros(len(boxes), np.int8)
        with self._lock:
            meets = shapely.intersects(self.geometry, boxes)
            relation[meets] = BORDER + shapely.covers(self.geometry, boxes[meets])
        return relation

    def holds_centres(self, rows: np.ndarray, cols: np.ndarray, height: int, width: int) -> np.ndarray:
        """Tells, as (n,) bool, whether the centres of rectangles of pixels lie in the region; see `relate`."""
        (x, y), resolution = self._grid.origin, self._grid.resolution
        with self._lock:
            return shapely.contains_xy(
                self.geometry, x + (cols + width / 2) * resolution, y - (rows + height / 2) * resolution
            )


@lru_cache(maxsize=256)  # a few regions times their zones: Russia has 33
def outline(region: Region, grid: Grid, crs: str) -> Outline | None:
    """Returns the outline of a region in one CRS of a grid, or None where it has no area there; kept in the process.

    In a `utm` grid it is the part in the zone that `crs` names, so that no ground is counted in two zones.

    Raises:
        GridError: The CRS cannot hold the region.
    """
    zone = zone_of(crs) if grid.is_utm else None
    part = region if zone is None else region.clipped((zone.west, zone.south, zone.east, zone.north))
    return Outline(part.to_crs(crs), crs, grid) if part is not None else None


def outline_crss(region: Region, grid: Grid) -> list[str]:
    """Returns the CRSs in which a grid may have tiles of a region, ordered; for `utm`, zones that its bboxes touch."""
    if not grid.is_utm:
        return [grid.crs]
    return sorted({zone.crs for bbox in region.bboxes for zone in zones_within(*bbox)})
