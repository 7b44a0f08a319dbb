"""Cloud Optimized GeoTIFFs: one for each block of a map.

The same pixels give the same bytes: nothing of the time or the machine is written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.io import DatasetWriter, MemoryFile
from rasterio.shutil import copy

from rsbot_beam import storage
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileBlock, TileKey
from rsbot_beam.maps.styles import RasterStyle, rgb

# Pixels per side of a TIFF tile. Earth Engine takes 256, 512, 1024 and 2048 and advises 512 or more for assets backed
# by COGs (its guide "Cloud GeoTIFF-backed assets"); 512 is also 1 to 2 % smaller than 256.
BLOCK_SIZE = 512
# Of a map of 2048 x 2048 pixels: ZSTD 9 is smaller by 1 % for classes and by 0.2 % for probabilities, at the same speed
# of writing, and DEFLATE 9 by 11 % and 1 %, at a quarter of it. DEFLATE is read by every program that reads TIFFs.
COMPRESSION = {"COMPRESS": "DEFLATE", "LEVEL": "6"}
# The horizontal difference makes classes 12 % larger, the one for floating point makes probabilities 10 % smaller.
PREDICTOR_CODES, PREDICTOR_FLOAT = "NO", "FLOATING_POINT"

# Of pictures: the quality at which its artefacts are not seen, an eighth of the bytes of DEFLATE.
PICTURE = {"COMPRESS": "JPEG", "QUALITY": "85", "OVERVIEW_QUALITY": "85"}
_PALETTE_DTYPE = "uint8"  # a TIFF's palette for 16 bits would take 393 kB in each file


def write_cog(
    path: str | os.PathLike[str],
    pixels: np.ndarray,
    place: TileBlock | TileKey | GeoBox,
    style: RasterStyle,
    tags: Mapping[str, str] | None = None,
) -> int:
    """Write pixels as a Cloud Optimized GeoTIFF, atomically.

    Overviews hold the most frequent class, or the mean, of the pixels that have data. Classes are written as the
    palette (8 bits only) and as tags of the band, `class_10=Trees`: GDAL keeps category names outside of TIFFs, so the
    mosaic carries them for QGIS (see `maps.mosaic`). Of a picture, pixels whose bands are all 0 are masked.

    Args:
        path: Local or `gs://`.
        pixels: (height, width) or (bands, height, width), of the style's type; pixels without data hold its `nodata`.
        place: Where the pixels are.
        style: What they mean.
        tags: Further tags of the file, such as model and period.

    Returns:
        Bytes of the file.

    Raises:
        InputError: The pixels do not have the shape or type that place and style say.
    """
    geobox = place if isinstance(place, GeoBox) else place.geobox
    cube = pixels[np.newaxis] if pixels.ndim == 2 else pixels
    _check(cube, geobox, style)
    content = encode_cog(cube, geobox, style, tags or {})
    storage.write_bytes(path, content)
    return len(content)


def is_whole(path: str | os.PathLike[str], nbytes: int) -> bool:
    """Whether a file that was written with `nbytes` bytes is there with as many."""
    return storage.size(path) == nbytes


def encode_cog(pixels: np.ndarray, geobox: GeoBox, style: RasterStyle, tags: Mapping[str, str]) -> bytes:
    """The bytes of the file that `write_cog` writes; pixels (bands, height, width)."""
    # Statistics would go into a sidecar; one thread, as Beam runs one worker for each core.
    with rasterio.Env(GDAL_PAM_ENABLED="NO", GDAL_NUM_THREADS="1"), MemoryFile(ext=".tif") as target:
        with _in_memory(pixels, geobox, style, tags) as source:
            copy(source, target.name, driver="COG", **_options(style))
        return bytes(target.getbuffer())


def _check(pixels: np.ndarray, geobox: GeoBox, style: RasterStyle) -> None:
    expected = (len(style.bands), *geobox.shape)
    if pixels.shape != expected or pixels.dtype != np.dtype(style.dtype):
        raise InputError(
            f"raster {style.name!r} is to hold {style.dtype} of shape {expected} (bands, height, width), but the pixels "
            f"are {pixels.dtype} of shape {pixels.shape}"
        )


def _in_memory(pixels: np.ndarray, geobox: GeoBox, style: RasterStyle, tags: Mapping[str, str]) -> DatasetWriter:
    count, height, width = pixels.shape
    dataset = rasterio.open(
        "map",
        "w",
        driver="MEM",
        width=width,
        height=height,
        count=count,
        dtype=style.dtype,
        crs=str(geobox.crs),
        transform=geobox.transform,
        nodata=None if style.is_picture else style.nodata,
    )
    dataset.write(pixels)
    if style.is_picture:  # JPEG does not keep the value of pixels without data
        dataset.write_mask((pixels != style.nodata).any(axis=0))
    dataset.update_tags(**{name: tags[name] for name in sorted(tags)})
    for index, band in enumerate(style.bands, 1):
        dataset.set_band_description(index, band)
        if style.unit:
            dataset.set_band_unit(index, style.unit)
    if style.classes:
        dataset.update_tags(1, **{f"class_{item.code}": item.name for item in style.classes})
        if style.dtype == _PALETTE_DTYPE:
            dataset.write_colormap(1, {item.code: (*rgb(item.colour), 255) for item in style.classes})
    return dataset


def _options(style: RasterStyle) -> dict[str, str]:
    predictor = {"PREDICTOR": PREDICTOR_CODES if style.is_codes else PREDICTOR_FLOAT}
    return {
        **(PICTURE if style.is_picture else {**COMPRESSION, **predictor}),
        "BLOCKSIZE": str(BLOCK_SIZE),
        "OVERVIEWS": "IGNORE_EXISTING",
        "OVERVIEW_RESAMPLING": overview_resampling(style).name.upper(),
        "BIGTIFF": "IF_SAFER",
    }


def overview_share(height: int, width: int) -> float:
    """Pixels of a file with its overviews for each pixel of the map: 1 where it is too small for any."""
    total, pixels = height * width, height * width
    while max(height, width) > BLOCK_SIZE:
        height, width = max(1, height // 2), max(1, width // 2)
        total += height * width
    return total / pixels


def overview_resampling(style: RasterStyle) -> Resampling:
    """How pixels are put together into larger ones: the most frequent class, the mean of quantities."""
    return Resampling.mode if style.is_codes else Resampling.average
