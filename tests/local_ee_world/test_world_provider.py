from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from rsbot_beam.local_ee.provider import AssetNotFoundError, ImageInfo, Provider
from rsbot_beam.local_ee.world import World

IOWA = (-93.5, 42.0)

TABLES = ["projects/rsbot/assets/world/solar_plants", "projects/rsbot/assets/world/wind_turbines"]


def test_the_world_is_a_provider(world: World):
    assert isinstance(world, Provider)


def test_all_assets_are_listed_with_their_type(world: World):
    ids = list(world.asset_ids())
    assert {
        "USGS/SRTMGL1_003",
        "COPERNICUS/S2_SR_HARMONIZED",
        "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED",
        "COPERNICUS/S1_GRD",
        "USDA/NASS/CDL",
        "ESA/WorldCover/v200",
        "USDA/NAIP/DOQQ",
    } | set(TABLES) | {"JRC/D5/EUCROPMAP/V1", "AAFC/ACI"} == set(ids)
    types = {asset: world.info(asset)["type"] for asset in ids}
    assert types["USGS/SRTMGL1_003"] == "IMAGE"
    assert types["COPERNICUS/S2_SR_HARMONIZED"] == "IMAGE_COLLECTION"
    assert all(types[table] == "TABLE" for table in TABLES)


def test_members_of_collections_are_images(world: World):
    info = world.info("USDA/NASS/CDL/2023")
    assert info["type"] == "IMAGE"
    assert info["properties"]["system:index"] == "2023"


def test_every_image_says_what_it_has(world: World, ms: Callable, case: NamedTuple):
    if world.info(case.asset)["type"] == "IMAGE":
        found: list[ImageInfo] = [world.image(case.asset)]
    else:
        found = list(world.images(case.asset, ms(2021, 1, 1), ms(2023, 1, 1), (*IOWA, *IOWA)))
    assert found
    for image in found[:3]:
        assert set(case.bands) <= {band.name for band in image.bands}
        assert image.properties["system:time_end"] > image.properties["system:time_start"]
        assert world.image(image.id).bands == image.bands


@pytest.mark.parametrize("name", ["COPERNICUS/S3", "", "COPERNICUS/S2_SR_HARMONIZED", "USDA/NASS/CDL", "a/b/c"])
def test_what_is_not_an_image_is_refused(world: World, name: str):
    with pytest.raises(AssetNotFoundError):
        world.image(name)


def test_collections_and_tables_that_are_not_there(world: World):
    with pytest.raises(AssetNotFoundError, match="no image collection"):
        list(world.images("USGS/SRTMGL1_003", None, None, None))
    with pytest.raises(AssetNotFoundError, match="no table"):
        world.features("projects/rsbot/assets/world/nuclear_plants", None)
    with pytest.raises(AssetNotFoundError):
        world.info("nothing/at/all")


def test_a_world_without_bounds_can_be_walked_lazily(world: World):
    features = iter(world.features(TABLES[0], None))
    assert len([next(features) for _ in range(3)]) == 3
    images = iter(world.images("COPERNICUS/S2_SR_HARMONIZED", None, None, None))
    assert next(images).id.startswith("COPERNICUS/S2_SR_HARMONIZED/2017")
