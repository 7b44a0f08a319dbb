"""Field polygons of eight countries in eight CRSs, learnt by the built-in recipe `crops`."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyproj
import pytest
import shapely

from .catalog import PERIOD, season
from .exports import assert_same
from .learned import check_learned
from .vector_oracle import read_shapes

pytestmark = [pytest.mark.real_data, pytest.mark.integration, pytest.mark.filterwarnings("ignore:.*repaired")]

# File -> property of the crop, UTM zone of the fields. Every fourth field or so is in the region.
FIELDS = {
    "us_csb_cdl2017_2024": ("CDL2024", 32613),
    "nl_brp2023": ("gewascode", 32631),
    "dk_marker2026": ("Afgkode", 32632),
    "br_lem_monthly_2019_2020": ("Jan_2020", 32723),
    "fi_2023": ("KASVIKOODI", 32634),
    "at_2025": ("SNAR_CODE", 32633),
    "fr_rpg": ("code_cultu", 32631),
    "az_crops2016_2018": ("CROP_TYPE", 32638),
}
EVERY = 6
# Its statistics, examples and class counts are looked at as well; of the others, the pixels.
LEARNED = "az_crops2016_2018"


def shapes_of(data, name):
    return read_shapes(data / "crops" / "field_polygons" / f"{name}.gpkg", FIELDS[name][0])


def numbered(shapes):
    """Codes from 1 on of the values, in their order."""
    return {value: 1 + number for number, value in enumerate(sorted(set(shapes.values)))}


def region_of(shapes, region_file):
    """The outlines of some fields, in degrees; the tiles around them see others too."""
    some = shapes.within(np.arange(len(shapes.ids)) % EVERY == 0).moved("EPSG:4326")
    return region_file(shapely.box(*bounds) for bounds in shapely.bounds(some))


def exported(export, region_file, data, name, **flags):
    shapes = shapes_of(data, name)
    column, code = FIELDS[name]
    settings = [f"labels={data / 'crops' / 'field_polygons' / name}.gpkg", f"column={column}", "optical=B3,B8"]
    if flags.pop("listed", True):
        settings.append("codes=" + ",".join(f"{value}:{number}" for value, number in numbered(shapes).items()))
    return export(
        "built-in crops",
        set=settings,
        region=region_of(shapes, region_file),
        period=PERIOD,
        crs=f"EPSG:{code}",
        patch_size=64,
        **flags,
    )


def check_painted(found, shapes, codes):
    """Compare all label pixels; returns the pixels of each class."""
    counts: Counter[int] = Counter()
    for key, patch in found.patches.items():
        expected = shapes.painted(key, codes)
        assert_same(patch.label.astype(np.uint16), expected, f"label of {key}")
        assert_same(patch.label_valid, expected > 0, f"validity of the label of {key}")
        counts.update(expected[expected > 0].tolist())
    return counts


def check_season(found, assets):
    for key, patch in found.patches.items():
        for band in ("B3", "B8"):
            made = season(assets, band, key)
            assert_same(patch.pixels[band], made.values, f"{band} of {key}")
            assert_same(patch.valid[band], made.valid, f"validity of {band} of {key}")


@pytest.mark.parametrize("name", [name for name in FIELDS if name != LEARNED])
def test_fields_are_painted_as_rasterio_paints_them(export, region_file, data, assets, name):
    shapes = shapes_of(data, name)
    found = exported(export, region_file, data, name, steps="fetch")
    counts = check_painted(found, shapes, numbered(shapes))
    assert len(counts) > 1, "one crop only is no test"
    check_season(found, assets)


def test_crops_are_counted_as_rasterio_paints_them(export, region_file, data, assets):
    shapes = shapes_of(data, LEARNED)
    found = exported(export, region_file, data, LEARNED, split="60,20,20", split_block=1280)
    codes = numbered(shapes)
    counts = check_painted(found, shapes, codes)
    check_season(found, assets)
    check_learned(found)
    said = {item["name"]: sum(item["pixels"].values()) for item in found.dataset["classes"]}
    assert said == {value: counts[code] for value, code in codes.items()}
    # Fields that lie in the region whole are there with all of their area, to a pixel's corner along the outline.
    areas = shapely.area(shapes.moved(f"EPSG:{FIELDS[LEARNED][1]}")) / 100
    for value, code in codes.items():
        assert counts[code] <= 1.1 * sum(area for area, v in zip(areas, shapes.values, strict=True) if v == value) + 10


def test_codes_of_the_file_itself_need_no_table(export, region_file, data):
    """The Crop Sequence Boundaries have the Cropland Data Layer's codes."""
    name = "us_csb_cdl2017_2024"
    shapes = shapes_of(data, name)
    found = exported(export, region_file, data, name, listed=False, split="100,0,0")
    counts = check_painted(found, shapes, {value: int(value) for value in shapes.values})
    assert {item["code"]: item["pixels"]["train"] for item in found.dataset["classes"]} == counts
    assert {1, 24, 152} <= set(counts)


def test_the_files_have_eight_crss(data):
    assert len({pyproj.CRS(shapes_of(data, name).crs) for name in FIELDS}) == len(FIELDS)
