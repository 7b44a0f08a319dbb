"""Running a step's pipeline to its end, or only describing it where that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from apache_beam.runners.runner import PipelineState

from rsbot_beam.errors import InputError, RsbotError
from rsbot_beam.runs.beam_options import is_one_process
from rsbot_beam.runs.dataflow import is_dataflow, is_only_described
from rsbot_beam.runs.in_notebooks import not_interactive
from rsbot_beam.runs.progress_line import LOGGER, progress_line


@dataclass(frozen=True)
class DescribedJob:
    """A job that was described, not run.

    Attributes:
        step: The step of the export.
        name: Of the job.
        project: Cloud project that it is to run in.
        region: Google Cloud region that it is to run in.
        template: Path of the template, or None for a dry run.
    """

    step: str
    name: str
    project: str
    region: str
    template: str | None


class JobDescribed(Exception):  # noqa: N818 - not an error
    """The job was described: nothing that follows its pipeline can be done now.

    Attributes:
        job: What was described.
    """

    def __init__(self, job: DescribedJob) -> None:
        super().__init__(job)
        self.job = job


@not_interactive()
def run_pipeline(step: str, options: PipelineOptions, build: Callable[[beam.Pipeline], object]) -> None:
    """Build a pipeline, run it and wait for its end.

    Args:
        step: What it is for; Dataflow's jobs are named by it.
        options: Beam's.
        build: Adds the transforms.

    Raises:
        JobDescribed: `--template_location` or `--dry_run` was given: nothing was run.
        InputError: Beam refuses the options.
        RsbotError: The job did not end well.
    """
    google = options.view_as(GoogleCloudOptions)
    named = bool(google.job_name)
    if is_dataflow(options) and not named:
        google.job_name = f"rsbot-{step}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}"
    pipeline = _pipeline(options)
    build(pipeline)
    result = pipeline.run()
    if is_only_described(options):
        location = google.template_location
        raise JobDescribed(DescribedJob(step, google.job_name, google.project, google.region, location))
    try:
        state = result.wait_until_finish()
    except Exception as error:
        # An error of ours that a worker raised says what to do; the command line finds it in the text.
        if not is_dataflow(options) or "rsbot_beam.errors." in str(error):
            raise
        raise RsbotError(_failed(step, google, str(error))) from error
    if state in (PipelineState.FAILED, PipelineState.CANCELLED):
        raise RsbotError(_failed(step, google, str(state)))
    if not named:
        google.job_name = None


def _pipeline(options: PipelineOptions) -> beam.Pipeline:
    try:
        return beam.Pipeline(options=options)
    except ValueError as error:
        lines = [line for line in str(error).splitlines()[1:] if line] or [str(error)]
        told = " ".join(lines).replace("Missing required option: region.", "Missing required option: gcp_region.")
        raise InputError(f"Beam refuses its options: {told}") from error


def _failed(step: str, google: GoogleCloudOptions, why: str) -> str:
    place = f"Dataflow job {google.job_name} in project {google.project}" if google.project else "job"
    return f"the {place} for the step {step} did not end well: {why}\nStart the same command again to continue"


@contextmanager
def progress(step: str, total: int | None, unit: str, options: PipelineOptions) -> Iterator[None]:
    """A progress line where this process does the work, and a word where it does not."""
    if is_one_process(options):
        with progress_line(step, total, unit):
            yield
        return
    LOGGER.info("%s: %s, in other processes", step, f"{total:,} {unit}" if total is not None else f"all {unit}")
    yield
