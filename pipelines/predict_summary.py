"""What `rsbot predict` says at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pipelines.launch_summary import how_to_launch
from rsbot_beam.data.map_layout import SAID

if TYPE_CHECKING:
    from rsbot_beam.runs.predict import PredictResult


def summary(result: PredictResult) -> str:
    """What was made, and where."""
    if result.described is not None:
        return how_to_launch(
            result.described,
            "the same command without --template_location checks that no tile was lost, and writes what needs all blocks.",
        )
    t, run = result.run["tiles"], result.run
    lines = [
        f"{result.output}: {t['asked']} tiles asked = {t['predicted']} predicted + {t['empty']} empty + {t['dead']} dead "
        f"letters; {run['blocks']} blocks in {run['seconds']:.0f} s"
    ]
    lines += [f"  {item['name']:24}{_hectares(item['hectares']):>14} ha" for item in run["classes"] if item["hectares"]]
    lines += [
        f"  {item['name']:24}{item['objects']:>14,} found" for item in run["classes"] if item["objects"] is not None
    ]
    lines += [f"  {name:24}{what}" for name, what in _files(run)]
    return "\n".join(lines + (["It was complete already: nothing was done."] if result.was_complete else []))


def _hectares(area: float) -> str:
    return f"{area:,.1f}" if area >= 0.05 else "< 0.1"


def _files(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What to look at first."""
    if "class" in run["folders"]:
        yield "map.png", "the classes at a glance"
    rasters = [folder for folder in run["folders"] if folder in SAID]
    if rasters:
        layers = ", ".join(f"{name}/" for name in rasters)
        yield f"{rasters[0]}.vrt", f"all blocks as one layer, for QGIS; the COGs are in {layers}"
        yield "stac/collection.json", "the catalogue of the COGs"
    objects = [item["objects"] for item in run["classes"] if item["objects"] is not None]
    if objects:
        yield "detections.png", "where objects were found"
    if any(objects):
        yield "detections/", "GeoParquet of the objects; few are in detections.geojson as well"
