"""Detections: placed to the bit, owned by one block each, and stored so that damage is seen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from rsbot_beam import storage
from rsbot_beam.data.detections import (
    Detections,
    boxes_of,
    decode_detections,
    encode_detections,
    owned,
    read_detections,
    write_detections,
)
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.geometry import TileBlock, TileKey

KEY = TileKey("EPSG:32633", 10.0, 256, -527_104, 39_168)


def some(count: int, seed: int = 0) -> Detections:
    """Detections of two tiles in two zones."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(3e5, 6e5, (count, 2))
    bounds = np.hstack([corner, corner + rng.uniform(0, 500, (count, 2))])
    tile = np.array([f"tile {n % 2}" for n in range(count)], object)
    crs = np.array([f"EPSG:3263{2 + n % 2}" for n in range(count)], object)
    return Detections(tile, crs, bounds, rng.random(count), rng.integers(0, 9, count), rng.random(count) < 0.5)


def test_a_box_lies_where_its_pixels_lie() -> None:
    found = boxes_of(KEY, np.array([[0, 0, 256, 256], [10, 20, 30.5, 40.25]], np.float32), [0.9, 0.5], [1, 2])
    assert tuple(found.bounds[0]) == KEY.bounds
    left, _, _, top = KEY.bounds
    assert found.bounds[1].tolist() == [left + 200, top - 305, left + 402.5, top - 100]
    assert found.tile.tolist() == [str(KEY)] * 2
    assert found.crs.tolist() == ["EPSG:32633"] * 2
    assert (found.codes.tolist(), found.core.all()) == ([1, 2], True)


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.sampled_from([10.0, 0.6, 30.0, 0.0001]))
def test_whole_pixels_of_any_tile_are_those_of_its_grid(row: int, col: int, resolution: float) -> None:
    key = TileKey("EPSG:32633", resolution, 64, row, col)
    whole = np.array([[3, 5, 60, 61]], np.float32)
    expected = TileKey("EPSG:32633", resolution, 1, row + 3, col + 5).bounds
    left, bottom, right, top = boxes_of(key, whole, [1], [1]).bounds[0]
    assert abs(left - expected[0]) <= 1e-6 * resolution
    assert abs(top - expected[3]) <= 1e-6 * resolution
    assert right - left == pytest.approx(56 * resolution, abs=1e-6 * resolution)
    assert top - bottom == pytest.approx(57 * resolution, abs=1e-6 * resolution)


def test_a_geobox_and_a_name_of_ones_own_serve_as_well() -> None:
    geobox = GeoBox((64, 64), Affine(20, 0, 500_000, 0, -10, 100_000), "EPSG:32733")
    found = boxes_of(geobox, np.array([[1, 2, 3, 4]]), [0.5], [1], tile="padded")
    assert found.bounds.tolist() == [[500_040, 99_970, 500_080, 99_990]]
    assert (found.tile[0], found.crs[0]) == ("padded", "EPSG:32733")


def test_nothing_found_is_no_detections() -> None:
    assert len(boxes_of(KEY, np.empty((0, 4)), np.empty(0), np.empty(0))) == 0


@pytest.mark.parametrize(
    ("boxes", "scores", "says"),
    [
        ([[0, 0, np.nan, 1]], [0.5], "not finite"),
        ([[0, 0, 1, 1]], [np.inf], "not finite"),
        ([[5, 0, 1, 1]], [0.5], "inside out"),
    ],
)
def test_boxes_that_are_none_are_refused(boxes: list, scores: list, says: str) -> None:
    with pytest.raises(InputError, match=says):
        boxes_of(KEY, np.array(boxes), np.array(scores), np.array([1]))


def test_a_rotated_grid_is_refused() -> None:
    turned = GeoBox((4, 4), Affine(10, 1, 0, 1, -10, 0), "EPSG:32633")
    with pytest.raises(InputError, match="north up"):
        boxes_of(turned, np.array([[0, 0, 1, 1]]), [0.5], [1])


@given(st.lists(st.tuples(st.integers(0, 512), st.integers(0, 512)), min_size=1, max_size=30))
def test_every_centre_is_owned_by_one_block(centres: list[tuple[int, int]]) -> None:
    blocks = [TileBlock("EPSG:32633", 10.0, 128, r * 128, c * 128) for r in range(4) for c in range(4)]
    whole = TileBlock("EPSG:32633", 10.0, 128, 0, 0, 4, 4)
    places = np.array(centres, float)
    # Centres of pixels' corners: many lie on the blocks' edges.
    found = boxes_of(whole, np.hstack([places - 4, places + 4]), np.full(len(places), 0.5), np.ones(len(places), int))
    owners = sum(_is_core(owned(found, block, 0.0), found) for block in blocks)
    inside = (places < 512).all(axis=1)
    assert (owners[inside] == 1).all()
    assert (owners[~inside] == 0).all()


def _is_core(part: Detections, whole: Detections) -> np.ndarray:
    kept = {tuple(bounds) for bounds in part.bounds[part.core].tolist()}
    return np.array([tuple(bounds) in kept for bounds in whole.bounds.tolist()], int)


def test_the_margin_hands_in_what_others_may_own() -> None:
    block = TileBlock("EPSG:32633", 10.0, 128, 0, 0)
    columns = np.array([64, 128, 131, 131.5, 140, -3, -3.5])
    boxes = np.column_stack([np.full(7, 60), columns - 2, np.full(7, 68), columns + 2])
    found = owned(boxes_of(block, boxes, np.linspace(0.1, 0.7, 7), np.ones(7)), block, margin=30.0)
    assert found.scores == pytest.approx([0.1, 0.2, 0.6])
    assert found.core.tolist() == [True, False, False]


def test_the_margin_is_in_metres_in_a_crs_of_degrees() -> None:
    block = TileBlock("EPSG:4326", 0.001, 100, -60_100, 10_000)  # 60.0 to 60.1 degrees north
    # 100 m are 0.0009 degrees of latitude, and 0.0018 of longitude at 60 degrees.
    centres = np.array([[-0.8, 50], [-1.0, 50], [50, -1.7], [50, -1.9]])
    found = owned(boxes_of(block, np.hstack([centres - 1, centres + 1]), np.arange(4), np.ones(4)), block, 100.0)
    assert found.scores.tolist() == [0, 2]


@given(st.integers(0, 40), st.integers(0, 99))
def test_what_is_stored_comes_back(count: int, seed: int) -> None:
    detections = some(count, seed)
    again = decode_detections(bytes(encode_detections(detections)), "a file")
    assert again.rows() == detections.rows()
    for field in dataclasses.fields(Detections):
        assert getattr(again, field.name).dtype == getattr(detections, field.name).dtype
    assert Detections.of_rows(detections.rows()).rows() == detections.rows()


def test_equal_detections_are_equal_bytes() -> None:
    assert bytes(encode_detections(some(30))) == bytes(encode_detections(some(30)))


def test_no_damage_passes_unseen() -> None:
    detections = some(12)
    content = bytearray(encode_detections(detections))
    for place in range(0, len(content), 5):
        broken = bytearray(content)
        broken[place] ^= 0x40
        try:
            again = decode_detections(bytes(broken), "a file")
        except DatasetError as error:
            assert "a file" in str(error)
        else:
            # Padding, and names that nothing looks at.
            assert again.rows() == detections.rows()


@pytest.mark.parametrize("length", [0, 10, 600, -20])
def test_half_a_file_is_refused(length: int) -> None:
    with pytest.raises(DatasetError, match=r"half\.arrow"):
        decode_detections(bytes(encode_detections(some(5)))[:length], "half.arrow")


def test_files(any_folder: str) -> None:
    path = storage.join(any_folder, "candidates", "block.arrow")
    detections = some(7)
    assert write_detections(path, detections) == storage.size(path)
    assert read_detections(path).rows() == detections.rows()
    empty = storage.join(any_folder, "candidates", "empty.arrow")
    assert write_detections(empty, Detections.none()) == 0
    assert not storage.exists(empty)
    with pytest.raises(FileNotFoundError):
        read_detections(empty)


def test_parts_and_wholes() -> None:
    detections = some(9)
    parts = [detections.take(np.arange(9) % 3 == n) for n in range(3)]
    assert sorted(Detections.concat(parts).rows()) == sorted(detections.rows())
    assert len(Detections.concat([])) == len(Detections.none()) == 0
