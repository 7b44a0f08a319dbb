"""South Tyrol: a scene whose pixels lie on the grid, so that the whole scene must come back, pixel by pixel."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest

from .exports import check_raw
from .learned import check_learned
from .oracle import layer, owners, read_file
from .regions import around

pytestmark = [pytest.mark.real_data, pytest.mark.integration]

BANDS = ("B4", "B3", "B2", "B8", "SCL")


def expected(key, path):
    found = {band: layer(path, band, key) for band in BANDS}
    # The file's classes are 16-bit, the recipe's label is 8-bit.
    scl = found["SCL"]
    return found | {"SCL": dataclasses.replace(scl, values=scl.values.astype(np.uint8))}


@pytest.fixture(scope="module")
def path(data):
    return data / "scenes" / "s2l2a_southtyrol_10m_20220612.tif"


@pytest.fixture(scope="module")
def flags(path, region_file):
    return {"region": region_file([around(path, 1400)]), "year": 2022, "crs": "EPSG:32632"}


@pytest.fixture(scope="module")
def large(export, flags):
    return export("south_tyrol", patch_size=128, split="60,20,20", split_block=1280, **flags)


def put_together(found, name, path):
    """(values, valid) of the file's own pixels, from the patches of an export."""
    _, profile = read_file(path)
    top, left = round(-profile["transform"].f / 10), round(profile["transform"].c / 10)
    rows, cols = [key.row for key in found.patches], [key.col for key in found.patches]
    size = next(iter(found.patches)).size
    shape = (max(rows) + size - min(rows), max(cols) + size - min(cols))
    values, valid = np.zeros(shape, np.uint16), np.zeros(shape, bool)
    for key, patch in found.patches.items():
        place = np.s_[key.row - min(rows) :, key.col - min(cols) :]
        values[place][:size, :size], valid[place][:size, :size] = patch.pixels[name], patch.valid[name]
    inside = np.s_[top - min(rows) :, left - min(cols) :]
    return tuple(array[inside][: profile["height"], : profile["width"]] for array in (values, valid))


def check_whole(found, path):
    pixels, _ = read_file(path)
    for number, name in enumerate(BANDS):
        values, valid = put_together(found, name, path)
        assert np.array_equal(values, pixels[number]), name
        assert np.array_equal(valid, pixels[number] != 0), name
        outside = sum(int(patch.valid[name].sum()) for patch in found.patches.values()) - int(valid.sum())
        assert outside == 0, name


def test_every_pixel_is_the_files(large, path):
    check_raw(large, partial(expected, path=path), inputs=4)
    assert owners(path, "EPSG:32632", 10.0, 128, (0.0, 0.0)) <= large.tiles
    assert large.empty


def test_the_scene_is_back_in_one_piece(large, path):
    check_whole(large, path)
    pixels, _ = read_file(path)
    assert (pixels == 0).any(axis=(1, 2)).tolist() == [True, True, True, True, False], "single bands have gaps"


def test_smaller_tiles_in_small_requests_give_the_same_scene(export, flags, path):
    """64 pixels a side, four tiles to a request: blocks are cut where the larger tiles were whole."""
    found = export("south_tyrol", patch_size=64, block_mib=0.2, steps="fetch", **flags)
    check_raw(found, partial(expected, path=path), inputs=4)
    check_whole(found, path)


def test_what_is_learned_is_what_numpy_computes(large):
    assert all(check_learned(large, "quantile").values())


@pytest.mark.parametrize(("rows", "cols"), [(1, 0), (0, -1)])
def test_the_comparison_finds_a_scene_that_is_shifted_by_a_pixel(large, path, rows, cols):
    with pytest.raises(AssertionError, match=r"of EPSG32632_10_128_r.* differ, the first at"):
        check_raw(large, lambda key: expected(key.shifted(rows, cols), path), inputs=4)


def test_the_comparison_finds_a_single_wrong_pixel(large, path):
    last = max(large.patches)

    def wrong(key):
        found = expected(key, path)
        if key == last:
            found["B8"].values[found["B8"].valid.nonzero()[0][-1], found["B8"].valid.nonzero()[1][-1]] += 1
        return found

    with pytest.raises(AssertionError, match=r"B8 of .*: 1 of 16384 differ"):
        check_raw(large, wrong, inputs=4)
