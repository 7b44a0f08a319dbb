"""The pipeline of a map, which can be interrupted and continued."""

from __future__ import annotations

import os

import apache_beam as beam
from apache_beam.options.pipeline_options import DebugOptions, DirectOptions, PipelineOptions

from rsbot_beam import storage
from rsbot_beam.data.receipts import FOLDER, MapTally, ReceiptStore
from rsbot_beam.errors import LostTilesError
from rsbot_beam.runs.beam_options import is_local, is_one_process, worker_processes
from rsbot_beam.runs.dataflow import is_dataflow, is_only_described, processes_per_machine, with_requirements
from rsbot_beam.runs.launch import progress, run_pipeline
from rsbot_beam.runs.map_plan import MapPlan
from rsbot_beam.runs.map_settings import map_settings
from rsbot_beam.runs.stored import StoredTiles
from rsbot_beam.transforms.enumerate import EnumerateShards
from rsbot_beam.transforms.map_blocks import MapSettings
from rsbot_beam.transforms.predict import PredictBlocks, WriteMapTotals, read_map_totals

TOTALS = "totals/predict.json"
# What workers of a map need beside the package: the transform_fn is plain TensorFlow (see `learning` in setup.py).
REQUIREMENTS = "tensorflow>=2.21,<2.22\n"
# Threads of a Dataflow process: each holds a block's pixels and probabilities in memory, and one computes while the other
# fetches and writes.
HARNESS_THREADS = 2


def predict_step(plan: MapPlan, options: PipelineOptions) -> MapTally:
    """Predict the blocks that are missing, and check that no tile was lost.

    Raises:
        LostTilesError: The runner lost elements.
        EarthEngineError: The run was stopped.
        JobDescribed: The job was not to be run now.
    """
    totals = storage.join(plan.config.output, TOTALS)
    storage.remove(totals)
    asked = plan.cover.count()
    if is_dataflow(options):
        debug = options.view_as(DebugOptions)
        debug.number_of_worker_harness_threads = debug.number_of_worker_harness_threads or HARNESS_THREADS
    with progress("predict", asked, "tiles", options, StoredTiles.of_receipts(ReceiptStore(plan.config.output))):
        run_pipeline(
            "predict",
            with_requirements(options, REQUIREMENTS),
            lambda pipeline: build_predict(pipeline, plan, options, totals),
        )
    if not storage.exists(totals):
        raise LostTilesError(f"the pipeline ended without its totals ({totals}): start the same command again")
    tally = read_map_totals(totals)
    if tally.tiles != asked:
        raise LostTilesError(
            f"{asked} tiles were asked for, but {tally.predicted} predicted + {tally.empty} empty + {tally.dead} dead "
            f"letters make {tally.tiles}: the runner lost some. Start the same command again to predict them"
        )
    return tally


def build_predict(pipeline: beam.Pipeline, plan: MapPlan, options: PipelineOptions, totals: str) -> None:
    """Add the map to a pipeline: enumerate; fetch, predict and write fused; count."""
    (
        pipeline
        | "Enumerate" >> EnumerateShards(plan.cover, plan.side)
        | "Predict" >> PredictBlocks(_map_settings(plan, options))
        | "Totals" >> WriteMapTotals(totals)
    )


def _map_settings(plan: MapPlan, options: PipelineOptions) -> MapSettings:
    receipts = storage.list_files(storage.join(plan.config.output, FOLDER), ".json")
    # A template may be started many times, and finds what the times before have written.
    resume = is_only_described(options) or next(receipts, None) is not None
    return map_settings(plan, worker_processes(options), _threads(options), resume)


def _threads(options: PipelineOptions) -> int:
    """Threads of one operation of the model: processes of one machine share its cores."""
    if is_dataflow(options):
        return 1 if processes_per_machine(options) > 1 else 0
    if is_local(options) and not is_one_process(options):
        processes = options.view_as(DirectOptions).direct_num_workers or os.cpu_count() or 1
        return max(1, (os.cpu_count() or 1) // processes)
    return 0
