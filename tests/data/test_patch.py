"""Patches: from fetched bands to stacked arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.patch import Patch, stack_fetched
from rsbot_beam.geometry import TileKey


@pytest.fixture
def fetched(series_layout: Layout) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Answers whose values tell the band and the step."""
    rng = np.random.default_rng(5)
    values, valid = {}, {}
    for index, item in enumerate(series_layout.fetched()):
        values[item.name] = np.full((8, 8), 10 + index, item.band.numpy)
        valid[item.name] = rng.random((8, 8)) < 0.7
    return values, valid


def test_steps_are_stacked_in_time(
    series_layout: Layout, make_key: Callable[..., TileKey], fetched: tuple[dict, dict]
) -> None:
    patch = stack_fetched(make_key(), series_layout, *fetched)
    for step in range(3):
        good = patch.valid["VV"][step]
        assert np.array_equal(good, fetched[1][f"VV_{step:02d}"])
        assert set(np.unique(patch.pixels["VV"][step][good])) == {10 + step}
    assert patch.pixels["VV"].shape == (3, 8, 8)
    assert patch.pixels["height"].shape == patch.pixels["crop"].shape == (8, 8)


def test_dtypes_stay(series_layout: Layout, make_key: Callable[..., TileKey], fetched: tuple[dict, dict]) -> None:
    patch = stack_fetched(make_key(), series_layout, *fetched)
    assert {name: str(array.dtype) for name, array in patch.pixels.items()} == {
        "VV": "float32",
        "height": "int16",
        "crop": "uint8",
    }
    assert {array.dtype for array in patch.valid.values()} == {np.dtype(bool)}


def test_invalid_pixels_become_zero(
    series_layout: Layout, make_key: Callable[..., TileKey], fetched: tuple[dict, dict]
) -> None:
    values, valid = fetched
    values["VV_01"][~valid["VV_01"]] = np.nan
    patch = stack_fetched(make_key(), series_layout, values, valid)
    for band in series_layout.all_bands:
        assert not patch.pixels[band.name][~patch.valid[band.name]].any()


def test_valid_nan_stays(layout: Layout, make_key: Callable[..., TileKey]) -> None:
    one = Layout((Band("x", "float32"),))
    values = {"x": np.array([[np.nan, 1], [2, 3]], np.float32)}
    patch = stack_fetched(make_key(size=2), one, values, {"x": np.ones((2, 2), bool)})
    assert np.isnan(patch.pixels["x"][0, 0])
    assert patch.valid["x"].all()


def test_pixels_of_a_view_are_contiguous(layout: Layout, make_key: Callable[..., TileKey]) -> None:
    """Tiles are cut from blocks as views; checksums and Arrow take bytes in C order."""
    block = np.arange(32 * 32).reshape(32, 32)
    values = {item.name: block[8:16, 8:16].astype(item.band.dtype, order="F") for item in layout.fetched()}
    patch = stack_fetched(make_key(), layout, values, {name: np.ones((8, 8), bool) for name in values})
    assert all(array.flags.c_contiguous for array in patch.pixels.values())


def test_the_label_apart(make_patch: Callable[..., Patch], layout: Layout) -> None:
    patch = make_patch(layout, gaps=0.5)
    assert patch.label is patch.pixels["landcover"]
    assert patch.label_valid is patch.valid["landcover"]
    unlabelled = make_patch(Layout(layout.bands))
    assert unlabelled.label is None
    assert unlabelled.label_valid is None


def test_a_label_alone_is_empty(make_patch: Callable[..., Patch], layout: Layout) -> None:
    patch = make_patch(layout)
    nothing = {**patch.valid, "B4": np.zeros((8, 8), bool), "B8": np.zeros((8, 8), bool)}
    assert not patch.is_empty
    assert Patch(patch.key, layout, patch.pixels, nothing).is_empty
    nothing["B8"] = np.eye(8, dtype=bool)
    assert not Patch(patch.key, layout, patch.pixels, nothing).is_empty


def test_place_and_bytes(make_patch: Callable[..., Patch], layout: Layout) -> None:
    patch = make_patch(layout, row=2, col=3)
    assert patch.geobox.shape == (8, 8)
    assert patch.geobox.boundingbox.left == 3 * 80
    assert patch.geobox.boundingbox.top == -2 * 80
    assert patch.nbytes == layout.patch_bytes(8)
