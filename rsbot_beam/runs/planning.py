"""A run, looked at before it is paid for: what it asks for is counted, a few tiles are tried, the rest is reckoned."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rsbot_beam.errors import InputError
from rsbot_beam.runs.config import ExportConfig
from rsbot_beam.runs.counting import Count, count_left
from rsbot_beam.runs.estimate import Duration, Machines, Pace, cost, duration, shared_in_flight
from rsbot_beam.runs.export_bytes import ExportBytes
from rsbot_beam.runs.map_config import PredictConfig
from rsbot_beam.runs.plan_report import DataflowTime, PlanReport, Traffic
from rsbot_beam.runs.plan_settings import PlanSettings
from rsbot_beam.runs.planned_export import PlannedExport
from rsbot_beam.runs.planned_map import MapWork, PlannedMap

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from rsbot_beam.runs.trial import Trial

# The output of a run that has none yet: no folder is called so.
NO_OUTPUT = "-"
Planned = PlannedExport | PlannedMap


def plan_run(
    config: ExportConfig | PredictConfig, beam_flags: Sequence[str] = (), settings: PlanSettings | None = None
) -> PlanReport:
    """Say what a run will take. It fetches the sampled tiles and nothing else, and writes nothing to the run's folder.

    Args:
        config: Of the run, as `run_export` and `run_predict` take it; `NO_OUTPUT` as its output plans it without one.
        beam_flags: Flags for Beam, by which the quota is shared.
        settings: What to try, and what to hold it against.

    Raises:
        InputError: Something asked for cannot be done; says what, and how to ask.
        EarthEngineError: Earth Engine cannot be reached, or does not let you in.
    """
    from rsbot_beam.runs.beam_options import read_options

    settings = settings or PlanSettings()
    options = read_options(beam_flags)
    machines = _machines(beam_flags, config.endpoint.max_requests, settings.workers)
    with tempfile.TemporaryDirectory(prefix="rsbot-plan-") as folder:
        return _report(_planned(config, folder, options), settings, machines, options)


def _planned(config: ExportConfig | PredictConfig, folder: str, options: PipelineOptions) -> Planned:
    if isinstance(config, ExportConfig):
        from rsbot_beam.runs.plan import plan_export

        return PlannedExport(plan_export(config), folder, options)
    from rsbot_beam.runs.map_plan import plan_map

    return PlannedMap(plan_map(config), folder)


def _machines(flags: Sequence[str], max_requests: int, workers: int | None) -> Machines:
    """What Dataflow would start for these flags, whatever the runner is.

    Raises:
        InputError: They cannot share the requests in flight.
    """
    from apache_beam.options.pipeline_options import WorkerOptions

    from rsbot_beam.runs.beam_options import read_options
    from rsbot_beam.runs.dataflow import processes_per_machine, set_machines

    options = read_options(flags)
    worker = options.view_as(WorkerOptions)
    if workers is not None:
        worker.max_num_workers = workers
    set_machines(options, max_requests)
    return Machines(str(worker.machine_type), int(worker.max_num_workers), processes_per_machine(options))


def _report(planned: Planned, settings: PlanSettings, machines: Machines, options: PipelineOptions) -> PlanReport:
    from rsbot_beam.runs.progress_line import progress_line

    with progress_line("count", None, "tiles"):
        whole = planned.whole
        left = count_left(planned.shards, planned.missing(), planned.count_of) if planned.is_begun else None
    if not whole.requests:
        raise InputError(f"there is nothing to ask for in the region {planned.plan.region.source!r}")
    picks = planned.shards.pick(settings.sample_tiles)
    trial, work = planned.try_out(picks) if picks else (None, None)
    to_do = whole if left is None else left
    pace = _pace(planned, trial, work, settings)
    filled = trial.filled if trial is not None else 1.0
    return PlanReport(
        command=planned.command,
        title=planned.title,
        output=None if planned.plan.config.output == NO_OUTPUT else planned.plan.config.output,
        endpoint=planned.plan.config.endpoint,
        exact=planned.is_exact,
        whole=whole,
        left=left,
        counting=planned.counting,
        splits=planned.splits(),
        trial=trial,
        traffic=_traffic(planned, to_do, trial),
        written=_written(planned, whole, work, filled),
        pace=pace,
        here=_here(pace, to_do, filled, options),
        dataflow=_dataflow(pace, to_do, filled, machines, work),
        cost=cost(to_do.requests, trial.eecu if trial else None, settings.eecu_per_request),
        settings=settings,
        planned=planned,
    )


def _traffic(planned: Planned, to_do: Count, trial: Trial | None) -> Traffic:
    """Bytes on the wire: what is asked for is known to the byte, but for the head of an answer."""
    from rsbot_beam.earthengine.pixels import request_body
    from rsbot_beam.transforms.shard_requests import answer_bytes

    source, tag = planned.plan.source, planned.plan.config.endpoint.workload_tag
    bodies = [len(request_body(source, planned.sample_body(p).geobox, tag)) for p in planned.shards.pick(3)]
    received = to_do.pixels * answer_bytes(source, (1, 1))
    heads = to_do.requests * trial.head_bytes if trial is not None else 0.0
    return Traffic(round(to_do.requests * statistics.fmean(bodies)), round(received + heads))


def _written(planned: Planned, whole: Count, work: ExportBytes | MapWork | None, filled: float) -> dict[str, int]:
    """Bytes of the files of the finished run, by what they are; empty where they are not known."""
    if isinstance(planned, PlannedMap):
        return {"map": work.files(whole, filled)} if isinstance(work, MapWork) else {}
    seen = work if isinstance(work, ExportBytes) else planned.full_bytes()
    examples = {"examples": seen.examples(whole, filled)} if "transform" in planned.plan.config.steps else {}
    return {"raw": seen.raw(whole, filled), **examples}


def _pace(
    planned: Planned, trial: Trial | None, work: ExportBytes | MapWork | None, settings: PlanSettings
) -> Pace | None:
    """How fast one process can go with the whole quota; None where no latency is known."""
    latency = settings.latency if settings.latency is not None else trial.latency if trial is not None else None
    if latency is None:
        return None
    endpoint = planned.plan.config.endpoint
    return Pace(
        latency,
        endpoint.max_requests,
        endpoint.max_qps,
        trial.request_cpu if trial is not None else 0.0,
        work.tile_seconds if isinstance(work, MapWork) else 0.0,
    )


def _here(pace: Pace | None, to_do: Count, filled: float, options: PipelineOptions) -> Duration | None:
    """On this machine; None where the run is not to be there."""
    from rsbot_beam.runs.beam_options import is_local, worker_processes

    if pace is None or not is_local(options):
        return None
    processes = worker_processes(options)
    shared = replace(pace, in_flight=shared_in_flight(pace.in_flight, processes), processes=processes)
    return duration(to_do.requests, to_do.tiles * filled, shared)


def _dataflow(
    pace: Pace | None, to_do: Count, filled: float, machines: Machines, work: ExportBytes | MapWork | None
) -> DataflowTime | None:
    """On Dataflow, whose vCPUs are taken to be as fast as the cores here."""
    if pace is None:
        return None
    shared = replace(
        pace,
        in_flight=shared_in_flight(pace.in_flight, machines.all_processes),
        processes=machines.all_processes,
        tile_seconds=work.tile_cpu if isinstance(work, MapWork) else 0.0,
    )
    found = duration(to_do.requests, to_do.tiles * filled, shared)
    return DataflowTime(machines, found.seconds, found.limit, machines.hours(found.seconds))
