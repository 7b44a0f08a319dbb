"""Polygons from a map of classes: what blocks cut apart is joined again, to the pixel.

Until they are done, polygons have whole pixels of their grid for coordinates: column and row, counted from the grid's
origin. Edges that two blocks share are then equal to the last bit, and a union of them is exact.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import shapely
from rasterio.features import rasterize, shapes

from rsbot_beam.data.detections import Detections
from rsbot_beam.data.ground import Ground, ground_of
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.crs import LONLAT, transformer
from rsbot_beam.geometry.tile import TileBlock, pixel_grid
from rsbot_beam.maps.vectors import MapFeatures, assemble, feature_id, lonlat_geometries

_NEIGHBOURS = 4
"""Pixels that meet at a corner only are two objects: their outline would cross itself there."""

_SCORE_UNIT = 2.0**-24
"""Scores are added up as whole multiples of this, float32's resolution below 1: sums do not depend on their order."""

_NO_SCORE = -1
"""Sum of scores where there are none."""

Row = tuple[str, bytes, int, int, int, bool]


@dataclass(frozen=True, eq=False)
class Polygons:
    """Connected pixels of one class each, n of them, of any blocks.

    Attributes:
        block: object (n,), text of the block that each was found in; of what was joined, the one with the largest part.
        geometries: object (n,), polygons in pixels of the block's grid: x = columns, y = rows from its origin.
        codes: int32 (n,), class codes.
        pixels: int64 (n,), number of pixels.
        score_sum: int64 (n,), sum over the pixels of the class's probability, in 2^-24; -1 without probabilities.
        cut: bool (n,), whether the block's edge touches it, so that it may go on beyond.
    """

    block: np.ndarray
    geometries: np.ndarray
    codes: np.ndarray
    pixels: np.ndarray
    score_sum: np.ndarray
    cut: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def none(cls) -> Polygons:
        """No polygons."""
        nothing = np.empty(0, object)
        whole = np.empty(0, np.int64)
        return cls(nothing, nothing, np.empty(0, np.int32), whole, whole, np.empty(0, bool))

    def take(self, chosen: np.ndarray) -> Polygons:
        """Those that a mask or an array of indices chooses, in its order."""
        return Polygons(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @classmethod
    def concat(cls, parts: Sequence[Polygons]) -> Polygons:
        """All of several, in their order."""
        parts = [cls.none(), *parts]
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def rows(self) -> list[Row]:
        """Each as a plain tuple, for a shuffle: block, geometry as WKB, code, pixels, sum of scores, cut."""
        wkb = shapely.to_wkb(self.geometries, byte_order=1)
        columns = (self.block, wkb, self.codes, self.pixels, self.score_sum, self.cut)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    @classmethod
    def of_rows(cls, rows: Sequence[Row]) -> Polygons:
        """Inverse of `rows`."""
        if not rows:
            return cls.none()
        block, wkb, codes, pixels, score_sum, cut = zip(*rows, strict=True)
        numbers = (np.array(codes, np.int32), np.array(pixels, np.int64), np.array(score_sum, np.int64))
        return cls(np.array(block, object), shapely.from_wkb(np.array(wkb, object)), *numbers, np.array(cut, bool))

    @property
    def scores(self) -> np.ndarray:
        """Mean probability of the class over the pixels, float32 (n,); NaN without probabilities."""
        mean = self.score_sum * _SCORE_UNIT / np.maximum(self.pixels, 1)
        return np.where(self.score_sum == _NO_SCORE, np.nan, mean).astype(np.float32)


def polygons_of_block(
    classes: np.ndarray,
    block: TileBlock,
    codes: Collection[int],
    probability: np.ndarray | None = None,
    valid: np.ndarray | None = None,
    min_pixels: int = 1,
) -> Polygons:
    """Outlines the connected pixels (by their edges, not corners) of some classes.

    Args:
        classes: Integer class codes, (height, width) of the block.
        block: Where the pixels lie.
        codes: Classes to outline.
        probability: float (height, width), of the pixel's class; None for polygons without scores.
        valid: bool (height, width); None where all pixels are seen, or where those that are not have none of the codes.
        min_pixels: Smaller objects are left out, unless the block's edge touches them: more of them may lie beyond it.

    Raises:
        InputError: An array does not have the block's shape.
    """
    for array in (classes, probability, valid):
        if array is not None and array.shape != block.shape:
            raise InputError(f"pixels of shape {array.shape} do not fit the {block.shape} pixels of block {block}")
    wanted = np.isin(classes, list(codes)) & (True if valid is None else valid)
    if not wanted.any():
        return Polygons.none()
    found = list(shapes(classes.astype(np.int32), wanted, _NEIGHBOURS))
    outlines = _outlines([outline["coordinates"] for outline, _ in found])
    pixels = np.rint(shapely.area(outlines)).astype(np.int64)
    bounds = shapely.bounds(outlines)
    height, width = block.shape
    cut = (bounds[:, :2] <= 0).any(axis=1) | (bounds[:, 2] >= width) | (bounds[:, 3] >= height)
    kept = np.flatnonzero(cut | (pixels >= min_pixels))
    placed = shapely.transform(outlines[kept], lambda corners: corners + np.array([block.col, block.row], float))
    names = np.full(len(kept), str(block), object)
    found = [found[index] for index in kept.tolist()]
    sums = _score_sums([outline for outline, _ in found], probability)
    of_class = np.array([code for _, code in found], np.int32)
    return _ordered(Polygons(names, placed, of_class, pixels[kept], sums, cut[kept]))


def _outlines(members: list[list[list[tuple[float, float]]]]) -> np.ndarray:
    """Polygons of GeoJSON coordinates, the outer ring first; in one go, as noisy maps have many."""
    rings = [ring for polygon in members for ring in polygon]
    corners = np.array([corner for ring in rings for corner in ring])
    of_ring = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    lines = np.asarray(shapely.linearrings(corners, indices=of_ring), object)
    owners = np.repeat(np.arange(len(members)), [len(polygon) for polygon in members])
    return np.asarray(shapely.polygons(lines, indices=owners), object)


def _score_sums(outlines: list[dict[str, Any]], probability: np.ndarray | None) -> np.ndarray:
    """Sums of the scores within outlines that do not overlap, int64 (n,)."""
    if probability is None or not outlines:
        return np.full(len(outlines), _NO_SCORE, np.int64)
    numbers = np.zeros(probability.shape, np.int32)
    rasterize([(outline, number + 1) for number, outline in enumerate(outlines)], out=numbers)
    units = np.rint(np.clip(np.nan_to_num(probability.astype(np.float64)), 0, 1) / _SCORE_UNIT)
    # Sums of whole numbers are exact in float64 up to 2^53: half a billion pixels.
    return np.bincount(numbers.ravel(), units.ravel(), len(outlines) + 1)[1:].astype(np.int64)


def join_polygons(polygons: Polygons, min_pixels: int = 1) -> Polygons:
    """Joins the parts of objects that blocks cut apart.

    Parts are joined where they have one class and share an edge on one pixel grid. Objects across the border of two CRSs
    stay in two parts, which share no pixel. The same pixels in any blocks make the same polygons, but for `block`.

    Args:
        polygons: Of blocks that do not overlap, in any order.
        min_pixels: Smaller objects are left out.

    Returns:
        Whole objects; `cut` is False for all.
    """
    grids = [pixel_grid(TileBlock.parse(text)) for text in sorted(set(polygons.block))]
    number = {grid: n for n, grid in enumerate(sorted(set(grids)))}
    of_block = dict(zip(sorted(set(polygons.block)), (number[grid] for grid in grids), strict=True))
    grid = np.array([of_block[text] for text in polygons.block], int)
    open_ones = np.flatnonzero(polygons.cut)
    groups = _groups(polygons.take(open_ones), grid[open_ones])
    joined = [_joined(polygons.take(open_ones[members])) for members in groups]
    whole = Polygons.concat([polygons.take(np.flatnonzero(~polygons.cut)), *joined])
    return _ordered(whole.take(whole.pixels >= min_pixels))


def _groups(polygons: Polygons, grid: np.ndarray) -> list[np.ndarray]:
    """Indices of the parts of each object."""
    first, second = shapely.STRtree(polygons.geometries).query(polygons.geometries, predicate="intersects")
    may = (first < second) & (polygons.codes[first] == polygons.codes[second]) & (grid[first] == grid[second])
    # Two of one block meet at corners only.
    may &= polygons.block[first] != polygons.block[second]
    first, second = first[may], second[may]
    along = shapely.length(shapely.intersection(polygons.geometries[first], polygons.geometries[second])) > 0
    roots = _components(len(polygons), first[along], second[along])
    order = np.argsort(roots, kind="stable")
    ends = np.flatnonzero(np.diff(roots[order])) + 1
    return np.split(order, ends) if len(order) else []


def _components(count: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The least member of the component of each of `count` things that pairs hold together, int (count,)."""
    roots = np.arange(count)

    def root(member: int) -> int:
        while roots[member] != member:
            roots[member] = roots[roots[member]]
            member = int(roots[member])
        return member

    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        low, high = sorted((root(a), root(b)))
        roots[high] = low
    return np.array([root(member) for member in range(count)], int)


def _joined(parts: Polygons) -> Polygons:
    """One polygon of parts that hang together."""
    geometry = parts.geometries[:1] if len(parts) == 1 else np.array([shapely.union_all(parts.geometries)], object)
    largest = min(range(len(parts)), key=lambda n: (-int(parts.pixels[n]), parts.block[n]))
    scored = bool((parts.score_sum != _NO_SCORE).all())
    return Polygons(
        parts.block[[largest]],
        geometry,
        parts.codes[:1],
        parts.pixels.sum(keepdims=True),
        parts.score_sum.sum(keepdims=True) if scored else np.array([_NO_SCORE]),
        np.zeros(1, bool),
    )


def _ordered(polygons: Polygons) -> Polygons:
    """In an order, and with vertices, that follow from the pixels alone."""
    # The first vertex of a normalised ring is a true corner: simplifying leaves it, and drops those on straight edges.
    corners = shapely.normalize(shapely.simplify(shapely.normalize(polygons.geometries), 0))
    tidy = Polygons(**{**vars(polygons), "geometries": np.asarray(corners, object)})
    left, top, right, bottom = shapely.bounds(tidy.geometries).reshape(-1, 4).T
    return tidy.take(np.lexsort((shapely.to_wkb(corners), tidy.codes, right, bottom, left, top)))


def features_of_polygons(polygons: Polygons) -> MapFeatures:
    """Returns polygons as features; the centre is the centroid, or a place within where that lies outside.

    Raises:
        InputError: A polygon lies where its CRS has no longitude and latitude.
    """
    native, crs = native_polygons(polygons)
    bounds = shapely.bounds(native).reshape(-1, 4)
    lon, lat = _lonlat_centres(native, crs)
    around = ground_of(Detections(polygons.block, crs, bounds, polygons.scores, polygons.codes, polygons.cut))
    ground = Ground(lon, lat, around.width, around.height)
    numbers = zip(polygons.codes.tolist(), bounds.tolist(), polygons.pixels.tolist(), strict=True)
    ids = [feature_id(name, code, (*box, count)) for name, (code, box, count) in zip(crs, numbers, strict=True)]
    return assemble(lonlat_geometries(native, crs), ground, polygons.codes, polygons.scores, polygons.block, ids)


def native_polygons(polygons: Polygons) -> tuple[np.ndarray, np.ndarray]:
    """Returns polygons in units of their CRS, object (n,), and the "EPSG:n" of each, object (n,)."""
    blocks = {text: TileBlock.parse(text) for text in set(polygons.block)}
    crs = np.array([blocks[text].crs for text in polygons.block], object)
    origin = np.array([blocks[text].origin for text in polygons.block], float).reshape(-1, 2)
    resolution = np.array([blocks[text].resolution for text in polygons.block], float)
    corners, owners = shapely.get_coordinates(polygons.geometries, return_index=True)
    step = resolution[owners, None] * (1, -1)
    return shapely.set_coordinates(polygons.geometries.copy(), origin[owners] + corners * step), crs


def centres(polygons: Polygons) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes of the centres that `features_of_polygons` gives, float64 (n,) each."""
    return _lonlat_centres(*native_polygons(polygons))


def _lonlat_centres(native: np.ndarray, crs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points = shapely.centroid(native)
    outside = ~shapely.contains(native, points)
    points[outside] = shapely.point_on_surface(native[outside])
    lon, lat = np.empty((2, len(native)))
    for name in set(crs):
        rows = np.flatnonzero(crs == name)
        lon[rows], lat[rows] = transformer(name, LONLAT).transform(*shapely.get_coordinates(points[rows]).T)
    return (lon + 180) % 360 - 180, lat
