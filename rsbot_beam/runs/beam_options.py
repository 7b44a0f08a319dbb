"""Beam's own options: defaults for local and Dataflow runs, and how many processes share Earth Engine's quota."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence

from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    StandardOptions,
)
from apache_beam.runners.runner import create_runner

from rsbot_beam.errors import InputError
from rsbot_beam.runs.dataflow import is_dataflow, max_processes, set_defaults

# `DirectRunner` of Beam 2.77 first tries to download another engine; this one is in the package.
LOCAL_RUNNER = "FnApiRunner"
LOCAL_RUNNERS = (LOCAL_RUNNER, "DirectRunner", "SwitchingDirectRunner", "BundleBasedDirectRunner", "PrismRunner")
# Beam takes runners in any case, with or without the word at their end, and with their module in front.
_LOCAL_NAMES = {name.lower().removesuffix("runner") for name in LOCAL_RUNNERS}


def pipeline_options(flags: Sequence[str], max_requests: int) -> PipelineOptions:
    """Beam's options from its flags, with our defaults where the user is silent.

    Args:
        flags: Flags that are not ours.
        max_requests: Requests in flight of the whole job; there is no use for more processes.

    Raises:
        InputError: A flag's value is not what Beam takes; the package cannot be sent to Dataflow's workers, or they
            cannot be counted.
    """
    options = read_options(flags)
    setup = options.view_as(SetupOptions)
    # Beam would pickle all globals of the main program, whatever is in them, and send them to the workers.
    setup.save_main_session = bool(setup.save_main_session)
    if is_dataflow(options):
        set_defaults(options, max_requests)
    return options


def read_options(flags: Sequence[str]) -> PipelineOptions:
    """Beam's options as they are given, with our default of the runner alone.

    Args:
        flags: Flags that are not ours.

    Raises:
        InputError: A flag's value is not what Beam takes.
    """
    options = _parse(flags)
    standard = options.view_as(StandardOptions)
    standard.runner = standard.runner or LOCAL_RUNNER
    return options


def _parse(flags: Sequence[str]) -> PipelineOptions:
    """Beam parses its flags late, and then ends the process."""
    options, said = PipelineOptions(list(flags)), io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options.get_all_options()
    except SystemExit as error:
        lines = said.getvalue().strip().splitlines() or ["it does not say why"]
        raise InputError(f"Beam refuses its flags: {lines[-1].rpartition('error: ')[2]}") from error
    return options


def check_flags(flags: Sequence[str]) -> None:
    """Look at Beam's flags before anything is asked or written: their values, and whether there is such a runner.

    Raises:
        InputError: Beam would refuse them.
    """
    runner = read_options(flags).view_as(StandardOptions).runner
    try:
        create_runner(runner)
    except (ValueError, ImportError, AttributeError) as error:
        raise InputError(f"--runner {runner} is none that Beam has: {error}") from error


def is_local(options: PipelineOptions) -> bool:
    """Whether the pipeline runs on this machine, in this process or its children."""
    name = str(options.view_as(StandardOptions).runner).rsplit(".", 1)[-1]
    return name.lower().removesuffix("runner") in _LOCAL_NAMES


def is_one_process(options: PipelineOptions) -> bool:
    """Whether all work is done in this process, which then sees how far it is."""
    return is_local(options) and options.view_as(DirectOptions).direct_running_mode != "multi_processing"


def worker_processes(options: PipelineOptions) -> int:
    """Processes that fetch at the same time, at most: they share the quota by this number."""
    if is_dataflow(options):
        return max_processes(options)
    if is_one_process(options):
        return 1
    if is_local(options):
        # 0 means one for each core, as in Beam's FnApiRunner.
        return options.view_as(DirectOptions).direct_num_workers or os.cpu_count() or 1
    parallelism = int(options.get_all_options().get("parallelism") or 1)
    return max(1, parallelism, int(options.view_as(PortableOptions).sdk_worker_parallelism or 1))
