"""What the images show of the crops that the maps name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rsbot_beam.local_ee.world import World

BAVARIA = (11.6, 48.9)
CDL = "USDA/NASS/CDL"
CLOUD_SCORE = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
IOWA = (-93.5, 42.0)
PAMPA = (-61.5, -34.0)
S2 = "COPERNICUS/S2_SR_HARMONIZED"

MAIZE, SOYBEAN, WINTER_WHEAT = 1, 5, 24


def ndvi_by_crop(
    world: World, grid: object, place: tuple, crops: np.ndarray, start: int, end: int
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Days and mean NDVI over the clear pixels of each crop."""
    lon, lat = place
    seen: dict[int, list[tuple[float, float]]] = {int(code): [] for code in np.unique(crops)}
    for image in world.images(S2, start, end, (lon, lat, lon, lat)):
        bands = world.pixels(image.id, ["B4", "B8"], grid)
        clear = world.pixels(image.id.replace(S2, CLOUD_SCORE), ["cs_cdf"], grid)["cs_cdf"][0] > 0.65
        red, near = (bands[band][0].astype(float) for band in ("B4", "B8"))
        index = (near - red) / (near + red)
        for code, series in seen.items():
            at = clear & (crops == code)
            if at.sum() > 50:
                series.append((image.properties["system:time_start"], index[at].mean()))
    return {
        code: tuple(np.array(column) for column in zip(*series, strict=True)) for code, series in seen.items() if series
    }


@pytest.fixture(scope="module")
def corn_belt(world: World, grid_at: Callable, ms: Callable) -> dict:
    grid = grid_at(IOWA, 128, 50.0)
    crops = world.pixels(f"{CDL}/2023", ["cropland"], grid)["cropland"][0]
    return ndvi_by_crop(world, grid, IOWA, crops, ms(2023, 3, 1), ms(2023, 11, 1))


def day_of_peak(series: tuple[np.ndarray, np.ndarray], start: int) -> float:
    days, values = series
    return float((days[np.argmax(values)] - start) / 86_400_000)


def test_winter_wheat_peaks_before_maize(corn_belt: dict, ms: Callable):
    start = ms(2023, 1, 1)
    assert day_of_peak(corn_belt[WINTER_WHEAT], start) + 40 < day_of_peak(corn_belt[MAIZE], start)


def test_maize_is_bare_in_spring_and_green_in_summer(corn_belt: dict, ms: Callable):
    days, values = corn_belt[MAIZE]
    assert values[days < ms(2023, 5, 1)].max() < 0.35
    assert values[(days > ms(2023, 7, 20)) & (days < ms(2023, 8, 20))].min() > 0.6


def test_a_single_day_does_not_tell_maize_from_soybean(corn_belt: dict, ms: Callable):
    summer = [values[(days > ms(2023, 8, 1)) & (days < ms(2023, 8, 20))].mean() for days, values in
              (corn_belt[MAIZE], corn_belt[SOYBEAN])]  # fmt: skip
    assert abs(summer[0] - summer[1]) < 0.1


def test_the_southern_summer_is_half_a_year_away(world: World, grid_at: Callable, ms: Callable):
    grid = grid_at(PAMPA, 128, 50.0)
    crops = world.pixels(f"{CDL}/2023", ["cropland"], grid)["cropland"][0]
    seen = ndvi_by_crop(world, grid, PAMPA, crops, ms(2022, 7, 1), ms(2023, 7, 1))
    days, values = seen[MAIZE]
    assert ms(2022, 12, 20) < days[np.argmax(values)] < ms(2023, 3, 15)
    assert values[days < ms(2022, 10, 1)].mean() < values.max() - 0.3


def test_crops_rotate_on_the_map(world: World, grid_at: Callable):
    grid = grid_at(IOWA, 128, 50.0)
    years = [world.pixels(f"{CDL}/{year}", ["cropland", "cultivated"], grid) for year in (2021, 2022, 2023)]
    farmed = years[0]["cultivated"][0] == 2
    assert 0.2 < farmed.mean() < 0.8
    changed = (years[0]["cropland"][0] != years[1]["cropland"][0])[farmed].mean()
    assert 0.35 < changed < 0.95
    # What is not farmed stays as it is.
    assert (years[0]["cropland"][0] == years[2]["cropland"][0])[~farmed].mean() > 0.99


def test_fields_have_one_crop_and_a_sensible_size(world: World, grid_at: Callable):
    grid = grid_at(BAVARIA, 256)
    layers = world.pixels(f"{CDL}/2022", ["cropland", "cultivated"], grid)
    crops, farmed = layers["cropland"][0], layers["cultivated"][0] == 2
    same = (crops[:, 1:] == crops[:, :-1])[farmed[:, 1:] & farmed[:, :-1]].mean()
    # A border every 5 to 40 pixels along a row.
    assert 0.85 < same < 0.985


def test_two_fields_of_a_crop_are_not_alike(world: World, grid_at: Callable, ms: Callable):
    """Sowing dates and vigour differ from field to field, more than pixels do within one."""
    grid = grid_at(IOWA, 128)
    landscape = world._sources[CDL]._landscape
    kept = landscape.kept(grid, landscape.cells(grid).cells[0], 2023)
    lon, lat = IOWA
    image = next(
        image
        for image in world.images(S2, ms(2023, 6, 20), ms(2023, 9, 1), (lon, lat, lon, lat))
        if world.pixels(image.id.replace(S2, CLOUD_SCORE), ["cs_cdf"], grid)["cs_cdf"][0].min() > 0.7
    )
    near = world.pixels(image.id, ["B8"], grid)["B8"][0].ravel().astype(float)
    crops = world.pixels(f"{CDL}/2023", ["cropland"], grid)["cropland"][0].ravel()
    maize = crops == MAIZE
    fields = kept.surface.unit[maize]
    means = np.array([near[maize][fields == field].mean() for field in np.unique(fields)])
    within = np.mean([near[maize][fields == field].std() for field in np.unique(fields)])
    assert means.size > 5
    assert means.std() > 0.15 * within
    assert within > 0.03 * means.mean()
