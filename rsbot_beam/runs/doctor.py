"""All checks of the surroundings, in their order, and what each needs from those before it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from rsbot_beam import storage
from rsbot_beam.data.findings import Diagnosis, Finding
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.login_check import check_login
from rsbot_beam.runs import bucket_checks, machine_checks, package_checks
from rsbot_beam.runs.checking import Check, run_checks
from rsbot_beam.runs.doctor_config import MARGIN, DoctorConfig
from rsbot_beam.runs.earth_engine_checks import EarthEngineChecks

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions


def run_doctor(
    config: DoctorConfig | None = None,
    beam_flags: Sequence[str] = (),
    told: Callable[[Finding], object] = lambda finding: None,
) -> Diagnosis:
    """Check everything that a run needs; each check takes seconds at most, and none stops the others.

    Args:
        config: What to check; by default the Earth Engine of the environment, Python, packages and the local runner.
        beam_flags: Beam's flags, as on the command line.
        told: Called with each finding as soon as it is there.

    Returns:
        All findings; it prints as a table, and shows itself in a notebook.

    Raises:
        InputError: Beam does not take its flags.
    """
    config = config or DoctorConfig()
    options = _options(beam_flags)
    checks = [
        *_package_checks(),
        *EarthEngineChecks(config).checks(),
        *_storage_checks(config, options),
        *_beam_checks(config, options, beam_flags),
        _gpu_check(config),
    ]
    return run_checks(checks, told, config.before)


def _options(beam_flags: Sequence[str]) -> PipelineOptions | None:
    """Beam's options; None where there are no flags, as then Beam need not be imported here."""
    if not beam_flags:
        return None
    from rsbot_beam.runs.beam_options import read_options

    return read_options(beam_flags)


def _package_checks() -> list[Check]:
    package = package_checks.declared()
    extras = [
        Check(f"[{extra}]", partial(package_checks.check_extra, extra, package)) for extra in package_checks.DISABLED
    ]
    return [
        Check("python", lambda: package_checks.check_python(package)),
        Check("packages", lambda: package_checks.check_packages(package)),
        *extras,
        Check("environment", lambda: machine_checks.check_environment(os.environ)),
    ]


def _storage_checks(config: DoctorConfig, options: PipelineOptions | None) -> list[Check]:
    google = {} if options is None else options.get_all_options()
    paths = (config.output, config.bucket, google.get("temp_location"), google.get("staging_location"))
    region = google.get("region") if options is not None and "dataflow" in str(google.get("runner")).lower() else None
    checks, limit = [], config.timeout + MARGIN
    if config.output and not storage.is_gcs(config.output):
        checks.append(Check("output", partial(machine_checks.check_space, config.output)))
    for bucket in bucket_checks.buckets_of(*paths):
        folder = next(path for path in paths if path and bucket_checks.buckets_of(path) == [bucket]).rstrip("/")
        run = partial(bucket_checks.check_bucket, bucket, region, config.asset is not None)
        checks.append(Check(bucket, run, limit=limit))
        checks.append(Check(f"access {folder}", partial(bucket_checks.check_access, folder), (bucket,), limit))
    return checks


def _beam_checks(config: DoctorConfig, options: PipelineOptions | None, flags: Sequence[str]) -> list[Check]:
    endpoint = config.endpoint or Endpoint(credentials="none")
    limit = machine_checks.PIPELINE_LIMIT + MARGIN
    local = Check("beam", lambda: machine_checks.check_local_runner(flags, endpoint.max_requests), limit=limit)
    if options is None:
        return [local]
    from rsbot_beam.runs import beam_checks

    kind, seconds = beam_checks.kind_of(options), config.timeout
    if kind == "dataflow":
        told = partial(beam_checks.check_dataflow_flags, options, endpoint, config.output)
        return [
            # Building the package takes seconds, a minute on a busy machine.
            Check("dataflow flags", told, limit=beam_checks.PACKAGE_LIMIT),
            Check(
                "dataflow",
                lambda: _check_dataflow(options, endpoint, seconds),
                ("dataflow flags",),
                2 * seconds + MARGIN,
            ),
        ]
    if kind == "flink":
        return [Check("flink", lambda: beam_checks.check_flink(options, seconds), limit=seconds + MARGIN)]
    other = Check("beam", lambda: beam_checks.check_job_server(options, seconds), limit=seconds + MARGIN)
    return [local if kind == "local" else other]


def _check_dataflow(options: PipelineOptions, endpoint: Endpoint, seconds: float) -> Finding:
    """Dataflow takes the application default credentials, whatever Earth Engine takes."""
    from rsbot_beam.runs import beam_checks

    if options.get_all_options().get("no_auth"):
        return beam_checks.check_dataflow(options, seconds, None)
    login = check_login(Endpoint(credentials="default"), seconds)
    if login.token is None:
        return Finding("dataflow", "failed", f"Dataflow needs credentials: {login.finding.found}", login.finding.remedy)
    return beam_checks.check_dataflow(options, seconds, login.token)


def _gpu_check(config: DoctorConfig) -> Check:
    if not config.deep:
        return Check(
            "gpu", lambda: Finding("gpu", "skipped", "give --deep to look: importing TensorFlow takes some 10 s")
        )
    return Check("gpu", machine_checks.check_gpu, ("[learning]",), machine_checks.GPU_LIMIT + MARGIN)
