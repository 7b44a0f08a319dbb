"""A picture of the ground around an object, with its outline: what the model saw when it found it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import shapely
from rasterio.features import rasterize

from rsbot_beam.data.composite import NAME as COMPOSITE
from rsbot_beam.errors import InputError
from rsbot_beam.maps.map_grids import MapGrid
from rsbot_beam.maps.shading import shade
from rsbot_beam.maps.tiles import MapTiles

SIDE = 384
"""Pixels a side of the picture, about."""

_LEAST = 64
"""Pixels of the raster a side that are shown of the smallest objects: 640 m of Sentinel-2."""

_AROUND = 2.2
"""How many times as wide as its object a picture is."""

_LINE, _HALO = (255, 255, 255), (20, 20, 20)


def picture_raster(tiles: MapTiles) -> str:
    """The raster that pictures of objects show: what the model saw, or else the classes.

    Raises:
        InputError: The map has neither.
    """
    for name in (COMPOSITE, "class"):
        if name in tiles.rasters:
            return name
    raise InputError(
        f"the map {tiles.root} has no picture of its objects: it has no raster {COMPOSITE!r}; predict with "
        f"--bands {COMPOSITE} into another folder"
    )


def detection_picture(tiles: MapTiles, feature: dict[str, Any]) -> np.ndarray:
    """A picture of an object in the raster's own grid, north (of its CRS) up.

    Args:
        tiles: Of the map.
        feature: As GeoJSON; of a point `width_m` and `height_m` say how large the object is.

    Returns:
        uint8 (side, side, 4), red, green, blue and opacity; 0 where there is no data.

    Raises:
        InputError: The map has no raster to show, or none where the object is.
    """
    raster = picture_raster(tiles)
    place = feature["properties"]["lon"], feature["properties"]["lat"]
    shape = shapely.geometry.shape(feature["geometry"])
    # An object at the map's edge may have its middle beyond it: then what lies around it is shown.
    beyond = []
    for grid in reversed(tiles.grids(raster)):
        col, row = grid.pixels_at(*(np.array([degrees]) for degrees in place))
        centre = float(row[0]), float(col[0])
        if not grid.inside(col, row)[0]:
            beyond.append((grid, centre))
            continue
        found = _drawn(tiles, raster, grid, centre, _in_pixels(shape, grid, feature["properties"]))
        if found is not None:
            return found
    for grid, centre in beyond:
        if not _is_near(grid, centre):
            continue
        found = _drawn(tiles, raster, grid, centre, _in_pixels(shape, grid, feature["properties"]))
        if found is not None:
            return found
    raise InputError(f"the raster {raster!r} of the map {tiles.root} has no data at {place[0]}, {place[1]}")


def _is_near(grid: MapGrid, centre: tuple[float, float]) -> bool:
    """Whether a picture of the smallest object, with this middle, would show some of a grid."""
    reach = _LEAST / 2 - 1
    return all(-reach < at < length + reach for at, length in zip(centre, grid.shape, strict=True))


def _in_pixels(shape: Any, grid: MapGrid, properties: dict[str, Any]) -> Any:  # noqa: ANN401 - shapely's geometries
    """An outline in columns and rows of a grid."""
    if shape.geom_type == "Point":
        return _box_of_point(shape, grid, properties)
    parts = shapely.get_parts(shape)
    if len(parts) > 1:
        # What the antimeridian cuts is one thing again.
        return shapely.union_all([_in_pixels(part, grid, properties).buffer(1e-3) for part in parts])
    return shapely.transform(shape, lambda c: np.column_stack(grid.pixels_at(c[:, 0], c[:, 1])))


def _box_of_point(point: Any, grid: MapGrid, properties: dict[str, Any]) -> Any:  # noqa: ANN401
    lon, lat = point.x, point.y
    # A metre north and one east of the point tell how long they are in pixels.
    up, right = 1 / 111_132.95, 1 / (111_319.49 * max(0.01, math.cos(math.radians(lat))))
    cols, rows = grid.pixels_at(np.array([lon, lon + right, lon]), np.array([lat, lat, lat + up]))
    x, y = math.hypot(cols[1] - cols[0], rows[1] - rows[0]), math.hypot(cols[2] - cols[0], rows[2] - rows[0])
    half = properties["width_m"] * x / 2, properties["height_m"] * y / 2
    return shapely.box(cols[0] - half[0], rows[0] - half[1], cols[0] + half[0], rows[0] + half[1])


def _drawn(
    tiles: MapTiles,
    raster: str,
    grid: MapGrid,
    centre: tuple[float, float],
    outline: Any,  # noqa: ANN401
) -> np.ndarray | None:
    left, top, right, bottom = outline.bounds
    side = max(_LEAST, math.ceil(_AROUND * max(right - left, bottom - top)))
    first = round(centre[0] - side / 2), round(centre[1] - side / 2)
    pixels, valid, scale = _ground(tiles, grid, first, side)
    if not valid.any():
        return None
    colours = np.where(valid, shade(raster, pixels, tiles.classes), 0)
    picture = np.concatenate([colours, np.where(valid, 255, 0)[None]]).astype(np.uint8)
    times = max(1, round(SIDE / picture.shape[1]))
    picture = np.moveaxis(picture.repeat(times, axis=1).repeat(times, axis=2), 0, -1)
    moved = shapely.transform(outline, lambda c: (c - np.array(first[::-1])) * scale * times)
    return _with_line(picture, moved)


def _ground(tiles: MapTiles, grid: MapGrid, first: tuple[int, int], side: int) -> tuple[np.ndarray, np.ndarray, float]:
    """A square of a grid, as far as there is any: pixels (bands, n, n), where there is data, and pixels per raster pixel."""
    step = max(1, math.ceil(side / SIDE))
    count = math.ceil(side / step)
    top, left = (max(0, edge) for edge in first)
    bottom, right = (min(length, edge + count * step) for edge, length in zip(first, grid.shape, strict=True))
    shape = max(1, (bottom - top) // step), max(1, (right - left) // step)
    image = tiles.read_window(grid, (top, left, bottom, right), shape)
    pixels = np.zeros((image.count, count, count), image.array.dtype)
    valid = np.zeros((count, count), bool)
    at = (top - first[0]) // step, (left - first[1]) // step
    window = slice(at[0], at[0] + shape[0]), slice(at[1], at[1] + shape[1])
    pixels[(slice(None), *window)] = image.array.data
    valid[window] = image.mask > 0
    return pixels, valid, 1 / step


def _with_line(picture: np.ndarray, outline: Any) -> np.ndarray:  # noqa: ANN401
    """A picture with an outline drawn on it: light within dark, to be seen on any ground."""
    shape = picture.shape[:2]
    for width, colour in ((2.6, _HALO), (1.1, _LINE)):
        line = outline.boundary.buffer(width)
        drawn = rasterize([line], shape, default_value=1, dtype="uint8").astype(bool)
        picture[drawn] = (*colour, 255)
    return picture
