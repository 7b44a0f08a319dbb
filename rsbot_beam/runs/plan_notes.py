"""What has to be known with the numbers of a plan: where they come from, and what they leave out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rsbot_beam.runs.plan_report import PlanReport
    from rsbot_beam.runs.trial import Trial


def notes_of(report: PlanReport) -> list[str]:
    """One sentence or two each."""
    return [*_on_tiles(report), *_on_trial(report), *_on_time(report), *_on_cost(report)]


def _on_tiles(report: PlanReport) -> Iterator[str]:
    if not report.exact:
        yield (
            "Stratified sampling looks at the classes of all tiles first, and only then knows which it takes: the numbers "
            "are the most that can be, with as many tiles of each class as asked for."
        )
    if report.left is not None:
        yield (
            f"{report.output} is begun: what is left is told by the names of its files, which are not looked into. Bytes "
            "on the wire, time and cost are of what is left."
        )


def _on_trial(report: PlanReport) -> Iterator[str]:
    trial = report.trial
    if trial is None:
        full = " Files are reckoned as if every pixel were valid." if report.written else ""
        yield f"No tile was tried (--sample_tiles 0): what it would have shown is not known.{full}"
        return
    if trial.dead:
        yield f"{trial.dead} of the {trial.tiles} tiles tried were not answered: {trial.failure}"
    if trial.splits:
        yield (
            f"{trial.splits} of the requests tried were too large for Earth Engine and had to be cut up: a run makes more "
            "requests than are counted here. A smaller --block_mib asks for less at once."
        )
    if trial.retries:
        yield f"{trial.retries} requests had to be repeated: a run under such conditions takes longer."
    if trial.restricted:
        yield "The project is in restricted mode: it has used up what its tier has this month, and is served slowly."
    yield from _on_latency(report, trial)


def _on_latency(report: PlanReport, trial: Trial) -> Iterator[str]:
    at_once = min(report.endpoint.max_requests, report.to_do.requests)
    if report.settings.latency is None and trial.in_flight < at_once:
        yield (
            f"The latency was measured with {trial.in_flight} requests in flight; a run has up to {at_once}, under which it "
            f"may grow: --sample_tiles {at_once + 1} tries as many."
        )


def _on_time(report: PlanReport) -> Iterator[str]:
    if report.pace is None:
        return
    if report.command == "export":
        yield (
            "Time is that of the step fetch. The steps analyze and transform come after it; they read what is stored, and "
            "ask Earth Engine for nothing."
        )
    if report.dataflow is not None:
        yield (
            "Dataflow: all machines from the first request to the last, vCPUs as fast as the cores here; the minutes in "
            "which machines start come on top."
        )


def _on_cost(report: PlanReport) -> Iterator[str]:
    if report.cost is None:
        if report.trial is not None:
            yield (
                "EECU-seconds: not reported by this endpoint. Cloud Monitoring shows what requests with a --workload_tag "
                "have cost; --eecu_per_request reckons with it."
            )
    elif report.cost.source == "endpoint" and report.endpoint.is_local:
        yield (
            "The local Earth Engine tells the CPU seconds of its own machine: they say nothing of what Google's would take."
        )
    elif report.cost.source == "endpoint":
        yield "EECU-seconds are those of the requests tried; what Earth Engine has cached since costs less."
