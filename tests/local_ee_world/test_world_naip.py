from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from affine import Affine

from rsbot_beam.local_ee.provider import AssetNotFoundError, PixelGrid, transformer
from rsbot_beam.local_ee.world import World

BAVARIA = (11.6, 48.9)
IOWA = (-93.5, 42.0)

NAIP = "USDA/NAIP/DOQQ"
WIND = "projects/rsbot/assets/world/wind_turbines"
SOLAR = "projects/rsbot/assets/world/solar_plants"


def newest(world: World, lon: float, lat: float) -> str:
    return list(world.images(NAIP, None, None, (lon, lat, lon, lat)))[-1].id


def close_up(world: World, lon: float, lat: float, size: int = 300) -> tuple[dict[str, np.ndarray], PixelGrid]:
    x, y = transformer("EPSG:4326", "EPSG:32615").transform(lon, lat)
    grid = PixelGrid("EPSG:32615", Affine(1, 0, np.floor(x) - size / 2, 0, -1, np.floor(y) + size / 2), (size, size))
    pixels = world.pixels(newest(world, lon, lat), ["R", "G", "B", "N"], grid)
    return {band: values for band, (values, _) in pixels.items()}, grid


def first(world: World, asset: str) -> tuple:
    return next(f for f in world.features(asset, (-94.2, 41.5, -92.8, 42.5)) if f[2].get("area_m2", 3e4) < 6e4)


def test_an_image_every_second_summer(world: World, ms: Callable):
    years = [int(image.id[-8:-4]) for image in world.images(NAIP, ms(2010, 1, 1), ms(2024, 1, 1), (*IOWA, *IOWA))]
    assert np.diff(years).tolist() == [2] * (len(years) - 1)
    image = world.image(newest(world, *IOWA))
    assert [band.name for band in image.bands] == ["R", "G", "B", "N"]
    assert {str(band.dtype) for band in image.bands} == {"uint8"}
    assert image.bands[0].transform.a == 1.0


def test_a_turbine_is_plain_to_see(world: World):
    _, point, properties = first(world, WIND)
    bands, _ = close_up(world, point.x, point.y)
    bright = sum(bands[band].astype(int) for band in "RGB")
    middle = bright[147:154, 147:154]
    assert middle.max() > 3 * 240
    assert (bright > 3 * 240).sum() > properties["rotor_diameter"] / 2
    assert (bright < np.median(bright) * 0.65).sum() > 50  # its shadow


def test_panels_stand_in_rows(world: World):
    _, polygon, _ = first(world, SOLAR)
    bands, _ = close_up(world, polygon.centroid.x, polygon.centroid.y, 64)
    profile = bands["N"].astype(float)[:, 28:36].mean(axis=1)
    spectrum = np.abs(np.fft.rfft(profile - profile.mean()))
    assert 64 / np.argmax(spectrum[3:] > 0.9 * spectrum[3:].max()) > 6.5 or spectrum.argmax() >= 5
    assert profile.std() > 10


def test_pixels_are_bytes_and_vary_within_fields(world: World):
    bands, _ = close_up(world, *IOWA, 128)
    for values in bands.values():
        assert values.dtype == np.uint8
        assert values.std() > 1


def test_elsewhere_there_is_nothing(world: World, grid_at: Callable):
    _, valid = world.pixels(newest(world, *IOWA), ["R"], grid_at(BAVARIA, 4, 1.0))["R"]
    assert not valid.any()


@pytest.mark.parametrize("index", ["m_15T_ne_15_1_20230705", "m_99T_ne_15_1_20250705", "x"])
def test_images_that_do_not_exist(world: World, index: str):
    with pytest.raises(AssetNotFoundError):
        world.image(f"{NAIP}/{index}")


def test_a_wrong_band_is_named(world: World, grid_at: Callable):
    with pytest.raises(AssetNotFoundError, match=r"'B4'.*R, G, B, N"):
        world.pixels(newest(world, *IOWA), ["B4"], grid_at(IOWA, 4))
