"""The checks of this machine: the environment that is read, space for the output, the local runner, and the GPU."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.findings import Finding
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import InputError
from rsbot_beam.runs.probes import ProbeError, probe

# Variables that are read; none of them holds a secret but the proxy's, whose password is hidden.
VARIABLES = (
    *("RSBOT_EE_URL", "RSBOT_EE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS"),
    *("STORAGE_EMULATOR_HOST", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"),
)

# Bytes: below the first nothing is left to work with, below the second a larger dataset does not fit. A patch of 128 x 128
# pixels and 7 bands takes 658 kB, raw and as an example: 15,000 of them are 10 GB.
_FULL, _LITTLE = 1e9, 1e10
_PATCH = 658e3

# Seconds for a pipeline that takes one: importing Beam takes up to 14 on a cold machine, more on a busy one.
PIPELINE_LIMIT = 60.0
# Seconds that importing TensorFlow may take on a cold, busy machine.
GPU_LIMIT = 120.0


def check_environment(environment: Mapping[str, str]) -> Finding:
    """Which variables are set that change where requests go, and whether they make sense.

    Args:
        environment: Variables by name.
    """
    there = {name: environment[name] for name in VARIABLES if environment.get(name)}
    listed = ", ".join(f"{name}={value}" for name, value in there.items()) or "no variable is set that changes anything"
    url = there.get("RSBOT_EE_URL")
    try:
        if url:
            Endpoint(url=url)
    except InputError as error:
        return Finding("environment", "failed", f"RSBOT_EE_URL: {error}", "correct or unset RSBOT_EE_URL")
    if "STORAGE_EMULATOR_HOST" in there:
        remedy = "unset STORAGE_EMULATOR_HOST to work with real buckets"
        return Finding("environment", "warning", f"{listed}: every gs:// path is in that emulator", remedy)
    return Finding("environment", "ok", listed)


def check_space(folder: str) -> Finding:
    """Whether a local folder, or the one in which it would be made, can be written and has room.

    Args:
        folder: That may not exist.
    """
    try:
        there = storage.existing_part(Path(folder).absolute())
    except PermissionError as error:
        remedy = "name another folder with --output, or have the right to enter the folders above it"
        return Finding("output", "failed", f"{error.filename} cannot be looked at: permission denied", remedy)
    if not there.is_dir():
        return Finding("output", "failed", f"{there} is a file", "name a folder with --output")
    if not os.access(there, os.W_OK | os.X_OK):
        remedy = f"name another folder with --output, or `chmod u+w {there}`"
        return Finding("output", "failed", f"nothing can be written in {there}", remedy)
    free = shutil.disk_usage(there).free
    found = (
        f"{free / 1e9:,.1f} GB free in {there}, room for some {free / _PATCH:,.0f} patches of 128 x 128 pixels, 7 bands"
    )
    if free < _LITTLE:
        state = "failed" if free < _FULL else "warning"
        return Finding("output", state, found, "make room, or name a folder on a larger disk, or gs://, with --output")
    return Finding("output", "ok", found)


def check_gpu(devices: Mapping[str, Any] | None = None, driver: bool | None = None) -> Finding:
    """Which GPUs TensorFlow sees, beside what the driver says.

    Args:
        devices: Of `rsbot_beam.learning.devices`; asked for by default, which imports TensorFlow in a process of its own.
        driver: Whether NVIDIA's driver is installed; looked for by default.
    """
    if devices is None:
        try:
            devices = probe("rsbot_beam.learning.devices:describe_devices", seconds=GPU_LIMIT)
        except ProbeError as error:
            remedy = 'install it anew: `pip install --force-reinstall "rsbot-beam[learning]"`'
            return Finding("gpu", "failed", f"TensorFlow cannot be imported: {error}", remedy)
    driver = shutil.which("nvidia-smi") is not None if driver is None else driver
    version = f"TensorFlow {devices['tensorflow']} (imported in {devices['seconds']:.0f} s)"
    if devices["gpus"]:
        return Finding("gpu", "ok", f"{version} sees {len(devices['gpus'])}: {', '.join(devices['gpus'])}")
    if driver:
        found = f"{version} sees none, although NVIDIA's driver is installed"
        remedy = '`pip install "tensorflow[and-cuda]"` in the same version, and see that `nvidia-smi` works'
        return Finding("gpu", "warning", found, remedy)
    return Finding("gpu", "ok", f"{version}; there is none: training and maps run on {devices['cpus']} cores")


def check_local_runner(flags: Sequence[str], max_requests: int) -> Finding:
    """Whether a pipeline runs here, in a process of its own that is killed if it hangs.

    Args:
        flags: Beam's.
        max_requests: Requests in flight of the whole job.
    """
    try:
        found = probe(
            "rsbot_beam.runs.tiny_pipeline:run_tiny_pipeline", list(flags), max_requests, seconds=PIPELINE_LIMIT
        )
    except ProbeError as error:
        remedy = "leave out --runner: the default runs in this process and needs nothing beside Beam itself"
        if not any("runner" in flag for flag in flags):
            remedy = (
                'install Beam anew: `pip install --force-reinstall "apache-beam[gcp]"` in the version that is declared'
            )
        return Finding("beam", "failed", f"a small pipeline does not run: {error}", remedy)
    text = f"{found['runner']} of Beam {found['beam']} ran a small pipeline in {found['seconds']:.1f} s"
    return Finding("beam", "ok", text)
