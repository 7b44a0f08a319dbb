"""The steps of an export, each one Beam pipeline that can be interrupted and continued."""

from __future__ import annotations

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from rsbot_beam import storage
from rsbot_beam.data.shards import Tally
from rsbot_beam.errors import DatasetError, LostTilesError
from rsbot_beam.runs.beam_options import worker_processes
from rsbot_beam.runs.dataflow import is_only_described
from rsbot_beam.runs.launch import progress, run_pipeline
from rsbot_beam.runs.plan import ExportPlan, block_bytes
from rsbot_beam.runs.sampling import drawn_before, sample_step, samples_path
from rsbot_beam.runs.stored import StoredTiles
from rsbot_beam.transforms.enumerate import EnumerateSamples, EnumerateShards, sampled_shards
from rsbot_beam.transforms.fetch import FetchPatches
from rsbot_beam.transforms.raw import WriteRawShards, WriteTotals, read_totals
from rsbot_beam.transforms.shard_requests import FetchSettings

TOTALS = "totals"


def fetch_step(plan: ExportPlan, options: PipelineOptions) -> Tally:
    """Fetch what is missing into raw shards, and check that no tile was lost.

    Raises:
        LostTilesError: The runner lost elements.
        EarthEngineError: The run was stopped.
        JobDescribed: The job was not to be run now.
    """
    totals = storage.join(plan.config.output, TOTALS, "fetch.json")
    storage.remove(totals)
    samples = sample_step(plan, options) if plan.is_sampled else None
    asked = plan.cover.count() if samples is None else len(samples)
    with progress("fetch", asked, "tiles", options, StoredTiles.of_shards(plan.store)):
        run_pipeline("fetch", options, lambda pipeline: build_fetch(pipeline, plan, options, totals))
    if not storage.exists(totals):
        raise LostTilesError(f"the fetch pipeline ended without its totals ({totals}): start the same command again")
    return _all_accounted_for(read_totals(totals), asked)


def _all_accounted_for(tally: Tally, asked: int) -> Tally:
    if tally.tiles != asked:
        raise LostTilesError(
            f"{asked} tiles were asked for, but {tally.stored} stored + {tally.empty} empty + {tally.dead} dead letters "
            f"make {tally.tiles}: the runner lost some. Start the same command again to fetch them"
        )
    return tally


def build_fetch(pipeline: beam.Pipeline, plan: ExportPlan, options: PipelineOptions, totals: str) -> None:
    """Add the fetch to a pipeline: enumerate, fetch and write fused, count."""
    # A template may be started many times, and finds what the times before have stored.
    resume = is_only_described(options) or bool(plan.store.files())
    settings = fetch_settings(plan, worker_processes(options), resume)
    if plan.is_sampled:
        path = samples_path(plan)
        enumerate_shards: beam.PTransform = EnumerateSamples(path, len(sampled_shards(path)))
    else:
        enumerate_shards = EnumerateShards(plan.cover, plan.shard_side)
    (
        pipeline
        | "Enumerate" >> enumerate_shards
        | "Fetch" >> FetchPatches(settings)
        | "Write" >> WriteRawShards(plan.store, plan.split)
        | "Totals" >> WriteTotals(totals)
    )


def fetch_settings(plan: ExportPlan, processes: int, resume: bool) -> FetchSettings:
    """What workers are sent.

    Args:
        plan: The export.
        processes: That share the quota.
        resume: Whether there may be shards of an earlier run.
    """
    return FetchSettings(
        endpoint=plan.config.endpoint.share(processes),
        source=plan.source,
        layout=plan.layout,
        root=plan.config.output,
        block_bytes=block_bytes(plan.config),
        resume=resume,
        labeller=plan.labeller,
    )


def fetched_before(plan: ExportPlan) -> Tally:
    """What an earlier run fetched, for runs of the later steps alone.

    Raises:
        DatasetError: The fetch was not finished.
        LostTilesError: It lost tiles, which nobody may have checked yet: a template's job runs without this program.
    """
    totals = storage.join(plan.config.output, TOTALS, "fetch.json")
    if not storage.exists(totals):
        raise DatasetError(f"{plan.config.output} is not fetched to its end: add the step fetch")
    asked = len(drawn_before(plan)) if plan.is_sampled else plan.cover.count()
    return _all_accounted_for(read_totals(totals), asked)
