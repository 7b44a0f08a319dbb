"""Beam's own options: defaults for local and Dataflow runs, and how many processes share Earth Engine's quota."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from apache_beam.options.pipeline_options import (
    DebugOptions,
    DirectOptions,
    PipelineOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
)

from rsbot_beam.errors import InputError

# `DirectRunner` of Beam 2.77 first tries to download another engine; this one is in the package.
LOCAL_RUNNER = "FnApiRunner"
LOCAL_RUNNERS = (LOCAL_RUNNER, "DirectRunner", "SwitchingDirectRunner", "BundleBasedDirectRunner", "PrismRunner")
SETUP_FILE = Path(__file__).parents[2] / "setup.py"
# Fetching waits for the network: small machines. Dataflow starts one process for each of a machine's vCPUs.
DATAFLOW_MACHINE = "n1-standard-2"
# GB: the image with the dependencies takes 15, raw shards pass through memory.
DATAFLOW_DISK = 30


def pipeline_options(flags: Sequence[str], max_requests: int) -> PipelineOptions:
    """Beam's options from its flags, with our defaults where the user is silent.

    Args:
        flags: Flags that are not ours.
        max_requests: Requests in flight of the whole job; there is no use for more processes.

    Raises:
        InputError: The package cannot be sent to Dataflow's workers.
    """
    options = PipelineOptions(list(flags))
    standard = options.view_as(StandardOptions)
    standard.runner = standard.runner or LOCAL_RUNNER
    if is_dataflow(options):
        _dataflow_defaults(options, max_requests)
    return options


def _dataflow_defaults(options: PipelineOptions, max_requests: int) -> None:
    setup, worker = options.view_as(SetupOptions), options.view_as(WorkerOptions)
    if not (setup.setup_file or setup.extra_packages or worker.sdk_container_image):
        if not SETUP_FILE.is_file():
            raise InputError(
                "Dataflow's workers need this package: start from a checkout of the repository, or give --setup_file, "
                "--extra_package or --sdk_container_image"
            )
        setup.setup_file = str(SETUP_FILE)
    worker.machine_type = worker.machine_type or DATAFLOW_MACHINE
    worker.disk_size_gb = worker.disk_size_gb or DATAFLOW_DISK
    if not worker.max_num_workers:
        most = max(1, max_requests // processes_per_machine(options))
        worker.max_num_workers = max(most, worker.num_workers or 0)


def is_dataflow(options: PipelineOptions) -> bool:
    """Whether the pipeline is for Dataflow."""
    return "dataflow" in str(options.view_as(StandardOptions).runner).lower()


def is_local(options: PipelineOptions) -> bool:
    """Whether the pipeline runs on this machine, in this process or its children."""
    return str(options.view_as(StandardOptions).runner).rsplit(".", 1)[-1] in LOCAL_RUNNERS


def processes_per_machine(options: PipelineOptions) -> int:
    """Python processes that Dataflow starts on one machine: one for each vCPU, which machine types end in."""
    if options.view_as(DebugOptions).lookup_experiment("no_use_multiple_sdk_containers"):
        return 1
    found = re.search(r"-(\d+)(?:-\d+)?$", options.view_as(WorkerOptions).machine_type or "")
    return int(found.group(1)) if found else 1


def worker_processes(options: PipelineOptions) -> int:
    """Processes that fetch at the same time, at most: they share the quota by this number."""
    if is_dataflow(options):
        return int(options.view_as(WorkerOptions).max_num_workers or 1) * processes_per_machine(options)
    if is_local(options):
        direct = options.view_as(DirectOptions)
        return direct.direct_num_workers or 1 if direct.direct_running_mode == "multi_processing" else 1
    return max(1, int(options.get_all_options().get("parallelism") or 1))
