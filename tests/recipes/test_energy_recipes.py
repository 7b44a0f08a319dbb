"""The recipes solar, wind and power_plants: facts, refusals, and pixels in the world and in chips of the user's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rsbot_beam.data.label_features import LabelFeatures
from rsbot_beam.data.period import Period
from rsbot_beam.earthengine import Endpoint
from rsbot_beam.errors import RecipeError
from rsbot_beam.geometry import TileKey, read_region
from rsbot_beam.local_ee.provider import PixelGrid
from rsbot_beam.local_ee.world import World
from rsbot_beam.recipes import PowerPlants, Recipe, Solar, Wind, load_recipe
from rsbot_beam.recipes.energy import PLANT, PLANT_SIZE, TURBINE_SIZE
from rsbot_beam.recipes.sources import build_source

YEAR = Period.year(2023)
IOWA, OCEAN = (-93.64, 42.01), (-40.0, 30.0)
SOLAR_PLANTS, WIND_TURBINES = "projects/rsbot/assets/world/solar_plants", "projects/rsbot/assets/world/wind_turbines"
# Middle of the chips that conftest.py writes.
CHIPS = (-93.6405, 42.012)
CHIP_KEY = TileKey("EPSG:32615", 10.0, 64, -465_152, 44_672)

FetchPatch = Callable[..., Any]


def test_codes_are_the_same_in_all_recipes() -> None:
    named = {item.code: item for item in PowerPlants().classes}
    assert [item.code for item in Solar().classes] == [0, 1]
    assert [item.code for item in Wind().classes] == [0, 2]
    assert all(named[item.code] == item for kind in (Solar, Wind) for item in kind().classes)
    assert "1 solar plant" in PLANT.description
    assert "2 wind turbine" in PLANT.description


@pytest.mark.parametrize("kind", [Solar, Wind, PowerPlants])
def test_all_of_them_detect(kind: type[Recipe]) -> None:
    assert kind().detects
    assert kind().steps(YEAR) == 0


def test_solar_plants_are_masks_and_boxes() -> None:
    recipe = Solar(labels="plants.gpkg", layer="pv")
    assert recipe.features(YEAR) == (LabelFeatures("plants.gpkg", 1, size=PLANT_SIZE, layer="pv"),)
    layout = recipe.layout(YEAR)
    assert (layout.label, layout.painted, layout.objects) == (PLANT, True, True)


def test_turbines_are_boxes_alone() -> None:
    recipe = Wind(labels=WIND_TURBINES, turbine_size=100.0)
    assert recipe.features(YEAR) == (LabelFeatures(WIND_TURBINES, 2, size=100.0),)
    layout = recipe.layout(YEAR)
    assert (layout.label, layout.painted, layout.objects) == (None, False, True)


def test_both_from_two_sources() -> None:
    recipe = PowerPlants(solar_labels=SOLAR_PLANTS, wind_labels="t.geojson", plant_size=300.0)
    assert recipe.features(YEAR) == (
        LabelFeatures(SOLAR_PLANTS, 1, size=300.0),
        LabelFeatures("t.geojson", 2, size=TURBINE_SIZE),
    )
    assert PowerPlants(wind_labels="t.geojson").features(YEAR) == (LabelFeatures("t.geojson", 2, size=TURBINE_SIZE),)


def test_both_from_two_layers_of_a_file() -> None:
    recipe = PowerPlants(
        solar_labels="de.gpkg", wind_labels="de.gpkg", solar_layer="pv", wind_layer="turbines", id_column="name"
    )
    assert [(item.source, item.layer, item.id_column) for item in recipe.features(YEAR)] == [
        ("de.gpkg", "pv", "name"),
        ("de.gpkg", "turbines", "name"),
    ]


def test_both_from_one_source() -> None:
    settings = {"labels": "wri.geojson", "column": "fuel", "codes": "Solar:1,Wind:2,*:0"}
    (features,) = load_recipe("power_plants", settings).features(YEAR)
    assert features == LabelFeatures("wri.geojson", None, "fuel", {"Solar": 1, "Wind": 2, "*": 0}, size=TURBINE_SIZE)
    (features,) = load_recipe("solar", settings | {"codes": "Solar:1,*:0"}).features(YEAR)
    assert features.codes == {"Solar": 1, "*": 0}


def test_a_mask_is_a_label_image_and_no_features() -> None:
    for kind in (Solar, Wind, PowerPlants):
        recipe = kind(mask="projects/p/assets/mask")
        layout = recipe.layout(YEAR)
        assert recipe.features(YEAR) == ()
        assert (layout.label, layout.painted, layout.objects) == (PLANT, False, True)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("solar", "labels"), ("wind", "labels"), ("power_plants", "solar_labels or wind_labels or labels")],
)
def test_without_labels_it_says_what_is_lacking(name: str, parameters: str) -> None:
    recipe = load_recipe(name)
    with pytest.raises(
        RecipeError, match=f"'{name}' has no labels: set {parameters} to a vector file .*table asset, or mask"
    ):
        recipe.layout(YEAR)


def test_the_resolution_follows_the_imagery_unless_it_is_given() -> None:
    assert Solar().resolution == 10.0
    assert Solar(imagery="naip").resolution == 1.0
    assert dataclasses.replace(Solar(), imagery="naip").resolution == 1.0
    assert dataclasses.replace(Solar(imagery="naip"), imagery="sentinel2").resolution == 10.0
    assert load_recipe("wind", {"imagery": "naip"}).resolution == 1.0
    assert load_recipe("wind", {"imagery": "naip", "resolution": "2"}).resolution == 2.0
    assert dataclasses.replace(Solar(resolution=20.0), imagery="naip").resolution == 20.0
    assert Solar(imagery="a/b", optical=("R",), dtype="uint8").resolution == 10.0
    assert Solar(imagery="naip").parameters()["resolution"] == 1.0


def test_a_default_resolution_of_one_s_own() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Fine(Solar):
        name = "fine"
        resolution = 5.0

    assert Fine().resolution == 5.0


@pytest.mark.parametrize(
    ("settings", "bands", "asset"),
    [
        ({}, ["B2", "B3", "B4", "B8", "B11", "B12"], "COPERNICUS/S2_SR_HARMONIZED"),
        ({"optical": "B8A,B4"}, ["B8A", "B4"], "COPERNICUS/S2_SR_HARMONIZED"),
        ({"imagery": "naip"}, ["R", "G", "B", "N"], "USDA/NAIP/DOQQ"),
        ({"imagery": "naip", "optical": "N,R"}, ["N", "R"], "USDA/NAIP/DOQQ"),
        ({"imagery": "projects/p/assets/x", "optical": "a,b", "dtype": "float32"}, ["a", "b"], None),
    ],
)
def test_bands_follow_the_imagery(settings: dict[str, str], bands: list[str], asset: str | None) -> None:
    recipe = load_recipe("solar", settings)
    assert [band.name for band in recipe.bands] == bands
    assert [item.id for item in recipe.assets][:1] == ([asset] if asset else [])
    if asset:
        assert recipe.assets[0].bands == tuple(bands)


@pytest.mark.parametrize(
    ("name", "settings", "complaint"),
    [
        ("solar", {"threshold": "-1"}, "threshold=-1.0 is not within"),
        ("solar", {"reducer": "p200"}, "reducer='p200' is not a way"),
        ("solar", {"imagery": "landsat"}, "imagery='landsat' is not one of sentinel2, naip, the id of an image"),
        ("solar", {"imagery": "a/b"}, "imagery='a/b' is an asset: set optical to its bands and dtype"),
        ("solar", {"imagery": "a/b", "optical": "R", "dtype": "int64"}, "dtype='int64' is not one of uint8"),
        ("solar", {"imagery": "a/b", "optical": "R,R", "dtype": "uint8"}, "optical lists R twice"),
        ("solar", {"dtype": "uint8"}, "dtype='uint8' is about imagery of your own"),
        ("solar", {"optical": "R"}, "COPERNICUS/S2_SR_HARMONIZED has no band 'R'"),
        ("solar", {"imagery": "naip", "optical": "B2"}, "USDA/NAIP/DOQQ has no band 'B2'; it has R, G, B, N"),
        ("solar", {"labels": "a.gpkg", "mask": "a/b"}, "mask='a/b' and labels='a.gpkg' both say where"),
        ("solar", {"labels": "a.gpkg", "column": "fuel"}, r"column='fuel' and codes=\[\] go together"),
        ("solar", {"codes": "Wind:2", "column": "fuel"}, r"codes has codes of no class: \{'Wind': 2\}"),
        ("solar", {"mask_band": "b1"}, "mask_band='b1' needs mask"),
        ("solar", {"mask": "a/b", "mask_classes": "x:1"}, "mask_classes: 'x' is no value of a mask"),
        ("solar", {"mask": "a/b", "mask_classes": "3:3"}, "mask_classes has codes of no class"),
        ("solar", {"mask": "a/b", "layer": "pv"}, "layer='pv' needs labels"),
        ("power_plants", {"wind_labels": "b", "solar_layer": "pv"}, "solar_layer='pv' needs solar_labels"),
        ("solar", {"plant_size": "0"}, "plant_size=0.0 must be a positive number"),
        ("wind", {"turbine_size": "nan"}, "turbine_size=nan must be a positive number"),
        ("wind", {"turbine_size": "big"}, "turbine_size='big' is not a number"),
        ("power_plants", {"labels": "a.gpkg"}, "labels='a.gpkg' and column=None go together"),
        (
            "power_plants",
            {"labels": "a", "column": "c", "codes": "s:1", "wind_labels": "b"},
            "one source of all plants",
        ),
        ("power_plants", {"mask": "a/b", "wind_labels": "b"}, "mask='a/b' and wind_labels='b' both"),
        ("wind", {"resolution": "-1"}, "`resolution` is -1.0"),
    ],
)
def test_what_is_refused_before_any_request(name: str, settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        load_recipe(name, settings)


@pytest.mark.integration
def test_naip_is_what_was_flown_last(fetch_patch: FetchPatch) -> None:
    world = World(seed=0)
    patch = fetch_patch(Wind(labels="t.gpkg", imagery="naip"), IOWA, "2018-01-01/2024-01-01", size=64)
    assert patch.key.resolution == 1.0
    assert all(patch.valid[band].all() for band in "RGBN")
    flown = list(world.images("USDA/NAIP/DOQQ", 1514764800000, 1704067200000, (*IOWA, *IOWA)))
    assert len(flown) > 1
    grid = PixelGrid(patch.key.crs, patch.key.transform, patch.key.shape)
    truth = world.pixels(flown[-1].id, ["R", "N"], grid)
    np.testing.assert_array_equal(patch.pixels["R"], truth["R"][0])
    np.testing.assert_array_equal(patch.pixels["N"], truth["N"][0])
    assert patch.pixels["R"].dtype == np.uint8


@pytest.mark.integration
@pytest.mark.parametrize("settings", [{"imagery": "naip"}, {}], ids=["naip", "sentinel2"])
def test_nothing_is_valid_where_nothing_was_seen(fetch_patch: FetchPatch, settings: dict[str, str]) -> None:
    # Neither was there yet; and the mask is an image of the world.
    recipe = load_recipe("solar", {"mask": "ESA/WorldCover/v200", "mask_classes": "50:1"} | settings)
    patch = fetch_patch(recipe, IOWA, "1990-01-01/1991-01-01", size=16)
    assert not any(patch.valid[band.name].any() for band in patch.layout.bands)
    assert patch.is_empty


@pytest.mark.integration
def test_a_mask_of_the_catalog(fetch_patch: FetchPatch) -> None:
    recipe = PowerPlants(mask="ESA/WorldCover/v200", mask_band="Map", mask_classes=("40:1", "50:2", "60:2"))
    patch = fetch_patch(recipe, IOWA, "2023-06-01/2023-08-01", size=64)
    cover = World(seed=0).pixels(
        "ESA/WorldCover/v200/2021", ["Map"], PixelGrid(patch.key.crs, patch.key.transform, patch.key.shape)
    )["Map"][0]
    expected = np.select([cover == 40, np.isin(cover, (50, 60))], [1, 2], 0)
    np.testing.assert_array_equal(patch.label, expected)
    assert set(np.unique(patch.label)) == {0, 1, 2}
    assert patch.label.dtype == np.uint8
    assert patch.label_valid.all()


def own_pixels(endpoint: Endpoint, recipe: Recipe, period: str) -> Any:
    from rsbot_beam.earthengine import PixelFetcher

    lon, lat = CHIPS
    region = read_region(f"{lon - 0.001},{lat - 0.001},{lon + 0.001},{lat + 0.001}")
    _, source = build_source(recipe, region, Period.parse(period))
    return PixelFetcher(endpoint).fetch(source, CHIP_KEY.geobox)


ROWS = np.broadcast_to(np.arange(64)[:, None], (64, 64))


@pytest.mark.integration
@pytest.mark.parametrize(
    ("asset", "period", "reducer", "added"),
    [
        ("chip", "2023", "median", 0),
        ("chips", "2014", "median", 5),
        ("chips", "2014", "max", 10),
        ("chips", "2014", "mosaic", 0),
        ("chips", "2020", "median", 10),
        ("dated", "2014", "p50", 0),
    ],
)
def test_imagery_of_one_s_own(world_endpoint: Endpoint, asset: str, period: str, reducer: str, added: int) -> None:
    imagery = f"projects/own/assets/{asset}"
    recipe = Solar(imagery=imagery, optical=("b2", "b1"), dtype="uint8", reducer=reducer, labels="p.gpkg")
    pixels = own_pixels(world_endpoint, recipe, period)
    np.testing.assert_array_equal(pixels.values["b1"], ROWS + added)
    np.testing.assert_array_equal(pixels.values["b2"], ROWS + 100 + added)
    assert pixels.valid["b1"].all()


@pytest.mark.integration
def test_imagery_of_one_s_own_that_has_nothing_in_the_period(world_endpoint: Endpoint) -> None:
    recipe = Solar(imagery="projects/own/assets/dated", optical=("b1",), dtype="uint8", labels="p.gpkg")
    with pytest.raises(RecipeError, match="finds no image in 2020-01-01/2021-01-01 over the region"):
        own_pixels(world_endpoint, recipe, "2020")


@pytest.mark.integration
@pytest.mark.parametrize("asset", ["mask", "masks"])
def test_a_mask_of_one_s_own(world_endpoint: Endpoint, asset: str) -> None:
    mask = f"projects/own/assets/{asset}"
    recipe = PowerPlants(imagery="projects/own/assets/chip", optical=("b1",), dtype="uint8", mask=mask)
    pixels = own_pixels(world_endpoint, recipe, "2023")
    # Values are 0 to 3 from top to bottom: 1 and 2 are plants, 3 is something else; the left half has no data.
    expected = np.where(ROWS // 16 == 3, 0, ROWS // 16)
    np.testing.assert_array_equal(pixels.valid["plant"], np.broadcast_to(np.arange(64) >= 32, (64, 64)))
    np.testing.assert_array_equal(pixels.values["plant"][:, 32:], expected[:, 32:])
    assert pixels.valid["b1"].all()
    other = dataclasses.replace(recipe, mask_classes=("3:1",))
    np.testing.assert_array_equal(
        own_pixels(world_endpoint, other, "2023").values["plant"][:, 32:], (ROWS // 16 == 3)[:, 32:]
    )


@pytest.mark.integration
@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"imagery": "projects/own/assets/nothing"}, "does not have the asset 'projects/own/assets/nothing'"),
        ({"imagery": SOLAR_PLANTS}, "is a TABLE: give the id of an image or of an image collection"),
        ({"mask": "projects/own/assets/nothing"}, "does not have the asset"),
        ({"imagery": "projects/own/assets/chip", "optical": "b9"}, "no band|did not match"),
    ],
)
def test_assets_that_do_not_fit(world_endpoint: Endpoint, settings: dict[str, str], complaint: str) -> None:
    fitting = {
        "imagery": "projects/own/assets/chip",
        "mask": "projects/own/assets/mask",
        "optical": "b1",
        "dtype": "uint8",
    }
    with pytest.raises(RecipeError, match=complaint):
        own_pixels(world_endpoint, load_recipe("solar", fitting | settings), "2023")


@pytest.mark.integration
def test_places_that_look_like_plants(fetch_patch: FetchPatch, world_endpoint: Endpoint) -> None:
    import ee

    recipe = Solar(labels=SOLAR_PLANTS)
    image = recipe.hard_background(ee.Geometry.BBox(-94, 41, -93, 43), YEAR)
    assert image is not None
    from rsbot_beam.earthengine import FetchBand, PixelFetcher
    from rsbot_beam.earthengine.images import compose

    key = TileKey("EPSG:32615", 10.0, 64, -465_152, 44_672)
    found = PixelFetcher(world_endpoint).fetch(compose(image, [FetchBand("hard", "uint8")]), key.geobox)
    cover = World(seed=0).pixels("ESA/WorldCover/v200/2021", ["Map"], PixelGrid(key.crs, key.transform, key.shape))
    np.testing.assert_array_equal(found.values["hard"], np.isin(cover["Map"][0], (50, 60)))
