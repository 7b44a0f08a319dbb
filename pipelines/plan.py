"""`rsbot plan`: what an export or a map will take, before it is paid for."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from pipelines import export, predict
from pipelines.command_line import CommandParser, suggest
from pipelines.earth_flags import start_local_earth
from rsbot_beam import storage
from rsbot_beam.errors import InputError
from rsbot_beam.runs.plan_settings import SAMPLE_TILES, TIERS, PlanSettings

if TYPE_CHECKING:
    from rsbot_beam.runs.config import ExportConfig
    from rsbot_beam.runs.map_config import PredictConfig
    from rsbot_beam.runs.plan_report import PlanReport

USAGE = """usage: rsbot plan export [flags of rsbot export] [flags of the plan]
       rsbot plan predict [flags of rsbot predict] [flags of the plan]

Counts tiles and requests of a run, tries a few of them, and says what all will take: bytes, time with your quota here
and on Dataflow, EECU-hours. `rsbot plan export --help` lists the flags.

exit codes: 0; 1 where the run is over --budget or --tier, or cannot be compared with it; 2 for bad input. So
  rsbot plan export --budget 20 ... && rsbot export ...
starts nothing that costs more."""


class Command(NamedTuple):
    """A command that can be planned."""

    parser: Callable[[], CommandParser]
    config_of: Callable[[argparse.Namespace], ExportConfig | PredictConfig]


COMMANDS = {
    "export": Command(export.parser, export.config_of),
    "predict": Command(predict.parser, predict.config_of),
}


def parser(command: str) -> CommandParser:
    """The flags of a command, and those of its plan."""
    p = COMMANDS[command].parser()
    p.prog = f"rsbot plan {command}"
    p.description = f"Say what `rsbot {command}` with the same flags will take. Nothing is written to its --output."
    for action in p._actions:
        if action.dest == "output":
            action.required, action.default = False, "-"
            action.help = "folder of the run; where it is begun, what is left to do is planned (default: none)"
    add = p.add_argument_group("flags of the plan").add_argument
    add(
        "--sample_tiles", type=int, default=SAMPLE_TILES, help="places to try; 0 fetches nothing (default: %(default)s)"
    )
    add("--latency", type=float, help="seconds of a request to reckon with (default: as measured)")
    add("--tier", choices=tuple(TIERS), help="noncommercial tier whose EECU-hours of a month the run is held against")
    add("--budget", type=float, help="EECU-hours that the run may cost")
    add("--eecu_per_request", type=float, help="EECU-seconds of a request (default: as the endpoint tells)")
    add("--workers", type=int, help="machines of Dataflow (default: as many as autoscaling may start)")
    add("--json", metavar="FILE", help="write the plan as JSON, local or gs://; - prints it instead of the table")
    add("--map", metavar="FILE", help="draw the tiles (.png), or list them (.geojson)")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rsbot plan`; returns the exit code."""
    arguments = list(argv or [])
    if not arguments:
        raise InputError(f"rsbot plan needs the command to plan, {' or '.join(COMMANDS)}\n{USAGE}")
    if arguments[0] in ("-h", "--help"):
        print(USAGE)
        raise SystemExit(0)  # as argparse does after any command's help
    if arguments[0] not in COMMANDS:
        raise InputError(f"rsbot plan has no {arguments[0]!r}{suggest(arguments[0], COMMANDS)}\n{USAGE}")
    flags, beam_flags = parser(arguments[0]).parse(arguments[1:])
    settings = settings_of(flags)
    from rsbot_beam.runs.plan_map_file import check_map_path, write_map
    from rsbot_beam.runs.planning import plan_run

    check_map_path(flags.map)
    with ExitStack() as stack:
        start_local_earth(flags, stack)
        report = plan_run(COMMANDS[arguments[0]].config_of(flags), beam_flags, settings)
        tell(report, flags.json)
        if flags.map:
            write_map(report, flags.map)
    return 0 if report.is_within else 1


def settings_of(flags: argparse.Namespace) -> PlanSettings:
    """What the flags of the plan say.

    Raises:
        InputError: A value cannot be used.
    """
    return PlanSettings(
        sample_tiles=flags.sample_tiles,
        latency=flags.latency,
        tier=flags.tier,
        budget=flags.budget,
        eecu_per_request=flags.eecu_per_request,
        workers=flags.workers,
    )


def tell(report: PlanReport, path: str | None) -> None:
    """Print the plan, and write it where it is to be."""
    text = json.dumps(report.to_dict(), indent=2)
    print(text if path == "-" else report.table())
    if path not in (None, "-"):
        storage.write_bytes(str(path), text + "\n")
