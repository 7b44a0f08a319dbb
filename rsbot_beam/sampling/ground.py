"""The ground that tiles of any CRSs see, so that they can be compared across zones, poles and the antimeridian.

Outlines are Earth-centred coordinates (EPSG:4978, metres on the WGS 84 ellipsoid): a space without seams. Two outlines
are compared on the plane that touches the globe between them, where they are seen from straight above: what overlaps on
the ground overlaps there, and lengths of d metres are too short by the share (d / 12,742 km)^2, 0.15 m in 10 km.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from rsbot_beam.errors import GridError
from rsbot_beam.geometry import TileKey
from rsbot_beam.geometry.crs import LONLAT, transformer
from rsbot_beam.geometry.tile import pixel_grid

_GEODETIC, _GEOCENTRIC = "EPSG:4979", "EPSG:4978"

_SEGMENTS = 4
"""Pieces that each edge of a tile is cut into: along a parallel at 80 degrees, the most bent edge there is in practice,
5 km in four pieces stay within 0.2 m of the curve."""

_TOUCH = 0.01
"""Pixels by which outlines are drawn smaller on each side, so that tiles that only touch do not overlap by rounding."""

_LARGEST = 2_000_000.0
"""Metres from a tile's centre to its corners: beyond, the globe is too round for a plane that touches it."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What n tiles see of the globe.

    Attributes:
        keys: The tiles.
        centres: (n, 3) float64, Earth-centred coordinates in metres.
        outlines: (n, 16, 3) float64, points along the edges, a hundredth of a pixel inside.
        inner: (n,) metres: all ground that is closer to the centre is in the tile.
        outer: (n,) metres: no ground of the tile is further from the centre.
    """

    keys: Sequence[TileKey]
    centres: np.ndarray
    outlines: np.ndarray
    inner: np.ndarray
    outer: np.ndarray

    @classmethod
    def of(cls, keys: Sequence[TileKey]) -> Ground:
        """Works out the ground of tiles, in any CRSs and of any sizes.

        Corners that are not on the globe (beyond a pole, say) count as lying in the tile's centre.

        Raises:
            GridError: A tile's centre is not on the globe, or the tile is over 4,000 km wide.
        """
        points = _geocentric(outlines_lonlat(keys))
        centres = points[:, -1]
        lost = ~np.isfinite(centres).all(axis=1)
        if lost.any():
            key = keys[int(np.flatnonzero(lost)[0])]
            raise GridError(f"the centre of tile {key} is not on the globe: sample a region that {key.crs} can hold")
        outlines = points[:, :-1]
        outlines = np.where(np.isfinite(outlines).all(axis=2, keepdims=True), outlines, centres[:, None])
        outer = np.linalg.norm(outlines - centres[:, None], axis=2).max(axis=1, initial=0.0)
        if outer.size and outer.max() > _LARGEST:
            raise GridError(
                f"tile {keys[int(outer.argmax())]} reaches {outer.max() / 1000:,.0f} km from its centre, too far to be "
                f"compared with others ({_LARGEST / 1000:,.0f} km at most): take a smaller patch size or resolution"
            )
        # A thousandth less and more make up for the edges between the points and for the roundness of the globe.
        return cls(keys, centres, outlines, 0.999 * _distance_to_edges(centres, outlines), 1.001 * outer)

    def __len__(self) -> int:
        return len(self.keys)


def outlines_lonlat(keys: Sequence[TileKey]) -> np.ndarray:
    """Returns points along tiles' edges, then their centres, as (n, 17, 2) longitude and latitude in degrees.

    The points go around clockwise from the top left corner, a hundredth of a pixel inside the tile. Longitudes differ
    from that of the centre by 180 degrees at most, so that they may lie beyond 180. NaN or infinite: not on the globe.
    """
    steps = np.linspace(0.0, 1.0, _SEGMENTS, endpoint=False)
    along, zero = steps, np.zeros(_SEGMENTS)
    unit_x = np.concatenate([along, zero + 1, 1 - along, zero, [0.5]])
    unit_y = np.concatenate([zero, along, zero + 1, 1 - along, [0.5]])
    places = np.array([(k.origin[0], k.origin[1], k.col, k.row, k.size, k.resolution) for k in keys], float)
    x0, y0, col, row, size, resolution = places.reshape(-1, 6).T[..., None]
    inset = size - 2 * _TOUCH
    x, y = x0 + (col + _TOUCH + unit_x * inset) * resolution, y0 - (row + _TOUCH + unit_y * inset) * resolution
    lonlat = np.empty((*x.shape, 2))
    crss = np.array([key.crs for key in keys], str)
    for crs in np.unique(crss):
        chosen = crss == crs
        lonlat[chosen] = np.stack(transformer(str(crs), LONLAT).transform(x[chosen], y[chosen]), axis=-1)
    with np.errstate(invalid="ignore"):
        lonlat[..., 0] -= 360.0 * np.round((lonlat[..., 0] - lonlat[:, -1:, 0]) / 360.0)
    return lonlat


def geocentric(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Returns points on the ellipsoid as (n, 3) Earth-centred coordinates in metres."""
    return _geocentric(np.column_stack([lon, lat])[:, None])[:, 0]


def overlapping(a: Ground, i: np.ndarray, b: Ground, j: np.ndarray) -> np.ndarray:
    """Tells, as (m,) bool, which tiles `i` of one ground share ground with tiles `j` of another.

    Exact to the pixel for tiles of one pixel grid; across grids overlaps of less than a hundredth of a pixel do not
    count.
    """
    told = [overlap_on_grid(a.keys[p], b.keys[q]) for p, q in zip(i.tolist(), j.tolist(), strict=True)]
    found = np.array([bool(overlap) for overlap in told], bool)
    far = np.array([overlap is None for overlap in told], bool)
    if far.any():
        found[far] = gaps(a, i[far], b, j[far]) == 0.0
    return found


def overlap_on_grid(one: TileKey, other: TileKey) -> bool | None:
    """Tells from pixel offsets whether two tiles share a pixel; None where these do not tell.

    They do not across pixel grids, nor for tiles far apart in one CRS, as it may have the same ground twice, at both
    ends of the globe.
    """
    reach = 2 * max(one.size, other.size)
    if abs(one.row - other.row) > reach or abs(one.col - other.col) > reach or pixel_grid(one) != pixel_grid(other):
        return None
    return one.overlaps(other)


def gaps(a: Ground, i: np.ndarray, b: Ground, j: np.ndarray) -> np.ndarray:
    """Returns the metres of ground between tiles `i` of one ground and tiles `j` of another, (m,); 0: they overlap."""
    one, other = a.outlines[i], b.outlines[j]
    up = a.centres[i] + b.centres[j]
    # At the poles, where there is no east, any direction across will do.
    across = np.where(np.hypot(up[:, 0], up[:, 1])[:, None] > 1.0, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    east = _normalised(np.cross(across, up))
    north = _normalised(np.cross(up, east))
    axes = np.stack([east, north], axis=2)
    # Differences from one centre keep the numbers small, which keeps their last digits.
    centre = a.centres[i][:, None]
    return shapely.distance(_polygons((one - centre) @ axes), _polygons((other - centre) @ axes))


def _polygons(rings: np.ndarray) -> np.ndarray:
    return np.asarray(shapely.polygons(rings), object) if len(rings) else np.empty(0, object)


def _geocentric(lonlat: np.ndarray) -> np.ndarray:
    lon, lat = np.moveaxis(lonlat, -1, 0)
    return np.stack(transformer(_GEODETIC, _GEOCENTRIC).transform(lon, lat, np.zeros_like(lon)), axis=-1)


def _normalised(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _distance_to_edges(centres: np.ndarray, outlines: np.ndarray) -> np.ndarray:
    edges = np.roll(outlines, -1, axis=1) - outlines
    towards = centres[:, None] - outlines
    length2 = np.maximum((edges**2).sum(axis=2), 1e-12)
    foot = np.clip((edges * towards).sum(axis=2) / length2, 0.0, 1.0)
    return np.linalg.norm(outlines + foot[..., None] * edges - centres[:, None], axis=2).min(axis=1, initial=np.inf)
