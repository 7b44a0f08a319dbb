"""Recipes against what a local Earth Engine holds: the world, and a folder of rasters, over HTTP."""

from __future__ import annotations

import json
import logging
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from rsbot_beam.data.bands import Band, LabelClass
from rsbot_beam.data.label_features import LabelFeatures
from rsbot_beam.data.period import Period
from rsbot_beam.earth_process import local_earth
from rsbot_beam.earthengine import Endpoint
from rsbot_beam.earthengine.asset_problems import Problem
from rsbot_beam.earthengine.session import initialize
from rsbot_beam.errors import RecipeError
from rsbot_beam.geometry import read_region
from rsbot_beam.recipes import PlainAsset, Recipe, load_recipe
from rsbot_beam.recipes.assets import Asset
from rsbot_beam.recipes.checks import check_recipe_assets, is_asset_id, require_recipe_assets

pytestmark = pytest.mark.integration

IOWA = "-94,42,-93.8,42.2"
EUROPE = "10.0,45.0,10.1,45.1"
SEA = "-40,30,-39.9,30.1"
YEAR = Period.year(2023)
S2, CDL, PLANTS = "COPERNICUS/S2_SR_HARMONIZED", "USDA/NASS/CDL", "projects/rsbot/assets/world/solar_plants"
OWN_CDL = "projects/test/assets/cdl_of_iowa"


@pytest.fixture(scope="module")
def earth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The world, which has all maps everywhere, and a crop map that ends where the real one does."""
    folder = tmp_path_factory.mktemp("assets")
    label = np.repeat(np.arange(1, 5, dtype=np.uint8), 50)[None, None, :].repeat(200, axis=1)
    label[0, :40] = 5
    profile = {"driver": "GTiff", "crs": "EPSG:4326", "transform": Affine(0.001, 0, -94, 0, -0.001, 42.2)}
    with rasterio.open(
        folder / "cdl.tif", "w", count=1, height=200, width=200, dtype="uint8", nodata=0, **profile
    ) as target:
        target.write(label)
    image = {"index": "2023", "file": "cdl.tif", "bands": ["cropland"]}
    image |= {"time_start": "2023-01-01T00:00:00Z", "time_end": "2024-01-01T00:00:00Z"}
    manifest = {"version": 1, "assets": {OWN_CDL: {"type": "IMAGE_COLLECTION", "images": [image]}}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with local_earth(assets=str(folder), max_qps=1000) as url:
        yield url


@pytest.fixture
def check(earth: str) -> Callable[..., list[Problem]]:
    initialize(Endpoint(url=earth))

    def run(
        recipe: Recipe, region: str = IOWA, period: Period = YEAR, resolution: float = 10.0, **more: Any
    ) -> list[Problem]:
        return check_recipe_assets(recipe, read_region(region), period, resolution, **more)

    return run


def requests(earth: str) -> dict[str, int]:
    with urllib.request.urlopen(earth + "/_local/stats") as answer:
        return {kind: sum(by_status.values()) for kind, by_status in json.load(answer)["requests"].items()}


def codes(problems: Sequence[Problem]) -> list[str]:
    return [problem.code for problem in problems]


CORN_AND_CO = (
    LabelClass(1, "corn"),
    LabelClass(2, "cotton"),
    LabelClass(3, "rice"),
    LabelClass(4, "sorghum"),
    LabelClass(5, "soybeans"),
)


@dataclass(frozen=True, kw_only=True)
class Made(Recipe):
    """A recipe whose every fact is a parameter."""

    name = "made"
    description = "made"
    bands = (Band("B4", "uint16"), Band("B8", "uint16"))
    label_band = Band("cropland", "uint8")

    imagery: str = S2
    read: tuple[str, ...] = ("B4", "B8")
    labels: str = OWN_CDL
    label_read: str = "cropland"
    known: tuple[LabelClass, ...] = CORN_AND_CO
    lists: bool = True

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        return self.known

    @property
    def assets(self) -> tuple[Asset, ...]:
        imagery = Asset(self.imagery, self.read, dated=True)
        return (imagery, Asset(self.labels, (self.label_read,), dated=True)) if self.lists else ()

    def inputs(self, region: Any, period: Period) -> Any:
        import ee

        images = ee.ImageCollection(self.imagery).filterBounds(region)
        return images.filterDate(str(period.start), str(period.end)).select(list(self.read)).median()

    def label(self, region: Any, period: Period) -> Any:
        import ee

        return ee.ImageCollection(self.labels).mosaic().select([self.label_read], ["cropland"])


class TestGoodRecipes:
    @pytest.mark.parametrize("lists", [True, False])
    def test_no_problem_in_three_requests_and_one_for_each_asset(
        self, check: Callable[..., list[Problem]], earth: str, lists: bool
    ) -> None:
        before = requests(earth)
        start = time.monotonic()
        assert check(Made(lists=lists)) == []
        assert time.monotonic() - start < 5
        after = requests(earth)
        assert after["getAsset"] - before.get("getAsset", 0) == 2
        assert after["computeValue"] - before.get("computeValue", 0) == 2
        assert after.get("computePixels", 0) == before.get("computePixels", 0)

    @pytest.mark.parametrize(
        ("name", "settings"),
        [
            ("crops", {}),
            ("crops", {"sentinel1": "true", "terrain": "true"}),
            ("crops", {"labels": "aafc"}),
            ("landcover", {}),
            ("solar", {"labels": PLANTS}),
        ],
    )
    def test_built_in_ones_have_no_errors_and_list_what_they_load(
        self, check: Callable[..., list[Problem]], name: str, settings: dict[str, str]
    ) -> None:
        start = time.monotonic()
        problems = check(load_recipe(name, settings))
        assert time.monotonic() - start < 5
        # Iowa has no mangroves: that is for the user to know.
        assert set(codes(problems)) <= {"classes-unseen"}

    @pytest.mark.parametrize("region", ["-125,25,-66,49", "-180,-60,180,75", "170,-50,-170,-30"])
    def test_regions_of_any_size_end_in_time(self, check: Callable[..., list[Problem]], region: str) -> None:
        start = time.monotonic()
        problems = check(load_recipe("crops"), region, pixels=2_000, seconds=10)
        assert time.monotonic() - start < 12
        assert "error" not in {problem.severity for problem in problems}

    def test_what_takes_too_long_is_not_waited_for(self, check: Callable[..., list[Problem]], earth: str) -> None:
        slow = urllib.request.Request(earth + "/_local/faults", json.dumps({"latency": "4"}).encode())
        urllib.request.urlopen(slow).close()
        try:
            start = time.monotonic()
            found = check(Made(), seconds=1.5)
            assert time.monotonic() - start < 3
        finally:
            urllib.request.urlopen(urllib.request.Request(earth + "/_local/faults", b"{}")).close()
        assert {problem.severity for problem in found} == {"warning"}
        assert codes(found) == ["not-checked"] * 3


class TestAllAtOnce:
    def test_one_message_lists_everything(self, check: Callable[..., list[Problem]]) -> None:
        wrong = Made(read=("B4", "b8"), labels="projects/test/assets/nothing")
        with pytest.raises(RecipeError) as caught:
            require_recipe_assets(wrong, read_region(IOWA), Period.year(2012), 100.0)
        text = str(caught.value)
        assert text.startswith(
            f"the recipe 'made' does not fit what Earth Engine holds over the region '{IOWA}' in 2012-01-01/2013-01-01:\n"
        )
        assert text.count("\n  ") == 4
        assert "\n  error [asset-missing] there is no asset 'projects/test/assets/nothing'" in text
        assert f"\n  error [band-missing] '{S2}' has no band 'b8'; did you mean 'B8'?" in text
        assert f"\n  error [no-image] '{S2}' has no image over the region '{IOWA}'" in text
        assert "there it has images from 2017-03-28 to 2026-12-31. The period is the cause" in text
        assert "\n  warning [resolution-coarse] pixels of 100 m" in text

    def test_warnings_alone_are_logged_and_let_the_run_go_on(
        self, check: Callable[..., list[Problem]], caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING, logger="rsbot_beam"):
            found = require_recipe_assets(Made(), read_region(IOWA), YEAR, 1.0)
        assert codes(found) == ["resolution-fine"]
        assert "recipe made: [resolution-fine] pixels of 1 m" in caplog.text

    def test_errors_come_first(self, check: Callable[..., list[Problem]]) -> None:
        found = check(Made(known=(LabelClass(77, "rye"),)), resolution=100.0)
        assert [problem.severity for problem in found] == ["error", "warning"]

    def test_a_long_region_is_not_repeated(self, check: Callable[..., list[Problem]], tmp_path: Path) -> None:
        path = tmp_path / f"{'x' * 100}.geojson"
        corners = [[-40, 30], [-39.9, 30], [-39.9, 30.1], [-40, 30.1], [-40, 30]]
        path.write_text(json.dumps({"type": "Polygon", "coordinates": [corners]}))
        found = check(Made(), str(path))
        assert found and all("xxx" not in problem.text for problem in found)
        assert "the region -40, 30, -39.9, 30.1" in found[0].text


class TestLabels:
    @pytest.mark.parametrize("region", [EUROPE, SEA])
    def test_outside_of_the_label(self, check: Callable[..., list[Problem]], region: str) -> None:
        found = check(Made(), region)
        assert codes(found) == ["no-image", "label-outside"]
        assert f"'{OWN_CDL}' has no image over the region '{region}'" in found[0].text
        assert "The region is the cause" in found[0].text
        assert f"the label 'cropland' has no valid pixel in the region '{region}'" in found[1].text

    def test_classes_that_do_not_occur_and_codes_without_a_name(self, check: Callable[..., list[Problem]]) -> None:
        found = check(Made(known=(*CORN_AND_CO[:4], LabelClass(61, "fallow"))))
        assert [(problem.severity, problem.code) for problem in found] == [
            ("warning", "classes-unseen"),
            ("warning", "codes-unknown"),
        ]
        assert "1 of 5 classes" in found[0].text and "61 fallow" in found[0].text
        assert "5 (20 %)" in found[1].text

    def test_none_of_the_classes_occurs(self, check: Callable[..., list[Problem]]) -> None:
        found = check(Made(known=(LabelClass(211, "wheat"),)))
        assert [(problem.severity, problem.code) for problem in found] == [("error", "classes-absent")]

    def test_a_wrong_band_of_the_label(self, check: Callable[..., list[Problem]]) -> None:
        found = check(Made(label_read="crops"))
        assert codes(found) == ["band-missing", "label-refused"]
        assert "has no band 'crops'" in found[0].text

    def test_a_year_without_a_map_names_the_years_that_have_one(self, check: Callable[..., list[Problem]]) -> None:
        @dataclass(frozen=True, kw_only=True)
        class OfYear(Made):
            @property
            def assets(self) -> tuple[Asset, ...]:
                return (Asset(S2, ("B4", "B8"), dated=True), Asset(CDL, ("cropland",)))

            def label(self, region: Any, period: Period) -> Any:
                import ee

                maps = ee.ImageCollection(CDL).filterDate(str(period.start), str(period.end))
                return maps.mosaic().select(["cropland"])

        @dataclass(frozen=True, kw_only=True)
        class First(OfYear):
            def label(self, region: Any, period: Period) -> Any:
                import ee

                maps = ee.ImageCollection(CDL).filterDate(str(period.start), str(period.end))
                return maps.first().select(["cropland"])

        for recipe in (OfYear(), First()):
            found = check(recipe, period=Period.year(2026))
            assert codes(found) == ["no-image"]
            assert f"the label 'cropland' has no image over the region '{IOWA}' and its period" in found[0].text
            assert f"'{CDL}' has images there from 2008-01-01 to 2025-01-01: choose a year" in found[0].text

    def test_a_region_that_fills_little_of_its_box(self, check: Callable[..., list[Problem]], tmp_path: Path) -> None:
        # A triangle west of the diagonal: class 4, in the east, is in its bounding box only.
        path = tmp_path / "part.geojson"
        corners = [[-94, 42], [-93.86, 42], [-94, 42.14], [-94, 42]]
        path.write_text(json.dumps({"type": "Polygon", "coordinates": [corners]}))
        found = check(Made(), str(path))
        assert codes(found) == ["classes-unseen"]
        assert "4 sorghum, 5 soybeans" in found[0].text


class TestOwnRecipes:
    def test_a_missing_asset_is_found_in_the_expression(self, check: Callable[..., list[Problem]]) -> None:
        found = check(Made(lists=False, imagery="COPERNICUS/S2_SR_HARMONISED"))
        assert codes(found) == ["asset-missing"]

    def test_an_empty_period(self, check: Callable[..., list[Problem]]) -> None:
        found = check(Made(lists=False), period=Period.year(2012))
        assert codes(found) in (["no-image"], ["inputs-refused"])
        assert "in 2012-01-01/2013-01-01" in found[0].text

    def test_a_band_that_the_image_lacks(self, check: Callable[..., list[Problem]]) -> None:
        found = check(Made(lists=False, read=("B4", "B3")))
        assert codes(found) == ["band-missing"]
        assert "the recipe's inputs have no band 'B8'" in found[0].text

    def test_functions_that_fail_are_named_with_their_lines(self, check: Callable[..., list[Problem]]) -> None:
        @dataclass(frozen=True, kw_only=True)
        class Broken(Made):
            def label(self, region: Any, period: Period) -> Any:
                raise KeyError("crop")

            def inputs(self, region: Any, period: Period) -> Any:
                raise RecipeError("parameter labels is not given")

        found = check(Broken())
        assert codes(found) == ["recipe-fails", "recipe-fails"]
        assert found[0].text == "parameter labels is not given"
        assert "`label` of the recipe fails at" in found[1].text and "test_checks.py:" in found[1].text

    def test_a_plain_asset_must_exist_and_have_the_bands(self, check: Callable[..., list[Problem]]) -> None:
        @dataclass(frozen=True, kw_only=True)
        class Plain(Recipe):
            name = "plain"
            bands = (Band("height", "int16"),)
            resolution: float = 30.0
            asset: str = "USGS/SRTMGL1_003"

            def inputs(self, region: Any, period: Period) -> PlainAsset:
                return PlainAsset(self.asset)

        found = check(Plain(), resolution=30.0)
        assert codes(found) == ["band-missing"]
        assert "'USGS/SRTMGL1_003' has no band 'height'" in found[0].text and "elevation" in found[0].text
        assert codes(check(Plain(asset="USGS/SRTM"), resolution=30.0)) == ["asset-missing"]


@dataclass(frozen=True, kw_only=True)
class Plants(Made):
    """A recipe whose label is painted from features."""

    label_band = Band("plant", "uint8")
    source: str = PLANTS
    column: str | None = "class"

    @property
    def assets(self) -> tuple[Asset, ...]:
        return (Asset(S2, ("B4", "B8"), dated=True),)

    def features(self, period: Period) -> tuple[LabelFeatures, ...]:
        code = 1 if self.column is None else None
        return (LabelFeatures(self.source, code=code, column=self.column, codes={"solar": 1} if self.column else {}),)

    def label(self, region: Any, period: Period) -> Any:
        raise AssertionError("a recipe with features has no label image")


class TestFeatures:
    def test_a_good_table(self, check: Callable[..., list[Problem]]) -> None:
        assert check(Plants()) == []

    @pytest.mark.parametrize(
        ("settings", "code", "words"),
        [
            ({"column": "clas"}, "column-missing", "did you mean 'class'?"),
            ({"source": "projects/rsbot/assets/world/solar"}, "asset-missing", "there is no asset"),
            ({"source": CDL}, "asset-kind", "is an image collection, and the recipe takes it for a table"),
        ],
    )
    def test_a_wrong_table(
        self, check: Callable[..., list[Problem]], settings: dict[str, str], code: str, words: str
    ) -> None:
        found = check(Plants(**settings))
        assert codes(found) == [code]
        assert words in found[0].text

    def test_a_table_without_a_feature_in_the_region(self, check: Callable[..., list[Problem]]) -> None:
        found = check(Plants(), SEA)
        assert codes(found)[-1] == "no-feature"
        assert f"has no feature in the region '{SEA}'" in found[-1].text

    def test_a_file_is_not_looked_up(self, check: Callable[..., list[Problem]], tmp_path: Path) -> None:
        assert check(Plants(source=str(tmp_path / "plants.gpkg"))) == []

    def test_features_that_cannot_be_named(self, check: Callable[..., list[Problem]]) -> None:
        @dataclass(frozen=True, kw_only=True)
        class Unnamed(Plants):
            def features(self, period: Period) -> tuple[LabelFeatures, ...]:
                raise RecipeError("parameter labels=None: name a table asset or a vector file")

        found = check(Unnamed())
        assert "recipe-fails" in codes(found)

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            (PLANTS, True),
            ("users/somebody/plants", True),
            ("plants.gpkg", False),
            ("data/plants.geojson", False),
            ("gs://bucket/plants.parquet", False),
            ("/", False),
            ("plants", False),
        ],
    )
    def test_ids_and_files_are_told_apart(self, source: str, expected: bool) -> None:
        assert is_asset_id(source) is expected
