"""The objects of a map, each once: the pipeline behind that of the blocks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from rsbot_beam import storage
from rsbot_beam.data.duplicates import DuplicateRule
from rsbot_beam.data.receipts import Receipt
from rsbot_beam.errors import LostTilesError
from rsbot_beam.runs.launch import progress, run_pipeline
from rsbot_beam.runs.map_plan import MapPlan
from rsbot_beam.transforms.detections import CellTally, UniqueDetections, VectorOutput
from rsbot_beam.transforms.map_files import CANDIDATES, POLYGONS
from rsbot_beam.transforms.polygons import JoinPolygons

FOLDER = "detections"
TOTALS = "totals/detections.json"


def vector_step(plan: MapPlan, options: PipelineOptions, receipts: Sequence[Receipt]) -> list[dict[str, Any]]:
    """Join what borders cut and drop what they double, and write the objects by cells of the globe.

    Returns:
        What was written of each cell, in the order of their names: the fields of `CellTally`.

    Raises:
        LostTilesError: The pipeline ended without its totals.
    """
    root = plan.config.output
    folder = CANDIDATES if plan.map.task == "detection" else POLYGONS
    paths = [
        storage.join(root, path) for receipt in receipts for path in receipt.files if path.startswith(f"{folder}/")
    ]
    totals = storage.join(root, TOTALS)
    storage.remove(totals)
    if not paths:
        _remove_others(root, ())
        return []
    output = VectorOutput(storage.join(root, FOLDER), plan.map.classes, plan.period, plan.config.geometry)
    transform: beam.PTransform = JoinPolygons(output, plan.config.min_pixels)
    if folder == CANDIDATES:
        transform = UniqueDetections(DuplicateRule(), output)
    with progress("detections", None, "cells", options):
        run_pipeline(
            "detections",
            options,
            lambda pipeline: (
                pipeline
                | "Paths" >> beam.Create(sorted(paths))
                | "Unique" >> transform
                | "Gather" >> beam.CombineGlobally(_Gather())
                | "Totals" >> beam.Map(_write, totals)
            ),
        )
    if not storage.exists(totals):
        raise LostTilesError(f"the pipeline of detections ended without its totals ({totals}): start the command again")
    cells: list[dict[str, Any]] = json.loads(storage.read_text(totals))
    _remove_others(root, {cell["file"] for cell in cells})
    return cells


def object_counts(cells: Sequence[dict[str, Any]]) -> dict[int, int]:
    """Number of objects by class code."""
    counts: Counter[int] = Counter()
    for cell in cells:
        counts.update(dict(cell["counts"]))
    return dict(counts)


class _Gather(beam.CombineFn):
    """Lists the tallies of cells; there are some ten thousand on all land."""

    def create_accumulator(self) -> list[CellTally]:
        """Nothing yet."""
        return []

    def add_input(self, mutable_accumulator: list[CellTally], element: CellTally) -> list[CellTally]:
        """Add one."""
        return [*mutable_accumulator, element]

    def merge_accumulators(self, accumulators: Any) -> list[CellTally]:  # noqa: ANN401 - Beam's iterable
        """Add lists."""
        return [tally for tallies in accumulators for tally in tallies]

    def extract_output(self, accumulator: list[CellTally]) -> list[CellTally]:
        """In the order of the cells' names."""
        return sorted(accumulator, key=lambda tally: tally.cell)


def _write(tallies: list[CellTally], path: str) -> None:
    storage.write_bytes(path, json.dumps([asdict(tally) for tally in tallies]))


def _remove_others(root: str, kept: set[str] | tuple[()]) -> None:
    """Files of cells that an earlier run wrote, and that have no object any more."""
    for file in storage.list_files(storage.join(root, FOLDER), ".parquet"):
        if storage.name_of(file.path) not in kept:
            storage.remove(file.path)
