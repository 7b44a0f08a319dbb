"""No seams: a map does not depend on where tiles and blocks fall, nor on how large its region is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.made_models import Models, mosaic, read_run

pytestmark = pytest.mark.integration
BANDS = "class,probabilities"
# Tiles of 32 pixels cover it as exactly as tiles of 128 do: 4 x 4 of the former in each of the latter.
REGION = "10.0,50.0,10.03,50.02"


def common(*maps: tuple[np.ndarray, tuple[int, int]], inside: int = 0) -> Iterator[np.ndarray]:
    """The part that maps of different extents have in common, less `inside` pixels on each side."""
    top = max(corner[0] for _, corner in maps) + inside
    left = max(corner[1] for _, corner in maps) + inside
    bottom = min(corner[0] + pixels.shape[1] for pixels, corner in maps) - inside
    right = min(corner[1] + pixels.shape[2] for pixels, corner in maps) - inside
    for pixels, (row, col) in maps:
        yield pixels[:, top - row : bottom - row, left - col : right - col]


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Over pixels that both have, which have to be many."""
    both = np.isfinite(one) & np.isfinite(other)
    assert both.mean() > 0.9
    return float(np.abs(one - other)[both].max())


def made(predict: Callable[..., Any], output: Path, **flags: Any) -> tuple[np.ndarray, tuple[int, int]]:
    done = predict(output, **{"bands": BANDS, "region": REGION, **flags})
    assert done.code == 0, done.text
    return mosaic(output, "probabilities")


@pytest.fixture(scope="module")
def one_piece(
    predict: Callable[..., Any], models: Models, tmp_path_factory: pytest.TempPathFactory, earth_of_session: Any
) -> tuple[np.ndarray, tuple[int, int]]:
    """The region predicted as a single patch."""
    return made(predict, tmp_path_factory.mktemp("one"), model=models.blur, tile_size=512)


@pytest.mark.parametrize("side", [1, 2, 4])
def test_tiles_and_blocks_are_not_seen(
    side: int,
    predict: Callable[..., Any],
    models: Models,
    one_piece: tuple[np.ndarray, tuple[int, int]],
    tmp_path: Path,
) -> None:
    tiled = made(predict, tmp_path, model=models.blur, block_side=side)
    assert read_run(tmp_path)["grid"]["block_side"] == side
    assert read_run(tmp_path)["grid"]["overlap"] == 3
    one, other = common(one_piece, tiled)
    assert one.shape[1] > 190
    # At the region's own edge, too: pixels beyond it are fetched for the margin.
    assert largest_difference(one, other) < 1e-6


def test_an_overlap_beyond_the_receptive_field_changes_nothing(
    predict: Callable[..., Any], models: Models, one_piece: tuple[np.ndarray, tuple[int, int]], tmp_path: Path
) -> None:
    """What is beyond it is fetched and cut off."""
    done = made(predict, tmp_path, model=models.blur, overlap=11)
    one, other = common(one_piece, done)
    assert largest_difference(one, other) < 1e-6


def test_without_any_overlap_the_test_would_see_seams(
    predict: Callable[..., Any], models: Models, one_piece: tuple[np.ndarray, tuple[int, int]], tmp_path: Path
) -> None:
    done = predict(tmp_path, model=models.blur, overlap=0, bands=BANDS, region=REGION)
    assert done.code == 0, done.text
    assert "more than the overlap of 0 pixels" in done.err
    one, other = common(one_piece, mosaic(tmp_path, "probabilities"))
    assert largest_difference(one, other) > 0.05


def mean_steps(error: np.ndarray, left: int, every: int) -> np.ndarray:
    """How much the error changes from column to column, by the column's place in cells `every` pixels wide; (every,)."""
    steps = np.nanmean(np.abs(np.diff(error, axis=2)), axis=(0, 1))
    place = (left + np.arange(len(steps)) + 1) % every
    return np.array([steps[place == number].mean() for number in range(every)])


@pytest.mark.parametrize(
    "side",
    [
        8,
        pytest.param(
            1, marks=pytest.mark.xfail(strict=True, reason="blocks are predicted apart: no fading across their borders")
        ),
    ],
)
def test_an_overlap_that_is_too_small_is_told_and_faded(
    side: int, predict: Callable[..., Any], models: Models, tmp_path: Path
) -> None:
    """What is wrong near a patch's edge must not become a step where tiles, or blocks, meet."""
    region = "10.026,50.008,10.056,50.027"  # within one block of 8 x 8 tiles
    # One tile in a call: else the whole of a block is predicted as one, and exact.
    flags = {"overlap": 8, "region": region, "block_side": side, "batch_size": 1}
    done = predict(tmp_path / "tiled", model=models.looks_far, bands=BANDS, **flags)
    assert done.code == 0
    assert "pixels up to 15 away, more than the overlap of 8 pixels" in done.err
    whole = made(predict, tmp_path / "whole", model=models.looks_far, tile_size=256, region=region)
    tiled = mosaic(tmp_path / "tiled", "probabilities")
    truth, found = common(whole, tiled, inside=32)
    error = found - truth
    assert np.nanmax(np.abs(error)) > 1e-3, "the overlap is too small to be exact"
    steps = mean_steps(error, max(whole[1][1], tiled[1][1]) + 32, 32)
    assert steps[0] < 1.5 * steps[1:].max()


@pytest.mark.parametrize("overlap", [3, 8])
def test_a_larger_region_has_the_same_map(
    overlap: int, predict: Callable[..., Any], models: Models, tmp_path: Path
) -> None:
    for name, region in (("small", "10.008,50.004,10.02,50.012"), ("large", REGION)):
        made(predict, tmp_path / name, model=models.blur, region=region, overlap=overlap, block_side=2)
    small, large = common(*(mosaic(tmp_path / name, "class") for name in ("small", "large")))
    both = (small != 255) & (large != 255)
    assert both.sum() > 9_000
    np.testing.assert_array_equal(small[both], large[both])
    small, large = common(*(mosaic(tmp_path / name, "probabilities") for name in ("small", "large")))
    both = np.isfinite(small) & np.isfinite(large)
    # Batches of another length sum up in another order.
    np.testing.assert_allclose(small[both], large[both], atol=1e-6)
