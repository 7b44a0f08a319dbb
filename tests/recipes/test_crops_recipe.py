"""The recipe crops: its facts, what it refuses, and its pixels in the world, compared with the world's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.label_features import LabelFeatures
from rsbot_beam.data.period import Period
from rsbot_beam.earthengine import Endpoint
from rsbot_beam.errors import RecipeError
from rsbot_beam.geometry import TileKey
from rsbot_beam.local_ee.provider import PixelGrid
from rsbot_beam.local_ee.world import World
from rsbot_beam.recipes import Crops, load_recipe
from rsbot_beam.recipes.cdl import CDL
from rsbot_beam.recipes.legends import ANNUAL_CROP_INVENTORY_LEGEND, EUCROPMAP_LEGEND, WORLD_COVER_LEGEND

IOWA, FRANCONIA, SASKATCHEWAN, PAMPA = (-93.64, 42.01), (10.9, 49.8), (-106.04, 51.06), (-61.5, -34.0)
SUMMER = "2023-06-01/2023-08-01"

FetchPatch = Callable[..., Any]


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=0)


def grid_of(key: TileKey) -> PixelGrid:
    return PixelGrid(key.crs, key.transform, key.shape)


def ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp() * 1000)


def codes_of(world: World, asset: str, index: str, band: str, key: TileKey) -> np.ndarray:
    return world.pixels(f"{asset}/{index}", [band], grid_of(key))[band][0]


def clear_stack(world: World, key: TileKey, period: str, threshold: float, band: str) -> np.ma.MaskedArray:
    """All observations of a band in a period, masked where not clear: (images, height, width)."""
    lon, lat = key.geobox.geographic_extent.centroid.coords[0]
    start, end = period.split("/")
    values, hidden = [], []
    for image in world.images("COPERNICUS/S2_SR_HARMONIZED", ms(start), ms(end), (lon, lat, lon, lat)):
        index = image.id.rpartition("/")[2]
        pixels, valid = world.pixels(image.id, [band], grid_of(key))[band]
        scores, known = world.pixels(f"GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED/{index}", ["cs_cdf"], grid_of(key))[
            "cs_cdf"
        ]
        values.append(pixels)
        hidden.append(~(valid & known & (scores >= np.float32(threshold))))
    return np.ma.MaskedArray(np.stack(values).astype(np.float64), np.stack(hidden))


def test_facts_follow_from_parameters() -> None:
    period = Period.year(2023)
    plain = Crops()
    assert plain.steps(period) == 12
    assert [band.name for band in plain.bands] == ["B2", "B3", "B4", "B5", "B6", "B8", "B11", "B12"]
    assert plain.label_band.dtype == "uint8"
    assert len(plain.classes) == 13
    assert plain.layout(period).painted is False
    rich = Crops(
        optical=("B8A", "B2"), sentinel1=True, terrain=True, interval="10 days", labels="eucropmap", grouped=False
    )
    layout = rich.layout(period)
    assert layout.steps == 37
    assert [band.name for band in layout.inputs] == ["B8A", "B2", "VV", "VH", "elevation", "slope"]
    assert [band.dtype for band in layout.inputs] == ["uint16", "uint16", "float32", "float32", "int16", "float32"]
    assert layout.label is not None
    assert layout.label.dtype == "uint16"
    assert layout.classes == EUCROPMAP_LEGEND.classes
    assert [asset.id for asset in rich.assets] == [
        "COPERNICUS/S2_SR_HARMONIZED",
        "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED",
        "COPERNICUS/S1_GRD",
        "USGS/SRTMGL1_003",
        "JRC/D5/EUCROPMAP/V1",
    ]
    assert rich.assets[0].bands == ("B8A", "B2")


@pytest.mark.parametrize(
    ("labels", "groups"),
    [("cdl", 13), ("eucropmap", 11), ("aafc", 10), ("worldcover", 11)],
    ids=lambda value: str(value),
)
def test_only_groups_that_a_map_has_are_its_classes(labels: str, groups: int) -> None:
    assert len(Crops(labels=labels).classes) == groups


def test_confidence_is_read_only_where_it_is_asked_for() -> None:
    assert Crops().assets[-1].bands == ("cropland",)
    assert Crops(confidence=50).assets[-1].bands == ("cropland", "confidence")


def test_fields_are_painted() -> None:
    recipe = Crops(labels="fields.gpkg", column="crop", codes=("maize:1", "wheat:2:winter wheat"), layer="fields")
    assert recipe.features(Period.year(2023)) == (
        LabelFeatures("fields.gpkg", None, "crop", {"maize": 1, "wheat": 2}, layer="fields"),
    )
    layout = recipe.layout(Period.year(2023))
    assert layout.painted
    assert [(item.code, item.name) for item in layout.classes] == [(1, "maize"), (2, "winter wheat")]
    assert recipe.label(None, Period.year(2023)) is None  # type: ignore[arg-type]
    assert recipe.stratum(None, Period.year(2023)) is None  # type: ignore[arg-type]
    assert len(recipe.assets) == 2


@pytest.mark.parametrize(
    ("settings", "dtype", "classes"),
    [
        ({"labels": "projects/p/assets/fields"}, "uint8", (LabelClass(1, "field", "#ffd400"),)),
        ({"labels": "f.gpkg", "column": "code"}, "uint16", ()),
    ],
)
def test_fields_without_a_table_of_codes(settings: dict[str, str], dtype: str, classes: tuple) -> None:
    recipe = load_recipe("crops", settings)
    assert recipe.label_band is not None
    assert recipe.label_band.dtype == dtype
    assert recipe.classes == classes
    assert recipe.features(Period.year(2023))[0].column == settings.get("column")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"threshold": "7"}, r"threshold=7\.0 is not within 0\.\.1: it is the least Cloud Score"),
        ({"reducer": "foo"}, "reducer='foo' is not a way to reduce"),
        ({"optical": "B2,B10"}, "COPERNICUS/S2_SR_HARMONIZED has no band 'B10'; it has B1, B2"),
        ({"optical": ""}, "optical is empty"),
        ({"interval": "fortnight"}, "interval='fortnight' is not an interval"),
        (
            {"labels": "cld"},
            r"labels='cld' is not one of cdl, eucropmap, aafc, worldcover, a vector file, .*mean cdl\?",
        ),
        ({"confidence": "101"}, "confidence=101 is not within"),
        ({"confidence": "50", "labels": "aafc"}, "confidence=50 is about the Cropland Data Layer, but labels='aafc'"),
        ({"column": "crop"}, "column='crop' is about polygons of fields, but labels='cdl' is a map"),
        ({"labels": "f.gpkg", "codes": "a:1"}, "needs column"),
        ({"labels": "f.gpkg", "column": "c", "codes": "a"}, "'a' is not VALUE:CODE"),
        ({"sentinel1": "yes"}, "sentinel1='yes' is not one of true, false"),
        ({"label_year": "last"}, "label_year='last' is not a whole number"),
        ({"label_year": "2020", "labels": "worldcover"}, "label_year=2020 is about a map of each year"),
        ({"lables": "cdl"}, r"no parameter 'lables'; did you mean 'labels'\?"),
    ],
)
def test_what_is_refused_before_any_request(settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        load_recipe("crops", settings)


def test_a_recipe_that_starts_from_crops() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Mine(Crops):
        name = "mine"
        optical = ("B4", "B8")
        labels = "aafc"

    assert [band.name for band in Mine().bands] == ["B4", "B8"]
    assert Mine(labels="cdl").classes == Crops().classes
    assert Mine().parameters()["labels"] == "aafc"


@pytest.mark.integration
@pytest.mark.parametrize(("reducer", "of_stack"), [("median", np.ma.median), ("mean", np.ma.mean), ("max", np.ma.max)])
def test_a_step_is_the_reduction_of_its_clear_observations(
    fetch_patch: FetchPatch, world: World, reducer: str, of_stack: Callable
) -> None:
    patch = fetch_patch(Crops(optical=("B8",), reducer=reducer, threshold=0.5), IOWA, SUMMER, size=16)
    for step, month in enumerate(["2023-06-01/2023-07-01", "2023-07-01/2023-08-01"]):
        stack = clear_stack(world, patch.key, month, 0.5, "B8")
        np.testing.assert_array_equal(patch.valid["B8"][step], ~stack.mask.all(axis=0))
        expected = np.floor(of_stack(stack, axis=0)).filled(0)
        np.testing.assert_array_equal(patch.pixels["B8"][step], expected)
    assert patch.pixels["B8"].dtype == np.uint16


@pytest.mark.integration
def test_percentiles_are_in_order(fetch_patch: FetchPatch) -> None:
    low, middle, high = (
        fetch_patch(Crops(optical=("B4",), reducer=reducer, interval="2 months"), IOWA, SUMMER, size=16).pixels["B4"]
        for reducer in ("p10", "p50", "p90")
    )
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert (low < high).any()


@pytest.mark.integration
def test_months_without_an_image_are_not_valid(fetch_patch: FetchPatch) -> None:
    # Sentinel-2's surface reflectance begins on 2017-03-28.
    patch = fetch_patch(Crops(sentinel1=True), IOWA, "2017-02-01/2017-05-01")
    assert [bool(patch.valid["B4"][step].any()) for step in (0, 2)] == [False, True]
    assert [bool(patch.valid["VV"][step].any()) for step in range(3)] == [True, True, True]
    assert not patch.pixels["B4"][0].any()
    assert patch.pixels["B4"].shape == (3, 32, 32)


@pytest.mark.integration
def test_a_step_that_is_all_cloud_is_not_valid(fetch_patch: FetchPatch, world: World) -> None:
    period = "2023-11-01/2024-02-01"
    patch = fetch_patch(Crops(optical=("B4",), interval="5 days", threshold=0.9), FRANCONIA, period, size=16)
    seen = patch.valid["B4"].any(axis=(1, 2))
    assert 0 < seen.sum() < seen.size
    cloudy = int(np.flatnonzero(~seen)[0])
    interval = Period.parse(period).intervals(5)[cloudy]
    stack = clear_stack(world, patch.key, str(interval), 0.9, "B4")
    assert len(stack) > 0
    assert stack.mask.all()


@pytest.mark.integration
@pytest.mark.parametrize("reducer", ["median", "p25", "mosaic", "min"])
def test_a_period_without_any_image_is_not_valid(fetch_patch: FetchPatch, reducer: str) -> None:
    patch = fetch_patch(Crops(sentinel1=True, terrain=True, reducer=reducer), IOWA, "2012-05-01/2012-07-01", size=16)
    assert not any(patch.valid[band.name].any() for band in patch.layout.bands)
    assert patch.valid["elevation"].all()
    assert patch.label_valid.any()


@pytest.mark.integration
def test_radar_is_the_mean_of_both_directions(fetch_patch: FetchPatch, world: World) -> None:
    patch = fetch_patch(Crops(optical=("B4",), sentinel1=True), IOWA, "2023-06-01/2023-07-01", size=16)
    images = world.images("COPERNICUS/S1_GRD", ms("2023-06-01"), ms("2023-07-01"), (*IOWA, *IOWA))
    names = [image.id for image in images]
    assert len(names) >= 4
    for band in ("VV", "VH"):
        observed = [world.pixels(name, [band], grid_of(patch.key))[band] for name in names]
        assert all(valid.all() for _, valid in observed)
        mean = np.mean([values for values, _ in observed], axis=0)
        np.testing.assert_allclose(patch.pixels[band][0], mean, rtol=1e-6)
    assert patch.pixels["VV"].dtype == np.float32


@pytest.mark.integration
def test_terrain(fetch_patch: FetchPatch, world: World) -> None:
    patch = fetch_patch(Crops(optical=("B4",), terrain=True), (11.1, 47.45), "2023-06-01/2023-07-01")
    heights = world.pixels("USGS/SRTMGL1_003", ["elevation"], grid_of(patch.key))["elevation"][0]
    assert patch.pixels["elevation"].shape == (32, 32)
    # Interpolated, so a pixel of 30 m differs from its middle by what the slope makes of 21 m.
    steep = np.tan(np.radians(patch.pixels["slope"].max()))
    assert np.abs(patch.pixels["elevation"].astype(int) - heights).max() <= 21.3 * steep + 2
    assert 5 < patch.pixels["slope"].max() < 80
    # Stairs would be flat on two of three pixels.
    assert (patch.pixels["slope"] < 0.01).mean() < 0.2


@pytest.mark.integration
@pytest.mark.parametrize(
    ("labels", "place", "legend", "year"),
    [
        ("cdl", IOWA, CDL, 2022),
        ("cdl", PAMPA, CDL, 2022),
        ("eucropmap", FRANCONIA, EUCROPMAP_LEGEND, 2022),
        ("aafc", SASKATCHEWAN, ANNUAL_CROP_INVENTORY_LEGEND, 2022),
        ("worldcover", FRANCONIA, WORLD_COVER_LEGEND, 2021),
    ],
)
def test_labels_are_the_map_s_codes_and_groups_are_those_remapped(
    fetch_patch: FetchPatch, world: World, labels: str, place: tuple[float, float], legend: Any, year: int
) -> None:
    period = "2022-06-01/2022-07-01"
    full = fetch_patch(Crops(optical=("B4",), labels=labels, grouped=False), place, period, size=64)
    truth = codes_of(world, legend.asset.id, str(year), legend.band, full.key)
    np.testing.assert_array_equal(full.label, truth)
    assert full.label_valid.all()
    assert set(np.unique(truth)) <= {item.code for item in full.layout.classes}
    grouped = fetch_patch(Crops(optical=("B4",), labels=labels), place, period, size=64)
    table = legend.group_of() if legend.groups else {code: code for code in np.unique(truth)}
    np.testing.assert_array_equal(grouped.label, np.vectorize(table.get)(truth))
    assert set(np.unique(grouped.label)) <= {item.code for item in grouped.layout.classes}


@pytest.mark.integration
def test_pixels_of_little_confidence_are_unlabelled(fetch_patch: FetchPatch, world: World) -> None:
    patch = fetch_patch(Crops(optical=("B4",), confidence=75), IOWA, SUMMER, size=64)
    confidence = codes_of(world, "USDA/NASS/CDL", "2023", "confidence", patch.key)
    np.testing.assert_array_equal(patch.label_valid, confidence >= 75)
    assert 0.2 < patch.label_valid.mean() < 0.98
    assert not patch.label[~patch.label_valid].any()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("period", "label_year", "year"),
    [
        ("2022-09-01/2023-08-01", None, 2023),
        ("2022-12-01/2023-01-01", None, 2022),
        ("2023-06-01/2023-07-01", 2019, 2019),
    ],
)
def test_the_map_is_that_of_the_harvest(
    fetch_patch: FetchPatch, world: World, period: str, label_year: int | None, year: int
) -> None:
    recipe = Crops(optical=("B4",), interval="20 months", grouped=False, label_year=label_year)
    patch = fetch_patch(recipe, IOWA, period, size=64)
    np.testing.assert_array_equal(patch.label, codes_of(world, "USDA/NASS/CDL", str(year), "cropland", patch.key))


@pytest.mark.usefixtures("world_endpoint")
@pytest.mark.integration
def test_a_map_without_that_year(fetch_patch: FetchPatch) -> None:
    with pytest.raises(RecipeError, match="no map of 2023, only of 2018 and 2022"):
        fetch_patch(Crops(labels="eucropmap"), FRANCONIA, SUMMER)


@pytest.mark.integration
def test_every_option_is_one_expression(world_endpoint: Endpoint) -> None:
    import ee

    recipe = Crops(sentinel1=True, terrain=True, interval="10 days", reducer="p25", confidence=10)
    boxes = ee.Geometry.BBox(-94, 41, -93, 42)
    text = ee.serializer.toJSON(ee.ImageCollection(list(recipe.inputs(boxes, Period.year(2023)))).toBands())
    # A year of ten days each stays far below the 10 MB that Earth Engine takes.
    assert len(text) < 200_000


def test_fields_that_are_left_out_are_no_class() -> None:
    recipe = Crops(labels="fields.gpkg", column="crop", codes=("maize:1", "set aside:0", "*:0"))
    # With a class 0, all ground without a field would be learnt as that class.
    assert [item.code for item in recipe.classes] == [1]
    assert recipe.features(Period.year(2023))[0].codes == {"maize": 1, "set aside": 0, "*": 0}


def test_steps_are_called_by_their_first_days() -> None:
    season = Period.parse("2023-04-15,2023-07-01")
    assert Crops().step_names(season) == ("2023-04-15", "2023-05-01", "2023-06-01")
    assert load_recipe("landcover").step_names(season) == ()
