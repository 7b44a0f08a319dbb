"""What a map holds beside its blocks: written by the main program, at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rsbot_beam.data.receipts import MapTally
from rsbot_beam.runs.description import versions
from rsbot_beam.runs.map_plan import MapPlan

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

SQUARE_METRES = 10_000  # in a hectare


def write_outputs(plan: MapPlan, options: PipelineOptions, tally: MapTally, seconds: float) -> dict[str, Any]:
    """Write everything that needs all blocks; returns the content of `run.json`."""
    return describe_run(plan, tally, seconds)


def describe_run(plan: MapPlan, tally: MapTally, seconds: float) -> dict[str, Any]:
    """The content of `run.json`.

    Args:
        plan: The map.
        tally: Of all its blocks.
        seconds: What the pipeline of this run took.
    """
    grid, seams = plan.grid, plan.map.seams
    pixels = tally.predicted * seams.size**2
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
        "folders": list(plan.map.bands),
        "classes": [
            {
                "code": item.code,
                "name": item.name,
                "colour": item.colour,
                "hectares": tally.areas.get(str(item.code), 0) / SQUARE_METRES,
                "objects": tally.objects.get(str(item.code), 0),
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
