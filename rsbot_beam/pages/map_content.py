"""What the page of a map knows of it: its files, where it lies, its layers and objects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rsbot_beam import storage
from rsbot_beam.data.composite import NAME as COMPOSITE
from rsbot_beam.data.map_file import classes_of_map, require_map_file
from rsbot_beam.maps.detection_files import WORLD, DetectionFiles
from rsbot_beam.maps.shading import COLOUR_MAPS, ramp
from rsbot_beam.maps.tiles import MapTiles
from rsbot_beam.pages.lonlat import Frame, view_of

NAMES = {
    "class": "Classes",
    "probability": "Probability of the class",
    "entropy": "Entropy",
    COMPOSITE: "Input composite",
}
"""Of rasters, for people."""

# Colours of a scale in a legend.
_STOPS = 9
# In which order layers are offered.
_ORDER = ("class", "probability", "entropy", COMPOSITE, "probabilities")
_FILES = (
    ("map.png", "the map as a picture"),
    ("detections.png", "the objects as a picture"),
    ("class.vrt", "the map as a layer for QGIS"),
    ("detections.geojson", "the objects for QGIS and others"),
    ("stac/collection.json", "the catalogue (STAC) of all rasters"),
    ("run.json", "how it was made"),
)


@dataclass(frozen=True)
class Layer:
    """What can be shown of a map.

    Attributes:
        key: Of the layer, unique on the page.
        name: For people.
        raster: That is shown.
        band: Of the raster, from 1.
    """

    key: str
    name: str
    raster: str
    band: int = 1

    def content(self) -> dict[str, Any]:
        """For the page's script; `ramp` are the colours from 0 to 1 of a quantity."""
        scale = COLOUR_MAPS.get(self.raster)
        stops = np.linspace(0, 255, _STOPS).astype(int)
        colours = [] if scale is None else [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in ramp(scale)[stops].tolist()]
        return {"key": self.key, "name": self.name, "raster": self.raster, "band": self.band, "ramp": colours}


class MapContent:
    """A map as its page sees it.

    Args:
        root: Its folder, local or `gs://`.

    Raises:
        InputError: There is none, or it is damaged.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.run = require_map_file(root)
        self.classes = classes_of_map(self.run)
        self.tiles = MapTiles(root, self.classes)

    def close(self) -> None:
        """Close the map's files."""
        self.tiles.close()

    @cached_property
    def objects(self) -> DetectionFiles | None:
        """The objects, or None where the map has none to find."""
        if all(item["objects"] is None for item in self.run["classes"]):
            return None
        return DetectionFiles(self.root, self.classes)

    @cached_property
    def version(self) -> str:
        """Changes when the map is made anew, so that no browser shows tiles of an older one."""
        return hashlib.blake2b(json.dumps(self.run, sort_keys=True).encode(), digest_size=6).hexdigest()

    @cached_property
    def layers(self) -> list[Layer]:
        """What can be shown, the map itself first; of `probabilities` a layer for each class."""
        found = []
        for raster in _ORDER:
            if raster not in self.tiles.rasters:
                continue
            if raster == "probabilities":
                named = enumerate(self.classes, 1)
                found += [Layer(f"{raster}-{n}", f"Probability of {item.name}", raster, n) for n, item in named]
            else:
                found.append(Layer(raster, NAMES[raster], raster))
        return found

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north of all that the map shows, degrees; the east may be beyond 180."""
        rings = [np.stack(grid.outline) for name in self.tiles.rasters[:1] for grid in self.tiles.grids(name)]
        rings = [ring[:, np.isfinite(ring).all(axis=0)] for ring in rings]
        rings += [] if rings else [self._region()]
        middles = np.array([(ring[0].min() + ring[0].max()) / 2 for ring in rings])
        turns = Frame.around(np.concatenate([ring[0] for ring in rings])).place(middles) - middles
        west = min(float((ring[0] + turn).min()) for ring, turn in zip(rings, turns, strict=True))
        east = max(float((ring[0] + turn).max()) for ring, turn in zip(rings, turns, strict=True))
        (south, west), (north, east) = view_of(
            west, min(float(r[1].min()) for r in rings), min(east, west + 360), max(float(r[1].max()) for r in rings)
        )
        return west, south, east, north

    @cached_property
    def resolution(self) -> float:
        """Metres along a pixel at the middle of the map, on the ground; 10 where there are no rasters."""
        for name in self.tiles.rasters[:1]:
            for grid in self.tiles.grids(name):
                (lon, lat), side = grid.outline, grid.shape[1]
                known = np.isfinite(lon)
                return float(_metres(lon[known][0], lat[known][0], lon[known][32], lat[known][32]) / side)
        return 10.0

    def files(self) -> list[tuple[str, str]]:
        """Files that people may want to open, and what they are; below the map's folder."""
        return [(name, about) for name, about in _FILES if storage.exists(storage.join(self.root, name))]

    def _region(self) -> np.ndarray:
        """Corners of the region: longitudes and latitudes, (2, 2)."""
        west, south, east, north = self.run["region"]["bbox"]
        if self.objects is not None and len(self.objects):
            places = self.objects.within(WORLD)
            south, north = min(south, places.lat.min()), max(north, places.lat.max())
        return np.array([[west, east if east >= west else east + 360], [south, north]], float)


def _metres(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    from rsbot_beam.data.ground import wgs84

    return float(wgs84().inv(lon, lat, other_lon, other_lat)[2])


def class_rows(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The classes of a map with areas in hectares and square kilometres, and their share of what was mapped."""
    items: Sequence[Mapping[str, Any]] = run["classes"]
    total = sum(item["hectares"] for item in items)
    return [
        {
            **item,
            "km2": item["hectares"] / 100,
            "share": item["hectares"] / total if total else None,
        }
        for item in items
    ]
