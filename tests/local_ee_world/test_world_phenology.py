from __future__ import annotations

import numpy as np
import pytest

from rsbot_beam.local_ee.world.covers import Material
from rsbot_beam.local_ee.world.crops import Crop
from rsbot_beam.local_ee.world.phenology import SEASONS, latitude_shift, stand, wild_leaf_area

DAYS = np.arange(1, 366, dtype=np.float32)


def leaf_area(crop: Crop, days: np.ndarray = DAYS) -> np.ndarray:
    return stand(np.full(days.shape, crop, dtype=np.uint8), days.astype(np.float32)).leaf_area


def peak(crop: Crop) -> int:
    return int(DAYS[np.argmax(leaf_area(crop))])


def test_every_crop_has_a_season():
    assert set(SEASONS) == set(Crop)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (Crop.WINTER_WHEAT, Crop.MAIZE),
        (Crop.RAPESEED, Crop.WINTER_WHEAT),
        (Crop.WINTER_WHEAT, Crop.SPRING_WHEAT),
        (Crop.BARLEY, Crop.SOYBEAN),
        (Crop.POTATO, Crop.SUGAR_BEET),
    ],
)
def test_crops_peak_in_the_known_order(earlier: Crop, later: Crop):
    assert peak(earlier) < peak(later)


@pytest.mark.parametrize(
    ("crop", "first", "last"),
    [(Crop.WINTER_WHEAT, 115, 160), (Crop.MAIZE, 195, 235), (Crop.SOYBEAN, 205, 245), (Crop.RICE, 200, 240)],
)
def test_peaks_are_where_handbooks_put_them(crop: Crop, first: int, last: int):
    assert first <= peak(crop) <= last


@pytest.mark.parametrize("crop", list(Crop))
def test_leaf_area_is_plausible(crop: Crop):
    area = leaf_area(crop)
    assert area.min() >= 0
    assert area.max() <= 6
    assert area.max() > 0.4


@pytest.mark.parametrize("crop", [Crop.MAIZE, Crop.SOYBEAN, Crop.COTTON, Crop.POTATO])
def test_summer_crops_leave_the_ground_bare_in_spring(crop: Crop):
    assert leaf_area(crop)[80] < 0.1


@pytest.mark.parametrize("crop", [Crop.WINTER_WHEAT, Crop.RYE, Crop.RAPESEED])
def test_winter_crops_are_green_in_the_autumn_before(crop: Crop):
    before = leaf_area(crop, np.arange(-40, -10))
    assert before.min() > 0.4
    assert leaf_area(crop, np.arange(-150, -120)).max() < 0.05


def test_alfalfa_is_cut_several_times_and_grows_again():
    area = leaf_area(Crop.ALFALFA)[100:290]
    drops = np.flatnonzero(np.diff(area) < -1.0)
    assert len(drops) == 4
    assert all(area[drop + 20] > 1.8 * area[drop + 1] for drop in drops[:-1])


def test_wheat_then_soybean_has_two_peaks():
    area = leaf_area(Crop.WHEAT_THEN_SOYBEAN)
    assert area[130] > 2.5
    assert area[192] < 0.8
    assert area[235] > 2.5


def test_harvest_ends_the_crop_and_leaves_stubble():
    days = np.array([185.0, 195.0, 260.0, 364.0], dtype=np.float32)
    wheat = stand(np.full(4, Crop.WINTER_WHEAT, dtype=np.uint8), days)
    assert wheat.leaf_area[1] == 0
    assert wheat.dry[1] > 0.4 > wheat.dry[2] > wheat.dry[3]


def test_rice_stands_in_water_before_it_closes():
    days = np.array([120.0, 150.0, 215.0, 300.0], dtype=np.float32)
    rice = stand(np.full(4, Crop.RICE, dtype=np.uint8), days)
    np.testing.assert_array_equal(rice.flooded > 0.5, [False, True, False, False])


def test_rapeseed_blooms_in_may_only():
    bloom = stand(np.full(DAYS.shape, Crop.RAPESEED, dtype=np.uint8), DAYS).flower
    assert 118 <= DAYS[np.argmax(bloom)] <= 138
    assert bloom[170] < 0.01
    assert stand(np.array([Crop.MAIZE], dtype=np.uint8), np.array([128.0], dtype=np.float32)).flower[0] == 0


def test_seasons_are_later_towards_the_poles_but_not_without_limit():
    crops = np.full(4, Crop.WINTER_WHEAT, dtype=np.uint8)
    shift = latitude_shift(crops, np.array([32.0, 42.0, 52.0, -52.0], dtype=np.float32))
    assert shift[0] < shift[1] == 0 < shift[2]
    assert shift[2] == shift[3]
    assert latitude_shift(crops[:1], np.array([0.0], dtype=np.float32))[0] > -70


def wild(material: Material, latitude: float) -> np.ndarray:
    size = DAYS.size
    return wild_leaf_area(np.full(size, material, np.uint8), DAYS, np.full(size, latitude, np.float32))


def test_broadleaved_woods_are_bare_in_winter_but_not_in_the_tropics():
    assert wild(Material.DECIDUOUS, 45)[20] < 0.2
    assert wild(Material.DECIDUOUS, 45)[200] > 4
    assert wild(Material.DECIDUOUS, 3).min() > 4


def test_conifers_are_always_green():
    assert np.ptp(wild(Material.EVERGREEN, 55)) < 0.6


def test_leaves_come_later_in_the_north():
    south, north = (int(np.argmax(wild(Material.DECIDUOUS, lat) > 2.3)) for lat in (38, 58))
    assert north - south > 20


@pytest.mark.parametrize("material", [Material.WATER, Material.ASPHALT, Material.TOWER, Material.BARREN])
def test_stones_have_no_leaves(material: Material):
    assert wild(material, 45).max() == 0
