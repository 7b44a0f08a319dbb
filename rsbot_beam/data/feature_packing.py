"""Which features lie together: how far they reach, which of them meet a place, and packing them into partitions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

# A straight edge of one CRS is a curve in another. Over d radians of arc, a parallel and a straight line part by up to
# d^2 tan(lat) / 8, and so do the lines of two other CRSs at most. In degrees that is 0.0022 d^2 tan(lat); the double and
# a margin for projections that bend more is taken, as this only costs a look at a feature that turns out not to be there.
_BEND = 0.01
# Degrees of latitude beyond which tan and 1 / cos are not let grow further: closer to a pole, everything is near.
_STEEPEST = 85.0
# Degrees of longitude: what spans more may lie around a pole, whichever of its latitudes are vertices.
AROUND = 300.0
# Degrees: features in one partition are at most this large, then at most twice this, four times ... so that a country's
# outline does not stretch a partition of parcels.
_SMALL = 0.125


def reach_of(bboxes: np.ndarray) -> np.ndarray:
    """Returns bboxes grown so that nothing drawn between vertices in any CRS lies outside.

    Args:
        bboxes: float64 (n, 4), west, south, east, north in degrees; east may exceed 180, not west + 360.

    Returns:
        float64 (n, 4), the same with a margin that grows with the square of the size.
    """
    west, south, east, north = np.asarray(bboxes, float).reshape(-1, 4).T
    lat = np.radians(np.minimum(np.maximum(np.abs(south), np.abs(north)), _STEEPEST))
    rise = np.minimum(_BEND * ((east - west) ** 2 + (north - south) ** 2) * (1 + np.tan(lat)), 180)
    run = np.minimum(rise / np.cos(lat), 180)
    around = east - west > AROUND
    south = np.where(around & (south < 0), -90, np.maximum(south - rise, -90))
    north = np.where(around & (north > 0), 90, np.minimum(north + rise, 90))
    return np.column_stack([west - run, south, east + run, north])


def meets(boxes: np.ndarray, places: Sequence[Sequence[float]]) -> np.ndarray:
    """Tells which boxes share a point with any of some places, around the globe.

    Args:
        boxes: float64 (n, 4), west, south, east, north in degrees; west <= east, any turn.
        places: Bboxes; west > east crosses the antimeridian, as does east > 180.

    Returns:
        bool (n,).
    """
    found = np.zeros(len(boxes), bool)
    for west, south, east, north in places:
        end = east + 360 if east < west else east
        level = (boxes[:, 1] <= north) & (boxes[:, 3] >= south)
        for turn in (-360.0, 0.0, 360.0):
            found |= level & (boxes[:, 0] <= end + turn) & (boxes[:, 2] >= west + turn)
    return found


def pack(bboxes: np.ndarray, sizes: np.ndarray, most: int, most_bytes: int) -> Iterator[np.ndarray]:
    """Yields indices of features that lie together, each feature once.

    Sort-Tile-Recursive (Leutenegger et al. 1997, "STR: a simple and efficient algorithm for R-tree packing"), for each
    order of magnitude of extents apart.

    Args:
        bboxes: float64 (n, 4), as in `FeatureRecords`.
        sizes: int64 (n,), bytes of each feature.
        most: Features of one partition, at most.
        most_bytes: Bytes of one partition, at most, but for a single feature that has more.
    """
    extents = np.maximum(bboxes[:, 2] - bboxes[:, 0], bboxes[:, 3] - bboxes[:, 1])
    levels = np.ceil(np.log2(np.maximum(extents / _SMALL, 1.0))).astype(int)
    lon, lat = (bboxes[:, 0] + bboxes[:, 2]) / 2, (bboxes[:, 1] + bboxes[:, 3]) / 2
    for level in np.unique(levels):
        rows = np.flatnonzero(levels == level)
        parts = max(math.ceil(len(rows) / most), math.ceil(sizes[rows].sum() / most_bytes))
        by_lon = rows[np.argsort(lon[rows], kind="stable")]
        for column in np.array_split(by_lon, min(math.ceil(math.sqrt(parts)), len(rows))):
            by_lat = column[np.argsort(lat[column], kind="stable")]
            yield from _cut(by_lat, sizes[by_lat], most, most_bytes)


def _cut(rows: np.ndarray, sizes: np.ndarray, most: int, most_bytes: int) -> list[np.ndarray]:
    starts, held = [0], 0
    for index, size in enumerate(sizes.tolist()):
        if index > starts[-1] and (index - starts[-1] == most or held + size > most_bytes):
            starts.append(index)
            held = 0
        held += size
    return np.split(rows, starts[1:])
