"""The `rsbot` command."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from pipelines.command_line import run_command, suggest
from pipelines.quiet import quiet_native_libraries
from rsbot_beam import __version__

COMMANDS = {
    "plan": ("pipelines.plan", "say what an export or a map will take, before it is paid for"),
    "export": ("pipelines.export", "make a dataset: fetch a region from Earth Engine, transform it, write TFRecords"),
    "train": ("pipelines.train", "train a model on a dataset and export it with its preprocessing inside"),
    "evaluate": ("pipelines.evaluate", "score a model on a dataset, beside baselines"),
    "predict": ("pipelines.predict", "apply a model to a region: maps and detections"),
    "upload": ("pipelines.upload", "make an asset of Earth Engine from a map"),
    "view": ("pipelines.view", "look at a dataset, a model or a map in the browser"),
    "doctor": ("pipelines.doctor", "check credentials, project, quota, buckets, runner and packages; say what to do"),
    "recipes": ("pipelines.recipes", "list the recipes, or show one"),
    "models": ("pipelines.models", "list the models, or show one"),
    "earth": ("pipelines.earth", "serve a local Earth Engine on loopback, for laptops and tests"),
}


def usage() -> str:
    """The text of `rsbot --help`."""
    listed = "\n".join(f"  {name:10} {text}" for name, (_, text) in COMMANDS.items())
    return (
        f"rsbot {__version__}: Earth Engine to TensorFlow and back to maps, with Apache Beam\n\n"
        f"usage: rsbot COMMAND [flags]\n\n{listed}\n\n"
        "`rsbot COMMAND --help` explains a command. Flags are spelled --like_this or --like-this; those of Beam\n"
        "(--runner, --temp_location ...) can be given with every command that runs a pipeline."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Arguments after `rsbot`; None takes those of the process.

    Returns:
        Exit code: 0 done, 1 stopped (or a plan over its budget), 2 bad input, 3 done with dead letters.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if arguments[0] in ("--version", "version"):
        print(__version__)
        return 0
    if arguments[0] not in COMMANDS:
        print(f"rsbot: error: there is no command {arguments[0]!r}{suggest(arguments[0], COMMANDS)}", file=sys.stderr)
        print(usage(), file=sys.stderr)
        return 2
    module, _ = COMMANDS[arguments[0]]

    def command(flags: Sequence[str]) -> int:
        # Imported in here, so that a library that is missing is told as other errors are.
        return int(importlib.import_module(module).main(flags))

    return run_command(command, arguments[1:])


def console() -> None:
    """Entry point of the installed command."""
    if not os.environ.get("RSBOT_DEBUG"):
        quiet_native_libraries()
    try:
        code = main()
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    if code:
        # A stopped run may leave threads behind that wait for answers which nobody needs any more.
        os._exit(code)


if __name__ == "__main__":
    console()
