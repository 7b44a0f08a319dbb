from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from affine import Affine

from rsbot_beam.local_ee.provider import AssetNotFoundError, PixelGrid
from rsbot_beam.local_ee.world import World
from rsbot_beam.local_ee.world.legends import ANNUAL_CROP_INVENTORY, CROPLAND_DATA_LAYER, EUCROPMAP, WORLD_COVER

BAVARIA = (11.6, 48.9)
CDL = "USDA/NASS/CDL"
IOWA = (-93.5, 42.0)

MAPS = [
    ("ESA/WorldCover/v200", "2021", "Map", WORLD_COVER, np.uint8),
    (CDL, "2023", "cropland", CROPLAND_DATA_LAYER, np.uint8),
    ("JRC/D5/EUCROPMAP/V1", "2022", "classification", EUCROPMAP, np.uint16),
    ("AAFC/ACI", "2020", "landcover", ANNUAL_CROP_INVENTORY, np.uint8),
]
WIDE = PixelGrid("EPSG:4326", Affine(0.5, 0, -110.0, 0, -0.5, 60.0), (200, 100))


@pytest.mark.parametrize(("asset", "index", "band", "legend", "dtype"), MAPS)
def test_codes_are_of_the_legend(world: World, asset: str, index: str, band: str, legend: tuple, dtype: type):
    values, valid = world.pixels(f"{asset}/{index}", [band], WIDE)[band]
    assert valid.all()
    assert values.dtype == dtype
    assert set(np.unique(values).tolist()) <= {entry.value for entry in legend}
    assert np.unique(values).size >= 9


@pytest.mark.parametrize(("asset", "index", "band", "legend", "dtype"), MAPS)
def test_images_carry_their_legend(world: World, asset: str, index: str, band: str, legend: tuple, dtype: type):
    image = world.image(f"{asset}/{index}")
    properties = image.properties
    assert properties["system:index"] == index
    assert properties[f"{band}_class_values"] == [entry.value for entry in legend]
    assert len(properties[f"{band}_class_names"]) == len(properties[f"{band}_class_palette"]) == len(legend)
    assert image.bands[0].name == band
    assert image.bands[0].dtype == dtype


@pytest.mark.parametrize("legend", [WORLD_COVER, CROPLAND_DATA_LAYER, EUCROPMAP, ANNUAL_CROP_INVENTORY])
def test_legends_are_well_formed(legend: tuple):
    values = [entry.value for entry in legend]
    assert values == sorted(set(values))
    for entry in legend:
        assert len(entry.colour) == 6
        assert 0 <= int(entry.colour, 16) <= 0xFFFFFF
        assert entry.name


def test_the_cropland_data_layer_has_the_real_codes():
    names = {entry.value: entry.name for entry in CROPLAND_DATA_LAYER}
    assert len(names) == 134
    assert (names[1], names[5], names[24], names[61], names[176]) == (
        "Corn", "Soybeans", "Winter Wheat", "Fallow/Idle Cropland", "Grass/Pasture",
    )  # fmt: skip


def test_a_year_s_image_is_found_by_date(world: World, ms: Callable):
    for year in (2008, 2019, 2025):
        found = list(world.images(CDL, ms(year, 1, 1), ms(year + 1, 1, 1), (*IOWA, *IOWA)))
        assert [image.id for image in found] == [f"{CDL}/{year}"]
    assert len(list(world.images(CDL, None, None, None))) == 18
    assert [image.id for image in world.images("ESA/WorldCover/v200", None, None, None)] == ["ESA/WorldCover/v200/2021"]
    assert not list(world.images("ESA/WorldCover/v200", ms(2022, 1, 1), None, None))


@pytest.mark.parametrize("name", [f"{CDL}/1999", f"{CDL}/corn", "ESA/WorldCover/v200/2020", "AAFC/ACI/2001"])
def test_years_that_are_not_there(world: World, name: str):
    with pytest.raises(AssetNotFoundError, match=r"has"):
        world.image(name)


def test_maps_agree_with_each_other(world: World):
    cover = world.pixels("ESA/WorldCover/v200/2021", ["Map"], WIDE)["Map"][0]
    layers = world.pixels(f"{CDL}/2021", ["cropland", "cultivated"], WIDE)
    crops, cultivated = layers["cropland"][0], layers["cultivated"][0]
    np.testing.assert_array_equal(cover == 40, cultivated == 2)
    np.testing.assert_array_equal(cover == 80, crops == 111)
    np.testing.assert_array_equal(cover == 10, np.isin(crops, (141, 142, 143)))
    assert (crops[cultivated == 2] < 62).all()


def test_farmland_is_a_good_part_of_the_land(world: World):
    cover = world.pixels("ESA/WorldCover/v200/2021", ["Map"], WIDE)["Map"][0]
    land = cover != 80
    shares = {code: (cover == code)[land].mean() for code in (10, 30, 40, 50)}
    assert 0.25 < shares[40] < 0.55
    assert 0.12 < shares[10] < 0.4
    assert 0.1 < shares[30] < 0.35
    assert 0.01 < shares[50] < 0.08


def test_confidence_is_low_where_the_layer_errs(world: World, grid_at: Callable):
    grid = grid_at(BAVARIA, 200)
    layers = world.pixels(f"{CDL}/2022", ["cropland", "confidence", "cultivated"], grid)
    truth = world.pixels("JRC/D5/EUCROPMAP/V1/2022", ["classification"], grid)["classification"][0]
    crops, confidence = layers["cropland"][0], layers["confidence"][0]
    assert confidence.min() >= 1
    assert confidence.max() <= 100
    wrong = (layers["cultivated"][0] == 2) & ((truth == 216) != (crops == 1))
    assert 0.0005 < wrong.mean() < 0.03
    assert confidence[wrong].mean() < confidence[~wrong].mean() - 25


def test_a_wrong_band_is_named(world: World, grid_at: Callable):
    with pytest.raises(AssetNotFoundError, match=r"'corn'.*cropland"):
        world.pixels(f"{CDL}/2021", ["corn"], grid_at(IOWA, 4))
    with pytest.raises(AssetNotFoundError, match=r"'map'.*Map"):
        world.pixels("ESA/WorldCover/v200/2021", ["map"], grid_at(IOWA, 4))
