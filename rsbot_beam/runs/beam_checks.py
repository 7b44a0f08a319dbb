"""The checks of Beam's other runners: is all there that Dataflow, Flink or a job server needs."""

from __future__ import annotations

import shutil
import socket
import warnings
from typing import Any

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

from rsbot_beam import storage
from rsbot_beam.data.findings import Finding
from rsbot_beam.earthengine.caller import Caller
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import InputError
from rsbot_beam.runs.beam_options import is_local, worker_processes
from rsbot_beam.runs.dataflow import check_reachable, is_dataflow, max_processes, set_defaults

# Seconds for building the package, which takes one, and ten on a busy machine.
PACKAGE_LIMIT = 60.0
DATAFLOW = "https://dataflow.googleapis.com"
# A cluster of Flink that Beam starts itself.
_OWN_CLUSTER = ("[auto]", "[local]", "")


def kind_of(options: PipelineOptions) -> str:
    """Which kind of runner the options name: local, dataflow, flink, or other."""
    if is_local(options):
        return "local"
    if is_dataflow(options):
        return "dataflow"
    return "flink" if "flink" in str(options.view_as(StandardOptions).runner).lower() else "other"


def check_dataflow_flags(options: PipelineOptions, endpoint: Endpoint, output: str | None) -> Finding:
    """Whether all is given that a job of Dataflow needs, and whether its package can be built.

    Args:
        options: Of Beam, with our defaults not yet set; they are set here.
        endpoint: Earth Engine.
        output: Folder of the run, if it is known.
    """
    google, name = options.view_as(GoogleCloudOptions), "dataflow flags"
    google.region = google.region or DataflowRunner().get_default_gcp_region()
    missing = [flag for flag, value in (("--project", google.project), ("--gcp_region", google.region)) if not value]
    if not (google.temp_location and storage.is_gcs(google.temp_location)):
        missing.append("--temp_location gs://bucket/tmp")
    if missing:
        return Finding(name, "failed", f"{', '.join(missing)} missing", f"give {' '.join(missing)}")
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            check_reachable(endpoint, **({"output": output} if output else {}))
            set_defaults(options, endpoint.max_requests)
    except InputError as error:
        return Finding(name, "failed", str(error), "do what it says")
    told = [str(item.message) for item in warned if issubclass(item.category, UserWarning)]
    if told:
        return Finding(name, "warning", told[0], "name an Earth Engine that the workers reach, with --ee_url")
    found = f"project {google.project}, region {google.region}, up to {max_processes(options)} processes"
    if not google.service_account_email:
        return Finding(
            name,
            "warning",
            f"{found}; no --service_account_email: the workers run as the project's default service account",
            "give --service_account_email of an account with the roles Earth Engine Resource Viewer, Service Usage "
            "Consumer, Dataflow Worker and Storage Object User; or see that the default one has them",
        )
    return Finding(name, "ok", f"{found}, as {google.service_account_email}")


def check_dataflow(options: PipelineOptions, seconds: float, token: str | None) -> Finding:
    """Whether Dataflow answers the account: its newest job is asked for.

    Args:
        options: Of Beam; project and region are given.
        seconds: That the answer may take.
        token: Of the credentials that submit the job, or None for --no_auth.
    """
    google = options.view_as(GoogleCloudOptions)
    caller = Caller(str(google.dataflow_endpoint or DATAFLOW).rstrip("/"), seconds, google.project, token)
    answered = caller.get(f"/v1b3/projects/{google.project}/locations/{google.region}/jobs?pageSize=1")
    if not answered.good:
        return answered.failure("dataflow", google.project)
    jobs = answered.json().get("jobs") or []
    last = f"; its newest job is {jobs[0].get('name')}" if jobs else ""
    return Finding("dataflow", "ok", f"answers for project {google.project} in {google.region}{last}")


def check_flink(options: PipelineOptions, seconds: float) -> Finding:
    """Whether the master of a Flink cluster answers, and has places for the job's workers.

    Args:
        options: Of Beam.
        seconds: That the answer may take.
    """
    master = str(options.view_as(FlinkRunnerOptions).flink_master or "")
    if master in _OWN_CLUSTER:
        return _own_cluster()
    url = master if "://" in master else f"http://{master}"
    try:
        answered = Caller(url.rstrip("/"), seconds).get("/overview")
    except InputError:
        return Finding(
            "flink", "failed", f"--flink_master {master!r} is no host:port", "give host:port of Flink's REST port"
        )
    if not answered.good:
        return answered.failure("flink", "")
    overview = answered.json()
    if "slots-total" not in overview:
        return Finding("flink", "failed", f"{url} answers, but is no Flink", "give host:port of Flink's REST port")
    return _slots(url, overview, worker_processes(options))


def _slots(url: str, overview: dict[str, Any], wanted: int) -> Finding:
    free, total = int(overview.get("slots-available", 0)), int(overview["slots-total"])
    found = f"Flink {overview.get('flink-version', '?')} at {url} has {free} of {total} slots free"
    if free < wanted:
        remedy = "start more TaskManagers, wait for other jobs, or lower --parallelism"
        return Finding("flink", "warning", f"{found}, and --parallelism asks for {wanted}", remedy)
    return Finding("flink", "ok", found)


def _own_cluster() -> Finding:
    java = shutil.which("java")
    if java is None:
        remedy = "install Java 11 or 17, or name a cluster with --flink_master host:port"
        return Finding("flink", "failed", "Beam would start a Flink of its own, and there is no java", remedy)
    return Finding("flink", "ok", f"Beam starts a Flink of its own with {java}")


def check_job_server(options: PipelineOptions, seconds: float) -> Finding:
    """Whether something listens where another runner takes jobs (`--job_endpoint`).

    Args:
        options: Of Beam.
        seconds: That connecting may take.
    """
    runner = str(options.view_as(StandardOptions).runner)
    endpoint = str(options.view_as(PortableOptions).job_endpoint or "")
    host, colon, port = endpoint.rpartition(":")
    if not endpoint or endpoint == "embed":
        return Finding("beam", "skipped", f"{runner} is not known here, and no --job_endpoint is given to look at")
    if not (colon and port.isdigit()):
        return Finding(
            "beam", "failed", f"--job_endpoint {endpoint!r} is no host:port", "give host:port of the job server"
        )
    try:
        socket.create_connection((host, int(port)), timeout=seconds).close()
    except (OSError, OverflowError) as error:
        return Finding(
            "beam", "failed", f"nothing takes jobs at {endpoint} ({error})", "start the job server, or correct it"
        )
    return Finding("beam", "ok", f"something listens at {endpoint} for the jobs of {runner}")
