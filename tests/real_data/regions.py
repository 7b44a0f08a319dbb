"""Regions around files, in degrees."""

from __future__ import annotations

from pathlib import Path

import pyproj
import rasterio.transform
import shapely
import shapely.ops

from .oracle import read_file


def around(path: Path, margin: float) -> shapely.Geometry:
    """The outline of a GeoTIFF, wider by a margin in units of its CRS (narrower where it is negative)."""
    _, profile = read_file(path)
    left, bottom, right, top = rasterio.transform.array_bounds(
        profile["height"], profile["width"], profile["transform"]
    )
    frame = shapely.box(left - margin, bottom - margin, right + margin, top + margin)
    lonlat = pyproj.Transformer.from_crs(f"EPSG:{profile['epsg']}", "EPSG:4326", always_xy=True).transform
    return shapely.ops.transform(lonlat, shapely.segmentize(frame, max(right - left, top - bottom) / 16))
