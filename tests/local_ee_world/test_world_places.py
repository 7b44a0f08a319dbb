"""A value depends on the place and the time only, never on the request: the world's first law."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest
from affine import Affine

from rsbot_beam.local_ee.provider import PixelGrid, transformer
from rsbot_beam.local_ee.world import World

S2 = "COPERNICUS/S2_SR_HARMONIZED"
IOWA = (-93.5, 42.0)
PAMPA = (-61.5, -34.0)


def window(grid: PixelGrid, row: int, column: int, height: int, width: int) -> PixelGrid:
    return PixelGrid(grid.crs, grid.transform @ Affine.translation(column, row), (height, width))


def identify(world: World, asset: str, place: tuple[float, float], start: int) -> str:
    if world.info(asset)["type"] == "IMAGE":
        return asset
    lon, lat = place
    return next(iter(world.images(asset, start, start + 3 * 366 * 86_400_000, (lon, lat, lon, lat)))).id


@pytest.mark.parametrize("place", [IOWA, PAMPA])
def test_a_big_request_equals_its_tiles(world: World, grid_at: Callable, ms: Callable, case: NamedTuple, place: tuple):
    image = identify(world, case.asset, place, ms(2021, 1, 1))
    grid = grid_at(place, 200, case.resolution)
    fresh = World(seed=0)  # without anything kept from other requests
    whole = world.pixels(image, case.bands, grid)
    for row, column, height, width in ((0, 0, 64, 64), (137, 40, 63, 160), (100, 199, 1, 1), (3, 0, 1, 200)):
        part = fresh.pixels(image, case.bands, window(grid, row, column, height, width))
        for band in case.bands:
            cut = np.s_[row : row + height, column : column + width]
            np.testing.assert_array_equal(part[band][0], whole[band][0][cut], err_msg=f"{band} at {row}, {column}")
            np.testing.assert_array_equal(part[band][1], whole[band][1][cut])


def test_another_crs_sees_the_same_world(world: World, grid_at: Callable, ms: Callable, case: NamedTuple):
    """Pixels of a grid in degrees equal those of the UTM cells that their centres fall in."""
    image = identify(world, case.asset, IOWA, ms(2021, 1, 1))
    step = case.resolution * 3.7e-5 / 10 * 3
    turned = PixelGrid("EPSG:4326", Affine(step, 0, IOWA[0], 0, -step, IOWA[1]), (25, 25))
    x, y = transformer("EPSG:4326", "EPSG:32615").transform(turned.lon, turned.lat)
    left, top = np.floor(x.min() / 30) * 30 - 60, np.ceil(y.max() / 30) * 30 + 60
    size = int(max(x.max() - left, top - y.min()) / case.resolution) + 10
    utm = world.pixels(
        image,
        case.bands,
        PixelGrid("EPSG:32615", Affine(case.resolution, 0, left, 0, -case.resolution, top), (size, size)),
    )
    degrees = world.pixels(image, case.bands, turned)
    rows, columns = (
        np.floor((top - y) / case.resolution).astype(int),
        np.floor((x - left) / case.resolution).astype(int),
    )
    for band in case.bands:
        np.testing.assert_array_equal(degrees[band][0], utm[band][0][rows, columns])


def test_a_request_from_the_neighbouring_zone_s_grid_sees_the_same_world(world: World, ms: Callable):
    """EPSG:32616 over a place of zone 15: the world's cells stay those of zone 15."""
    image = identify(world, "USDA/NASS/CDL", IOWA, ms(2021, 1, 1))
    x, y = transformer("EPSG:4326", "EPSG:32616").transform(*IOWA)
    foreign = PixelGrid("EPSG:32616", Affine(10, 0, x, 0, -10, y), (20, 20))
    own_x, own_y = foreign.coordinates("EPSG:32615")
    left, top = np.floor(own_x.min() / 10) * 10, np.ceil(own_y.max() / 10) * 10
    own = PixelGrid("EPSG:32615", Affine(10, 0, left, 0, -10, top), (40, 40))
    values = world.pixels(image, ["cropland"], own)["cropland"][0]
    rows, columns = np.floor((top - own_y) / 10).astype(int), np.floor((own_x - left) / 10).astype(int)
    np.testing.assert_array_equal(world.pixels(image, ["cropland"], foreign)["cropland"][0], values[rows, columns])


def test_northern_and_southern_utm_agree(world: World):
    south = PixelGrid("EPSG:32720", Affine(10, 0, 450_000, 0, -10, 6_240_000), (16, 16))
    north = PixelGrid("EPSG:32620", Affine(10, 0, 450_000, 0, -10, -3_760_000), (16, 16))
    values = [world.pixels("USDA/NASS/CDL/2020", ["cropland"], grid)["cropland"][0] for grid in (south, north)]
    np.testing.assert_array_equal(*values)


def test_sparse_pixels_equal_dense_ones(world: World, grid_at: Callable, ms: Callable, case: NamedTuple):
    """A request of 30 km pixels reads the very cells that a request of 10 m pixels reads there."""
    image = identify(world, case.asset, IOWA, ms(2021, 1, 1))
    sparse = grid_at(IOWA, 6, 30_000.0)
    values = world.pixels(image, case.bands, sparse)
    for row, column in ((2, 2), (3, 2), (3, 3)):
        x, y = sparse.transform @ (column + 0.5, row + 0.5)
        left, top = (
            np.floor(x / case.resolution) * case.resolution,
            np.floor(y / case.resolution) * case.resolution + case.resolution,
        )
        one = PixelGrid(sparse.crs, Affine(case.resolution, 0, left, 0, -case.resolution, top), (4, 4))
        near = world.pixels(image, case.bands, one)
        for band in case.bands:
            assert near[band][0][0, 0] == values[band][0][row, column], band


def test_the_order_of_questions_does_not_matter(grid_at: Callable, ms: Callable):
    """Days are computed in batches; asking for a later one first must change nothing."""
    grid = grid_at(IOWA, 32)
    lon, lat = IOWA
    forth, back = World(0), World(0)
    ids = [image.id for image in forth.images(S2, ms(2021, 5, 1), ms(2021, 9, 1), (lon, lat, lon, lat))]
    first = {name: forth.pixels(name, ["B4", "B8"], grid) for name in ids}
    second = {name: back.pixels(name, ["B8", "B4"], grid) for name in reversed(ids)}
    for name in ids:
        for band in ("B4", "B8"):
            np.testing.assert_array_equal(first[name][band][0], second[name][band][0])


def test_threads_see_the_same_world(world: World, grid_at: Callable, ms: Callable):
    lon, lat = IOWA
    ids = [image.id for image in world.images(S2, ms(2022, 6, 1), ms(2022, 8, 1), (lon, lat, lon, lat))]
    grid = grid_at(IOWA, 48)
    alone = [World(0).pixels(name, ["B4"], grid)["B4"][0] for name in ids]
    shared = World(0)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda name: shared.pixels(name, ["B4"], grid)["B4"][0], ids))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_is_another_world(world: World, grid_at: Callable):
    grid = grid_at(IOWA, 64)
    ours, other = (w.pixels("USDA/NASS/CDL/2021", ["cropland"], grid)["cropland"][0] for w in (world, World(1)))
    assert (ours != other).mean() > 0.3


@pytest.mark.parametrize("lat", [-89.5, -66.0, 0.0, 71.0, 84.5, 89.9])
def test_the_world_goes_to_the_poles_and_over_the_antimeridian(world: World, lat: float):
    grid = PixelGrid("EPSG:4326", Affine(0.01, 0, 179.95, 0, -0.01, lat + 0.05), (10, 10))
    values, valid = world.pixels("ESA/WorldCover/v200/2021", ["Map"], grid)["Map"]
    assert valid.all()
    assert values.min() >= 10
