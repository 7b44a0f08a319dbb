"""The picture of a model's input: a COG in JPEG, whose mask is exact, and the layer over all blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo import cog_validate

from rsbot_beam.geometry import TileBlock
from rsbot_beam.maps.cog import write_cog
from rsbot_beam.maps.overview import write_layer
from rsbot_beam.maps.styles import COMPOSITE_STYLE, raster_path

ONE_ZONE = [TileBlock("EPSG:32633", 10.0, 256, -527_104, 47_616 + 1024 * n, 4, 4) for n in range(2)]
TWO_ZONES = [
    TileBlock("EPSG:32632", 10.0, 256, -527_104, 72_192, 4, 4),
    TileBlock("EPSG:32633", 10.0, 256, -527_104, 28_160, 4, 4),
]


def picture_of(block: TileBlock) -> np.ndarray:
    """A smooth picture, with black parts; without data in a corner that does not follow JPEG's squares of 8 pixels."""
    rows, cols = np.indices(block.shape)
    found = np.stack([1 + rows / 5, 1 + cols / 5, 255 - rows / 5 - cols / 10]).clip(1, 255).astype(np.uint8)
    found[:, 400:420, 400:420] = 1
    found[:, :101, :203] = 0
    return found


def write_map(folder: Path, blocks: list[TileBlock]) -> None:
    for block in blocks:
        write_cog(folder / raster_path("composite", block), picture_of(block), block, COMPOSITE_STYLE)


def test_the_file_is_valid_and_small_and_its_mask_is_exact(tmp_path: Path) -> None:
    write_map(tmp_path, ONE_ZONE[:1])
    path, wanted = tmp_path / raster_path("composite", ONE_ZONE[0]), picture_of(ONE_ZONE[0])
    assert cog_validate(path, strict=True) == (True, [], [])
    assert path.stat().st_size < wanted.size / 10
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.dataset_mask() > 0, wanted.any(axis=0))
        away = np.abs(file.read().astype(int) - wanted)[:, 200:]
        assert file.colorinterp == (
            rasterio.enums.ColorInterp.red,
            rasterio.enums.ColorInterp.green,
            rasterio.enums.ColorInterp.blue,
        )
    assert away.mean() < 1 and np.percentile(away, 99) < 12


def test_the_same_pixels_are_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.tif", "b.tif")]
    for path in paths:
        write_cog(path, picture_of(ONE_ZONE[0]), ONE_ZONE[0], COMPOSITE_STYLE)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("blocks", [pytest.param(ONE_ZONE, id="one zone"), pytest.param(TWO_ZONES, id="two zones")])
def test_the_layer_shows_all_blocks_and_nothing_where_there_is_nothing(tmp_path: Path, blocks: list[TileBlock]) -> None:
    write_map(tmp_path, blocks)
    overview, _ = write_layer(tmp_path, blocks, COMPOSITE_STYLE)
    assert overview.shape[0] == 3 and overview.dtype == np.uint8
    with (
        rasterio.open(tmp_path / "composite.vrt") as layer,
        rasterio.open(tmp_path / "composite_overview.tif") as small,
    ):
        assert layer.count == 3 and layer.overviews(1)
        shown, there = layer.read(), layer.dataset_mask() > 0
        assert small.shape == overview.shape[1:]
        np.testing.assert_array_equal(small.dataset_mask() > 0, overview.any(axis=0))
    if blocks is ONE_ZONE:
        wanted = np.hstack([picture_of(block).any(axis=0) for block in blocks])
        assert (there == wanted).mean() > 0.999  # but for black pixels that JPEG made 0
    assert 0.4 < there.mean() < 1
    assert (shown.any(axis=0) == there).mean() > 0.999
    # Black parts are a colour: nearly all of them are there.
    assert np.isin(shown[0][there], range(1, 8)).any()
