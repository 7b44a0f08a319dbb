"""Whole scenes: negative northings, slanted edges, overlap, NAD83, 600 m pixels that are not square, computed values."""

from __future__ import annotations

import numpy as np
import pytest

from .exports import check_raw
from .learned import check_learned
from .manifests import IGUAZU_TIMES
from .oracle import Layer, layer, mosaic, owners
from .regions import around

pytestmark = [pytest.mark.real_data, pytest.mark.integration]


def iguazu_files(data):
    return [data / "scenes" / f"l8l1tp_iguazu_{row}_60m_20200518.tif" for row in sorted(IGUAZU_TIMES)]


@pytest.mark.parametrize(
    ("crs", "origin", "zone"),
    [("EPSG:32621", "45,45", "EPSG:32621"), ("utm", "0,0", "EPSG:32721")],
    ids=["as the files: north of the equator by name, south of it by place", "in the southern zone"],
)
def test_overlapping_landsat_scenes_south_of_the_equator(export, region_file, data, crs, origin, zone):
    files = iguazu_files(data)
    found = export(
        "iguazu",
        region=region_file(around(path, 3000) for path in files),
        period="2020-05-01,2020-06-01",
        crs=crs,
        origin=origin,
        patch_size=128,
        steps="fetch",
    )

    def expected(key):
        return {band: mosaic([layer(path, band, key) for path in files]) for band in ("B2", "B3", "B4")}

    check_raw(found, expected, inputs=3)
    assert {key.crs for key in found.patches} == {zone}
    assert found.empty, "corners of slanted scenes have no data"
    if crs != "utm":
        assert {key.row > 0 for key in found.patches} == {True}, "northings are negative"
        for path in files:
            assert owners(path, crs, 60.0, 128, (45.0, 45.0)) <= found.tiles


def test_the_scene_on_top_hides_the_other_only_where_it_has_data(export, region_file, data):
    first, last = iguazu_files(data)
    found = export(
        "iguazu",
        region=region_file([around(first, -20_000)]),
        period="2020-05-01,2020-06-01",
        crs="EPSG:32621",
        origin="45,45",
        patch_size=64,
        steps="fetch",
    )
    on_top = below = 0
    for key, patch in found.patches.items():
        upper, lower = layer(last, "B4", key), layer(first, "B4", key)
        seen = patch.pixels["B4"]
        assert np.array_equal(seen[upper.valid], upper.values[upper.valid])
        assert np.array_equal(seen[~upper.valid], lower.values[~upper.valid])
        on_top += int((upper.valid & lower.valid & (upper.values != lower.values)).sum())
        below += int((~upper.valid & lower.valid).sum())
    assert on_top > 1000
    assert below > 1000


@pytest.mark.parametrize(("crs", "origin"), [("EPSG:26914", "2,3"), ("EPSG:32614", "0,0")])
def test_naip_in_nad83_and_out_of_it(export, region_file, data, crs, origin):
    path = data / "scenes" / "naip_northdakota_5m_20180716.tif"
    found = export(
        "naip",
        region=region_file([around(path, 300)]),
        year=2018,
        crs=crs,
        origin=origin,
        patch_size=128,
        steps="fetch",
    )
    check_raw(found, lambda key: {band: layer(path, band, key) for band in "RGBN"}, inputs=4)
    x, y = (float(part) for part in origin.split(","))
    assert owners(path, crs, 5.0, 128, (x, y)) <= found.tiles
    assert found.empty


def amazon(key, path):
    """Reflectance of pixels without the cloud bit, computed as the recipe says; the label is the water bit."""
    quality = layer(path, "QA_PIXEL", key, nodata=None)
    clear = (quality.values & 0b1000) == 0
    found = {}
    for number in range(1, 8):
        numbers = layer(path, f"SR_B{number}", key)
        reflectance = Layer((numbers.values * 0.0000275 - 0.2).astype(np.float32), numbers.valid)
        found[f"SR_B{number}"] = reflectance.where(clear)
    water = Layer(((quality.values >> 7) & 1).astype(np.uint8), quality.valid)
    return found | {"water": water}


def test_reflectance_of_an_amazon_scene_is_computed_and_learned(export, region_file, data):
    path = data / "scenes" / "l8l2sp_amazon_001062_600m_20201031.tif"
    found = export(
        "amazon",
        region=region_file([around(path, 20_000)]),
        year=2020,
        crs="EPSG:32620",
        patch_size=64,
        split="60,20,20",
        split_block=38_400,
    )
    check_raw(found, lambda key: amazon(key, path), inputs=7)
    assert all(check_learned(found).values())
