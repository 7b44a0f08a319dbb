"""What a block hands in of a detector's objects, where two zones meet."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest

from rsbot_beam.data.bands import Band, LabelClass, Layout
from rsbot_beam.data.map_layout import MapLayout
from rsbot_beam.data.stitching import Seams
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.source import FetchBand, PixelSource
from rsbot_beam.geometry import Grid, TileKey
from rsbot_beam.transforms.map_blocks import MapSettings
from rsbot_beam.transforms.map_files import MARGIN_PIXELS, detections_of_tile

SIZE, OVERLAP = 64, 16


def settings(zoned: bool) -> MapSettings:
    seams = Seams.of(SIZE, OVERLAP, OVERLAP)
    made = MapLayout("detection", (LabelClass(1, "one", "#ff0000"),), seams, (), zoned=zoned)
    return MapSettings(
        Endpoint("http://localhost:1", credentials="none"), PixelSource((FetchBand("a", "float32"),), expression="{}"),
        Layout((Band("a", "float32"),)), made, "/nowhere", "/nowhere", {}, "2023-01-01/2024-01-01", "made", {}, 1, 1,
    )  # fmt: skip


def columns_from_border(key: TileKey) -> float:
    """Pixels from the tile's left edge to 12 degrees east, at its middle row."""
    left, bottom, _, top = key.bounds
    to = pyproj.Transformer.from_crs("EPSG:4326", key.crs, always_xy=True)
    y = (bottom + top) / 2
    lat = to.transform(left, y, direction="INVERSE")[1]
    return float((to.transform(12.0, lat)[0] - left) / key.resolution)


@pytest.mark.parametrize("zoned", [False, True])
def test_objects_belong_to_the_zone_of_their_centre(zoned: bool) -> None:
    key = Grid("utm", 10.0, SIZE).tile_at(11.9985, 50.0)
    # Moved so that the border is in its middle.
    key = key.shifted(0, round(columns_from_border(key)) - SIZE // 2)
    border = columns_from_border(key)
    # Of zone 32; just beyond its edge; and so far beyond that the tile of zone 33 is sure to have it.
    x = OVERLAP + np.array([border - 2, border + 2, border + MARGIN_PIXELS + 2])
    y = np.full(3, OVERLAP + SIZE / 2)
    boxes = np.column_stack([y - 3, x - 3, y + 3, x + 3])
    found = {"boxes": boxes, "scores": np.ones(3, np.float32), "classes": np.ones(3, np.float32)}
    handed_in = detections_of_tile(key, found, settings(zoned))
    assert handed_in.core.tolist() == ([True, False] if zoned else [True, True, True])
