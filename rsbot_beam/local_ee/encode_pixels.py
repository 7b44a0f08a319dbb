"""Pixels as Earth Engine sends them: structured NPY, and GeoTIFF."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from rsbot_beam.local_ee.provider import PixelGrid
from rsbot_beam.local_ee.types import Band

# GDAL before 3.7 has no int8, and GeoTIFF readers in the field do not know int64: both are sent one size up.
_TIFF_DTYPES = {"int8": "int16", "int64": "float64"}


def npy_dtype(bands: Sequence[Band]) -> np.dtype[Any]:
    """The structured type of an NPY answer: one field for each band, in its native dtype."""
    return np.dtype([(band.name, band.type.dtype) for band in bands])


def encode_npy(pixels: NDArray[Any]) -> list[bytes | memoryview]:
    """Header and data of an NPY file.

    Args:
        pixels: Structured (H, W).
    """
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(pixels))
    # A flat byte view: the pixels are sent from where they are, without a copy.
    return [header.getvalue(), pixels.reshape(-1).view(np.uint8).data]


def tiff_fill(dtype: np.dtype[Any]) -> float:
    """What stands for masked pixels in a GeoTIFF: 0 if unsigned, the least value if signed, -inf for floats."""
    if dtype.kind == "f":
        return -np.inf
    return 0 if dtype.kind == "u" else int(np.iinfo(dtype).min)


def encode_tiff(pixels: NDArray[Any], valid: dict[str, NDArray[np.bool_]], grid: PixelGrid) -> bytes:
    """A GeoTIFF of all bands in one type that holds them all.

    Args:
        pixels: Structured (H, W), masked pixels 0.
        valid: By band, (H, W) bool.
        grid: Where they are.
    """
    names = list(pixels.dtype.names or ())
    common = np.result_type(*(pixels.dtype[name] for name in names))
    dtype = np.dtype(_TIFF_DTYPES.get(common.name, common.name))
    profile = {
        "driver": "GTiff",
        "count": len(names),
        "height": grid.shape[0],
        "width": grid.shape[1],
        "dtype": dtype.name,
        "crs": grid.crs,
        "transform": grid.transform,
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as target:
            for number, name in enumerate(names, 1):
                values = np.where(valid[name], pixels[name].astype(dtype), tiff_fill(common)).astype(dtype)
                target.write(values, number)
                target.set_band_description(number, name)
        return bytes(memory.read())
