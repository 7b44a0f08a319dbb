"""Bands, classes and layouts."""

from __future__ import annotations

import numpy as np
import pytest

from rsbot_beam.data.bands import DTYPES, Band, Layout
from rsbot_beam.errors import RecipeError


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_are_numpy_s(dtype: str) -> None:
    assert Band("B1", dtype).numpy == np.dtype(dtype)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "float16", "bool", "double", ""])
def test_other_dtypes_are_refused(dtype: str) -> None:
    with pytest.raises(RecipeError, match="choose one of uint8"):
        Band("B1", dtype)


@pytest.mark.parametrize("name", ["B-1", "", "1B", "a b", "a/b"])
def test_names_are_identifiers(name: str) -> None:
    with pytest.raises(RecipeError, match="identifier"):
        Band(name, "uint8")


def test_a_layout_needs_an_input() -> None:
    with pytest.raises(RecipeError, match="at least one input band"):
        Layout((), label=Band("y", "uint8"))


@pytest.mark.parametrize(
    "layout",
    [
        {"bands": (Band("a", "uint8"), Band("a", "int8"))},
        {"bands": (Band("a", "uint8"),), "label": Band("a", "uint8")},
        {"bands": (Band("a", "uint8"),), "static": (Band("a", "uint8"),)},
    ],
)
def test_a_band_is_listed_once(layout: dict) -> None:
    with pytest.raises(RecipeError, match=r"\['a'\] are listed twice"):
        Layout(**layout)


def test_shapes_without_a_time_axis(layout: Layout) -> None:
    assert {layout.shape(band, 5) for band in layout.all_bands} == {(5, 5)}
    assert [band.name for band in layout.all_bands] == ["B4", "B8", "landcover"]
    assert layout.inputs == layout.bands


def test_shapes_with_a_time_axis(series_layout: Layout) -> None:
    shapes = {band.name: series_layout.shape(band, 4) for band in series_layout.all_bands}
    assert shapes == {"VV": (3, 4, 4), "height": (4, 4), "crop": (4, 4)}


def test_fetched_bands_come_in_the_order_of_band_and_step(series_layout: Layout) -> None:
    fetched = list(series_layout.fetched())
    assert [item.name for item in fetched] == ["VV_00", "VV_01", "VV_02", "height", "crop"]
    assert [item.step for item in fetched] == [0, 1, 2, None, None]
    assert len({item.name for item in fetched}) == len(fetched)


def test_bytes_of_a_patch(layout: Layout, series_layout: Layout) -> None:
    assert layout.patch_bytes(8) == 64 * (2 + 2 + 1)
    assert series_layout.patch_bytes(8) == 64 * (3 * 4 + 2 + 1)
