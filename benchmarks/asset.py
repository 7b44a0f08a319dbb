"""A GeoTIFF on the local Earth Engine, large enough to fetch from for some ten seconds at full speed.

The bands are noise at the level of Sentinel-2 reflectances, which no compression makes cheaper than real pixels. One tile
in eight has a masked hole. Six bands of the asset share two bands of the file: more would not fit into the memory that
the server keeps decoded rasters in, and the endpoint is not what is to be measured.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from rsbot_beam.geometry import TileKey

ASSET = "projects/local/assets/bench"
BANDS = ("B2", "B3", "B4", "B8", "B11", "B12")
LABEL = "landcover"
CRS, RESOLUTION, PATCH = "EPSG:32633", 10.0, 128
# Tiles of 128 pixels a side: 88 x 88 = 7,744 patches.
TILES = 88
PIXELS = TILES * PATCH
# The corner is one of the grids of all patch sizes used here, and of their blocks: multiples of 8 x 128 pixels.
LEFT, TOP = 512_000.0 + 2_560.0 * 4, 5_120_000.0
CODES = np.array([10, 20, 30, 40, 50, 60, 80, 90], np.uint8)
HOLE, HOLE_EVERY = 32, 8


def write_asset(folder: Path) -> None:
    """Write the GeoTIFF and the manifest that `rsbot earth --assets` reads."""
    generator = np.random.default_rng(0)
    transform = Affine(RESOLUTION, 0, LEFT, 0, -RESOLUTION, TOP)
    profile = {"driver": "GTiff", "height": PIXELS, "width": PIXELS, "crs": CRS, "transform": transform, "nodata": 0}
    with rasterio.open(folder / "bands.tif", "w", count=2, dtype="uint16", interleave="band", **profile) as file:
        for band in (1, 2):
            file.write(_pierced(generator.integers(200, 5000, (PIXELS, PIXELS), np.uint16)), band)
    with rasterio.open(folder / "label.tif", "w", count=1, dtype="uint8", **profile) as file:
        picked = generator.integers(0, len(CODES), (PIXELS, PIXELS), np.uint8)
        file.write(_pierced(CODES[picked]), 1)
    bands = [{"name": name, "source": 1 + index % 2} for index, name in enumerate(BANDS)]
    files = [
        {"file": "bands.tif", "bands": bands},
        {"file": "label.tif", "bands": [{"name": LABEL, "source": 1}]},
    ]
    manifest = {"version": 1, "assets": {ASSET: {"type": "IMAGE", "files": files}}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _pierced(pixels: np.ndarray) -> np.ndarray:
    for row in range(TILES):
        for col in range(row % HOLE_EVERY, TILES, HOLE_EVERY):
            pixels[row * PATCH :, col * PATCH :][:HOLE, :HOLE] = 0
    return pixels


def square(folder: Path, pixels: int) -> str:
    """A region file of `pixels` x `pixels` in the asset's top-left corner, for `--tiles centre`; returns its path.

    It keeps 50 m from the edges, on the tiles' side: a line that is straight on the grid is not in longitude and latitude.
    """
    side = pixels * RESOLUTION
    left, right, top, bottom = LEFT + 50, LEFT + side - 50, TOP - 50, TOP - side + 50
    ring = [[left, bottom], [right, bottom], [right, top], [left, top], [left, bottom]]
    crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:{CRS.replace(':', '::')}"}}
    path = folder / f"square-{pixels}.geojson"
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring], "crs": crs}), encoding="utf-8")
    return str(path)


def isolated_tiles(count: int) -> list[TileKey]:
    """Tiles that neither touch nor lie on the grid, spread over the asset: each needs a request of its own.

    Raises:
        ValueError: There is no room for so many.
    """
    pitch = PATCH + PATCH // 2
    side = (PIXELS - PATCH // 4) // pitch
    if count > side * side:
        raise ValueError(f"{count} isolated tiles do not fit: the asset has room for {side * side}")
    shifts = np.random.default_rng(1).integers(0, PATCH // 4, (side * side, 2))
    places = np.random.default_rng(2).permutation(side * side)[:count]
    first = (round(-TOP / RESOLUTION), round(LEFT / RESOLUTION))
    return [
        TileKey(
            CRS,
            RESOLUTION,
            PATCH,
            first[0] + int(place // side) * pitch + int(shifts[place, 0]),
            first[1] + int(place % side) * pitch + int(shifts[place, 1]),
        )
        for place in places
    ]
