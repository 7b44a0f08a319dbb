"""Small maps of any place whose pixels follow from longitude and latitude, written by the code that writes real ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyproj

from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.detections import Detections
from rsbot_beam.data.period import Period
from rsbot_beam.data.places import Cell, home_cells
from rsbot_beam.geometry import TileBlock
from rsbot_beam.geometry.areas import class_areas
from rsbot_beam.maps.cog import write_cog
from rsbot_beam.maps.geoparquet import write_geoparquet
from rsbot_beam.maps.mosaic import bounds_in
from rsbot_beam.maps.overview import write_layer
from rsbot_beam.maps.styles import map_styles, raster_path
from rsbot_beam.maps.vectors import MapFeatures, features_of_detections

CLASSES = (
    LabelClass(10, "Trees & <shrubs>", "#006400"),
    LabelClass(20, "Grass", "#ffff4c"),
    LabelClass(30, "Water", "#0064c8"),
)
PERIOD = Period.parse("2024-04-01,2024-10-01")
# Degrees along which a class lasts, and in which there is no data at all.
STRIPE = 0.004
RASTERS = ("class", "probability", "probabilities", "entropy", "composite")

Pixels = dict[str, np.ndarray]


def lonlat_of(block: TileBlock) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude of the pixels of a block."""
    height, width = block.shape
    cols, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x, y = block.transform * (cols, rows)
    if block.crs == "EPSG:4326":
        return x, y
    return pyproj.Transformer.from_crs(block.crs, "EPSG:4326", always_xy=True).transform(x, y)


def said_at(lon: np.ndarray, lat: np.ndarray, stripe: float = STRIPE) -> Pixels:
    """All rasters at places, (bands, ...): stripes of classes along the meridians, and gaps along some parallels."""
    turned = (np.asarray(lon) + 720) % 360
    number = np.floor(turned / stripe).astype(int) % 3
    gap = np.floor((np.asarray(lat) + 90) / stripe).astype(int) % 5 == 0
    across, up = turned / stripe % 1, (np.asarray(lat) + 90) / stripe % 1
    best = 0.5 + 0.4 * across
    probabilities = np.stack([np.where(number == n, best, (1 - best) / 2) for n in range(3)])
    entropy = -(probabilities * np.log(probabilities)).sum(axis=0) / np.log(3)
    codes = np.array([item.code for item in CLASSES], np.uint8)[number]
    colours = np.stack([1 + across * 254, 1 + up * 254, np.full(up.shape, 60.0)]).astype(np.uint8)
    floats = {"probability": best[None], "probabilities": probabilities, "entropy": entropy[None]}
    return {
        "class": np.where(gap, np.uint8(255), codes)[None],
        **{name: np.where(gap, np.nan, values).astype(np.float32) for name, values in floats.items()},
        "composite": np.where(gap, 0, colours).astype(np.uint8),
    }


def write_map(
    folder: str | Path,
    blocks: Sequence[TileBlock],
    rasters: Sequence[str] = RASTERS,
    objects: MapFeatures | None = None,
    classes: Sequence[LabelClass] = CLASSES,
    stripe: float = STRIPE,
) -> str:
    """Write a map: rasters of all blocks, their layers, objects and `run.json`; returns its folder.

    Args:
        folder: Local or `gs://`.
        blocks: Of any zones.
        rasters: Which ones.
        objects: Of the map; None for a map without.
        classes: Three of them.
        stripe: Degrees along which a class lasts.
    """
    root, styles = str(folder), map_styles(classes)
    squares: Counter[int] = Counter()
    for block in blocks:
        found = said_at(*lonlat_of(block), stripe)
        for name in rasters:
            write_cog(storage.join(root, raster_path(name, block)), found[name], block, styles[name])
        squares.update(class_areas(found["class"][0], block.geobox, 255))
    for name in rasters:
        write_layer(root, blocks, styles[name])
    if objects is not None:
        write_objects(root, objects, classes)
    run = run_of(blocks, rasters, squares, objects, classes)
    storage.write_bytes(storage.join(root, "run.json"), json.dumps(run, indent=2))
    return root


def write_objects(root: str, objects: MapFeatures, classes: Sequence[LabelClass] = CLASSES) -> None:
    """Objects in files by cells of the globe, as a run writes them."""
    rows, columns = home_cells(objects.lon, objects.lat)
    for row, column in sorted(set(zip(rows.tolist(), columns.tolist(), strict=True))):
        part = objects.take((rows == row) & (columns == column))
        write_geoparquet(storage.join(root, "detections", f"{Cell(row, column)}.parquet"), part, classes, PERIOD)


def run_of(
    blocks: Sequence[TileBlock],
    rasters: Sequence[str],
    hectares: Mapping[int, float],
    objects: MapFeatures | None,
    classes: Sequence[LabelClass],
) -> dict[str, Any]:
    """`run.json`, as far as pages read it."""
    counts = Counter(objects.codes.tolist()) if objects is not None else Counter()
    boxes = [bounds_in(block, "EPSG:4326") for block in blocks]
    west, south, east, north = (f(b[i] for b in boxes) for i, f in enumerate((min, min, max, max)))
    return {
        "task": "segmentation" if "class" in rasters else "detection",
        "model": {"path": "model", "name": "unet", "fingerprint": "0" * 16},
        "recipe": {"name": "stripes", "parameters": {}},
        "region": {"source": "made for a test", "bbox": [west, south, east, north], "area_m2": 1e8},
        "period": {"start": PERIOD.start.isoformat(), "end": PERIOD.end.isoformat()},
        "grid": {"crs": blocks[0].crs, "resolution": blocks[0].resolution, "tile_size": 256, "overlap": 0},
        "tiles": {"asked": len(blocks) * 4, "predicted": len(blocks) * 4, "empty": 0, "dead": 0},
        "blocks": len(blocks),
        "folders": [*rasters, "stac/items"],
        "classes": [
            {
                "code": item.code,
                "name": item.name,
                "colour": item.colour,
                "hectares": float(hectares.get(item.code, 0)),
                "objects": counts.get(item.code, 0) if objects is not None else None,
            }
            for item in classes
        ],
        "nbytes": 1000,
        "seconds": 12.5,
        "tiles_per_second": 3.2,
    }


def objects_at(
    lon: np.ndarray, lat: np.ndarray, scores: np.ndarray, size: float = 120.0, crs: str = "EPSG:32633"
) -> MapFeatures:
    """Squares of `size` metres around places, of the classes 10 and 20 in turn."""
    x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    half = size / 2
    rows = [
        ("tile", crs, u - half, v - half, u + half, v + half, float(score), 10 + 10 * (i % 2), True)
        for i, (u, v, score) in enumerate(zip(x, y, scores, strict=True))
    ]
    return features_of_detections(Detections.of_rows(rows))
