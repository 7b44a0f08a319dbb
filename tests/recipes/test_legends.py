"""Code tables and groups, compared with those that the local world's maps have."""

from __future__ import annotations

import re

import pytest

from rsbot_beam.errors import RecipeError
from rsbot_beam.local_ee.world import legends as of_world
from rsbot_beam.recipes.cdl import CDL
from rsbot_beam.recipes.legends import (
    ANNUAL_CROP_INVENTORY_LEGEND,
    CROP_GROUPS,
    EUCROPMAP_LEGEND,
    WORLD_COVER_LEGEND,
    Group,
    Legend,
    code_table,
)

GROUPED = (CDL, EUCROPMAP_LEGEND, ANNUAL_CROP_INVENTORY_LEGEND)


@pytest.mark.parametrize(
    ("legend", "entries"),
    [
        (CDL, of_world.CROPLAND_DATA_LAYER),
        (EUCROPMAP_LEGEND, of_world.EUCROPMAP),
        (ANNUAL_CROP_INVENTORY_LEGEND, of_world.ANNUAL_CROP_INVENTORY),
        (WORLD_COVER_LEGEND, of_world.WORLD_COVER),
    ],
    ids=["cdl", "eucropmap", "aafc", "worldcover"],
)
def test_tables_are_those_of_the_catalog(legend: Legend, entries: tuple) -> None:
    expected = {e.value: (e.name, f"#{e.colour}") for e in entries if e.value not in legend.unlabelled}
    assert {item.code: (item.name, item.colour) for item in legend.classes} == expected
    assert len(legend.classes) == len(expected)


@pytest.mark.parametrize("legend", GROUPED, ids=lambda legend: legend.asset.id)
def test_every_class_is_in_one_group(legend: Legend) -> None:
    codes = [code for listed in legend.groups.values() for code in listed]
    classes = {item.code for item in legend.classes}
    assert len(codes) == len(set(codes))
    assert set(codes) <= classes
    assert set(legend.group_of()) | set(legend.undefined) == classes
    assert not set(legend.group_of()) & {*legend.undefined, *legend.unlabelled}
    assert set(legend.group_of().values()) <= {item.code for item in CROP_GROUPS}


def test_the_groups_are_thirteen_and_plain_numbers() -> None:
    assert [item.code for item in CROP_GROUPS] == list(range(1, 14))
    assert all(type(item.code) is int for item in CROP_GROUPS)
    assert all(type(code) is int for legend in GROUPED for code in legend.group_of().values())
    assert all(re.fullmatch("#[0-9a-f]{6}", item.colour) for item in CROP_GROUPS)
    assert len({item.colour for item in CROP_GROUPS}) == 13


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("Corn", Group.MAIZE),
        ("Soybeans", Group.SOYBEAN),
        ("Winter Wheat", Group.WINTER_WHEAT),
        ("Dbl Crop WinWht/Soybeans", Group.WINTER_WHEAT),
        ("Dbl Crop Corn/Soybeans", Group.OTHER_CROPS),
        ("Spring Wheat", Group.OTHER_CROPS),
        ("Fallow/Idle Cropland", Group.OTHER_CROPS),
        ("Almonds", Group.OTHER_CROPS),
        ("Other Hay/Non Alfalfa", Group.GRASS),
        ("Mixed Forest", Group.FOREST),
        ("Developed/Med Intensity", Group.DEVELOPED),
        ("Aquaculture", Group.WATER),
        ("Woody Wetlands", Group.WETLAND),
        ("Perennial Ice/Snow", Group.BARREN),
    ],
)
def test_groups_of_the_cropland_data_layer(name: str, group: Group) -> None:
    (code,) = [item.code for item in CDL.classes if item.name == name]
    assert CDL.group_of()[code] == group


def test_names_that_say_their_group_are_in_it() -> None:
    said = {"Forest": Group.FOREST, "Developed": Group.DEVELOPED, "Wetlands": Group.WETLAND, "Water": Group.WATER}
    for item in CDL.classes:
        for word, group in said.items():
            if re.search(rf"\b{word}\b", item.name):
                assert CDL.group_of()[item.code] == group, item
        if item.name.startswith("Dbl Crop WinWht"):
            assert CDL.group_of()[item.code] == Group.WINTER_WHEAT, item


@pytest.mark.parametrize(
    ("legend", "year", "complaint"),
    [
        (EUCROPMAP_LEGEND, 2020, r"no map of 2020, only of 2018 and 2022: .*label_year"),
        (CDL, 1996, r"no map of 1996, its first one is of 1997"),
        (ANNUAL_CROP_INVENTORY_LEGEND, 2008, r"first one is of 2009"),
    ],
)
def test_years_that_a_map_does_not_have(legend: Legend, year: int, complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        legend.check_year(year)


@pytest.mark.parametrize(
    ("legend", "year"), [(EUCROPMAP_LEGEND, 2018), (CDL, 1997), (CDL, 2030), (WORLD_COVER_LEGEND, 1950)]
)
def test_years_that_a_map_has_or_may_get(legend: Legend, year: int) -> None:
    legend.check_year(year)


def test_a_table_from_text() -> None:
    (first, second) = code_table("\n  1 ffd400 Corn\n  61 bfbf7a Fallow/Idle Cropland\n")
    assert (first.code, first.name, first.colour) == (1, "Corn", "#ffd400")
    assert second.name == "Fallow/Idle Cropland"
