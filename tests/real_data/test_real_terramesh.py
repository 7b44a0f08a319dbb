"""TerraMesh: Sentinel-2 and land cover in four UTM zones, one place in the neighbouring zone's ground."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import shapely

from .exports import check_raw
from .learned import check_learned
from .manifests import PLACES
from .oracle import layer, mosaic, owners, read_file
from .regions import around

pytestmark = [pytest.mark.real_data, pytest.mark.integration]

BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
PERIOD = "2017-01-01,2024-01-01"
# EPSG codes of the files. Canada's lies east of 84 W: on the ground of zone 17.
FILES_CRS = {"brazil_coast": 32722, "canada_snow": 32616, "denmark_crops": 32632, "tanzania_crops": 32736}


def scene(data, place):
    return data / "crops" / "terramesh_s2_lulc" / place / "S2L2A.tif"


def expected(key, data):
    """Places do not overlap, so the order does not matter."""
    scenes = [scene(data, place) for place in PLACES]
    found = {band: mosaic([layer(path, band, key) for path in scenes]) for band in BANDS}
    return found | {"LULC": mosaic([layer(path.with_name("LULC.tif"), "LULC", key) for path in scenes])}


@pytest.fixture(scope="module")
def everywhere(export, region_file, data):
    """All four places in one export, each tile in its own zone, with ground around the scenes that has no data."""
    region = region_file(around(scene(data, place), 1500) for place in PLACES)
    return export(
        "terramesh", region=region, period=PERIOD, crs="utm", patch_size=64, split="60,20,20", split_block=700
    )


def test_every_pixel_of_four_zones_is_that_of_the_file_at_its_centre(everywhere, data):
    check_raw(everywhere, partial(expected, data=data), inputs=12)
    assert everywhere.empty, "the region is larger than the scenes"
    assert {key.crs for key in everywhere.patches} == {"EPSG:32722", "EPSG:32617", "EPSG:32632", "EPSG:32736"}


def test_no_pixel_of_the_files_is_left_out(everywhere, data):
    for place in PLACES:
        assert owners(scene(data, place), "utm", 10.0, 64, (0.0, 0.0)) <= everywhere.tiles


def test_what_is_learned_is_what_numpy_computes(everywhere):
    splits = check_learned(everywhere)
    assert all(splits.values())
    named = {item["name"] for item in everywhere.dataset["classes"] if sum(item["pixels"].values())}
    assert {"water", "trees", "crops", "snow/ice", "rangeland", "built area"} <= named
    # Bare ground occurs in Brazil; the recipe does not know it.
    assert "code 6" in named


@pytest.mark.parametrize("place", PLACES)
def test_a_grid_laid_on_the_files_own_gives_the_file_back(place, export, data):
    pixels, profile = read_file(scene(data, place))
    transform, code = profile["transform"], profile["epsg"]
    assert code == FILES_CRS[place]
    found = export(
        "terramesh",
        region=shapely.to_wkt(around(scene(data, place), -100), rounding_precision=-1),
        period=PERIOD,
        crs=f"EPSG:{code}",
        patch_size=56,
        origin=f"{transform.c!r},{transform.f!r}",
        steps="fetch",
    )
    check_raw(found, partial(expected, data=data), inputs=12)
    assert {(key.row // 56, key.col // 56) for key in found.tiles} == {(r, c) for r in range(4) for c in range(4)}
    for number, band in enumerate(BANDS):
        whole = np.zeros(pixels.shape[1:], pixels.dtype)
        for key, patch in found.patches.items():
            whole[key.row : key.row + 56, key.col : key.col + 56] = patch.pixels[band]
        assert np.array_equal(whole, pixels[number]), band
