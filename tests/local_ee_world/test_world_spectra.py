from __future__ import annotations

import numpy as np
import pytest

from rsbot_beam.local_ee.world.covers import Material
from rsbot_beam.local_ee.world.crops import Crop
from rsbot_beam.local_ee.world.phenology import Stand
from rsbot_beam.local_ee.world.radar import backscatter
from rsbot_beam.local_ee.world.spectra import BANDS, Surroundings, reflectance


def scene(material: Material, crop: Crop = Crop.MAIZE, leaf_area: float = 0.0, **extra: float) -> tuple:
    def one(name: str, default: float) -> np.ndarray:
        return np.array([extra.get(name, default)], dtype=np.float32)

    where = Surroundings(
        np.array([material], dtype=np.uint8),
        np.array([crop], dtype=np.uint8),
        one("brightness", 0.5),
        one("wetness", 0.0),
        one("turbidity", 0.2),
        one("variety", 1.0),
    )
    stands = Stand(np.array([leaf_area], dtype=np.float32), one("dry", 0.0), one("flower", 0.0), one("flooded", 0.0))
    return where, stands


def colour(*args: object, **extra: float) -> dict[str, float]:
    values = reflectance(*scene(*args, **extra))
    assert values.shape == (12, 1)
    return dict(zip(BANDS, values[:, 0].tolist(), strict=True))


def ndvi(bands: dict[str, float]) -> float:
    return (bands["B8"] - bands["B4"]) / (bands["B8"] + bands["B4"])


@pytest.mark.parametrize("material", list(Material))
def test_reflectance_is_between_0_and_1(material: Material):
    for leaf_area in (0.0, 1.0, 5.0):
        values = np.array(list(colour(material, leaf_area=leaf_area).values()))
        assert values.min() > 0
        assert values.max() < 1


def test_ndvi_grows_with_leaf_area_and_saturates():
    indices = [ndvi(colour(Material.CROP, leaf_area=area)) for area in (0.0, 0.5, 1.0, 2.0, 4.0, 6.0)]
    assert 0.05 < indices[0] < 0.3
    assert 0.8 < indices[-1] < 0.95
    steps = np.diff(indices)
    assert (steps > 0).all()
    assert steps[-1] < 0.4 * steps[1]


def test_water_is_dark_and_darkest_in_the_infrared():
    water = colour(Material.WATER)
    assert water["B8"] < 0.03
    assert water["B12"] < 0.02
    assert colour(Material.WATER, turbidity=1.0)["B4"] > water["B4"] + 0.02


def test_wet_soil_is_darker_most_in_the_short_wave_infrared():
    dry, wet = colour(Material.CROP), colour(Material.CROP, wetness=1.0)
    assert all(wet[band] < dry[band] for band in BANDS)
    assert wet["B11"] / dry["B11"] < wet["B4"] / dry["B4"]


def test_blooming_rapeseed_is_yellow():
    green = colour(Material.CROP, Crop.RAPESEED, leaf_area=4.0)
    yellow = colour(Material.CROP, Crop.RAPESEED, leaf_area=4.0, flower=1.0)
    assert yellow["B3"] > 1.5 * green["B3"]
    assert yellow["B4"] > 2.0 * green["B4"]
    assert yellow["B2"] < 1.3 * green["B2"]


def test_solar_panels_are_dark_and_blue_beside_soil():
    panel, soil = colour(Material.PANEL), colour(Material.CROP)
    assert panel["B4"] < 0.7 * soil["B4"]
    assert panel["B2"] / panel["B4"] > soil["B2"] / soil["B4"]


def test_snow_is_bright_in_the_visible_and_dark_in_the_short_wave_infrared():
    snow = colour(Material.SNOW)
    assert snow["B3"] > 0.8
    assert snow["B11"] < 0.2


def test_crops_in_full_leaf_differ_less_than_fields_do():
    """A single date must not give the crop away."""
    full = np.array([list(colour(Material.CROP, crop, leaf_area=4.0).values()) for crop in Crop])
    thin, dense = (np.array(list(colour(Material.CROP, leaf_area=area).values())) for area in (2.0, 5.0))
    between_crops = full[:, BANDS.index("B8")].std()
    between_stands = abs(dense - thin)[BANDS.index("B8")]
    assert between_crops < between_stands


def echo(*args: object, **extra: float) -> tuple[float, float]:
    values = backscatter(*scene(*args, **extra))
    assert values.shape == (2, 1)
    return float(values[0, 0]), float(values[1, 0])


@pytest.mark.parametrize("material", list(Material))
def test_radar_levels_are_plausible(material: Material):
    vv, vh = echo(material, leaf_area=2.0)
    assert -32 < vh < vv < 5


def test_radar_sees_water_woods_and_towns_apart():
    assert echo(Material.WATER)[0] < echo(Material.CROP)[0] < echo(Material.RED_ROOF)[0]
    assert echo(Material.DECIDUOUS)[1] > echo(Material.CROP)[1]


def test_radar_of_broad_leaves_grows_and_of_cereals_falls():
    bare = echo(Material.CROP, Crop.WINTER_WHEAT)
    assert echo(Material.CROP, Crop.WINTER_WHEAT, leaf_area=4.0)[0] < bare[0]
    assert echo(Material.CROP, Crop.SUGAR_BEET, leaf_area=4.0)[1] > bare[1] + 3.0


def test_radar_sees_wet_soil_and_flooded_rice():
    bare = echo(Material.CROP, Crop.RICE)
    assert echo(Material.CROP, Crop.RICE, wetness=1.0)[0] > bare[0] + 2.0
    assert echo(Material.CROP, Crop.RICE, flooded=1.0)[0] < bare[0] - 4.0
