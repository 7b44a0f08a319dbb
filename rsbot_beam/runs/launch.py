"""Running a step's pipeline to its end, or only describing it where that was asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from apache_beam.runners.runner import PipelineState

from rsbot_beam.errors import InputError, RsbotError
from rsbot_beam.runs.beam_options import is_local, is_one_process
from rsbot_beam.runs.dataflow import is_dataflow, is_only_described
from rsbot_beam.runs.in_notebooks import not_interactive
from rsbot_beam.runs.progress_line import LOGGER, progress_line
from rsbot_beam.runs.stored import StoredTiles

# How an interrupt looks in the text of an error that came through a worker: at its beginning, or the last of a traceback.
_INTERRUPTED = re.compile(r"^KeyboardInterrupt\b", re.MULTILINE)
_MOST_CAUSES = 20


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
    with _interruptible():
        _run(pipeline, step, options, google)
    if not named:
        google.job_name = None


def _run(pipeline: beam.Pipeline, step: str, options: PipelineOptions, google: GoogleCloudOptions) -> None:
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


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C is what it is: local runners pass it through Beam's workers, which make an error of the step of it."""
    try:
        yield
    except Exception as error:
        if _is_interrupt(error):
            raise KeyboardInterrupt from error
        raise


def _is_interrupt(error: BaseException | None) -> bool:
    seen = 0
    while error is not None and seen < _MOST_CAUSES:
        if isinstance(error, KeyboardInterrupt) or _INTERRUPTED.search(str(error)):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


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
def progress(
    step: str, total: int | None, unit: str, options: PipelineOptions, stored: StoredTiles | None = None
) -> Iterator[None]:
    """A progress line where this machine does the work, and a word where it does not.

    Args:
        step: Name of the step.
        total: How many there are, or None if that is not known.
        unit: What is counted.
        options: Beam's.
        stored: Counts what other processes of this machine have done.
    """
    if is_one_process(options):
        with progress_line(step, total, unit):
            yield
        return
    if stored is not None and is_local(options):
        with progress_line(step, total, unit), stored.counting():
            yield
        return
    LOGGER.info("%s: %s, in other processes", step, f"{total:,} {unit}" if total is not None else f"all {unit}")
    yield
