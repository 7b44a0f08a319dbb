"""The flags of Earth Engine, the same for every command that fetches."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from pipelines.command_line import CommandParser
from rsbot_beam.data.period import Period
from rsbot_beam.errors import InputError
from rsbot_beam.runs.config import DEFAULT_BLOCK_MIB


def add_place_flags(parser: CommandParser) -> None:
    """Where and when."""
    add = parser.add_argument
    add("--region", required=True, help="west,south,east,north; or WKT, GeoJSON, or a vector file")
    add("--layer", help="layer of a vector file with several")
    add("--year", type=int, help="calendar year to look at")
    add("--period", help="start,end instead of --year; the end is the day after the last one")


def add_earth_flags(parser: CommandParser) -> None:
    """Which Earth Engine, as whom, and how fast."""
    add = parser.add_argument
    add("--ee_url", help="Earth Engine; `local` starts one here (default: RSBOT_EE_URL, or the high-volume endpoint)")
    add("--ee_project", help="Google Cloud project that is charged")
    add("--ee_credentials", help="default, none, or a service account's key file")
    add("--ee_deadline", type=float, help="seconds that one request may take (default: adapts to the latency seen)")
    add("--ee_total_time", type=float, help="seconds that one request is retried (default: 900)")
    add("--max_requests", type=int, help="requests in flight, of the whole job (default: 40)")
    add("--max_qps", type=float, help="requests a second, of the whole job (default: 100)")
    add("--workload_tag", help="label under which Earth Engine accounts for the cost")
    add("--block_mib", type=float, default=DEFAULT_BLOCK_MIB, help="largest answer to ask for (default: %(default)s)")


def start_local_earth(flags: argparse.Namespace, stack: ExitStack) -> None:
    """Starts a local Earth Engine where `--ee_url local` asks for one; it ends with the stack."""
    if flags.ee_url == "local":
        from rsbot_beam.earth_process import local_earth

        flags.ee_url = stack.enter_context(local_earth())


def period_of(flags: argparse.Namespace) -> Period:
    """The days that `--year` or `--period` say.

    Raises:
        InputError: Neither or both are given, or they cannot be read.
    """
    if (flags.year is None) == (flags.period is None):
        raise InputError("give either --year 2023 or --period 2023-04-01,2023-10-01")
    return Period.year(flags.year) if flags.year is not None else Period.parse(flags.period)
