"""One object, seen from several tiles, is one detection: non-maximum suppression that any worker can do for its cell.

Whether two detections are one depends on nothing but the two, and the order in which they are looked at on nothing but
their scores and places. So the answer is the same for all tilings, all orders and all cells: see `unique_of_cell`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely

from rsbot_beam.data.detections import Detections
from rsbot_beam.data.ground import Ground, ground_of, metres_per_degree, wgs84
from rsbot_beam.data.places import Cell, cells_of, home_cells
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.crs import is_geographic

_RADIUS = 6_400_000.0
"""Metres: WGS 84's largest radius of curvature, at the poles. Distances in the search tree come out too large by 1 % at most,
which `_SLACK` covers."""

_SLACK = 1.02

_PAIRS = 1_000_000
"""Pairs of detections to look at in one go: 100 MB."""

_FEWEST, _MOST = 16, 8192
"""Detections to look around in one go: even where all of a cell lie in one place, a few times as many pairs."""


@dataclass(frozen=True)
class DuplicateRule:
    """When two detections are one object; picklable.

    They are where their classes are equal and either their boxes' intersection is at least `overlap` of their union, or
    their centres lie no further apart than half the shortest side of the two: a turbine's box has a size by convention,
    and two of them are one turbine by where they stand.

    Attributes:
        overlap: Least intersection over union, 0..1.
        reach: Metres. How far beyond a cell detections are looked at. A detection suppressed is suppressed by one that
            is kept, which depends on those around it, and so on: as long as such chains are shorter than the reach,
            cells cannot be noticed, and where one is longer it is counted as undecided. Boxes are smaller than this.
    """

    overlap: float = 0.3
    reach: float = 5000.0

    def __post_init__(self) -> None:
        if not 0 < self.overlap <= 1:
            raise InputError(f"the overlap {self.overlap} of duplicates must be above 0 and at most 1, such as 0.3")
        if not 0 < self.reach <= 50_000:
            raise InputError(
                f"the reach {self.reach} m must be above 0 and at most 50,000 m, half the height of a cell"
            )

    def distance(self, ground: Ground) -> np.ndarray:
        """Metres from each detection within which all that may be one with it have their centres; float64 (n,).

        Boxes that share `overlap` are `1 / overlap` times as wide and high as each other at most, and touch: their
        centres lie less than half the sum of their widths less the width that they share apart.
        """
        share = self.overlap
        return 2 * ground.half_diagonal * max((1 / share - 1) / 2, 1 - share, 0.5)


class Unique(NamedTuple):
    """What is left of a cell's detections.

    Attributes:
        detections: Each object once, by falling score.
        undecided: Number of detections, kept or not, that depend on others beyond the rule's reach.
    """

    detections: Detections
    undecided: int


def unique_detections(detections: Detections, rule: DuplicateRule) -> Detections:
    """Leaves one of each group of duplicates: the one from the tile that owns its centre, and of those the best.

    Greedy: by falling rank, each detection that is left takes away all that are one with it. Detections that a tile owns
    come before those of others' margins, higher scores before lower ones, and equal ones are ordered by their place.

    Args:
        detections: Of any number of tiles and CRSs, in any order.
        rule: What duplicates are.

    Returns:
        Those left, by falling rank.
    """
    detections = detections.take(ranked(detections))
    kept, _ = _suppress(_Boxes.of(detections, ground_of(detections)), rule, np.ones(len(detections), bool))
    return detections.take(kept)


def unique_of_cell(cell: Cell, detections: Detections, rule: DuplicateRule) -> Unique:
    """The part of `unique_detections` of the whole map whose centres lie in a cell.

    Args:
        cell: Whose.
        detections: All whose `cells_of_detections` name the cell; others do no harm.
        rule: What duplicates are.

    Returns:
        Those at home in the cell, each object once.
    """
    detections = detections.take(ranked(detections))
    ground = ground_of(detections)
    rows, columns = home_cells(ground.lon, ground.lat)
    home = (rows == cell.row) & (columns == cell.column)
    known = _metres_to(cell, ground) + rule.distance(ground) <= rule.reach
    kept, sure = _suppress(_Boxes.of(detections, ground), rule, known)
    return Unique(detections.take(kept & home), int((home & ~sure).sum()))


def cells_of_detections(detections: Detections, rule: DuplicateRule) -> list[list[Cell]]:
    """The cells that need to know of each detection: its home, and those within reach of it."""
    ground = ground_of(detections)
    return cells_of(ground.lon, ground.lat, rule.reach)


def ranked(detections: Detections) -> np.ndarray:
    """Indices by falling rank, int (n,): owned before others, high scores first, then by place and last by tile."""
    left, bottom, right, top = detections.bounds.T
    crs, tile = (np.unique(names.astype(str), return_inverse=True)[1] for names in (detections.crs, detections.tile))
    return np.lexsort((tile, detections.codes, right, bottom, left, -top, crs, -detections.scores, ~detections.core))


def _metres_to(cell: Cell, ground: Ground) -> np.ndarray:
    """Metres from centres to a cell, or a little more; 0 within."""
    west, south, east, north = cell.bbox
    off = (ground.lon - (west + east) / 2 + 180) % 360 - 180
    lon = (west + east) / 2 + np.clip(off, (west - east) / 2, (east - west) / 2)
    lat = np.clip(ground.lat, south, north)
    *_, metres = wgs84().inv(ground.lon, ground.lat, lon, lat)
    return np.asarray(metres)


@dataclass(frozen=True, eq=False)
class _Boxes:
    """What pairs of n detections are compared by.

    Attributes:
        ground: Centres and sizes.
        codes: Class codes, int32 (n,).
        plane: Number of the projected CRS, int (n,); -1 for degrees.
        centres: float64 (n, 2), in units of the CRS.
        scale: float64 (n, 2), metres in a unit along x and y at the place; not finite for a box without size.
    """

    ground: Ground
    codes: np.ndarray
    plane: np.ndarray
    centres: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, detections: Detections, ground: Ground) -> _Boxes:
        names, numbers = np.unique(detections.crs.astype(str), return_inverse=True)
        degrees = np.array([is_geographic(name) for name in names.tolist()], bool)
        with np.errstate(divide="ignore", invalid="ignore"):
            sizes = detections.bounds[:, 2:] - detections.bounds[:, :2]
            scale = np.column_stack([ground.width, ground.height]) / sizes
        plane = np.where(degrees[numbers], -1, numbers) if len(names) else numbers
        return cls(ground, detections.codes, plane, detections.centres, scale)

    def squares(self) -> np.ndarray:
        """Squares in a plane that overlap wherever boxes may; the plane needs neither meridians nor poles.

        Orthographic: seen from above the middle of all, distances become shorter only.
        """
        lon, lat = np.radians(self.ground.lon), np.radians(self.ground.lat)
        places = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
        middle = places.sum(axis=0) if len(places) else np.zeros(3)
        # Two directions across the middle: the last rows of V of a one-row matrix span all that is orthogonal to it.
        across = np.linalg.svd(middle[None, :])[2][1:]
        x, y = _RADIUS * (places @ across.T).T
        half = _SLACK * (self.ground.half_diagonal + 1e-3)
        return np.asarray(shapely.box(x - half, y - half, x + half, y + half))

    def are_one(self, a: np.ndarray, b: np.ndarray, overlap: float) -> np.ndarray:
        """Whether those at indices `a` and `b` are one object, bool (n,); the same for (b, a), to the last bit."""
        width, height = self.ground.width, self.ground.height
        dx, dy = self._offsets(a, b)
        # Of two intervals, one may lie within the other.
        shared = [
            np.clip(np.minimum((size[a] + size[b]) / 2 - off, np.minimum(size[a], size[b])), 0, None)
            for size, off in ((width, dx), (height, dy))
        ]
        intersection = shared[0] * shared[1]
        union = width[a] * height[a] + width[b] * height[b] - intersection
        shortest = np.minimum(width, height)
        near = np.hypot(dx, dy) <= np.minimum(shortest[a], shortest[b]) / 2
        return (self.codes[a] == self.codes[b]) & (near | ((intersection >= overlap * union) & (union > 0)))

    def _offsets(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Metres between centres along x and y: of the CRS where both have the same, eastwards and northwards otherwise.

        Two CRSs are taken to have the same axes: those of neighbouring UTM zones differ by up to 6 degrees.
        """
        east = np.abs(self.ground.lon[a] - self.ground.lon[b])
        east = np.minimum(east, 360 - east)
        per_lon, per_lat = metres_per_degree((self.ground.lat[a] + self.ground.lat[b]) / 2)
        offsets = np.column_stack([east * per_lon, np.abs(self.ground.lat[a] - self.ground.lat[b]) * per_lat])
        rows = np.flatnonzero((self.plane[a] >= 0) & (self.plane[a] == self.plane[b]))
        with np.errstate(invalid="ignore"):
            mean_scale = (self.scale[a[rows]] + self.scale[b[rows]]) / 2
            in_plane = np.abs(self.centres[a[rows]] - self.centres[b[rows]]) * mean_scale
        # Left out: boxes without a width, and pairs across the border of a map of the world.
        good = np.hypot(*in_plane.T) <= 2 * np.hypot(*offsets[rows].T) + 1
        offsets[rows[good]] = in_plane[good]
        return offsets[:, 0], offsets[:, 1]


def _suppress(boxes: _Boxes, rule: DuplicateRule, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Greedy suppression of detections in order of rank.

    Args:
        boxes: By falling rank, n.
        rule: What duplicates are.
        known: bool (n,), whether all that may be one with each are among the detections.

    Returns:
        Whether each is kept, and whether that is sure: bool (n,) each. It is not where it follows from one that is not
        `known`; it is where one that is kept for sure takes it away.
    """
    count = len(known)
    kept, gone, doubted, sure = np.zeros((4, count), bool)
    squares = boxes.squares()
    tree = shapely.STRtree(squares)
    start, step = 0, 64
    while start < count:
        window = min(count, start + 8 * step)
        ahead = start + np.flatnonzero(~sure[start:window])[:step]
        start = int(ahead[-1]) + 1 if len(ahead) == step else window
        found, pairs = _lower_duplicates(ahead, squares, tree, boxes, rule)
        for one, others in zip(ahead.tolist(), found, strict=True):
            if sure[one]:
                continue
            sure[one] = known[one] and not doubted[one]
            kept[one] = not gone[one]
            if kept[one]:
                gone[others] = True
            if not sure[one]:
                doubted[others] = True
            elif kept[one]:
                # Nothing that is looked at later can bring them back.
                sure[others] = True
        step = int(np.clip(step * _PAIRS / max(1, pairs), _FEWEST, min(_MOST, 4 * step)))
    return kept, sure


def _lower_duplicates(
    ones: np.ndarray, squares: np.ndarray, tree: shapely.STRtree, boxes: _Boxes, rule: DuplicateRule
) -> tuple[list[np.ndarray], int]:
    """Indices of the duplicates of lower rank of some detections, one array each; and how many pairs were looked at."""
    found, others = tree.query(squares[ones])
    pairs = len(found)
    lower = others > ones[found]
    found, others = found[lower], others[lower]
    same = boxes.are_one(ones[found], others, rule.overlap)
    found, others = found[same], others[same]
    order = np.argsort(found, kind="stable")
    ends = np.cumsum(np.bincount(found, minlength=len(ones)))
    return (np.split(others[order], ends[:-1]) if len(ones) else []), pairs
