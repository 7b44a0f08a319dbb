"""What a browser asks of a map while it is served: tiles, values, objects and their pictures. Safe for many threads."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from rsbot_beam.data.map_file import classes_of_map, require_map_file
from rsbot_beam.errors import InputError
from rsbot_beam.maps.detection_files import MOST_FEATURES, WORLD, DetectionFiles
from rsbot_beam.maps.detection_pictures import detection_picture
from rsbot_beam.maps.shading import empty_picture, picture
from rsbot_beam.maps.tiles import MapTiles

SIZES = (256, 512)
"""Pixels a side that tiles can have."""

MOST_BYTES = 64 * 2**20
"""Bytes of tiles that are kept: some 20,000 of classes, which people look at again and again."""

_NUMBER = re.compile(r"\d{1,9}")


class LiveMap:
    """One served map.

    Args:
        root: Its folder, local or `gs://`.

    Raises:
        InputError: There is none, or it is damaged.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._classes = classes_of_map(require_map_file(root))
        self._tiles = MapTiles(root, self._classes)
        self._lock = threading.Lock()
        self._pictures: OrderedDict[tuple, bytes] = OrderedDict()
        self._nbytes = 0

    def close(self) -> None:
        """Close the map's files."""
        self._tiles.close()

    def tile(self, raster: str, z: str, x: str, y: str, query: Mapping[str, str]) -> bytes:
        """A tile as PNG; `size` and `band` are in the query.

        Raises:
            InputError: There is no such tile.
        """
        size = _whole(query.get("size", "256"), "size")
        if size not in SIZES:
            raise InputError(f"tiles have {' or '.join(map(str, SIZES))} pixels a side, not {size}")
        numbers = (_whole(z, "z"), _whole(x, "x"), _whole(y, "y"))
        band = _whole(query.get("band", "1"), "band")
        key = (raster, *numbers, size, band)
        return self._remembered(key, lambda: self._tiles.tile(raster, *numbers, size, band) or empty_picture(size))

    def values(self, query: Mapping[str, str]) -> dict[str, Any]:
        """What the map says of a place: `lon`, `lat`, `found`, and what `MapTiles.values` gives.

        Raises:
            InputError: `lon` or `lat` is missing, or no place.
        """
        lon, lat = (_degrees(query, name) for name in ("lon", "lat"))
        if not -90 <= lat <= 90 or abs(lon) > 540:
            raise InputError(f"there is no place at lon={lon}, lat={lat}: latitudes go from -90 to 90")
        found = self._tiles.values(lon, lat)
        return {"lon": lon, "lat": lat, "found": found is not None, **(found or {})}

    def objects(self, query: Mapping[str, str]) -> dict[str, Any]:
        """The objects of a window as GeoJSON, see `DetectionFiles.collection`; `bbox` and `limit` are in the query.

        With `object` in the query, that one alone.

        Raises:
            InputError: One of them cannot be read, or there is no such object.
        """
        if "object" in query:
            features = self._objects.features([_whole(query["object"], "object")])
            return {"type": "FeatureCollection", "features": features, "matched": 1}
        parts = query.get("bbox", ",".join(map(str, WORLD))).split(",")
        if len(parts) != 4:
            raise InputError(f"bbox={query['bbox']} is no window: write west,south,east,north in degrees")
        west, south, east, north = (_degrees({"bbox": part}, "bbox") for part in parts)
        limit = _whole(query.get("limit", str(MOST_FEATURES)), "limit")
        return self._objects.collection((west, south, east, north), limit)

    def object_picture(self, number: str) -> bytes:
        """The ground around an object as PNG.

        Raises:
            InputError: There is no such object, or no picture of it.
        """

        def drawn() -> bytes:
            (feature,) = self._objects.features([_whole(number, "number")])
            found = detection_picture(self._tiles, feature)
            return picture(found[..., :3].transpose(2, 0, 1), found[..., 3] > 0)

        return self._remembered(("object", number), drawn)

    @cached_property
    def _objects(self) -> DetectionFiles:
        return DetectionFiles(self.root, self._classes)

    def _remembered(self, key: tuple, make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
                return self._pictures[key]
        made = make()
        with self._lock:
            if key not in self._pictures:
                self._pictures[key] = made
                self._nbytes += len(made)
            while self._nbytes > MOST_BYTES:
                self._nbytes -= len(self._pictures.popitem(last=False)[1])
        return made


def _whole(text: str, name: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise InputError(f"{name}={text[:40]!r} is no whole number, 0 or more")
    return int(text)


def _degrees(query: Mapping[str, str], name: str) -> float:
    try:
        value = float(query[name])
    except KeyError as error:
        raise InputError(f"{name} is missing: give it in degrees, as in ?{name}=10.5") from error
    except ValueError as error:
        raise InputError(f"{name}={query[name][:40]!r} is no number of degrees") from error
    if not abs(value) < 1e4:  # NaN neither
        raise InputError(f"{name}={query[name][:40]!r} is no number of degrees")
    return value
