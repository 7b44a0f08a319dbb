"""Power plants: 119 small, overlapping chips in degrees, and their masks."""

from __future__ import annotations

from functools import partial

import pytest

from .exports import check_raw
from .learned import check_learned
from .manifests import read_plants
from .oracle import layer, middle, mosaic, nothing_like, owners, read_file
from .regions import around

pytestmark = [pytest.mark.real_data, pytest.mark.integration]

BANDS = ("B4", "B3", "B2")
RESOLUTION = 0.0001347472926179282  # degrees: 15 m, Earth Engine's grid of the chips


@pytest.fixture(scope="module")
def plants(data):
    """(chip, mask, fuel) in the order in which the recipe puts them on top of each other."""
    folder = data / "energy" / "us_power_plants_l8"
    listed = sorted(read_plants(data), key=lambda plant: int(plant["egrid_ID"]))
    return [(folder / plant["image"], folder / plant["mask"], plant["primary_fuel"]) for plant in listed]


@pytest.fixture(scope="module")
def region(plants, region_file):
    """The places of all chips, and a little more."""
    return region_file(around(chip, 5 * RESOLUTION) for chip, _, _ in plants)


def is_near(chip, key):
    """Whether a tile may meet a chip: either has less than 0.012 degrees a side."""
    lon, lat = middle(key)
    transform = read_file(chip)[1]["transform"]
    return abs(lon - transform.c) < 0.03 and abs(lat - transform.f) < 0.03


def expected(key, plants):
    near = [(chip, mask) for chip, mask, _ in plants if is_near(chip, key)]
    chip, mask = near[0] if near else plants[0][:2]
    found = {
        band: mosaic([layer(chip, band, key) for chip, _ in near] or [nothing_like(layer(chip, band, key))])
        for band in BANDS
    }
    labels = [layer(mask, 1, key) for _, mask in near] or [nothing_like(layer(mask, 1, key))]
    return found | {"plant": mosaic(labels)}


@pytest.fixture(scope="module")
def all_plants(export, region):
    return export(
        "power_plants",
        region=region,
        year=2014,
        crs="EPSG:4326",
        resolution=RESOLUTION,
        patch_size=32,
        split="60,20,20",
        split_block=2000,
    )


def test_every_pixel_is_that_of_the_chip_on_top(all_plants, plants):
    check_raw(all_plants, partial(expected, plants=plants), inputs=3)


def test_chips_overlap_so_that_their_order_matters(all_plants, plants):
    differing = 0
    for key, patch in all_plants.patches.items():
        differing += int((expected(key, plants[::-1])["B4"].values != patch.pixels["B4"]).sum())
    assert differing > 1000


def test_no_chip_is_left_out(all_plants, plants):
    for chip, _, _ in plants:
        assert owners(chip, "EPSG:4326", RESOLUTION, 32, (0.0, 0.0)) <= set(all_plants.patches)


def test_background_is_a_class_and_ground_without_chips_has_none(all_plants):
    patches = list(all_plants.patches.values())
    assert any((patch.label_valid & (patch.label == 0)).any() for patch in patches)
    assert any(not patch.label_valid.all() for patch in patches)
    counted = {item["code"]: sum(item["pixels"].values()) for item in all_plants.dataset["classes"]}
    assert set(counted) == {0, 1, 2, 3}
    assert all(counted.values())


def test_what_is_learned_is_what_numpy_computes(all_plants):
    assert all(check_learned(all_plants).values())


def test_solar_plants_alone_in_metres(export, plants, region_file):
    """A filter by property, and UTM instead of degrees: each pixel is the chip's that contains its centre."""
    solar = [plant for plant in plants if plant[2] == "SUN"]
    found = export(
        "power_plants",
        set="fuel=SUN",
        region=region_file(around(chip, 0) for chip, _, _ in solar),
        year=2014,
        crs="utm",
        resolution=15,
        patch_size=48,
        steps="fetch",
    )
    check_raw(found, partial(expected, plants=solar), inputs=3)
    assert len({key.crs for key in found.patches}) > 1
