from __future__ import annotations

import numpy as np
import pytest

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.composite import Composite, picture_bands

SHAPE = (3, 4)


def described(**quantiles: tuple[float, float]) -> list[dict[str, object]]:
    return [
        {"name": name, "statistics": {"quantiles": {"0.02": low, "0.98": high}}}
        for name, (low, high) in quantiles.items()
    ]


def layout(*names: str, dtype: str = "uint16") -> Layout:
    return Layout(tuple(Band(name, dtype) for name in names))


def test_true_colour_where_there_is_and_else_the_first_band_in_grey() -> None:
    assert picture_bands(layout("B2", "B3", "B4", "B8")) == ("B4", "B3", "B2")
    assert picture_bands(layout("R", "G", "B", "N")) == ("R", "G", "B")
    assert picture_bands(layout("VV", "VH")) == ("VV",)


def test_one_range_for_all_bands_from_the_train_split() -> None:
    told = described(B2=(100, 900), B3=(200, 1000), B4=(50, 1200), B8=(1, 9000))
    assert Composite.of(layout("B2", "B3", "B4", "B8"), told) == Composite(("B4", "B3", "B2"), 50.0, 1200.0)


def test_none_without_statistics() -> None:
    assert Composite.of(layout("VV"), []) is None
    assert Composite.of(layout("VV"), [{"name": "VV"}]) is None
    assert Composite.of(layout("VV"), [{"name": "VV", "statistics": None}]) is None


def test_the_label_has_no_statistics() -> None:
    told = [*described(VV=(1, 2)), {"name": "label", "statistics": None}]
    assert Composite.of(layout("VV"), told) == Composite(("VV",), 1.0, 2.0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
def test_black_and_white_are_1_and_255(dtype: str) -> None:
    values = np.array([[0, 10, 60, 110], [111, 127, 10, 10], [35, 10, 10, 10]]).astype(dtype)
    found = Composite(("a",), 10, 110).draw({"a": values}, {"a": np.ones(SHAPE, bool)})
    assert found.dtype == np.uint8 and found.shape == (3, *SHAPE)
    assert (found[0] == found[1]).all() and (found[0] == found[2]).all()
    assert found[0, 0].tolist() == [1, 1, 128, 255] and found[0, 1, :2].tolist() == [255, 255]
    assert found[0, 2, 0] == 1 + round(254 * 0.25)


def test_bands_keep_their_order_and_what_is_not_valid_is_0() -> None:
    pixels = {name: np.full(SHAPE, value, np.uint16) for name, value in (("B4", 255), ("B3", 128), ("B2", 1))}
    valid = {name: np.ones(SHAPE, bool) for name in pixels}
    valid["B3"] = valid["B3"].copy()
    valid["B3"][1, 2] = False
    found = Composite(("B4", "B3", "B2"), 1, 255).draw(pixels, valid)
    assert found[:, 0, 0].tolist() == [255, 128, 1]
    assert found[:, 1, 2].tolist() == [0, 0, 0]
    assert (found > 0).sum() == 3 * (12 - 1)


def test_a_number_that_is_none_does_not_spoil_the_picture() -> None:
    values = np.full(SHAPE, np.nan, np.float32)
    values[0, 0] = 1
    found = Composite(("a",), 0, 1).draw({"a": values}, {"a": np.ones(SHAPE, bool)})
    assert found[0, 0, 0] == 255 and found[0, 1, 1] == 1


def test_a_time_series_shows_the_middle_and_fills_it_with_what_is_nearest_in_time() -> None:
    pixels = np.stack([np.full(SHAPE, step * 10, np.uint16) for step in range(5)])
    valid = np.zeros((5, *SHAPE), bool)
    valid[2, 0] = True  # the middle step
    valid[3, 1], valid[0, 1] = True, True  # a step later is nearer than two before
    valid[[1, 3], 2, 0] = True  # as near: the earlier one
    found = Composite(("a",), 0, 254).draw({"a": pixels}, {"a": valid})[0]
    assert (found[0] == 21).all() and (found[1] == 31).all()
    assert found[2].tolist() == [11, 0, 0, 0]
