"""A small picture of all of a map, read from the overviews of its rasters, and the layer that shows it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.warp import reproject
from rasterio.windows import from_bounds

from rsbot_beam import storage
from rsbot_beam.geometry import TileBlock
from rsbot_beam.maps.cog import BLOCK_SIZE, overview_resampling, write_cog
from rsbot_beam.maps.mosaic import bounds_in, mosaic_geobox, write_mosaic
from rsbot_beam.maps.styles import RasterStyle, raster_path

# Files that are read at the same time: from a bucket the network is waited for, from a disk mostly Python.
_THREADS_REMOTE, _THREADS_LOCAL = 16, 2
# Without it GDAL lists the folder, of thousands of files, each time that it opens one: it looks for sidecars.
_ENV = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_NUM_THREADS": "1"}
# Pixels of the picture, along the shorter side of a block, below which it is not enough to look at their centres.
_FEW_PIXELS = 8
# Pixels along the longer side of a layer's overview: twice those of a screen; at most 16 MB of classes before deflating.
LAYER_OVERVIEW_SIDE = 4096
# Bytes at the start of a COG that hold its directories and the lists of its tiles: 32 bytes for each tile of 512 pixels
# make 32 kB for a block of 16,384 pixels; names and tags are the rest.
_HEADER_BYTES = 131_072


def picture_geobox(blocks: Sequence[TileBlock], max_side: int, crs: str | None = None) -> GeoBox:
    """The pixels of a picture of all blocks, the longer side at most `max_side` pixels; see `mosaic_geobox`."""
    full = mosaic_geobox(blocks, crs)
    factor = max(1.0, max(full.shape) / max_side)
    height, width = (max(1, min(max_side, round(side / factor))) for side in full.shape)
    return full.zoom_to((height, width))


def write_layer(
    folder: str | os.PathLike[str], blocks: Sequence[TileBlock], style: RasterStyle, crs: str | None = None
) -> tuple[np.ndarray, GeoBox]:
    """Write all that shows a raster of the map as one layer: `<name>.vrt` and its overview, `<name>_overview.tif`.

    Without the overview, a program that shows all of a map of 10,000 blocks opens 10,000 files.

    Args:
        folder: Of the map, local or `gs://`.
        blocks: Those whose raster is there.
        style: Of the raster.
        crs: Of the layer; see `mosaic.write_mosaic`.

    Returns:
        The overview and where its pixels are, as `read_overview` gives them.

    Raises:
        InputError: There are no blocks.
        FileNotFoundError: The raster of a block is missing.
    """
    picture, geobox = read_overview(folder, blocks, style, LAYER_OVERVIEW_SIDE, crs)
    name = f"{style.name}_overview.tif"
    write_cog(storage.join(folder, name), picture, geobox, style)
    write_mosaic(folder, blocks, style, crs, name)
    return picture, geobox


def read_overview(
    folder: str | os.PathLike[str],
    blocks: Sequence[TileBlock],
    style: RasterStyle,
    max_side: int = 2048,
    crs: str | None = None,
) -> tuple[np.ndarray, GeoBox]:
    """A picture of a raster of the whole map, its zones brought into one CRS.

    Only overviews are read, from a bucket as well: of a COG its first bytes are fetched, where they lie. Classes are the
    most frequent one of each overview pixel; nothing is interpolated between codes.

    Args:
        folder: Of the map, local or `gs://`.
        blocks: Those whose raster is there.
        style: Of the raster.
        max_side: Most pixels along the longer side.
        crs: Of the picture; None takes the blocks' own if they share one, else `mosaic.common_crs`.

    Returns:
        (height, width) for one band, else (bands, height, width), with the style's `nodata` where there is none; and
        where the pixels are.

    Raises:
        InputError: There are no blocks.
        FileNotFoundError: The raster of a block is missing.
    """
    geobox = picture_geobox(blocks, max_side, crs)
    picture = np.full((len(style.bands), *geobox.shape), style.nodata, style.dtype)

    def part_of(block: TileBlock) -> tuple[tuple[slice, slice], np.ndarray]:
        with rasterio.Env(**_ENV):  # counts for the thread that it is made in only
            return _part(storage.join(folder, raster_path(style.name, block)), block, style, geobox)

    threads = _THREADS_REMOTE if storage.is_gcs(folder) else _THREADS_LOCAL
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
        # rasterio's reproject looks at the place of its own arrays in memory before it has told them.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        for window, part in pool.map(part_of, sorted(blocks)):
            target = picture[(slice(None), *window)]
            np.copyto(target, part, where=~style.is_nodata(part))
    return (picture[0] if len(style.bands) == 1 else picture), geobox


def _part(path: str, block: TileBlock, style: RasterStyle, geobox: GeoBox) -> tuple[tuple[slice, slice], np.ndarray]:
    """The pixels of the picture that a block covers."""
    window = _window(block, geobox)
    shape = tuple(axis.stop - axis.start for axis in window)
    if 0 in shape:  # less than half a pixel of the picture
        return window, np.zeros((len(style.bands), *shape), style.dtype)
    # Twice as fine as the picture: what is lost by taking nearest pixels stays below half a pixel.
    step = max(1.0, _decimation(block, geobox) / 2)
    height, width = (max(1, int(side / step)) for side in block.shape)
    small = _read_small(path, style, (height, width))
    part = np.full((len(style.bands), *shape), style.nodata, style.dtype)
    reproject(
        small,
        part,
        src_transform=block.geobox.zoom_to((height, width)).transform,
        src_crs=block.crs,
        src_nodata=style.nodata,
        dst_transform=geobox[window].transform,
        dst_crs=str(geobox.crs),
        dst_nodata=style.nodata,
        # A block of a few pixels would lose its edges, or itself, where no centre of a pixel falls into it.
        resampling=overview_resampling(style) if min(shape) <= _FEW_PIXELS else Resampling.nearest,
    )
    return window, part


def _window(block: TileBlock, geobox: GeoBox) -> tuple[slice, slice]:
    bounds = bounds_in(block, str(geobox.crs))
    found = from_bounds(*bounds, transform=geobox.transform)
    top, left = max(0, int(found.row_off)), max(0, int(found.col_off))
    bottom = min(geobox.shape[0], int(np.ceil(found.row_off + found.height)))
    right = min(geobox.shape[1], int(np.ceil(found.col_off + found.width)))
    return slice(top, max(bottom, top)), slice(left, max(right, left))


def _decimation(block: TileBlock, geobox: GeoBox) -> float:
    """Pixels of the block along one pixel of the picture."""
    left, _, right, _ = bounds_in(block, str(geobox.crs))
    return block.shape[1] * abs(geobox.transform.a) / max(right - left, 1e-300)


def _read_small(path: str, style: RasterStyle, shape: tuple[int, int]) -> np.ndarray:
    """A raster at a smaller shape, (bands, height, width), from its overviews."""
    if not storage.is_gcs(path):
        if not storage.exists(path):
            raise FileNotFoundError(path)
        with rasterio.open(path) as dataset:
            return _shrunk(dataset, style, shape)
    # A COG holds its directories first, then its overviews, the smallest first; that has at most BLOCK_SIZE pixels a
    # side. The one that is read has less than twice the pixels asked for along each side, and all smaller ones together
    # have a third of its pixels.
    sides = [max(BLOCK_SIZE, 2 * side) for side in shape]
    pixels = np.dtype(style.dtype).itemsize * len(style.bands) * sides[0] * sides[1]
    content = storage.read_bytes(path, _HEADER_BYTES + pixels * 4 // 3)
    try:
        with MemoryFile(content) as memory, memory.open() as dataset:
            return _shrunk(dataset, style, shape)
    except RasterioError:  # the pixels lie further back than reckoned
        with MemoryFile(storage.read_bytes(path)) as memory, memory.open() as dataset:
            return _shrunk(dataset, style, shape)


def _shrunk(dataset: DatasetReader, style: RasterStyle, shape: tuple[int, int]) -> np.ndarray:
    found = dataset.read(out_shape=(len(style.bands), *shape), resampling=overview_resampling(style))
    if style.is_picture:  # what is black in it is a colour, and what is masked is not
        there = dataset.dataset_mask(out_shape=shape) > 0
        return np.where(there, np.maximum(found, 1), np.uint8(0))
    return found
