"""Power plants with their masks, learnt by the built-in recipes: Landsat at 15 m and NAIP at 1 m."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import ndimage

from .catalog import NAIP_PLANTS, naip_file
from .exports import assert_same, check_raw
from .learned import check_learned
from .manifests import read_plants
from .oracle import Layer, layer, middle, mosaic, read_file
from .regions import around

pytestmark = [pytest.mark.real_data, pytest.mark.integration]

DEGREES_15M = 0.0001347472926179282
DEGREES_1M = 8.98315284119521e-06
LANDSAT = [
    "imagery=projects/real/assets/power_plants_l8",
    "optical=B4,B3,B2",
    "dtype=uint8",
    "reducer=mosaic",
    "mask=projects/real/assets/power_plants_masks",
]
# Recipe -> codes of the masks that it learns; the others are background to it.
KINDS = {"solar": (1,), "wind": (2,), "power_plants": (1, 2)}
SOLAR_PLANTS, OTHER_PLANTS = 6, 3


@pytest.fixture(scope="module")
def chips(data):
    """(chip, mask) of all plants, in the order in which a mosaic puts them on top of each other."""
    folder = data / "energy" / "us_power_plants_l8"
    return [(folder / plant["image"], folder / plant["mask"], plant["primary_fuel"]) for plant in read_plants(data)]


@pytest.fixture(scope="module")
def region(chips, region_file):
    """All wind plants, and a few solar ones and others."""
    of_fuel = {fuel: [chip for chip, _, name in chips if name == fuel] for fuel in ("WND", "SUN")}
    others = [chip for chip, _, name in chips if name not in of_fuel]
    some = of_fuel["WND"] + of_fuel["SUN"][:SOLAR_PLANTS] + others[:OTHER_PLANTS]
    return region_file(around(chip, 2 * DEGREES_15M) for chip in some)


def landsat(key, chips, learnt):
    lon, lat = middle(key)
    near = []
    for chip, mask, _ in chips:
        corner = read_file(chip)[1]["transform"]
        if abs(lon - corner.c) < 0.03 and abs(lat - corner.f) < 0.03:
            near.append((chip, mask))
    chosen = near or [chips[0][:2]]
    bands = {band: mosaic([layer(chip, band, key) for chip, _ in chosen]) for band in ("B4", "B3", "B2")}
    return bands | {"plant": only(mosaic([layer(mask, 1, key) for _, mask in chosen]), learnt)}


def only(mask: Layer, learnt) -> Layer:
    """A mask in which all other codes are background."""
    return Layer(np.where(np.isin(mask.values, learnt), mask.values, 0).astype(np.uint8), mask.valid)


def boxes_of(mask: Layer) -> Counter:
    """(top, left, bottom, right, code, cut by the edge) of the parts of a mask that hang together, by scipy."""
    found: Counter = Counter()
    size = mask.values.shape[0]
    for code in set(np.unique(mask.values).tolist()) - {0}:
        parts, _ = ndimage.label(mask.valid & (mask.values == code), structure=np.ones((3, 3)))
        for rows, cols in ndimage.find_objects(parts):
            cut = min(rows.start, cols.start) == 0 or max(rows.stop, cols.stop) == size
            found[rows.start, cols.start, rows.stop, cols.stop, code, cut] += 1
    return found


def check_boxes(found, expected) -> Counter:
    """Compare all boxes; returns the number of objects of each class."""
    total: Counter = Counter()
    names = []
    for key, patch in found.patches.items():
        objects = patch.objects
        rows = np.column_stack([objects.boxes, objects.classes, objects.truncated]).astype(int).tolist()
        assert Counter(map(tuple, rows)) == boxes_of(expected(key)["plant"]), key
        assert np.array_equal(objects.boxes, objects.boxes.round())
        total.update(objects.classes.tolist())
        names += objects.ids
    assert len(set(names)) == len(names)
    assert total, "no object at all"
    return total


@pytest.mark.parametrize("recipe", ["solar", "wind"])
def test_landsat_chips_of_one_kind(export, region, chips, recipe):
    found = export(
        f"built-in {recipe}",
        set=LANDSAT,
        region=region,
        year=2014,
        crs="EPSG:4326",
        resolution=DEGREES_15M,
        patch_size=64,
        steps="fetch",
    )
    check_raw(found, lambda key: landsat(key, chips, KINDS[recipe]), inputs=3)
    assert set(check_boxes(found, lambda key: landsat(key, chips, KINDS[recipe]))) == set(KINDS[recipe])


def test_landsat_chips_of_both_kinds_are_learnt(export, region, chips):
    """In metres, and in the zone of each tile."""
    found = export(
        "built-in power_plants",
        set=LANDSAT,
        region=region,
        year=2014,
        crs="utm",
        resolution=15,
        patch_size=48,
        split="60,20,20",
        split_block=2000,
    )

    def expected(key):
        return landsat(key, chips, KINDS["power_plants"])

    check_raw(found, expected, inputs=3)
    total = check_boxes(found, expected)
    check_learned(found)
    classes = {item["code"]: item for item in found.dataset["classes"]}
    assert [classes[code]["name"] for code in (0, 1, 2)] == ["background", "solar plant", "wind turbine"]
    assert {code: sum(classes[code]["objects"].values()) for code in (1, 2)} == total
    pixels: Counter = Counter()
    for key in found.patches:
        plant = expected(key)["plant"]
        pixels.update(plant.values[plant.valid].tolist())
    assert {code: sum(item["pixels"].values()) for code, item in classes.items()} == pixels


def naip(key, data, learnt):
    """One of the two places, or neither; they are 500 km apart."""
    lon, _ = middle(key)
    name = min(NAIP_PLANTS, key=lambda name: abs(read_file(naip_file(data, name))[1]["transform"].c - lon))
    bands = {band: layer(naip_file(data, name), band, key) for band in "RGBN"}
    return bands | {"plant": only(layer(naip_file(data, f"{name}_mask"), 1, key), learnt)}


@pytest.mark.parametrize(("recipe", "name"), [("wind", "324_WND"), ("solar", "327_SUN")])
def test_naip_at_a_metre(export, region_file, data, recipe, name):
    found = export(
        f"built-in {recipe}",
        set=[
            "imagery=naip",
            "mask=projects/real/assets/naip_masks",
            f"mask_classes={KINDS[recipe][0]}:{KINDS[recipe][0]}",
        ],
        region=region_file([around(naip_file(data, name), 40 * DEGREES_1M)]),
        year=2014,
        crs="EPSG:4326",
        resolution=DEGREES_1M,
        patch_size=256,
        steps="fetch",
    )
    check_raw(found, lambda key: naip(key, data, KINDS[recipe]), inputs=4)
    check_boxes(found, lambda key: naip(key, data, KINDS[recipe]))
    mask = read_file(naip_file(data, f"{name}_mask"))[0][0]
    painted = sum(int((patch.label == KINDS[recipe][0]).sum()) for patch in found.patches.values())
    # The grid begins at another fraction of a pixel than the file.
    assert painted == pytest.approx((mask == KINDS[recipe][0]).sum(), rel=0.002)


def test_boxes_differ_where_parts_touch_at_corners_only():
    """The oracle itself: a slanting row is one part, as `objects_of_mask` has it."""
    values = np.zeros((5, 5), np.uint8)
    values[1, 1] = values[2, 2] = 1
    values[4, 4] = 2
    mask = Layer(values, np.ones((5, 5), bool))
    assert boxes_of(mask) == {(1, 1, 3, 3, 1, False): 1, (4, 4, 5, 5, 2, True): 1}
    assert_same(only(mask, (2,)).values, np.where(values == 2, 2, 0), "one kind")
