"""`rsbot doctor`: is all there that a run needs; what is missing, and what to do about it."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from contextlib import ExitStack

from pipelines.command_line import CommandParser
from pipelines.earth_flags import add_earth_flags, start_local_earth
from rsbot_beam.data.findings import Diagnosis, Finding
from rsbot_beam.earthengine.endpoint import HIGH_VOLUME_URL, Endpoint
from rsbot_beam.errors import InputError, RsbotError
from rsbot_beam.runs.doctor import run_doctor
from rsbot_beam.runs.doctor_config import DoctorConfig

EXAMPLE = """

Nothing is changed but for one tiny object that is written to each bucket and deleted again. Exit code 0: nothing failed; 1:
something did.

examples:
  rsbot doctor --ee_project my-project
  rsbot doctor --ee_url local                                     on this machine alone
  rsbot doctor --ee_project my-project --output gs://bucket/ds \\
               --runner DataflowRunner --project my-project --gcp_region us-central1 --temp_location gs://bucket/tmp
"""


def parser() -> CommandParser:
    """The flags of the command."""
    p = CommandParser("doctor", "Check whether all is there that a run needs, and say what to do." + EXAMPLE)
    add = p.add_argument
    add("--output", help="folder of a run, local or gs://: may it be written, and is there room")
    add("--bucket", help="another bucket to check, gs://name")
    add("--asset", help="projects/<project>/assets/<name>: may the account upload it")
    add("--deep", action="store_true", help="import TensorFlow as well and look for GPUs; takes some 10 s")
    add("--timeout", type=float, default=10.0, help="seconds that one answer may take (default: %(default)g)")
    add("--json", action="store_true", help="print the findings as JSON")
    add_earth_flags(p)
    p.add_beam_flags()
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rsbot doctor`; returns the exit code."""
    flags, beam_flags = parser().parse(argv or [])
    with ExitStack() as stack:
        found = run_doctor(_config(flags, stack), beam_flags, _nothing if flags.json else _show)
    print(json.dumps(found.to_json(), indent=1) if flags.json else f"\n{_verdict(found)}")
    return 0 if found.ok else 1


def _config(flags: argparse.Namespace, stack: ExitStack) -> DoctorConfig:
    before: tuple[Finding, ...] = ()
    try:
        start_local_earth(flags, stack)
    except RsbotError as error:
        remedy = 'if a package is missing: `pip install "rsbot-beam[local]"`'
        before = (Finding("endpoint", "failed", str(error), remedy),)
    return DoctorConfig(
        endpoint=None if before else _endpoint(flags),
        output=flags.output,
        bucket=flags.bucket.rstrip("/") if flags.bucket else None,
        asset=flags.asset,
        deep=flags.deep,
        timeout=flags.timeout,
        before=before,
    )


def _endpoint(flags: argparse.Namespace) -> Endpoint:
    try:
        return Endpoint.from_flags(flags)
    except InputError:
        if flags.ee_url is not None or not os.environ.get("RSBOT_EE_URL"):
            raise
        # The environment is one of the things to check: its finding says what is wrong with the URL.
        return Endpoint.from_flags({**vars(flags), "ee_url": HIGH_VOLUME_URL})


def _show(finding: Finding) -> None:
    print(finding, flush=True)


def _nothing(finding: Finding) -> None:
    pass


def _verdict(found: Diagnosis) -> str:
    counts = found.summary()
    return f"{counts}: nothing stands in the way" if found.ok else f"{counts}: see the arrows"
