"""Writing a predicted block: rasters, boxes or polygons, and last its receipt."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rsbot_beam import storage
from rsbot_beam.data.detections import Detections, boxes_of, owned, write_detections
from rsbot_beam.data.period import Period
from rsbot_beam.data.receipts import Receipt, ReceiptStore
from rsbot_beam.geometry import TileBlock, TileKey, near_zone_edge, places_in_zone
from rsbot_beam.geometry.areas import class_areas
from rsbot_beam.geometry.units import metres_per_unit
from rsbot_beam.maps.cog import write_cog
from rsbot_beam.maps.polygon_files import write_polygons
from rsbot_beam.maps.polygons import Polygons, polygons_of_block
from rsbot_beam.maps.stac import footprint, item_of, item_path
from rsbot_beam.maps.styles import raster_path
from rsbot_beam.transforms.map_blocks import MapSettings
from rsbot_beam.transforms.predict_block import PredictedBlock

CANDIDATES, POLYGONS = "candidates", "polygons"
# Pixels around a tile within which it hands in boxes that its neighbour owns: twice what a detector errs in placing a
# centre, which is a cell of 4 pixels.
MARGIN_PIXELS = 8
SQUARE_METRES = 10_000  # in a hectare


def write_block(predicted: PredictedBlock, settings: MapSettings) -> Receipt:
    """Write what a block has, each file atomically, and say so in its receipt; returns it.

    A block whose tiles are all empty, or failed, has a receipt and nothing else.
    """
    block, root = predicted.block, settings.root
    files, areas = _write_rasters(predicted, settings)
    if files:
        item = item_of(
            block, settings.styles, Period.parse(settings.period), settings.collection, _sizes(files), settings.tags
        )
        text = json.dumps(item, sort_keys=True)
        storage.write_bytes(storage.join(root, item_path(str(block))), text)
        files[item_path(str(block))] = len(text.encode())
    found = _detections(predicted, settings)
    vectors = {
        vector_path(CANDIDATES, block): lambda path: write_detections(path, found),
        vector_path(POLYGONS, block): lambda path: write_polygons(path, _polygons(predicted, settings)),
    }
    for path, write in vectors.items():
        if nbytes := write(storage.join(root, path)):
            files[path] = nbytes
    receipt = Receipt(
        str(block),
        predicted.predicted,
        predicted.empty,
        len(predicted.dead),
        files,
        areas,
        _by_code(Counter(found.codes[found.core].tolist())),
        predicted.fetched_pixels,
        footprint(block)[1],
    )
    ReceiptStore(root).write(receipt, predicted.dead)
    return receipt


def vector_path(folder: str, block: TileBlock) -> str:
    """File of a block's boxes or polygons, below the map's folder."""
    return f"{folder}/{block}.arrow"


def _sizes(files: Mapping[str, int]) -> dict[str, int]:
    """Bytes of the rasters, by name."""
    return {path.split("/")[0]: nbytes for path, nbytes in files.items()}


def _write_rasters(predicted: PredictedBlock, settings: MapSettings) -> tuple[dict[str, int], dict[str, int]]:
    """Bytes by path, and square metres by class code."""
    files: dict[str, int] = {}
    areas: dict[str, int] = {}
    for kind, raster in predicted.rasters.items():
        if kind in settings.styles:
            path = raster_path(kind, predicted.block)
            place = storage.join(settings.root, path)
            files[path] = write_cog(place, raster, predicted.block, settings.styles[kind], settings.tags)
        if kind == "class":
            found = class_areas(raster[0], predicted.block.geobox, settings.map.nodata)
            areas = _by_code({code: round(hectares * SQUARE_METRES) for code, hectares in found.items()})
    return files, areas


def _polygons(predicted: PredictedBlock, settings: MapSettings) -> Polygons:
    """Outlines of the classes that become polygons."""
    codes = settings.map.polygons
    if not (codes and predicted.rasters):
        return Polygons.of_rows([])
    rasters = predicted.rasters
    return polygons_of_block(rasters["class"][0], predicted.block, codes, rasters["probability"][0])


def _by_code(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(code): counts[code] for code in sorted(counts)}


def _detections(predicted: PredictedBlock, settings: MapSettings) -> Detections:
    return Detections.concat([detections_of_tile(key, found, settings) for key, found in predicted.boxes])


def detections_of_tile(key: TileKey, found: Mapping[str, np.ndarray], settings: MapSettings) -> Detections:
    """The objects that a tile answers for, and those just beyond its edge."""
    overlap = settings.map.seams.overlap
    patch = TileKey(key.crs, key.resolution, key.size + 2 * overlap, key.row - overlap, key.col - overlap, key.origin)
    kept = found["scores"] >= settings.map.least_score
    # A cut-off box can be empty by rounding at the patch's edge; its centre is far outside of the tile.
    boxes = found["boxes"][kept]
    placed = boxes_of(patch, boxes, found["scores"][kept], found["classes"][kept].astype(np.int32), str(key))
    margin = min(MARGIN_PIXELS, overlap) * key.resolution
    ours = owned(placed, TileBlock.of(key), margin * metres_per_unit(key.crs))
    return _of_zone(ours, key.crs, margin) if settings.map.zoned and near_zone_edge(key) else ours


def _of_zone(found: Detections, crs: str, margin: float) -> Detections:
    """The objects whose centre lies in the zone of a CRS, and, not as `core`, those within the margin beyond its edge.

    A tile of the next zone may place the centre on this side, as with the edge of a tile.
    """
    x, y = found.centres.T
    near = [places_in_zone(crs, x + dx, y + dy) for dx, dy in ((-margin, 0), (margin, 0), (0, -margin), (0, margin))]
    ours = places_in_zone(crs, x, y)
    return replace(found, core=found.core & ours).take(ours | np.any(near, axis=0))
