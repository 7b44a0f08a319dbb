"""A map's rasters as datasets on pixel grids: one for each zone that its blocks are in, and one of all of them made smaller.

Each pixel of these is a pixel of a block: nothing is reprojected before it is drawn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from affine import Affine
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader, MemoryFile

from rsbot_beam import storage
from rsbot_beam.errors import GridError, InputError
from rsbot_beam.geometry import TileBlock
from rsbot_beam.geometry.crs import LONLAT, is_geographic, transformer
from rsbot_beam.geometry.tile import pixel_grid
from rsbot_beam.maps.gdal_files import Handles, gdal_path
from rsbot_beam.maps.mosaic import grid_layer, mosaic_geobox
from rsbot_beam.maps.styles import RasterStyle


@dataclass(frozen=True, eq=False)
class MapGrid:
    """Blocks on one pixel grid, or the overview of a raster.

    Attributes:
        crs: "EPSG:n".
        transform: From (column, row) of a pixel corner to the CRS; north is up.
        shape: (height, width) of all.
        source: What GDAL opens.
        blocks: int (n, 4), top, left, bottom and right of each block in pixels; none for an overview.
        memory: Keeps a source alive that is in memory.
    """

    crs: str
    transform: Affine
    shape: tuple[int, int]
    source: str
    blocks: np.ndarray = field(default_factory=lambda: np.empty((0, 4), np.int64), repr=False)
    memory: MemoryFile | None = field(default=None, repr=False)

    def pixels_at(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where places are in the grid: a pixel's corner has whole numbers, its centre halves.

        Args:
            lon: Degrees, any turn.
            lat: Degrees, of the same shape.

        Returns:
            Column and row, float64; NaN where the CRS has no such place.
        """
        if is_geographic(self.crs):
            # Blocks across the antimeridian go on beyond 180 degrees.
            x, y = self.transform.c + (np.asarray(lon, float) - self.transform.c) % 360.0, np.asarray(lat, float)
        else:
            x, y = transformer(LONLAT, self.crs).transform(lon, lat)
        with np.errstate(invalid="ignore"):
            col, row = (x - self.transform.c) / self.transform.a, (y - self.transform.f) / self.transform.e
        known = np.isfinite(col) & np.isfinite(row)
        return np.where(known, col, np.nan), np.where(known, row, np.nan)

    def inside(self, col: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Which places are in the grid, bool; NaN is not."""
        height, width = self.shape
        return np.asarray((col >= 0) & (row >= 0) & (col < width) & (row < height))

    def touched(self, top: int, left: int, bottom: int, right: int) -> int:
        """How many blocks share a pixel with a window."""
        b = self.blocks
        return int(((b[:, 0] < bottom) & (b[:, 2] > top) & (b[:, 1] < right) & (b[:, 3] > left)).sum())

    @property
    def outline(self) -> tuple[np.ndarray, np.ndarray]:
        """Longitude and latitude along the edge, closed, without jumps between neighbours; NaN where there are none."""
        height, width = self.shape
        steps = np.linspace(0, 1, 33)
        cols = np.concatenate([steps, np.ones(33), steps[::-1], np.zeros(33)]) * width
        rows = np.concatenate([np.zeros(33), steps, np.ones(33), steps[::-1]]) * height
        x, y = self.transform.c + cols * self.transform.a, self.transform.f + rows * self.transform.e
        lon, lat = (x, y) if is_geographic(self.crs) else transformer(self.crs, LONLAT).transform(x, y)
        known = np.isfinite(lon) & np.isfinite(lat)
        return np.where(known, np.unwrap(np.where(known, lon, 0.0), period=360), np.nan), np.where(known, lat, np.nan)


def block_names(root: str, raster: str) -> list[TileBlock]:
    """The blocks of which a raster is there, ordered.

    Args:
        root: The map's folder, local or `gs://`.
        raster: Its name.
    """
    found = []
    for file in storage.list_files(storage.join(root, raster), ".tif"):
        try:
            found.append(TileBlock.parse(storage.name_of(file.path).removesuffix(".tif")))
        except GridError:  # somebody else's file
            continue
    return sorted(found)


def open_grids(root: str, style: RasterStyle) -> list[MapGrid]:
    """The grids of a raster; of blocks that share ground, those of a later grid lie above.

    Args:
        root: The map's folder, local or `gs://`.
        style: Of the raster.
    """
    by_grid: defaultdict[tuple, list[TileBlock]] = defaultdict(list)
    for block in block_names(root, style.name):
        by_grid[pixel_grid(block)].append(block)
    return [_grid(root, style, blocks, len(by_grid) == 1) for _, blocks in sorted(by_grid.items())]


def open_overview(root: str, raster: str, handles: Handles) -> MapGrid | None:
    """The raster of all of the map with few pixels, or None where there is none."""
    path = storage.join(root, f"{raster}_overview.tif")
    if not storage.exists(path):
        return None
    try:
        with handles.lend(gdal_path(path)) as dataset:
            return MapGrid(_crs_of(dataset), dataset.transform, dataset.shape, gdal_path(path))
    except RasterioIOError as error:
        raise InputError(f"{path} cannot be read ({error}): start the same `rsbot predict` again") from error


def _crs_of(dataset: DatasetReader) -> str:
    code = dataset.crs.to_epsg() if dataset.crs else None
    if code is None:
        raise InputError(f"{dataset.name} has no CRS with an EPSG code: rasters of `rsbot predict` have one")
    return f"EPSG:{code}"


def _grid(root: str, style: RasterStyle, blocks: Sequence[TileBlock], alone: bool) -> MapGrid:
    geobox = mosaic_geobox(blocks)
    top, left = min(b.row for b in blocks), min(b.col for b in blocks)
    corners = np.array([(b.row - top, b.col - left) for b in blocks], np.int64)
    places = np.hstack([corners, corners + np.array([b.shape for b in blocks])])
    layer, memory = storage.join(root, f"{style.name}.vrt"), None
    source = gdal_path(layer)
    if not (alone and storage.exists(layer)):
        memory = MemoryFile(grid_layer(gdal_path(root), blocks, style).encode(), ext=".vrt")
        source = memory.name
    height, width = geobox.shape
    return MapGrid(blocks[0].crs, geobox.transform, (height, width), source, places, memory)
