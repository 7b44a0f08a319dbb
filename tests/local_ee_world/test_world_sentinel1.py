from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from rsbot_beam.local_ee.provider import AssetNotFoundError
from rsbot_beam.local_ee.world import World

BAVARIA = (11.6, 48.9)
IOWA = (-93.5, 42.0)
PAMPA = (-61.5, -34.0)

S1 = "COPERNICUS/S1_GRD"
DAY = 86_400_000


def images(world: World, ms: Callable, place: tuple = IOWA, year: int = 2022) -> list:
    return list(world.images(S1, ms(year, 1, 1), ms(year + 1, 1, 1), (*place, *place)))


@pytest.mark.parametrize("place", [IOWA, BAVARIA, PAMPA])
def test_both_directions_every_twelve_days(world: World, ms: Callable, place: tuple):
    found = images(world, ms, place)
    for direction in ("ASCENDING", "DESCENDING"):
        times = [i.properties["system:time_start"] for i in found if i.properties["orbitProperties_pass"] == direction]
        assert len(times) in (30, 31)
        assert set(np.diff(times)) == {12 * DAY}


def test_properties_are_what_recipes_filter_by(world: World, ms: Callable):
    image = images(world, ms)[0]
    assert image.properties["instrumentMode"] == "IW"
    assert image.properties["transmitterReceiverPolarisation"] == ["VV", "VH"]
    assert image.properties["resolution_meters"] == 10
    assert re.fullmatch(
        r"S1A_IW_GRDH_1SDV_\d{8}T\d{6}_\d{8}T\d{6}_\d{6}_[0-9A-F]{6}_[0-9A-F]{4}", image.id.split("/")[-1]
    )
    again = world.image(image.id)
    assert again.properties == image.properties
    assert {band.name: str(band.dtype) for band in image.bands} == {
        "VV": "float64",
        "VH": "float64",
        "angle": "float32",
    }


def test_backscatter_is_in_decibels(world: World, ms: Callable, grid_at: Callable):
    pixels = world.pixels(images(world, ms)[10].id, ["VV", "VH", "angle"], grid_at(IOWA, 96))
    vv, vh, angle = (pixels[band][0] for band in ("VV", "VH", "angle"))
    assert vv.dtype == np.float64
    assert angle.dtype == np.float32
    assert -18 < vv.mean() < -6
    assert 3 < (vv - vh).mean() < 12
    assert 30 <= angle.min() <= angle.max() <= 46
    assert pixels["VV"][1].all()


def test_speckle_is_new_on_every_date_and_averages_out(world: World, ms: Callable, grid_at: Callable):
    grid = grid_at(IOWA, 48)
    series = np.stack([world.pixels(i.id, ["VV"], grid)["VV"][0] for i in images(world, ms)[20:36:2]])
    noise = series - series.mean(axis=(1, 2), keepdims=True)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.9
    steps = np.diff(series[0], axis=1)
    assert 1.5 < steps.std() / np.sqrt(2) < 3.0


def test_images_that_do_not_exist(world: World):
    for index in ("x", "S1A_IW_GRDH_1SDV_20220101T000000_20220101T000025_000001_000001_FFFF"):
        with pytest.raises(AssetNotFoundError):
            world.image(f"{S1}/{index}")


def test_a_wrong_band_is_named(world: World, ms: Callable, grid_at: Callable):
    with pytest.raises(AssetNotFoundError, match=r"'HH'.*VV"):
        world.pixels(images(world, ms)[0].id, ["HH"], grid_at(IOWA, 4))


def test_outside_its_cell_it_is_invalid(world: World, ms: Callable, grid_at: Callable):
    _, valid = world.pixels(images(world, ms)[0].id, ["VV"], grid_at(BAVARIA, 4))["VV"]
    assert not valid.any()
