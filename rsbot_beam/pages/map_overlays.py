"""The pictures that a map's page holds where no server stands behind it: all of the map, in fewer pixels."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from rsbot_beam.errors import InputError
from rsbot_beam.geometry.mercator import RADIUS, MercatorGrid, latitude, picture_grid
from rsbot_beam.maps.detection_files import WORLD, DetectionFiles
from rsbot_beam.maps.detection_pictures import detection_picture
from rsbot_beam.maps.shading import shade
from rsbot_beam.pages.map_content import MapContent
from rsbot_beam.pages.page import data_uri
from rsbot_beam.views.encoding import encode_picture

SIDE = 1400
"""Pixels along the longer side of the pictures: some hundred kilobytes for classes, up to a megabyte for a composite."""

MOST_OBJECTS = 2_000
"""Objects in the page, those with the highest scores: some 400 bytes each."""

MOST_PICTURES = 36
"""Objects whose picture is in the page: some 10 kB each."""

# Of an object in a page.
_KEPT = ("n", "code", "class", "score", "area_m2", "lon", "lat", "width_m", "height_m")
_NOTHING = 255
# Steps of a probability in a byte, which leave one value for "no data".
_STEPS = 250


def overlays(content: MapContent) -> dict[str, Any]:
    """Pictures of the map's layers, and the classes as numbers.

    Returns:
        `bounds` of all pictures, [[south, west], [north, east]]; `metres` along one of their pixels on the ground;
        `pictures` by the layer's key, as addresses that hold them; `values`, see `_values`. Of `probabilities` there are
        no pictures: they would be as many as classes.
    """
    layers = [layer for layer in content.layers if layer.raster != "probabilities"]
    if not layers:
        return {"pictures": {}, "values": None}
    place = picture_grid(*content.bounds, _side(content))
    lat = float(latitude(np.array((place.bounds[1] + place.bounds[3]) / 2)))
    pictures = {layer.key: data_uri(_picture(content, layer.raster, place), "webp") for layer in layers}
    return {
        "bounds": _degrees(place),
        "metres": round(place.resolution * float(np.cos(np.radians(lat))), 2),
        "pictures": pictures,
        "values": _values(content, place),
    }


def _side(content: MapContent) -> int:
    """No more pixels than the map has."""
    west, south, east, north = content.bounds
    sides = picture_grid(west, south, east, north, SIDE)
    lat = np.radians((south + north) / 2)
    finest = sides.resolution * np.cos(lat) / content.resolution
    return int(np.clip(np.ceil(SIDE * finest), 16, SIDE))


def _degrees(place: MercatorGrid) -> list[list[float]]:
    """Corners of a picture, [[south, west], [north, east]]: its edges, not the centres of its pixels."""
    left, bottom, right, top = place.bounds
    south, north = latitude(np.array([bottom, top])).tolist()
    return [[south, float(np.degrees(left / RADIUS))], [north, float(np.degrees(right / RADIUS))]]


def _picture(content: MapContent, raster: str, place: MercatorGrid) -> bytes:
    pixels, valid = content.tiles.sample(raster, place)
    colours = np.where(valid, shade(raster, pixels, content.classes), 0)
    image = np.concatenate([colours, np.where(valid, 255, 0)[None]]).astype(np.uint8)
    return encode_picture(np.moveaxis(image, 0, -1), exact=raster == "class")


def _values(content: MapContent, place: MercatorGrid) -> dict[str, Any] | None:
    """What a click tells: for each pixel of the pictures the number of its class, and its probability.

    Returns:
        `shape`, (height, width); `classes`, bytes: places in the page's list of classes, 255 for none; `probability`,
        bytes: parts of 250, 255 for none, or None without that raster. Bytes are deflated (zlib), in base64.
    """
    if "class" not in content.tiles.rasters or len(content.classes) > _NOTHING:
        return None
    pixels, valid = content.tiles.sample("class", place)
    numbers = np.full(place.shape, _NOTHING, np.uint8)
    for number, item in enumerate(content.classes):
        numbers[valid & (pixels[0] == item.code)] = number
    found = {"shape": list(place.shape), "classes": _deflated(numbers), "probability": None}
    if "probability" in content.tiles.rasters:
        pixels, valid = content.tiles.sample("probability", place)
        parts = np.round(np.nan_to_num(pixels[0]) * _STEPS)
        found["probability"] = _deflated(np.where(valid, parts, _NOTHING).astype(np.uint8))
    return found


def _deflated(values: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(values.tobytes(), 9)).decode("ascii")


def embedded_objects(objects: DetectionFiles) -> dict[str, Any]:
    """The objects with the highest scores, as GeoJSON with `matched`, how many there are in all."""
    found = objects.collection(WORLD, MOST_OBJECTS)
    for feature in found["features"]:
        feature["properties"] = {name: feature["properties"][name] for name in _KEPT}
    found.pop("clusters", None)
    return found


def object_pictures(content: MapContent, features: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Pictures of the first of some objects, as addresses that hold them, by the object's number."""
    found = {}
    for feature in features[:MOST_PICTURES]:
        try:
            image = detection_picture(content.tiles, feature)
        except InputError:  # no raster where it is, as of an object at the very edge
            continue
        found[str(feature["properties"]["n"])] = data_uri(encode_picture(image), "webp")
    return found
