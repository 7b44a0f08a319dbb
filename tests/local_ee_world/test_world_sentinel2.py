from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from affine import Affine

from rsbot_beam.local_ee.provider import AssetNotFoundError, PixelGrid
from rsbot_beam.local_ee.world import World
from rsbot_beam.local_ee.world.sentinel2 import ALL_BANDS

BAVARIA = (11.6, 48.9)
CLOUD_SCORE = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
IOWA = (-93.5, 42.0)
PAMPA = (-61.5, -34.0)
S2 = "COPERNICUS/S2_SR_HARMONIZED"

DAY = 86_400_000


def images(world: World, ms: Callable, place: tuple, start: tuple, end: tuple, asset: str = S2) -> list:
    lon, lat = place
    return list(world.images(asset, ms(*start), ms(*end), (lon, lat, lon, lat)))


def test_an_image_every_five_days(world: World, ms: Callable):
    found = images(world, ms, IOWA, (2023, 4, 1), (2023, 10, 1))
    times = np.array([image.properties["system:time_start"] for image in found])
    assert len(found) in (36, 37)
    assert set(np.diff(times) // DAY) == {5}


def test_periods_are_half_open(world: World, ms: Callable):
    found = images(world, ms, IOWA, (2023, 6, 1), (2023, 7, 1))
    first = found[0].properties["system:time_start"]
    box = (*IOWA, *IOWA)
    assert [i.id for i in world.images(S2, first, first + 1, box)] == [found[0].id]
    assert not list(world.images(S2, first - 1, first, box))


def test_the_collection_begins_and_ends(world: World, ms: Callable):
    found = list(world.images(S2, None, None, (*IOWA, *IOWA)))
    assert 690 < len(found) < 720
    times = [image.properties["system:time_start"] for image in found]
    assert times == sorted(times)
    assert ms(2017, 3, 28) <= times[0] < ms(2017, 4, 3)
    assert ms(2026, 12, 26) < times[-1] < ms(2027, 1, 1)
    assert not images(world, ms, IOWA, (2010, 1, 1), (2011, 1, 1))


def test_images_over_several_cells_are_in_order_of_days(world: World, ms: Callable):
    found = list(world.images(S2, ms(2023, 6, 1), ms(2023, 6, 11), (5.0, 47.0, 13.0, 49.0)))
    assert {image.properties["MGRS_TILE"][:3] for image in found} == {"31T", "31U", "32T", "32U", "33T", "33U"}
    days = [image.properties["system:time_start"] // DAY for image in found]
    assert days == sorted(days)


def test_names_and_properties_are_of_the_real_style(world: World, ms: Callable):
    image = images(world, ms, BAVARIA, (2023, 6, 1), (2023, 6, 8))[0]
    index = image.properties["system:index"]
    assert re.fullmatch(r"202306\d\dT\d{6}_202306\d\dT\d{6}_T32U[A-Z]{2}", index)
    assert image.id == f"{S2}/{index}"
    assert world.image(image.id).properties["system:time_start"] == image.properties["system:time_start"]
    assert 0 <= image.properties["CLOUDY_PIXEL_PERCENTAGE"] <= 100
    assert 20 < image.properties["MEAN_SOLAR_ZENITH_ANGLE"] < 60
    assert {"MGRS_TILE", "SPACECRAFT_NAME", "system:time_end"} <= set(image.properties)
    assert "no such property" not in image.properties
    assert dict(image.properties)["CLOUDY_PIXEL_PERCENTAGE"] == image.properties["CLOUDY_PIXEL_PERCENTAGE"]


def test_the_satellite_passes_in_the_morning_of_the_place(world: World, ms: Callable):
    for place in (IOWA, BAVARIA, PAMPA):
        for image in images(world, ms, place, (2023, 3, 1), (2023, 3, 11)):
            hours = image.properties["system:time_start"] % DAY / 3_600_000 + place[0] / 15
            assert 9.5 < hours % 24 < 11.5


def test_bands_have_their_dtypes_and_grids(world: World, ms: Callable):
    image = images(world, ms, BAVARIA, (2023, 6, 1), (2023, 6, 8))[0]
    bands = {band.name: band for band in image.bands}
    assert set(bands) == set(ALL_BANDS)
    assert {"B1", "B8A", "B12", "AOT", "WVP", "SCL", "TCI_R", "QA60", "MSK_CLDPRB"} <= set(bands)
    assert "B10" not in bands
    assert bands["B4"].dtype == np.uint16
    assert bands["SCL"].dtype == np.uint8
    sizes = [bands[name].transform.a for name in ("B4", "B11", "B1")]
    assert sizes == [10, 20, 60]
    assert all(band.crs == "EPSG:32632" for band in image.bands)


def test_pixels_have_the_declared_dtype_and_shape(world: World, grid_at: Callable, image_near: Callable):
    name = image_near(BAVARIA, 2023, 6, 1)
    declared = {band.name: band.dtype for band in world.image(name).bands}
    pixels = world.pixels(name, ALL_BANDS, grid_at(BAVARIA, 24))
    assert list(pixels) == list(ALL_BANDS)
    for band, (values, valid) in pixels.items():
        assert values.dtype == declared[band], band
        assert values.shape == valid.shape == (24, 24)
        assert valid.dtype == np.bool_
        assert valid.all()


def test_outside_its_cell_an_image_is_invalid(world: World, image_near: Callable):
    grid = PixelGrid("EPSG:4326", Affine(0.001, 0, 11.98, 0, -0.001, 48.02), (40, 40))
    values, valid = world.pixels(image_near((11.9, 47.9), 2023, 6, 1), ["B4"], grid)["B4"]
    np.testing.assert_array_equal(valid, (grid.lon < 12.0) & (grid.lat < 48.0))
    assert (values[~valid] == 0).all()
    assert (values[valid] > 0).all()


def test_far_away_an_image_has_no_pixels(world: World, grid_at: Callable, image_near: Callable):
    values, valid = world.pixels(image_near(IOWA, 2023, 6, 1), ["B4", "SCL"], grid_at(BAVARIA, 8))["SCL"]
    assert not valid.any()
    assert not values.any()


def test_days_differ_and_bands_agree_with_each_other(world: World, grid_at: Callable, ms: Callable):
    grid = grid_at(IOWA, 48)
    found = images(world, ms, IOWA, (2023, 6, 1), (2023, 8, 1))
    one, other = (world.pixels(image.id, ["B4", "B8"], grid) for image in found[:2])
    assert (one["B8"][0] != other["B8"][0]).mean() > 0.9
    alone = world.pixels(found[0].id, ["B8"], grid)["B8"][0]
    np.testing.assert_array_equal(alone, one["B8"][0])


@pytest.mark.parametrize("index", ["20230601", "nonsense", "20230601T101031_20230601T101035_T33UVP", ""])
def test_images_that_do_not_exist(world: World, grid_at: Callable, index: str):
    with pytest.raises(AssetNotFoundError):
        world.image(f"{S2}/{index}")
    with pytest.raises(AssetNotFoundError):
        world.pixels(f"{S2}/{index}", ["B4"], grid_at(BAVARIA, 4))


def test_a_wrong_band_is_named_with_those_there_are(world: World, grid_at: Callable, image_near: Callable):
    with pytest.raises(AssetNotFoundError, match=r"B10.*B8A"):
        world.pixels(image_near(IOWA, 2023, 6, 1), ["B10"], grid_at(IOWA, 4))


def test_no_images_in_the_polar_night(world: World, ms: Callable):
    lon, lat = 20.0, 76.0
    december = list(world.images(S2, ms(2022, 12, 1), ms(2023, 1, 1), (lon, lat, lon, lat)))
    june = list(world.images(S2, ms(2023, 6, 1), ms(2023, 7, 1), (lon, lat, lon, lat)))
    assert not december
    assert len(june) == 6


@pytest.fixture(scope="module")
def year_of_skies(world: World, grid_at: Callable, ms: Callable) -> list[dict]:
    grid = grid_at(BAVARIA, 64, 40.0)
    found = images(world, ms, BAVARIA, (2022, 1, 1), (2023, 1, 1))
    bands = ["SCL", "QA60", "MSK_CLDPRB", "B2", "B4", "B8", "B11"]
    pixels = [{b: v for b, (v, _) in world.pixels(image.id, bands, grid).items()} for image in found]
    scores = [world.pixels(image.id.replace(S2, CLOUD_SCORE), ["cs", "cs_cdf"], grid) for image in found]
    for day, score in zip(pixels, scores, strict=True):
        day.update({band: values for band, (values, _) in score.items()})
    return pixels


def test_a_third_to_two_thirds_is_cloudy(year_of_skies: list[dict]):
    share = np.mean([np.isin(day["SCL"], (8, 9)).mean() for day in year_of_skies])
    assert 0.25 < share < 0.65
    whole_days = [np.isin(day["SCL"], (8, 9)).mean() for day in year_of_skies]
    assert sum(share < 0.02 for share in whole_days) > 8
    assert sum(share > 0.98 for share in whole_days) > 8


def test_classes_of_the_scene_occur_and_no_others(year_of_skies: list[dict]):
    classes = np.unique(next(np.unique(np.append(day["SCL"], 8)) for day in year_of_skies if day["SCL"].max() > 0))
    seen = set(np.concatenate([np.unique(day["SCL"]) for day in year_of_skies]).tolist())
    assert {3, 4, 5, 8, 9} <= seen
    assert seen <= {2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
    assert classes.size


def test_clouds_are_bright_and_shadows_dark(year_of_skies: list[dict]):
    values = {name: np.concatenate([day[name].ravel() for day in year_of_skies]) for name in ("SCL", "B2", "B8")}
    clear = np.isin(values["SCL"], (4, 5))
    cloud, shadow = values["SCL"] == 9, values["SCL"] == 3
    assert np.median(values["B2"][cloud]) > 4 * np.median(values["B2"][clear])
    assert np.median(values["B8"][shadow]) < 0.8 * np.median(values["B8"][clear])


def test_masks_agree_with_each_other(year_of_skies: list[dict]):
    values = {
        name: np.concatenate([day[name].ravel() for day in year_of_skies]) for name in ("SCL", "QA60", "MSK_CLDPRB")
    }
    opaque = (values["QA60"] & (1 << 10)) > 0
    assert (opaque == (values["SCL"] == 9)).mean() > 0.99
    assert set(np.unique(values["QA60"])) <= {0, 1024, 2048, 3072}
    assert values["MSK_CLDPRB"][opaque].min() > 50
    assert values["MSK_CLDPRB"].max() <= 100


def test_cloud_score_follows_the_clouds_but_is_not_the_truth(year_of_skies: list[dict]):
    names = ("SCL", "cs", "cs_cdf")
    values = {name: np.concatenate([day[name].ravel() for day in year_of_skies]) for name in names}
    cloudy, clear = np.isin(values["SCL"], (3, 8, 9, 10)), np.isin(values["SCL"], (4, 5, 6))
    for name in ("cs", "cs_cdf"):
        assert values[name].dtype == np.float32
        assert values[name].min() >= 0
        assert values[name].max() <= 1
        agreement = ((values[name] >= 0.6) == clear)[cloudy | clear].mean()
        assert 0.9 < agreement < 0.999
    assert np.unique(values["cs"][clear]).size > 100


def test_cloud_score_links_by_index(world: World, ms: Callable):
    ours = [i.properties["system:index"] for i in images(world, ms, IOWA, (2023, 6, 1), (2023, 7, 1))]
    scores = images(world, ms, IOWA, (2023, 6, 1), (2023, 7, 1), CLOUD_SCORE)
    assert [image.properties["system:index"] for image in scores] == ours
    assert [band.name for band in scores[0].bands] == ["cs", "cs_cdf"]
    assert world.image(scores[0].id).footprint.equals(scores[0].footprint)


def test_cloud_percentage_is_about_what_is_seen(world: World, ms: Callable):
    cell = PixelGrid("EPSG:4326", Affine(0.3, 0, 6.0, 0, -0.4, 56.0), (20, 20))
    found = images(world, ms, BAVARIA, (2022, 5, 1), (2022, 7, 1))
    seen = [np.isin(world.pixels(i.id, ["SCL"], cell)["SCL"][0], (8, 9, 10)).mean() * 100 for i in found]
    said = [image.properties["CLOUDY_PIXEL_PERCENTAGE"] for image in found]
    assert np.corrcoef(seen, said)[0, 1] > 0.9
    assert np.ptp(said) > 50


def test_some_months_are_all_cloud_somewhere(world: World, ms: Callable):
    """What a time series has to live with."""
    lost = 0
    for lon in np.arange(-1.5, 28.0, 6.0):
        place = PixelGrid("EPSG:4326", Affine(0.01, 0, lon, 0, -0.01, 51.0), (2, 2))
        for month in range(1, 13):
            scores = [
                world.pixels(image.id, ["cs_cdf"], place)["cs_cdf"][0].max()
                for image in images(world, ms, (lon, 51.0), (2021, month, 1), (2021, month, 28), CLOUD_SCORE)
            ]
            lost += max(scores) < 0.6
    assert 1 <= lost <= 25
