"""Outlines of the countries around a place, from an installed package that carries Natural Earth (public domain)."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import numpy as np
import shapely

# Degrees around what is shown in which outlines are kept, beside once its own extent.
_AROUND = 20.0
# Decimals of a degree: 1 km; the outlines are drawn for maps of 1:110 million.
_DECIMALS = 2
# Degrees up to which lines are kept, longitude and latitude.
_CUT = (179.99, 89.9)
_FILE = Path("tests", "fixtures", "naturalearth_lowres", "naturalearth_lowres.shp")


def outlines_near(bounds: list[list[float]]) -> list[list[float]]:
    """Lines of coasts and borders around a map's first view.

    Args:
        bounds: [[south, west], [north, east]] in degrees; longitudes may pass 180.

    Returns:
        Lines as lon, lat, lon, lat ...; none where no installed package has outlines.
    """
    (south, west), (north, east) = bounds
    margin = max(_AROUND, east - west, north - south)
    low, high = max(-90.0, south - margin), min(90.0, north + margin)
    near = []
    for turn in (-360.0, 0.0, 360.0):
        # The page draws the world three times side by side: what is near in any of them is kept once.
        left, right = max(-180.0, west - margin - turn), min(180.0, east + margin - turn)
        if left < right:
            near.append(shapely.box(left, low, right, high))
    lines = shapely.intersection(_borders(), shapely.union_all(near))
    parts = [part for part in shapely.get_parts(lines) if part.geom_type == "LineString" and not part.is_empty]
    return [np.round(shapely.get_coordinates(part).ravel(), _DECIMALS).tolist() for part in parts]


@functools.lru_cache(maxsize=1)
def _borders() -> shapely.Geometry:
    """All borders as lines, each once."""
    path = _natural_earth()
    if path is None:
        return shapely.MultiLineString()
    import pyogrio.raw

    _, _, geometries, _ = pyogrio.raw.read(path, columns=[])
    lines = shapely.union_all(shapely.boundary(shapely.from_wkb(geometries)))
    # Countries are cut along the antimeridian and around the south pole: no coasts.
    lines = shapely.intersection(lines, shapely.box(-_CUT[0], -_CUT[1], *_CUT))
    return shapely.simplify(shapely.line_merge(lines), 10.0**-_DECIMALS)


def _natural_earth() -> Path | None:
    """The file in pyogrio's wheel, which carries it for its own tests; None where it does not."""
    found = importlib.util.find_spec("pyogrio")
    path = Path(found.origin).parent / _FILE if found and found.origin else None
    return path if path is not None and path.is_file() else None
