from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from affine import Affine

from rsbot_beam.local_ee.provider import AssetNotFoundError, PixelGrid
from rsbot_beam.local_ee.world import World
from rsbot_beam.local_ee.world.covers import Cover
from rsbot_beam.local_ee.world.relief import Relief
from rsbot_beam.local_ee.world.surface import Surfaces
from rsbot_beam.local_ee.world.zones import plane

BAVARIA = (11.6, 48.9)
IOWA = (-93.5, 42.0)

SRTM = "USGS/SRTMGL1_003"


def test_srtm_ends_at_60_north_and_56_south(world: World):
    for top, edge in ((60.2, lambda lat: lat <= 60.0), (-55.8, lambda lat: lat >= -56.0)):
        grid = PixelGrid("EPSG:4326", Affine(0.01, 0, -69.0, 0, -0.01, top), (40, 10))
        values, valid = world.pixels(SRTM, ["elevation"], grid)["elevation"]
        np.testing.assert_array_equal(valid, edge(grid.lat))
        assert (values[~valid] == 0).all()


def test_srtm_is_an_image_of_whole_metres(world: World, grid_at: Callable):
    image = world.image(SRTM)
    assert image.id == SRTM
    assert image.bands[0].dtype == np.int16
    assert image.footprint.bounds == (-180, -56, 180, 60)
    values, _ = world.pixels(SRTM, ["elevation"], grid_at(IOWA, 32, 30.0))["elevation"]
    assert values.dtype == np.int16
    assert world.info(SRTM)["type"] == "IMAGE"
    with pytest.raises(AssetNotFoundError):
        world.image(f"{SRTM}/x")


def test_land_is_above_the_sea_and_mountains_are_rare(world: World):
    grid = PixelGrid("EPSG:4326", Affine(0.7, 0, -125, 0, -0.7, 60), (150, 100))
    height = world.pixels(SRTM, ["elevation"], grid)["elevation"][0]
    cover = world.pixels("ESA/WorldCover/v200/2021", ["Map"], grid)["Map"][0]
    assert height.min() == 0
    assert (height[cover != 80] > 0).all()
    land = height[height > 0]
    assert 50 < np.median(land) < 900
    assert 2000 < land.max() < 9000
    assert (land > 1500).mean() < 0.3


def test_relief_is_smooth_at_30_metres(world: World, grid_at: Callable):
    height = world.pixels(SRTM, ["elevation"], grid_at(BAVARIA, 128, 30.0))["elevation"][0].astype(float)
    assert np.abs(np.diff(height)).max() < 25
    assert np.ptp(height) > 5


def test_slopes_are_those_of_the_hills():
    relief = Relief(0)
    x = 600_000.0 + np.arange(0.0, 3000.0, 40.0)
    y = np.full_like(x, 5_300_000.0)
    ground = relief.ground(x, y)
    east = np.gradient(relief.ground(x, y).hills, x)
    assert np.corrcoef(ground.slope_east[2:-2], east[2:-2])[0, 1] > 0.95


def test_climate_has_no_seam_between_zones():
    relief = Relief(0)
    lat = np.linspace(30.0, 60.0, 50)
    west = relief.climate(32, *plane(32, np.full_like(lat, 11.99999), lat))
    east = relief.climate(33, *plane(33, np.full_like(lat, 12.00001), lat))
    np.testing.assert_allclose(west.land, east.land, atol=0.03)
    np.testing.assert_allclose(west.moisture, east.moisture, atol=0.03)
    np.testing.assert_allclose(west.height, east.height, atol=60)


@pytest.fixture(scope="module")
def region() -> object:
    surfaces = Surfaces(0)
    x, y = np.meshgrid(500_000 + 60.0 * np.arange(350), 5_400_000 + 60.0 * np.arange(350))
    return surfaces.land(32, x.ravel(), y.ravel())


def test_all_kinds_of_land_are_near_each_other(region: object):
    shares = np.bincount(region.cover, minlength=len(Cover)) / region.cover.size
    assert shares[Cover.CROP] > 0.2
    for cover in (Cover.WATER, Cover.GRASS, Cover.OPEN_SPACE, Cover.ROAD):
        assert shares[cover] > 0.001, cover
    assert shares[[Cover.DECIDUOUS, Cover.EVERGREEN, Cover.MIXED]].sum() > 0.05


def test_fields_are_of_some_hectares(region: object):
    _, counts = np.unique(region.parcels.field[region.cover == Cover.CROP], return_counts=True)
    hectares = counts * 60.0 * 60.0 / 1e4
    assert 2.0 < np.median(hectares) < 9.0
    assert (hectares > 20).mean() < 0.2
    assert hectares.max() > 12


def test_blocks_contain_fields_and_have_a_seed_of_their_own(region: object):
    order = np.argsort(region.parcels.field)
    fields, blocks = region.parcels.field[order], region.parcels.block[order]
    same = fields[1:] == fields[:-1]
    assert (blocks[1:][same] == blocks[:-1][same]).all()
    for block in np.unique(blocks)[:20]:
        at = region.parcels.block == block
        assert np.unique(region.parcels.seed_x[at]).size == 1
