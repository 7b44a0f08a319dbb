"""What a map holds beside its blocks: written by the main program, at the end."""

from __future__ import annotations

import datetime
import importlib.util
import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rsbot_beam import storage
from rsbot_beam.data.receipts import MapTally, Receipt, ReceiptStore
from rsbot_beam.geometry import TileBlock
from rsbot_beam.maps.geojson import MOST_FEATURES, encode_geojson
from rsbot_beam.maps.geoparquet import read_centres, read_geoparquet
from rsbot_beam.maps.overview import write_layer
from rsbot_beam.maps.stac import COLLECTION_FILE, ITEM_FOLDER, ItemEntry, collection_of
from rsbot_beam.maps.styles import raster_path
from rsbot_beam.runs.description import versions
from rsbot_beam.runs.map_plan import MapPlan
from rsbot_beam.runs.vector_step import FOLDER as DETECTIONS
from rsbot_beam.runs.vector_step import object_counts, vector_step
from rsbot_beam.transforms.map_files import CANDIDATES, POLYGONS

if TYPE_CHECKING:
    import numpy as np
    from apache_beam.options.pipeline_options import PipelineOptions
    from odc.geo.geobox import GeoBox

SQUARE_METRES = 10_000  # in a hectare
MAP_PICTURE, DETECTIONS_PICTURE, GEOJSON = "map.png", "detections.png", "detections.geojson"
LOGGER = logging.getLogger("rsbot_beam")


def write_outputs(plan: MapPlan, options: PipelineOptions, tally: MapTally, seconds: float) -> dict[str, Any]:
    """Write everything that needs all blocks; returns the content of `run.json`."""
    receipts = list(ReceiptStore(plan.config.output).all())
    if plan.map.bands:
        _write_layers(plan, receipts, tally)
    objects = None
    if plan.map.task == "detection" or plan.map.polygons:
        cells = vector_step(plan, options, receipts)
        objects = object_counts(cells)
        if undecided := sum(cell["undecided"] for cell in cells):
            LOGGER.warning(
                "%d objects are so crowded that another may stand for the same thing; all are kept", undecided
            )
        _write_objects(plan, cells, sum(objects.values()))
    return describe_run(plan, tally, seconds, objects)


def _write_layers(plan: MapPlan, receipts: Sequence[Receipt], tally: MapTally) -> None:
    """The STAC collection, a layer over all blocks of each raster, and the picture of the classes."""
    root = plan.config.output
    for name, style in plan.styles.items():
        blocks = [TileBlock.parse(r.block) for r in receipts if raster_path(name, r.block) in r.files]
        if blocks:
            codes, geobox = write_layer(root, blocks, style)
            if name == "class":
                _draw_map(plan, codes, geobox, tally)
    entries = [ItemEntry(receipt.block, receipt.bbox) for receipt in receipts if receipt.files]
    if not entries:
        return
    description = f"{plan.recipe.description} Predicted by {plan.model['model']['name']}, {plan.period}."
    collection = collection_of(plan.name, entries, plan.styles, plan.period, description)
    storage.write_bytes(storage.join(root, COLLECTION_FILE), json.dumps(collection))


def _draw_map(plan: MapPlan, codes: np.ndarray, geobox: GeoBox, tally: MapTally) -> None:
    if not _can_draw(MAP_PICTURE):
        return
    from rsbot_beam.views.map_picture import map_picture

    hectares = {int(code): area / SQUARE_METRES for code, area in tally.areas.items()}
    left, bottom, right, top = geobox.boundingbox.bbox
    picture = map_picture(
        codes,
        (left, bottom, right, top),
        str(geobox.crs),
        plan.map.classes,
        title_of(plan),
        nodata=plan.map.nodata,
        hectares=hectares,
    )
    storage.write_bytes(storage.join(plan.config.output, MAP_PICTURE), picture)


def _write_objects(plan: MapPlan, cells: Sequence[Mapping[str, Any]], count: int) -> None:
    """GeoJSON of few objects, and their picture."""
    root = plan.config.output
    paths = [storage.join(root, DETECTIONS, cell["file"]) for cell in cells]
    if count <= MOST_FEATURES:
        features = read_geoparquet(paths)
        text = encode_geojson(features, plan.map.classes, plan.period, plan.config.geometry)
        storage.write_bytes(storage.join(root, GEOJSON), text)
    else:
        storage.remove(storage.join(root, GEOJSON))
        LOGGER.info("%s objects are too many for %s: take the files in %s/", f"{count:,}", GEOJSON, DETECTIONS)
    if not _can_draw(DETECTIONS_PICTURE):
        return
    from rsbot_beam.views.detections_picture import detections_picture

    found = read_centres(paths)
    picture = detections_picture(
        found.lon, found.lat, found.scores, found.codes, plan.map.classes, plan.region.geometry, title_of(plan)
    )
    storage.write_bytes(storage.join(root, DETECTIONS_PICTURE), picture)


def _can_draw(name: str) -> bool:
    if importlib.util.find_spec("matplotlib") is not None:
        return True
    LOGGER.info("no %s: install rsbot-beam[views] for pictures", name)
    return False


def title_of(plan: MapPlan) -> str:
    """Heading of the map's pictures."""
    last = plan.period.end - datetime.timedelta(days=1)
    return f"{plan.recipe.name}, {plan.period.start} to {last}, predicted by {plan.model['model']['name']}"


def describe_run(plan: MapPlan, tally: MapTally, seconds: float, objects: Mapping[int, int] | None) -> dict[str, Any]:
    """The content of `run.json`.

    Args:
        plan: The map.
        tally: Of all its blocks.
        seconds: What the pipeline of this run took.
        objects: Objects by class code, each once; None where the map has none to count.
    """
    grid, seams = plan.grid, plan.map.seams
    pixels = tally.predicted * seams.size**2
    counted = plan.map.polygons or [item.code for item in plan.map.classes]
    return {
        "task": plan.map.task,
        "model": {
            "path": plan.config.model,
            "name": plan.model["model"]["name"],
            "fingerprint": plan.fingerprint,
        },
        "recipe": {"name": plan.recipe.name, "parameters": plan.recipe.parameters()},
        "region": {"source": plan.region.source, "bbox": list(plan.region.bbox), "area_m2": plan.region.area_m2},
        "period": {"start": plan.period.start.isoformat(), "end": plan.period.end.isoformat()},
        "grid": {
            "crs": grid.crs,
            "resolution": grid.resolution,
            "tile_size": seams.size,
            "overlap": seams.overlap,
            "origin": list(grid.origin),
            "rule": plan.cover.rule,
            "block_side": plan.side,
        },
        "tiles": {
            "asked": tally.tiles,
            "predicted": tally.predicted,
            "empty": tally.empty,
            "dead": tally.dead,
        },
        "blocks": tally.blocks,
        "folders": [*plan.map.bands, ITEM_FOLDER, CANDIDATES, POLYGONS],
        "classes": [
            {
                "code": item.code,
                "name": item.name,
                "colour": item.colour,
                "hectares": tally.areas.get(str(item.code), 0) / SQUARE_METRES,
                "objects": objects.get(item.code, 0) if objects is not None and item.code in counted else None,
            }
            for item in plan.map.classes
        ],
        "pixels": {"fetched": tally.fetched_pixels, "predicted": pixels},
        "nbytes": tally.nbytes,
        "seconds": round(seconds, 1),
        "tiles_per_second": round(tally.tiles / seconds, 2) if seconds else None,
        "endpoint": plan.config.endpoint.url,
        "versions": versions(),
    }
