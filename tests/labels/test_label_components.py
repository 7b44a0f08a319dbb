"""Objects of a mask: against a flood fill by hand, over classes, edges and validity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsbot_beam.data.objects import Objects
from rsbot_beam.labels.components import objects_of_mask


def flooded(mask: np.ndarray, valid: np.ndarray) -> list[tuple[int, tuple[int, int, int, int]]]:
    """Class and box of each 8-connected part with a valid pixel, in the order of their first pixels."""
    left = mask != 0
    found = []
    for start in zip(*np.nonzero(mask), strict=True):
        if not left[start]:
            continue
        part, todo = [], [start]
        left[start] = False
        while todo:
            row, col = todo.pop()
            part.append((row, col))
            for r in range(max(row - 1, 0), min(row + 2, mask.shape[0])):
                for c in range(max(col - 1, 0), min(col + 2, mask.shape[1])):
                    if left[r, c] and mask[r, c] == mask[start]:
                        left[r, c] = False
                        todo.append((r, c))
        rows, cols = np.array(part).T
        if valid[rows, cols].any():
            box = (int(rows.min()), int(cols.min()), int(rows.max()) + 1, int(cols.max()) + 1)
            found.append((int(mask[start]), box))
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([0.1, 0.4, 0.7]),
    st.sampled_from(["uint8", "uint16", "int32"]),
    st.booleans(),
)
def test_components_equal_a_flood_fill(seed: int, density: float, dtype: str, all_valid: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 14)), int(rng.integers(1, 14)))
    mask = np.where(rng.random(shape) < density, rng.integers(1, 4, shape), 0).astype(dtype)
    valid = np.ones(shape, bool) if all_valid else rng.random(shape) < 0.5
    objects = objects_of_mask(mask, None if all_valid else valid)
    expected = flooded(mask, valid)
    assert [
        (int(code), tuple(box)) for code, box in zip(objects.classes, objects.boxes.astype(int).tolist(), strict=True)
    ] == expected


def test_what_touches_the_edge_is_truncated() -> None:
    mask = np.zeros((10, 12), np.uint8)
    mask[0, 5] = mask[4:6, 4:6] = mask[9, 2] = mask[3, 11] = mask[6, 0] = 1
    objects = objects_of_mask(mask, prefix="tile/")
    assert objects.truncated.tolist() == [True, True, False, True, True]
    assert objects.boxes[2].tolist() == [4, 4, 6, 6]
    assert objects.ids == ("tile/0", "tile/1", "tile/2", "tile/3", "tile/4")


def test_classes_that_have_no_objects() -> None:
    mask = np.array([[1, 2, 0], [1, 2, 3]], np.uint8)
    assert objects_of_mask(mask, codes=[2, 3]).classes.tolist() == [2, 3]
    assert objects_of_mask(mask, codes=[0]).classes.tolist() == [0]


def test_rings_and_what_they_hold_are_apart() -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[1:8, 1:8] = 1
    mask[2:7, 2:7] = 0
    mask[4, 4] = 1
    assert objects_of_mask(mask).boxes.tolist() == [[1, 1, 8, 8], [4, 4, 5, 5]]


@pytest.mark.parametrize("mask", [np.zeros((4, 4), np.uint8), np.zeros((0, 0), np.uint8)])
def test_an_empty_mask_has_none(mask: np.ndarray) -> None:
    assert len(objects_of_mask(mask)) == 0


def test_nothing_valid() -> None:
    objects = objects_of_mask(np.ones((4, 4), np.uint8), np.zeros((4, 4), bool))
    assert isinstance(objects, Objects)
    assert len(objects) == 0
