"""What Dataflow needs beside a pipeline: workers of the right size and number, and paths that they can reach."""

from __future__ import annotations

import re
import warnings

from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    StandardOptions,
    TestOptions,
    WorkerOptions,
)

from rsbot_beam import storage
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import InputError
from rsbot_beam.runs.package import build_package, write_requirements

# Fetching waits for the network: small machines. Dataflow starts one process for each of a machine's vCPUs.
MACHINE = "n1-standard-2"
# GB: the image with the dependencies takes 15, raw shards pass through memory.
DISK = 30
# Requests in flight of one process, below which more machines are only paid for: at half a second and 8 MiB for each
# answer, 4 keep a vCPU half busy with decoding and writing.
REQUESTS_PER_PROCESS = 4
# vCPUs of machine types whose name does not say them (Google Cloud, "Machine families resource and comparison guide").
_SHARED_CORE = {"f1-micro": 1, "g1-small": 1, "e2-micro": 2, "e2-small": 2, "e2-medium": 2}
# A type is FAMILY-KIND-VCPUS with what is added to it: n2-standard-4, custom-2-8192, c3-standard-8-lssd. Types that end
# in a number of GPUs, a2-highgpu-1g, do not say their vCPUs.
_MACHINE_TYPE = re.compile(r"(?:[a-z]\w*-)*?[a-z]+-(\d+)(?:-[a-z0-9]+)*")
_ONE_PROCESS = "no_use_multiple_sdk_containers"


def is_dataflow(options: PipelineOptions) -> bool:
    """Whether the pipeline is for Dataflow."""
    return "dataflow" in str(options.view_as(StandardOptions).runner).lower()


def set_defaults(options: PipelineOptions, max_requests: int) -> None:
    """Fill in what the user left open: the package, machines, and how many of them.

    Args:
        options: Changed in place.
        max_requests: Requests in flight of the whole job: every process needs one.

    Raises:
        InputError: The package cannot be built, there is no place for temporary files, or the machine type does not tell
            its vCPUs.
    """
    setup, worker = options.view_as(SetupOptions), options.view_as(WorkerOptions)
    _check_temp_location(options.view_as(GoogleCloudOptions).temp_location)
    set_machines(options, max_requests)
    if not (setup.setup_file or setup.extra_packages or worker.sdk_container_image):
        setup.extra_packages = [build_package()]


def set_machines(options: PipelineOptions, max_requests: int) -> None:
    """Fill in what the user left open of machines, and how many of them.

    Args:
        options: Changed in place.
        max_requests: Requests in flight of the whole job: every process needs one.

    Raises:
        InputError: There are more processes than requests, or the machine type does not tell its vCPUs.
    """
    worker = options.view_as(WorkerOptions)
    worker.machine_type = worker.machine_type or MACHINE
    worker.disk_size_gb = worker.disk_size_gb or DISK
    worker.autoscaling_algorithm = worker.autoscaling_algorithm or "THROUGHPUT_BASED"
    if not worker.max_num_workers:
        useful = max_requests // (REQUESTS_PER_PROCESS * processes_per_machine(options))
        worker.max_num_workers = max(1, useful, worker.num_workers or 0)
    if max_processes(options) > max_requests:
        raise InputError(
            f"{worker.max_num_workers} machines of type {worker.machine_type} start {max_processes(options)} processes, "
            f"which cannot share {max_requests} requests in flight: use fewer (--max_num_workers) or smaller machines, one "
            f"process for each (--experiments={_ONE_PROCESS}), or raise --max_requests if your project's quota allows"
        )


def _check_temp_location(location: str | None) -> None:
    """Beam would make a bucket of its own, and say so in a log line at most."""
    if not location or not storage.is_gcs(location):
        raise InputError(
            f"Dataflow has no place for its packages and temporary files (temp_location is {location!r}): give "
            "--temp_location, e.g. gs://bucket/tmp"
        )


def processes_per_machine(options: PipelineOptions) -> int:
    """Python processes that Dataflow starts on one machine: one for each vCPU.

    Raises:
        InputError: The machine type does not tell how many it has; a guess could exceed the quota.
    """
    if options.view_as(DebugOptions).lookup_experiment(_ONE_PROCESS):
        return 1
    machine = str(options.view_as(WorkerOptions).machine_type or MACHINE).rsplit("/", 1)[-1]
    found = _MACHINE_TYPE.fullmatch(machine)
    if found is None and machine not in _SHARED_CORE:
        raise InputError(
            f"the machine type {machine!r} does not tell how many vCPUs, and so processes, it has: use one like {MACHINE}, "
            f"or one process for each machine with --experiments={_ONE_PROCESS}"
        )
    return int(found.group(1)) if found else _SHARED_CORE[machine]


def max_processes(options: PipelineOptions) -> int:
    """Processes of all machines, when as many run as may."""
    return int(options.view_as(WorkerOptions).max_num_workers or 1) * processes_per_machine(options)


def is_only_described(options: PipelineOptions) -> bool:
    """Whether the pipeline is written to a template or only checked (`--dry_run`), instead of being run."""
    google = options.view_as(GoogleCloudOptions)
    return is_dataflow(options) and bool(google.template_location or options.view_as(TestOptions).dry_run)


def with_requirements(options: PipelineOptions, requirements: str) -> PipelineOptions:
    """The options, with further packages for workers that install the package themselves.

    Args:
        options: Changed in place, and returned.
        requirements: Text of a requirements file.
    """
    setup = options.view_as(SetupOptions)
    if is_dataflow(options) and not (setup.requirements_file or options.view_as(WorkerOptions).sdk_container_image):
        setup.requirements_file = write_requirements(requirements)
        # Workers fetch them from the package index themselves: by default Beam would download TensorFlow here, and
        # upload it again.
        setup.requirements_cache = setup.requirements_cache or "skip"
    return options


def check_reachable(endpoint: Endpoint, **folders: str) -> None:
    """Refuse what Dataflow's workers could not do: they see neither this machine's files nor its servers.

    Args:
        endpoint: Earth Engine.
        **folders: What workers read and write, by the name of its flag.

    Raises:
        InputError: A folder is a local one, or the credentials are a local file.
    """
    for name, folder in folders.items():
        if not storage.is_gcs(folder):
            raise InputError(
                f"{name} {folder!r} is on this machine, which Dataflow's workers cannot reach: give gs://bucket/folder"
            )
    if endpoint.credentials not in ("default", "none"):
        raise InputError(
            f"the key file {endpoint.credentials!r} is on this machine, and keys are not sent to Dataflow: let its workers "
            "run as a service account that may use Earth Engine, with --service_account_email, and leave out "
            "--ee_credentials"
        )
    if endpoint.is_local:
        warnings.warn(f"Dataflow's workers cannot reach {endpoint.url}, which is on this machine", stacklevel=2)
