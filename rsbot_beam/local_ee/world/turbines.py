"""Wind turbines in parks: where they stand, and what is seen of them.

A park is a turned grid of turbines in one cell of a coarse lattice. A pixel that wants to know whether it sees a turbine,
its pad or its track looks at the nearest node of the park's grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.world.covers import Cover
from rsbot_beam.local_ee.world.hashing import UInt64Array, draw, hash_of, salt
from rsbot_beam.local_ee.world.noise import FloatArray
from rsbot_beam.local_ee.world.structures import LandFunction, buildable, unique_columns

PARK_SPACING = 7500.0  # metres: side of the lattice's cells, with one candidate park each
_PARK_SHARE = 0.45
_PARK_ROOM = 2300.0  # metres over which a park's middle may lie; the rest of the cell is the park's
_YEARS = (2004, 2022)  # first and last year in which parks are built, both included
_MISSING = 0.1  # share of a park's places that stay empty
# 400 to 800 m, or three to seven rotor diameters (Meyers and Meneveau 2012, Wind Energy 15).
_ALONG, _ACROSS = (400.0, 640.0), (480.0, 800.0)
_HUB_HEIGHTS = (80.0, 135.0)  # metres (Wiser et al., Land-based wind market report 2023)
_ROTOR_PER_HUB = 1.15
_UNSUITED = (Cover.WATER, Cover.WETLAND, Cover.LOW_DENSITY, Cover.MEDIUM_DENSITY, Cover.HIGH_DENSITY, Cover.SNOW)

PAD_HALF_LENGTH, PAD_HALF_WIDTH = 26.0, 19.0  # metres: the crane's hard standing
TRACK_HALF_WIDTH = 4.0  # metres: a pixel of 10 m on it is mostly gravel


@dataclass(frozen=True, eq=False)
class Parks:
    """M parks, of which some are not built; arrays of shape (M,).

    Attributes:
        hashes: Their hashes.
        x: Easting of the middle, metres.
        y: Northing.
        cos: Cosine of the turn.
        sin: Sine of the turn.
        along: Metres between turbines in a row.
        across: Metres between rows.
        per_row: Turbines in a row.
        rows: Rows.
        hub: Height of the hubs, metres.
        year: Year from whose beginning on the park stands.
        built: Whether it is there at all.
    """

    hashes: UInt64Array
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    cos: NDArray[np.float64]
    sin: NDArray[np.float64]
    along: NDArray[np.float64]
    across: NDArray[np.float64]
    per_row: NDArray[np.int64]
    rows: NDArray[np.int64]
    hub: NDArray[np.float64]
    year: NDArray[np.int64]
    built: NDArray[np.bool_]

    @property
    def rotor(self) -> NDArray[np.float64]:
        """Diameter of the rotors, metres."""
        return self.hub * _ROTOR_PER_HUB

    def frame(
        self, which: NDArray[np.intp], x: FloatArray, y: FloatArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates along and across the rows, metres from the park's first node, of places."""
        dx, dy = x - self.x[which], y - self.y[which]
        u = dx * self.cos[which] + dy * self.sin[which] + (self.per_row[which] - 1) / 2.0 * self.along[which]
        v = dy * self.cos[which] - dx * self.sin[which] + (self.rows[which] - 1) / 2.0 * self.across[which]
        return u, v

    def reach(self, which: NDArray[np.intp], x: FloatArray, y: FloatArray, distance: float) -> NDArray[np.bool_]:
        """Whether places are within a distance (metres) of the rectangle that a park fills."""
        u, v = self.frame(which, x, y)
        along = (self.per_row[which] - 1) * self.along[which]
        across = (self.rows[which] - 1) * self.across[which]
        near = (u > -distance) & (u < along + distance) & (v > -distance) & (v < across + distance)
        return np.asarray(near & self.built[which])

    def nodes(
        self, which: NDArray[np.intp], a: NDArray[np.int64], b: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], UInt64Array]:
        """Coordinates in the frame of the turbine at node (a, b), moved a little off it, and its hash."""
        hashes = hash_of(self.hashes[which], a, b)
        u = (a + 0.16 * (draw(hashes, 80).astype(np.float64) - 0.5)) * self.along[which]
        v = (b + 0.06 * (draw(hashes, 81).astype(np.float64) - 0.5)) * self.across[which]
        return u, v, hashes

    def to_plane(
        self, which: NDArray[np.intp], u: FloatArray, v: FloatArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Easting and northing of frame coordinates."""
        u = u - (self.per_row[which] - 1) / 2.0 * self.along[which]
        v = v - (self.rows[which] - 1) / 2.0 * self.across[which]
        x = self.x[which] + u * self.cos[which] - v * self.sin[which]
        return x, self.y[which] + u * self.sin[which] + v * self.cos[which]


@dataclass(frozen=True, eq=False)
class Turbines:
    """K turbines that stand; arrays of shape (K,).

    Attributes:
        park: Number of the park of each.
        a: Number in the row.
        b: Number of the row.
        x: Easting, metres.
        y: Northing.
        hashes: Their hashes.
        parks: The parks.
    """

    park: NDArray[np.intp]
    a: NDArray[np.int64]
    b: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    hashes: UInt64Array
    parks: Parks

    @cached_property
    def standing(self) -> NDArray[np.intp]:
        """Number of the turbine at (park, b, a), or -1: shape (M, rows, turbines in a row)."""
        shape = (self.parks.x.size, int(self.parks.rows.max()), int(self.parks.per_row.max()))
        table = np.full(shape, -1, dtype=np.intp)
        table[self.park, self.b, self.a] = np.arange(self.park.size)
        return table

    def at(self, which: NDArray[np.intp], a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.intp]:
        """Number of the turbines at nodes of parks, -1 where none stands."""
        parks = self.parks
        inside = (a >= 0) & (b >= 0) & (a < parks.per_row[which]) & (b < parks.rows[which])
        found = self.standing[which, np.where(inside, b, 0), np.where(inside, a, 0)]
        return np.asarray(np.where(inside, found, -1))

    def nearest(self, which: NDArray[np.intp], x: FloatArray, y: FloatArray) -> NDArray[np.intp]:
        """Number of the turbine at the node nearest to places, -1 where none stands.

        Args:
            which: The park that each place has to look at.
            x: Easting, metres.
            y: Northing.
        """
        u, v = self.parks.frame(which, x, y)
        a, b = np.rint(u / self.parks.along[which]), np.rint(v / self.parks.across[which])
        return self.at(which, a.astype(np.int64), b.astype(np.int64))


class WindParks:
    """The wind parks of one world.

    Args:
        seed: The world's seed.
        land: Gives the land cover without structures, of places in a zone's metres.
    """

    def __init__(self, seed: int, land: LandFunction) -> None:
        self._key = salt(seed, "wind parks")
        self._land = land

    def parks(self, zone: int, i: NDArray[np.int64], j: NDArray[np.int64]) -> Parks:
        """The candidate parks of the lattice's cells (i, j)."""
        hashes = hash_of(hash_of(self._key, np.array(zone)), i, j)

        def between(low: float, high: float, purpose: int) -> NDArray[np.float64]:
            return np.asarray(low + (high - low) * draw(hashes, purpose).astype(np.float64))

        turn = between(0.0, np.pi, 82)
        first, last = _YEARS
        return Parks(
            hashes=hashes,
            x=(i + 0.5) * PARK_SPACING + between(-0.5, 0.5, 83) * _PARK_ROOM,
            y=(j + 0.5) * PARK_SPACING + between(-0.5, 0.5, 84) * _PARK_ROOM,
            cos=np.cos(turn),
            sin=np.sin(turn),
            along=between(*_ALONG, 85),
            across=between(*_ACROSS, 86),
            per_row=between(3.0, 6.999, 87).astype(np.int64),
            rows=between(1.0, 5.999, 88).astype(np.int64),
            hub=between(*_HUB_HEIGHTS, 89),
            year=between(first, last + 0.999, 90).astype(np.int64),
            built=draw(hashes, 91) < _PARK_SHARE,
        )

    def turbines(self, zone: int, parks: Parks) -> Turbines:
        """All turbines of parks that stand."""
        counts = np.where(parks.built, parks.per_row * parks.rows, 0)
        which = np.repeat(np.arange(counts.size), counts)
        number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._standing(zone, parks, which, number % parks.per_row[which], number // parks.per_row[which])

    def around(self, zone: int, x: FloatArray, y: FloatArray, reach: float) -> tuple[Turbines, NDArray[np.intp]] | None:
        """Turbines within `reach` metres of places, and the park that each place has to look at; None if there are none.

        The reach must be less than the distance between turbines.
        """
        cells = np.stack([np.floor(x / PARK_SPACING), np.floor(y / PARK_SPACING)]).astype(np.int64)
        numbers, which = unique_columns(cells)
        parks = self.parks(zone, numbers[0], numbers[1])
        near = np.flatnonzero(parks.reach(which, x, y, reach))
        if near.size == 0:
            return None
        nodes = [nodes for nodes in _nodes_around(parks, which[near], x[near], y[near], reach) if nodes.size]
        if not nodes:
            return None
        different = np.unique(np.concatenate(nodes, axis=1), axis=1)
        turbines = self._standing(zone, parks, different[0], different[1], different[2])
        return (turbines, which) if turbines.park.size else None

    def _standing(
        self, zone: int, parks: Parks, which: NDArray[np.intp], a: NDArray[np.int64], b: NDArray[np.int64]
    ) -> Turbines:
        """The turbines at nodes of parks that stand: where the land suits, and no gap was left."""
        u, v, hashes = parks.nodes(which, a, b)
        x, y = parks.to_plane(which, u, v)
        stands = draw(hashes, 92) >= _MISSING
        if which.size:
            stands &= self._suits(zone, x, y)
        return Turbines(which[stands], a[stands], b[stands], x[stands], y[stands], hashes[stands], parks)

    def _suits(self, zone: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        inside = buildable(zone, x, y)
        if inside.any():
            inside[inside] = ~np.isin(self._land(zone, x[inside], y[inside]).cover, _UNSUITED)
        return inside


def neighbours(
    parks: Parks, which: NDArray[np.intp], x: FloatArray, y: FloatArray
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The nine nodes (a, b) of the park's grid that are nearest to each place, one after the other."""
    u, v = parks.frame(which, x, y)
    column = np.rint(u / parks.along[which]).astype(np.int64)
    row = np.rint(v / parks.across[which]).astype(np.int64)
    for right in (-1, 0, 1):
        for down in (-1, 0, 1):
            yield column + right, row + down


def _nodes_around(
    parks: Parks, which: NDArray[np.intp], x: FloatArray, y: FloatArray, reach: float
) -> Iterator[NDArray[np.int64]]:
    """Nodes (park, a, b) that lie within a distance of places, (3, K) at a time, without repetition."""
    for a, b in neighbours(parks, which, x, y):
        at = np.flatnonzero((a >= 0) & (b >= 0) & (a < parks.per_row[which]) & (b < parks.rows[which]))
        close = at[_distance(parks, which[at], a[at], b[at], x[at], y[at]) < reach]
        near = np.unique((which[close] * 64 + a[close]) * 64 + b[close])
        yield np.stack([near // 4096, near // 64 % 64, near % 64])


def _distance(
    parks: Parks,
    which: NDArray[np.intp],
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    x: FloatArray,
    y: FloatArray,
) -> NDArray[np.float64]:
    """Metres from places to the turbines at nodes."""
    u, v, _ = parks.nodes(which, a, b)
    turbine_x, turbine_y = parks.to_plane(which, u, v)
    return np.asarray(np.hypot(x - turbine_x, y - turbine_y))
