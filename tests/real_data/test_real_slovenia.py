"""Slovenia: a time series with clouds and missing dates, from pixels that are neither square nor on the grid."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from .exports import check_raw
from .learned import check_learned
from .oracle import Layer, centres, layer, nothing_like, owners, places, read_file, series
from .regions import around

pytestmark = [pytest.mark.real_data, pytest.mark.integration]

BANDS = ("B2", "B3", "B4", "B8", "B11")
PERIOD = "2015-07-11,2015-09-19"
# The image of each step of ten days; on two of the five dates there is nothing but clouds.
STEPS = ("20150711", None, "20150731", None, "20150820", "20150830", "20150909")
CLOUDY = ("20150731", "20150820")


def expected(key, folder, clear=True):
    def step(date: str | None, band: str) -> Layer:
        found = layer(folder / f"S2_L1C_{date or '20150711'}.tif", band, key)
        if date is None:
            return nothing_like(found)
        names = read_file(folder / "CLM_68dates.tif")[1]["names"]
        number = next(i for i, name in enumerate(names, 1) if name.replace("-", "").startswith(date))
        clouds = layer(folder / "CLM_68dates.tif", number, key)
        return found.where(clouds.values == 0) if clear else found

    found = {band: series([step(date, band) for date in STEPS]) for band in BANDS}
    return found | {"DEM": layer(folder / "DEM.tif", "DEM", key), "LULC": layer(folder / "LULC.tif", "LULC", key)}


@pytest.fixture(scope="module")
def folder(data):
    return data / "crops" / "slovenia_s2l1c_lulc"


@pytest.fixture(scope="module")
def flags(folder, region_file):
    region = region_file([around(folder / "LULC.tif", 400)])
    return {"region": region, "period": PERIOD, "crs": "EPSG:32633", "patch_size": 32}


@pytest.fixture(scope="module")
def clear(export, flags):
    return export("slovenia", split="60,20,20", split_block=320, **flags)


def test_every_pixel_is_that_of_the_file_which_contains_its_centre(clear, folder):
    check_raw(clear, partial(expected, folder=folder), inputs=6)
    assert clear.empty
    assert owners(folder / "LULC.tif", "EPSG:32633", 10.0, 32, (0.0, 0.0)) <= clear.tiles


def test_a_step_is_not_valid_where_there_was_no_image_or_clouds(clear):
    for patch in clear.patches.values():
        inside = patch.valid["DEM"]
        for step, date in enumerate(STEPS):
            seen = date is not None and date not in CLOUDY
            for band in BANDS:
                assert np.array_equal(patch.valid[band][step], inside & seen)
                assert patch.pixels[band][step].any() == (seen and inside.any())


@pytest.fixture(scope="module")
def cloudy(export, flags):
    """The clouds too, on a grid whose pixel centres come to lie 0.2 m before the right and lower edge of the first pixels."""
    return export("slovenia", set="clear=false", steps="fetch", origin="5.85,9.83", **flags)


def test_clouds_stay_when_they_are_wanted(cloudy, folder):
    check_raw(cloudy, partial(expected, folder=folder, clear=False), inputs=6)
    valid = [patch.valid["B2"].any(axis=(1, 2)) for patch in cloudy.patches.values()]
    assert np.array_equal(np.any(valid, axis=0), [date is not None for date in STEPS])


def test_a_reader_that_takes_the_pixels_for_square_ones_of_ten_metres_would_be_wrong(cloudy, folder):
    """They are 5 and 3 mm smaller, so that after some dozens of them the next one contains the centre."""
    transform = read_file(folder / "DEM.tif")[1]["transform"]
    shifted = {"rows": 0, "cols": 0}
    for key, patch in cloudy.patches.items():
        x, y = centres(key)
        rows, cols, inside = places(folder / "DEM.tif", key)
        assert np.array_equal(patch.valid["DEM"], inside)
        shifted["rows"] += int((inside & (np.floor((transform.f - y) / 10) != rows)).sum())
        shifted["cols"] += int((inside & (np.floor((x - transform.c) / 10) != cols)).sum())
    assert min(shifted.values()) > 1000, shifted


def test_what_is_learned_is_what_numpy_computes(clear):
    splits = check_learned(clear)
    assert all(splits.values())


def test_no_data_in_the_label_is_not_valid_and_not_counted(clear, folder):
    said = {item["code"]: sum(item["pixels"].values()) for item in clear.dataset["classes"]}
    assert 0 not in said
    labels, _ = read_file(folder / "LULC.tif")
    unlabelled = sum(
        int((patch.valid["DEM"] & ~patch.label_valid).sum())
        for patch in clear.patches.values()
        if patch.label is not None
    )
    # The grid has 0.1 % fewer pixels than the file: its own are a little smaller.
    assert abs(unlabelled - int((labels == 0).sum())) <= 5
