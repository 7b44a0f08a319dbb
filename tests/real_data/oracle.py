"""What an export must hold, read from the GeoTIFFs with rasterio and pyproj alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio

from rsbot_beam import TileKey

FILE_NODATA = object()
# Pixels: a centre this close to an edge counts as on it, and so to the pixel below or right of it, as rounding would have
# it. Of the pixels of real imagery that is micrometres, of those that are made as wide as counties it is 0.1 m.
EDGE = 1e-6


@dataclass(frozen=True)
class Layer:
    """One band as it must come out: (height, width), or (steps, height, width); 0 where not valid."""

    values: np.ndarray
    valid: np.ndarray

    def where(self, condition: np.ndarray) -> Layer:
        """The same, valid only where the condition holds too."""
        valid = self.valid & condition
        return Layer(np.where(valid, self.values, 0).astype(self.values.dtype), valid)


@lru_cache(maxsize=512)
def read_file(path: Path) -> tuple[np.ndarray, Any]:
    """All bands of a GeoTIFF, (bands, height, width), and its rasterio profile with band names."""
    with rasterio.open(path) as source:
        return source.read(), {**source.profile, "names": source.descriptions, "epsg": source.crs.to_epsg()}


@lru_cache(maxsize=64)
def _transformer(source: str, destination: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source, destination, always_xy=True)


def centres(key: TileKey) -> tuple[np.ndarray, np.ndarray]:
    """x and y of a tile's pixel centres in its CRS, each (size, size)."""
    step = np.arange(key.size) + 0.5
    x, y = key.origin[0] + (key.col + step) * key.resolution, key.origin[1] - (key.row + step) * key.resolution
    return np.meshgrid(x, y)


@lru_cache(maxsize=256)
def middle(key: TileKey) -> tuple[float, float]:
    """Longitude and latitude of a tile's middle."""
    x, y = (float(axis.mean()) for axis in centres(key))
    lon, lat = _transformer(key.crs, "EPSG:4326").transform(x, y)
    return float(lon), float(lat)


@lru_cache(maxsize=256)
def places(path: Path, key: TileKey) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, cols, inside) of the pixels of a GeoTIFF that contain a tile's pixel centres; 0 where none does."""
    _, profile = read_file(path)
    x, y = centres(key)
    if (crs := f"EPSG:{profile['epsg']}") != key.crs:
        x, y = _transformer(key.crs, crs).transform(x, y)
    to_pixels = ~profile["transform"]
    assert to_pixels.b == to_pixels.d == 0, "all files are north-up"
    cols, rows = to_pixels.a * x + to_pixels.c, to_pixels.e * y + to_pixels.f
    # Where the CRS of the file has no place for a point, PROJ answers infinity, which is not inside.
    inside = (rows >= 0) & (rows < profile["height"]) & (cols >= 0) & (cols < profile["width"])
    rows, cols = (np.floor(np.where(inside, index, 0) + EDGE).astype(np.int64) for index in (rows, cols))
    rows, cols = np.minimum(rows, profile["height"] - 1), np.minimum(cols, profile["width"] - 1)
    return rows, cols, inside


def layer(path: Path, band: str | int, key: TileKey, nodata: object = FILE_NODATA) -> Layer:
    """One band of a GeoTIFF (its name, or number from 1) at a tile; nodata is not valid, nor is what lies outside."""
    pixels, profile = read_file(path)
    number = band if isinstance(band, int) else profile["names"].index(band) + 1
    nothing = profile["nodata"] if nodata is FILE_NODATA else nodata
    rows, cols, inside = places(path, key)
    values = pixels[number - 1, rows, cols]
    valid = inside if nothing is None else inside & (values != nothing)
    return Layer(np.where(valid, values, 0).astype(pixels.dtype), valid)


def mosaic(layers: Sequence[Layer]) -> Layer:
    """Layers put on top of each other, the last one on top, as Earth Engine documents `ImageCollection.mosaic`."""
    values, valid = np.zeros_like(layers[0].values), np.zeros_like(layers[0].valid)
    for one in layers:
        values, valid = np.where(one.valid, one.values, values), valid | one.valid
    return Layer(values, valid)


def series(layers: Sequence[Layer]) -> Layer:
    """Layers of one band in the order of time; (steps, height, width)."""
    return Layer(np.stack([one.values for one in layers]), np.stack([one.valid for one in layers]))


def nothing_like(one: Layer) -> Layer:
    """A layer without a valid pixel."""
    return Layer(np.zeros_like(one.values), np.zeros_like(one.valid))


def owners(path: Path, crs: str, resolution: float, size: int, origin: tuple[float, float]) -> set[TileKey]:
    """The tiles in which the pixel centres of a GeoTIFF lie; `crs` is EPSG:n, or utm: each in its own zone."""
    _, profile = read_file(path)
    cols, rows = np.meshgrid(np.arange(profile["width"]) + 0.5, np.arange(profile["height"]) + 0.5)
    to_crs = profile["transform"]
    x, y = to_crs.a * cols.ravel() + to_crs.c, to_crs.e * rows.ravel() + to_crs.f
    lon, lat = _transformer(f"EPSG:{profile['epsg']}", "EPSG:4326").transform(x, y)
    zones = np.floor((lon + 180) / 6).astype(int) + np.where(lat > 0, 32601, 32701)
    codes = zones if crs == "utm" else np.full(len(x), int(crs.removeprefix("EPSG:")))
    found: set[TileKey] = set()
    for code in np.unique(codes).tolist():
        here = codes == code
        east, north = _transformer("EPSG:4326", f"EPSG:{code}").transform(lon[here], lat[here])
        if code == profile["epsg"]:
            east, north = x[here], y[here]
        side = resolution * size
        index = np.stack([np.floor((origin[1] - north) / side), np.floor((east - origin[0]) / side)]).astype(int)
        for row, col in np.unique(index, axis=1).T.tolist():
            found.add(TileKey(f"EPSG:{code}", float(resolution), size, row * size, col * size, origin))
    return found
