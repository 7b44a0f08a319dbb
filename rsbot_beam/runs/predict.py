"""A map from beginning to end."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rsbot_beam import leftovers, storage
from rsbot_beam.data.manifest import MAP_FILE, claim
from rsbot_beam.data.map_file import RUN_FILE, read_map_file
from rsbot_beam.data.model_file import unlearned_classes
from rsbot_beam.data.receipts import MapTally, ReceiptStore
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.units import unit_of
from rsbot_beam.pages.shown import Shown
from rsbot_beam.runs.dead_letters import check_dead_letters
from rsbot_beam.runs.map_config import PredictConfig
from rsbot_beam.runs.map_plan import MapPlan, plan_map

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from rsbot_beam.runs.launch import DescribedJob

LOGGER = logging.getLogger("rsbot_beam")


@dataclass(frozen=True)
class PredictResult(Shown):
    """What a run made.

    Attributes:
        output: The map's folder.
        run: Content of `run.json`; empty where a job was only described.
        was_complete: Whether it was there already, and nothing was done.
        described: The Dataflow job that was written to a template or only checked, and that ended the run.
    """

    output: str
    run: dict[str, Any] = field(repr=False)
    was_complete: bool = False
    described: DescribedJob | None = None

    def _shown_at(self) -> str | None:
        return None if self.described else self.output


def run_predict(config: PredictConfig, beam_flags: Sequence[str] = ()) -> PredictResult:
    """Make a map: fetch, predict, write. Blocks that an earlier run of the same map has finished are kept.

    Args:
        config: What to do.
        beam_flags: Flags for Beam.

    Raises:
        InputError: Something asked for cannot be done; says what, and how to ask.
        EarthEngineError: Earth Engine stopped the run; start the same command again to continue.
        LostTilesError: Tiles asked differ from predicted + empty + dead.
        DeadLettersError: Tiles failed for good, and `allow_dead_letters` is off. The map is complete without them.
    """
    plan = plan_map(config)
    claim(config.output, plan.manifest(), MAP_FILE)
    found = read_map_file(config.output)
    if found is not None and not found["tiles"]["dead"] and _is_whole(config.output, found):
        LOGGER.info("%s is complete: nothing to do", config.output)
        return PredictResult(config.output, found, was_complete=True)
    storage.remove(storage.join(config.output, RUN_FILE))
    leftovers.remove_leftovers(config.output)
    result = _run_or_describe(plan, beam_flags)
    if result.described is None:
        letters = ReceiptStore(config.output).dead_letters()
        check_dead_letters(config.output, result.run["tiles"], letters, config.allow_dead_letters)
    return result


def _is_whole(root: str, run: dict[str, Any]) -> bool:
    """Whether all files of all blocks are there, by their names and sizes."""
    there = {
        file.path: file.size for folder in run["folders"] for file in storage.list_files(storage.join(root, folder))
    }
    wanted = {
        storage.join(root, path): nbytes
        for receipt in ReceiptStore(root).all()
        for path, nbytes in receipt.files.items()
    }
    blocks = sum(1 for _ in storage.list_files(storage.join(root, "blocks"), ".json"))
    return blocks == run["blocks"] and all(there.get(path) == nbytes for path, nbytes in wanted.items())


def _run_or_describe(plan: MapPlan, beam_flags: Sequence[str]) -> PredictResult:
    from rsbot_beam.runs.beam_options import pipeline_options
    from rsbot_beam.runs.dataflow import check_reachable, is_dataflow
    from rsbot_beam.runs.launch import JobDescribed

    config = plan.config
    LOGGER.info("%s: %s, from %s", config.output, intention(plan), config.endpoint.url)
    unlearned = unlearned_classes(plan.model)
    if unlearned:
        LOGGER.info(
            "classes that the model has not learned, as its train split had none of them, and which the map lacks: %s",
            ", ".join(item.name for item in unlearned),
        )
    options = pipeline_options(beam_flags, config.endpoint.max_requests)
    if is_dataflow(options):
        check_reachable(config.endpoint, output=config.output, model=config.model)
    try:
        return _run_steps(plan, options)
    except JobDescribed as end:
        return PredictResult(config.output, {}, described=end.job)


def _run_steps(plan: MapPlan, options: PipelineOptions) -> PredictResult:
    from rsbot_beam.runs.map_outputs import write_outputs
    from rsbot_beam.runs.map_steps import predict_step

    start = time.monotonic()
    tally = predict_step(plan, options)
    seconds = time.monotonic() - start
    _check_seen(plan, tally)
    run = write_outputs(plan, options, tally, seconds)
    storage.write_bytes(storage.join(plan.config.output, RUN_FILE), json.dumps(run, indent=2))
    return PredictResult(plan.config.output, run)


def intention(plan: MapPlan) -> str:
    """What is to be made, in a line."""
    grid, seams = plan.grid, plan.map.seams
    return (
        f"{plan.model['model']['name']} of {plan.config.model}, recipe {plan.recipe.name}, {plan.period}, "
        f"tiles of {seams.size} x {seams.size} pixels of {grid.resolution:g} {unit_of(grid.crs)} in {grid.crs}, "
        f"overlap {seams.overlap}, in blocks of {plan.side} x {plan.side} tiles"
    )


def _check_seen(plan: MapPlan, tally: MapTally) -> None:
    if tally.predicted or tally.dead:
        return
    raise InputError(
        f"all {tally.tiles} tiles are empty: the recipe {plan.recipe.name!r} has no valid pixel in the region "
        f"{plan.region.source!r} in {plan.period}. Check region, period and the recipe's masks"
    )
