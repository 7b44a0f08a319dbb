"""What people build on open land: solar plants, and what looks like them from above.

One candidate in each cell of a coarse lattice, drawn from the cell's hash, and dropped where the land does not suit. A
structure lies wholly within its lattice cell, so a place has to look at one candidate of each kind only; and the table of
solar plants is made by the function that colours their pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.world.covers import Cover, LandCover, Material
from rsbot_beam.local_ee.world.hashing import UInt64Array, draw, hash_of, salt
from rsbot_beam.local_ee.world.noise import FloatArray
from rsbot_beam.local_ee.world.relief import surely_sea
from rsbot_beam.local_ee.world.zones import ZONE_WIDTH, lonlat

LandFunction = Callable[[int, FloatArray, FloatArray], LandCover]


@dataclass(frozen=True)
class Kind:
    """A kind of structure.

    Attributes:
        name: For the hash.
        spacing: Side of the lattice's cells, metres.
        share: Of the lattice's cells that have a candidate.
        hectares: Smallest and largest area; log-uniform, skewed to the small.
        turn: Greatest turn from the compass directions, degrees.
        material: What it is made of.
        cover: What a map calls it.
        years: First and last year in which one is built, both included.
    """

    name: str
    spacing: float
    share: float
    hectares: tuple[float, float]
    turn: float
    material: Material
    cover: Cover
    years: tuple[int, int] = (0, 0)


# Sizes and years of solar plants: Kruitwagen et al. 2021, Nature 598 (global inventory: median about 4 ha at utility
# scale). They face the sun, so they turn little. About ten in 25 x 25 km of farmland, many for most places.
SOLAR = Kind("solar", 4500.0, 0.62, (0.8, 100.0), 20.0, Material.PANEL, Cover.MEDIUM_DENSITY, (2008, 2023))
# In the order in which they are laid over each other: the later ones win.
KINDS = (
    Kind("pond", 6000.0, 0.4, (0.3, 6.0), 45.0, Material.WATER, Cover.WATER),
    Kind("quarry", 9000.0, 0.4, (1.0, 20.0), 45.0, Material.BARREN, Cover.BARREN),
    Kind("pad", 2500.0, 0.5, (0.08, 0.2), 45.0, Material.GRAVEL, Cover.BARREN),
    Kind("car park", 6000.0, 0.4, (0.4, 4.0), 45.0, Material.ASPHALT, Cover.HIGH_DENSITY),
    Kind("mulch", 4000.0, 0.45, (0.6, 12.0), 45.0, Material.DARK_ROOF, Cover.BARREN),
    Kind("greenhouses", 6500.0, 0.4, (0.5, 12.0), 45.0, Material.GREENHOUSE, Cover.MEDIUM_DENSITY),
    Kind("warehouse", 6000.0, 0.45, (0.5, 8.0), 45.0, Material.BRIGHT_ROOF, Cover.HIGH_DENSITY),
    Kind("dark roofs", 7000.0, 0.35, (0.4, 6.0), 45.0, Material.DARK_ROOF, Cover.HIGH_DENSITY),
    SOLAR,
)

_OPEN = (Cover.CROP, Cover.GRASS, Cover.SHRUB, Cover.BARREN)
_LONGEST_SIDE = 1700.0  # metres from one end to the other: 100 ha at the most stretched, with its annex
_ICE = 72.0  # degrees of latitude beyond which nobody builds
_ZONE_MARGIN = 0.02  # degrees from a zone's edge that nothing is built in, so that nothing is cut in two


@dataclass(frozen=True, eq=False)
class Candidates:
    """M structures of a kind: rectangles with an annex on one side.

    Attributes:
        kind: Their kind.
        hashes: Their hashes.
        x: Easting of the main rectangle's middle, metres, float64.
        y: Northing.
        cos: Cosine of the turn, float64.
        sin: Sine of the turn.
        half_width: Of the main rectangle, metres.
        half_height: Of the main rectangle.
        annex_width: Of the annex, from the left edge on; 0 where there is none.
        annex_height: Of the annex.
        year: Year from whose beginning on it stands.
        built: Whether it is there at all.
    """

    kind: Kind
    hashes: UInt64Array
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    cos: NDArray[np.float64]
    sin: NDArray[np.float64]
    half_width: NDArray[np.float64]
    half_height: NDArray[np.float64]
    annex_width: NDArray[np.float64]
    annex_height: NDArray[np.float64]
    year: NDArray[np.int64]
    built: NDArray[np.bool_]

    @property
    def area(self) -> NDArray[np.float64]:
        """Square metres of the plane, (M,)."""
        return 4.0 * self.half_width * self.half_height + self.annex_width * self.annex_height

    def outlines(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Corners in the plane (metres), anticlockwise, each (M, 8); the annex's two inner corners included."""
        left, right, low, high = -self.half_width, self.half_width, -self.half_height, self.half_height
        inner, top = left + self.annex_width, high + self.annex_height
        u = np.stack([left, right, right, inner, inner, left, left, left], axis=1)
        v = np.stack([low, low, high, high, top, top, high, low], axis=1)
        return self.to_plane(u, v)

    def to_plane(self, u: FloatArray, v: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Plane coordinates (M, K) of the structures' own ones (metres from the middle)."""
        cos, sin = self.cos[:, None], self.sin[:, None]
        return self.x[:, None] + u * cos - v * sin, self.y[:, None] + u * sin + v * cos

    def chosen(self, numbers: NDArray[np.intp]) -> Candidates:
        """Some of them."""
        names = [field.name for field in fields(self) if field.name != "kind"]
        return replace(self, **{name: getattr(self, name)[numbers] for name in names})

    def contain(self, which: NDArray[np.intp], x: FloatArray, y: FloatArray) -> NDArray[np.bool_]:
        """Whether places lie in the structures numbered `which`."""
        dx, dy = x - self.x[which], y - self.y[which]
        u = dx * self.cos[which] + dy * self.sin[which]
        v = dy * self.cos[which] - dx * self.sin[which]
        half_width, half_height = self.half_width[which], self.half_height[which]
        main = (np.abs(u) <= half_width) & (np.abs(v) <= half_height)
        in_width = (u >= -half_width) & (u <= -half_width + self.annex_width[which])
        annex = in_width & (v > half_height) & (v <= half_height + self.annex_height[which])
        return np.asarray((main | annex) & self.built[which])


@dataclass(frozen=True, eq=False)
class Found:
    """Places that lie in structures of a kind.

    Attributes:
        candidates: The structures.
        places: Numbers of the places, (P,).
        which: The structure that each lies in, (P,).
    """

    candidates: Candidates
    places: NDArray[np.intp]
    which: NDArray[np.intp]


class Structures:
    """The structures of one world.

    Args:
        seed: The world's seed.
        land: Gives the land cover without structures, of places in a zone's metres.
    """

    def __init__(self, seed: int, land: LandFunction) -> None:
        self._keys = {kind.name: salt(seed, "structures", kind.name) for kind in KINDS}
        self._land = land

    def candidates(self, kind: Kind, zone: int, i: NDArray[np.int64], j: NDArray[np.int64]) -> Candidates:
        """The structures of the lattice's cells (i, j), of which some are not built."""
        hashes = hash_of(hash_of(self._keys[kind.name], np.array(zone)), i, j)
        low, high = np.log(kind.hectares[0] * 1e4), np.log(kind.hectares[1] * 1e4)
        # Two draws multiplied favour the small: the median is a quarter of the way up the logarithm.
        area = np.exp(low + (high - low) * (draw(hashes, 70) * draw(hashes, 71)).astype(np.float64) ** 0.75)
        main = area / np.where(draw(hashes, 72) < 0.5, 1.35, 1.0)
        width = np.sqrt(main * (1.0 + 1.2 * draw(hashes, 73).astype(np.float64)))
        height = main / width
        annexed = main < area
        annex_width = np.where(annexed, width * (0.4 + 0.4 * draw(hashes, 74).astype(np.float64)), 0.0)
        annex_height = np.where(annexed, (area - main) / np.maximum(annex_width, 1.0), 0.0)
        turn = np.radians(kind.turn) * (2.0 * draw(hashes, 75).astype(np.float64) - 1.0)
        room = kind.spacing - min(_LONGEST_SIDE, 5.0 * np.sqrt(kind.hectares[1] * 1e4))
        x = (i + 0.5) * kind.spacing + room * (draw(hashes, 76).astype(np.float64) - 0.5)
        y = (j + 0.5) * kind.spacing + room * (draw(hashes, 77).astype(np.float64) - 0.5)
        first, last = kind.years
        year = first + (draw(hashes, 78) * np.float32(last - first + 1)).astype(np.int64)
        wanted = draw(hashes, 79) < kind.share
        return Candidates(
            kind,
            hashes,
            x,
            y,
            np.cos(turn),
            np.sin(turn),
            width / 2,
            height / 2,
            annex_width,
            annex_height,
            year,
            wanted,
        )

    def at(self, zone: int, x: FloatArray, y: FloatArray) -> list[Found]:
        """The structures that places of a zone (metres, shape (N,)) lie in, in the order in which they are laid."""
        groups, hits = [], []
        for kind in KINDS:
            cells = np.stack([np.floor(x / kind.spacing), np.floor(y / kind.spacing)]).astype(np.int64)
            numbers, which = unique_columns(cells)
            candidates = self.candidates(kind, zone, numbers[0], numbers[1])
            places = np.flatnonzero(candidates.contain(which, x, y))
            if places.size:
                # The land is looked at only where somebody would see what stands on it.
                seen, which = np.unique(which[places], return_inverse=True)
                groups.append(candidates.chosen(seen))
                hits.append((places, which.ravel()))
        found = []
        for candidates, (places, which), built in zip(groups, hits, self._allowed(zone, groups), strict=True):
            stands = built[which]
            if stands.any():
                found.append(Found(candidates, places[stands], which[stands]))
        return found

    def settle(self, zone: int, candidates: Candidates) -> Candidates:
        """The same candidates, built only where the land suits."""
        return replace(candidates, built=self._allowed(zone, [candidates])[0])

    def _allowed(self, zone: int, groups: list[Candidates]) -> list[NDArray[np.bool_]]:
        """Whether the land suits each candidate of each group; all are looked up at once."""
        if not groups:
            return []
        corners = [candidates.outlines() for candidates in groups]
        x = np.concatenate([np.column_stack([c.x, xy[0]]) for c, xy in zip(groups, corners, strict=True)])
        y = np.concatenate([np.column_stack([c.y, xy[1]]) for c, xy in zip(groups, corners, strict=True)])
        wanted = np.concatenate([candidates.built for candidates in groups])
        allowed = np.zeros(wanted.size, dtype=np.bool_)
        if wanted.any():
            allowed[wanted] = self._suits(zone, x[wanted], y[wanted])
        return np.split(allowed, np.cumsum([candidates.x.size for candidates in groups])[:-1])

    def _suits(self, zone: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether all of the places (M, K) of a candidate are on open land, well inside the zone."""
        inside: NDArray[np.bool_] = np.asarray(buildable(zone, x.ravel(), y.ravel()).reshape(x.shape).all(axis=1))
        if inside.any():
            cover = self._land(zone, x[inside].ravel(), y[inside].ravel()).cover
            inside[inside] = np.isin(cover, _OPEN).reshape(-1, x.shape[1]).all(axis=1)
        return inside


def buildable(zone: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether places of a zone are well inside it, off the ice, and not surely at sea: a cheap test before others."""
    lon, lat = lonlat(zone, x, y)
    west = -180.0 + (zone - 1) * ZONE_WIDTH
    inside = (lon > west + _ZONE_MARGIN) & (lon < west + ZONE_WIDTH - _ZONE_MARGIN)
    return np.asarray(inside & (np.abs(lat) < _ICE) & ~surely_sea(lon, lat))


def unique_columns(cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Different columns of a (2, N) array, and which of them each column is; fast where few differ."""
    low = cells.min(axis=1, keepdims=True)
    span = int(cells[1].max() - low[1, 0]) + 1
    codes = (cells[0] - low[0, 0]) * span + (cells[1] - low[1, 0])
    if int(codes.max()) < max(64, codes.size):
        present = np.zeros(int(codes.max()) + 1, dtype=np.bool_)
        present[codes] = True
        different = np.flatnonzero(present)
        which = (np.cumsum(present) - 1)[codes]
    else:
        different, which = np.unique(codes, return_inverse=True)
    return np.stack([different // span, different % span]) + low, which.astype(np.intp)
