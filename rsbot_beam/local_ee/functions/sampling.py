"""Pixels drawn from images as features. The choice depends on place and seed only: it is the same in every run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.collection import Collection, Feature, list_collection
from rsbot_beam.local_ee.functions.projections import placed
from rsbot_beam.local_ee.functions.sources import hashed
from rsbot_beam.local_ee.geometries import Geometry
from rsbot_beam.local_ee.image import Image, PixelContext
from rsbot_beam.local_ee.provider import PixelGrid
from rsbot_beam.local_ee.rasterize import inside
from rsbot_beam.local_ee.region_pixels import Pixels, picked, region_grid, region_of, region_pixels
from rsbot_beam.local_ee.registry import function
from rsbot_beam.local_ee.types import Projection
from rsbot_beam.local_ee.values import Value

# Pixels: regions that lie in one tile of this side are sampled together.
TILE = 256


@dataclass(frozen=True)
class Drawn:
    """Pixels drawn, N of them, each with the random number that it was drawn by.

    Attributes:
        values: By band, (N,).
        valid: By band, (N,) bool.
        lon: (N,) degrees.
        lat: (N,) degrees.
        rank: (N,) in [0, 1).
    """

    values: list[NDArray[Any]]
    valid: list[NDArray[np.bool_]]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    rank: NDArray[np.float64]

    def only(self, chosen: Value) -> Drawn:
        """Some of them."""
        return Drawn(
            [column[chosen] for column in self.values],
            [column[chosen] for column in self.valid],
            self.lon[chosen],
            self.lat[chosen],
            self.rank[chosen],
        )


def _drawn(pixels: Pixels, seed: int, drop_nulls: bool) -> Drawn:
    found = Drawn(pixels.values, pixels.valid, pixels.lon, pixels.lat, hashed(pixels.lon, pixels.lat, seed))
    return found.only(pixels.complete) if drop_nulls else found


def _joined(parts: list[Drawn]) -> Drawn | None:
    if not parts:
        return None
    bands = range(len(parts[0].values))
    return Drawn(
        [np.concatenate([part.values[band] for part in parts]) for band in bands],
        [np.concatenate([part.valid[band] for part in parts]) for band in bands],
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("lon", "lat", "rank")),
    )


def features_of(drawn: Drawn | None, names: list[str], geometries: bool) -> Collection:
    """Pixels as features with a property for each band."""
    if drawn is None:
        return list_collection([], of_images=False)
    found = []
    for number in range(len(drawn.lon)):
        properties = {
            name: column[number].item() if valid[number] else None
            for name, column, valid in zip(names, drawn.values, drawn.valid, strict=True)
        }
        place = Geometry(shapely.Point(drawn.lon[number], drawn.lat[number])) if geometries else None
        found.append(Feature(place, properties))
    return list_collection(found, of_images=False)


def _projection(image: Image, projection: Projection | None, scale: float | None) -> Projection:
    return placed(projection if projection is not None else image.bands[0].projection, None, scale)


@function("Image.sample")
def sample(
    image: Image,
    region: Geometry | None = None,
    scale: float | None = None,
    projection: Projection | None = None,
    factor: float | None = None,
    num_pixels: int | None = None,
    seed: int = 0,
    drop_nulls: bool = True,
    tile_scale: float = 1,
    geometries: bool = False,
) -> Collection:
    """Pixels of a region, all or a random part of them."""
    if factor is not None and num_pixels is not None:
        raise RequestError("Image.sample: Only one of 'factor' and 'numPixels' may be specified.")
    area = region_of(image, region, "Image.sample")
    grid = region_grid(area, _projection(image, projection, scale))
    parts: list[Drawn] = []
    for pixels in region_pixels(image, area, grid):
        found = _drawn(pixels, seed, drop_nulls=False)
        if factor is not None:
            found = found.only(found.rank < factor)
        parts.append(found if num_pixels is None else found.only(np.argsort(found.rank, kind="stable")[:num_pixels]))
    drawn = _joined(parts)
    if drawn is not None and num_pixels is not None:
        drawn = drawn.only(np.argsort(drawn.rank, kind="stable")[:num_pixels])
    if drawn is not None and drop_nulls:
        drawn = drawn.only(np.logical_and.reduce(drawn.valid))
    return features_of(drawn, image.names, geometries)


@function("Image.stratifiedSample")
def stratified_sample(
    image: Image,
    num_points: int,
    class_band: str | None = None,
    region: Geometry | None = None,
    scale: float | None = None,
    projection: Projection | None = None,
    seed: int = 0,
    class_values: list | None = None,
    class_points: list | None = None,
    drop_nulls: bool = True,
    tile_scale: float = 1,
    geometries: bool = False,
) -> Collection:
    """So many pixels of each class of a band."""
    wanted = _wanted(num_points, class_values, class_points)
    band = 0 if class_band is None else image.index_of(class_band)
    if band is None:
        raise RequestError(
            f"Image.stratifiedSample: No band named '{class_band}'. Available bands: [{', '.join(image.names)}]"
        )
    if not image.bands[band].type.is_integer:
        raise RequestError("Image.stratifiedSample: The classBand must contain integer values.")
    area = region_of(image, region, "Image.stratifiedSample")
    grid = region_grid(area, _projection(image, projection, scale))
    parts = [
        _by_class(_drawn(pixels, seed, drop_nulls).only(slice(None)), band, wanted)
        for pixels in region_pixels(image, area, grid)
    ]
    drawn = _joined(parts)
    return features_of(None if drawn is None else _by_class(drawn, band, wanted), image.names, geometries)


def _wanted(default: int, values: list[Any] | None, points: list[Any] | None) -> defaultdict[Any, int]:
    if (values is None) != (points is None) or (
        values is not None and points is not None and len(values) != len(points)
    ):
        raise RequestError(
            "Image.stratifiedSample: classValues and classPoints must have the same size, or both be null."
        )
    wanted: defaultdict[Any, int] = defaultdict(lambda: default)
    wanted.update(zip(values or (), (int(number) for number in points or ()), strict=True))
    return wanted


def _by_class(drawn: Drawn, band: int, wanted: defaultdict[Any, int]) -> Drawn:
    """Of each class those with the smallest random numbers."""
    classes, known = drawn.values[band], drawn.valid[band]
    chosen = []
    for value in np.unique(classes[known]):
        members = np.flatnonzero(known & (classes == value))
        chosen.append(members[np.argsort(drawn.rank[members], kind="stable")[: wanted[value.item()]]])
    return drawn.only(np.concatenate(chosen) if chosen else np.zeros(0, np.int64))


@function("Image.sampleRegions")
def sample_regions(
    image: Image,
    collection: Collection,
    properties: list | None = None,
    scale: float | None = None,
    projection: Projection | None = None,
    tile_scale: float = 1,
    geometries: bool = False,
) -> Collection:
    """The pixels of each feature's region, with properties of the feature; pixels with a masked band are left out."""
    lattice = _projection(image, projection, scale)

    def source(_bbox: Value) -> Iterator[Feature]:
        located = [
            (feature, region_grid(feature.geometry, lattice)) for feature in collection.features() if feature.geometry
        ]
        found: dict[int, list[Feature]] = {}
        for members in _by_tile([grid for _, grid in located], lattice).values():
            grids = [located[number][1] for number in members]
            context = PixelContext(_around(grids, lattice)) if len(members) > 1 else None
            for number in members:
                feature, grid = located[number]
                pixels = _feature_pixels(image, feature, grid, context)
                found[number] = _sampled(feature, number, pixels, image.names, properties, geometries)
        for number in range(len(located)):
            yield from found[number]

    return Collection(source, of_images=False)


def _corner(grid: PixelGrid, lattice: Projection) -> tuple[int, int]:
    column, row = ~lattice.transform * (grid.transform.c, grid.transform.f)
    return round(row), round(column)


def _by_tile(grids: list[PixelGrid], lattice: Projection) -> dict[Any, list[int]]:
    """Numbers of the grids that lie in the same tile; large ones by themselves."""
    found: dict[Any, list[int]] = defaultdict(list)
    for number, grid in enumerate(grids):
        row, column = _corner(grid, lattice)
        large = max(grid.shape) > TILE
        found[("large", number) if large else (row // TILE, column // TILE)].append(number)
    return found


def _around(grids: list[PixelGrid], lattice: Projection) -> PixelGrid:
    corners = [_corner(grid, lattice) for grid in grids]
    top, left = min(row for row, _ in corners), min(column for _, column in corners)
    bottom = max(row + grid.shape[0] for (row, _), grid in zip(corners, grids, strict=True))
    right = max(column + grid.shape[1] for (_, column), grid in zip(corners, grids, strict=True))
    return PixelGrid(lattice.crs, lattice.transform, (1, 1)).window(top, left, (bottom - top, right - left))


def _feature_pixels(image: Image, feature: Feature, grid: PixelGrid, context: PixelContext | None) -> list[Pixels]:
    """A feature's pixels: alone, or from a context that covers its neighbours as well."""
    geometry = feature.geometry or Geometry(shapely.Point())
    if context is None:
        return list(region_pixels(image, geometry, grid))
    column, row = ~context.grid.transform * (grid.transform.c, grid.transform.f)
    top, left = round(row), round(column)
    within = inside(geometry, PixelContext(grid))
    rows, columns = np.nonzero(within if within.any() else np.ones(grid.shape, bool))
    return [picked(image, context, (rows + top, columns + left))]


def _sampled(
    feature: Feature, number: int, pieces: list[Pixels], names: list[str], wanted: list[Any] | None, geometries: bool
) -> list[Feature]:
    own = {
        k: v for k, v in feature.properties.items() if (not k.startswith("system:") if wanted is None else k in wanted)
    }
    label = feature.properties.get("system:index", number)
    found: list[Feature] = []
    for pixels in pieces:
        for place in np.flatnonzero(pixels.complete):
            values = {name: column[place].item() for name, column in zip(names, pixels.values, strict=True)}
            point = Geometry(shapely.Point(pixels.lon[place], pixels.lat[place])) if geometries else None
            found.append(Feature(point, {**own, **values, "system:index": f"{label}_{len(found)}"}))
    return found


@function("ImageCollection.getRegion")
def get_region(
    collection: Collection,
    geometry: Geometry,
    scale: float | None = None,
    crs: Projection | None = None,
    crs_transform: list | None = None,
) -> list[list[Any]]:
    """A table of all pixels of all images in a region: id, longitude, latitude, time and the bands."""
    rows: list[list[Any]] = []
    header: list[str] = []
    for image in collection.images(geometry.lonlat.bounds):
        header = header or ["id", "longitude", "latitude", "time", *image.names]
        grid = region_grid(geometry, placed(crs if crs is not None else Projection("EPSG:4326"), crs_transform, scale))
        about = [image.properties.get("system:index"), image.properties.get("system:time_start")]
        for pixels in region_pixels(image, geometry, grid):
            for place in range(len(pixels.lon)):
                bands = [
                    c[place].item() if v[place] else None for c, v in zip(pixels.values, pixels.valid, strict=True)
                ]
                rows.append([about[0], float(pixels.lon[place]), float(pixels.lat[place]), about[1], *bands])
    return [header, *rows]
