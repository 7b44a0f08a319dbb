"""The Cropland Data Layer of two squares of Iowa, learnt by the built-in recipe `crops`."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import partial

import numpy as np
import pytest
import rasterio

from rsbot_beam.recipes import load_recipe
from rsbot_beam.sampling import read_samples

from .catalog import CDL_SQUARES, PERIOD, cdl_file, season
from .exports import check_raw
from .learned import check_learned
from .oracle import Layer, layer, mosaic, read_file
from .regions import around

pytestmark = [pytest.mark.real_data, pytest.mark.integration]

# The file's names -> the group's name.
GROUPS = {
    "Corn": "maize",
    "Soybeans": "soybean",
    "Alfalfa": "alfalfa",
    "Oats": "other crops",
    "Rye": "other crops",
    "Fallow/Idle Cropland": "other crops",
    "Other Hay/Non Alfalfa": "grass and pasture",
    "Grassland/Pasture": "grass and pasture",
    "Shrubland": "grass and pasture",
    "Deciduous Forest": "forest",
    "Evergreen Forest": "forest",
    "Mixed Forest": "forest",
    "Developed/Open Space": "developed",
    "Developed/Low Intensity": "developed",
    "Developed/Med Intensity": "developed",
    "Developed/High Intensity": "developed",
    "Open Water": "water",
    "Woody Wetlands": "wetland",
    "Herbaceous Wetlands": "wetland",
    "Barren": "barren",
}
OATS, ALFALFA = 28, 36


@pytest.fixture(scope="module")
def table(data):
    """The source's own code table: name, colour and pixels of both squares by code."""
    rows = json.loads((data / "crops" / "cdl_iowa_2016" / "classes.json").read_text())
    return {row["value"]: row for row in rows}


@pytest.fixture(scope="module")
def flags(data, region_file):
    """Both squares, on the grid of their pixels."""
    region = region_file(around(cdl_file(data, square), 90) for square in CDL_SQUARES)
    return {"region": region, "period": PERIOD, "crs": "EPSG:32615", "resolution": 30}


def label(key, data):
    return mosaic([layer(cdl_file(data, square), "cropland", key) for square in CDL_SQUARES])


def expected(key, data, assets, bands):
    return {band: season(assets, band, key) for band in bands} | {"crop": label(key, data)}


@pytest.fixture(scope="module")
def full(export, flags):
    settings = ["grouped=false", "optical=B4,B8"]
    return export("built-in crops", set=settings, patch_size=128, split="60,20,20", split_block=7680, **flags)


def test_codes_and_composites_are_those_of_the_files(full, data, assets):
    check_raw(full, partial(expected, data=data, assets=assets, bands=("B4", "B8")), inputs=2)
    assert {key.col * 30 % 3840 for key in full.tiles} == {0}


def test_classes_are_counted_as_in_the_files(full, table):
    """All pixels of both squares are in one tile each: the counts are those that the source's table says."""
    said = {item["code"]: sum(item["pixels"].values()) for item in full.dataset["classes"]}
    counts = {code: row["pixels_train"] + row["pixels_test"] for code, row in table.items()}
    assert {code: count for code, count in said.items() if count} == counts
    assert all(check_learned(full).values())


def test_the_code_table_is_the_files(full, table, data):
    listed = {item.code: item for item in load_recipe("crops", {"grouped": "false"}).classes}
    assert {item["code"]: item["name"] for item in full.dataset["classes"]} == {
        code: item.name for code, item in listed.items()
    }
    for code, row in table.items():
        assert listed[code].name == row["name"].replace("Grassland", "Grass")
    with rasterio.open(cdl_file(data, "train")) as file:
        palette = {code: colour[:3] for code, colour in file.colormap(1).items() if any(colour[:3])}
    # What the palette has beside the classes: clouds, and numbers that no class has.
    assert set(palette) - set(listed) == {81, 251, 252, 253}
    assert len(set(palette) & set(listed)) >= 130
    for code in set(palette) & set(listed):
        colour = np.array([int(listed[code].colour[i : i + 2], 16) for i in (1, 3, 5)])
        assert np.abs(colour - palette[code]).max() <= 6, f"{listed[code].name}: the file's colours are rounded, by 6"


def test_groups_are_counted_as_in_the_files(export, region_file, flags, table, data):
    one_square = {**flags, "region": region_file([around(cdl_file(data, "test"), 90)])}
    settings = ["optical=B4", "interval=3 months"]
    found = export("built-in crops", set=settings, patch_size=128, split="100,0,0", **one_square)
    counts: Counter[str] = Counter()
    for row in table.values():
        counts[GROUPS[row["name"]]] += row["pixels_test"]
    said = {item["name"]: sum(item["pixels"].values()) for item in found.dataset["classes"]}
    assert {name: count for name, count in said.items() if count} == counts
    codes = {item["name"]: item["code"] for item in found.dataset["classes"]}
    group_of = np.zeros(256, np.uint8)
    for code, row in table.items():
        group_of[code] = codes[GROUPS[row["name"]]]
    for key, patch in found.patches.items():
        one = label(key, data)
        np.testing.assert_array_equal(patch.label, group_of[one.values])
        np.testing.assert_array_equal(patch.label_valid, one.valid)


def shares(key, data) -> dict[int, float]:
    """Share of each class of a tile's pixels, from the files."""
    one: Layer = label(key, data)
    codes, counts = np.unique(one.values[one.valid], return_counts=True)
    return {int(code): count / one.values.size for code, count in zip(codes, counts, strict=True)}


def available(data, size: int, least: float) -> Counter[int]:
    """Number of tiles of the grid that hold each class, from the files."""
    found: Counter[int] = Counter()
    for square in CDL_SQUARES:
        pixels, profile = read_file(cdl_file(data, square))
        # Up to the grid's own tiles, which begin at multiples of their side.
        top, left = round(-profile["transform"].f / 30) % size, round(profile["transform"].c / 30) % size
        padded = np.pad(pixels[0], ((top, -(top + 833) % size), (left, -(left + 833) % size)))
        rows, cols = (side // size for side in padded.shape)
        tiles = padded.reshape(rows, size, cols, size).swapaxes(1, 2).reshape(rows * cols, -1)
        for code in np.unique(pixels).tolist():
            found[code] += int(((tiles == code).mean(axis=1) >= least).sum())
    del found[0]
    return found


def test_rare_crops_reach_their_number_or_are_reported(export, flags, table, data):
    """Of tiles of 16 pixels a side every pixel is looked at, so that the numbers are exact."""
    least, wanted = 0.1, 12
    settings = ["grouped=false", "optical=B4", "interval=3 months"]
    found = export(
        "built-in crops",
        set=settings,
        patch_size=16,
        sampling="stratified",
        samples=wanted,
        min_share=least,
        seed=4,
        steps="fetch",
        **flags,
    )
    have: Counter[int] = Counter()
    for key in found.patches:
        have.update(code for code, share in shares(key, data).items() if share >= least)
    there = available(data, 16, least)
    assert have[OATS] >= wanted
    assert have[ALFALFA] >= wanted
    assert {bool(there[code] >= wanted) for code in table} == {True, False}, "some are too rare"
    (nowhere,) = re.findall(rf"each of the \d+ classes (.*): {wanted} asked, 0 found", found.text)
    for code, row in table.items():
        assert have[code] >= min(wanted, there[code]), row["name"]
        short = re.search(rf"class {code} \(.*\): {wanted} asked, (\d+) found", found.text)
        assert bool(short) == (0 < there[code] < wanted), row["name"]
        assert short is None or int(short[1]) == there[code] == have[code]
        assert (f" {code} (" in f" {nowhere}") == (there[code] == 0), row["name"]
    samples = read_samples(str(found.folder / "samples.arrow"))
    assert {sample.key for sample in samples} == found.tiles
    for sample in samples:
        assert shares(sample.key, data)[int(sample.kind.removeprefix("class "))] >= least
    assert len(samples) <= wanted * len(table)
