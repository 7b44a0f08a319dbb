"""What all commands share: flags in either spelling, Beam's flags, errors without tracebacks, logging."""

from __future__ import annotations

import argparse
import difflib
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence

from rsbot_beam import errors, extras
from rsbot_beam.errors import InputError, RsbotError

# Google Cloud's regions, such as europe-west1 or us-central1: no region of interest is called so.
_GCP_REGION = re.compile(r"[a-z]+-[a-z]+\d{1,2}")
# What Beam adds to the message of an error that was raised in a step.
_WHILE_RUNNING = r"\s*\[while running '"
# How an error of ours looks in the text of an exception that came through a Beam worker: a traceback, with that of each
# cause before it.
_FROM_WORKER = re.compile(
    rf"rsbot_beam\.errors\.(\w+): (.*?)(?={_WHILE_RUNNING}|\n\n(?:During handling|The above exception)|\s*\Z)",
    re.DOTALL,
)
# The same for what the operating system refused.
_OS_ERROR = re.compile(rf"^\w+Error: (\[Errno \d+\] .*?)(?={_WHILE_RUNNING}|$)", re.MULTILINE)


class CommandParser(argparse.ArgumentParser):
    """An argument parser whose errors are `InputError`s, and which takes --patch-size for --patch_size."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(
            prog=f"rsbot {command}",
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        # No flag begins with a number, but values do: -70.5,-33.6,-70.3,-33.4 is a region.
        self._negative_number_matcher = re.compile(r"-[\d.]")
        self._runs_beam = False

    def add_beam_flags(self) -> None:
        """Take Beam's flags too: all under their names, but for `--region`, which is the region of interest here."""
        self._runs_beam = True
        group = self.add_argument_group("Beam's flags", "all of them can be given, such as --runner DataflowRunner")
        group.add_argument("--gcp_region", help="Google Cloud region of Dataflow's workers: Beam's own --region")

    def error(self, message: str) -> None:  # type: ignore[override]
        """Raise instead of printing the usage."""
        raise InputError(f"{message} (see `{self.prog} --help`)")

    def parse(self, argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """Parse our flags.

        Returns:
            Our flags, and those for Beam.

        Raises:
            InputError: A flag is unknown to us and to Beam, and the nearest is named; or Beam refuses its value.
        """
        arguments = [underscored(argument) for argument in argv]
        ours = list(self._option_string_actions)
        # First of all: a flag that is misspelled must not be reported as one that is missing.
        self._check([argument for argument in arguments if argument.startswith("--")], ours)
        flags, others = self.parse_known_args(arguments)
        if others and not others[0].startswith("-"):
            raise InputError(f"unexpected argument {others[0]!r}: values belong behind a flag, as in --name value")
        self._check(others, ours)
        if _GCP_REGION.fullmatch(str(getattr(flags, "region", ""))):
            raise InputError(
                f"--region {flags.region} is the region of interest; give Dataflow's as --gcp_region {flags.region}"
            )
        if getattr(flags, "gcp_region", None):
            others.append(f"--region={flags.gcp_region}")
        if others:
            from rsbot_beam.runs.beam_options import check_flags

            check_flags(others)
        return flags, others

    def _check(self, arguments: Sequence[str], ours: Sequence[str]) -> None:
        """Raise for a flag that is neither ours nor Beam's; Beam is only loaded to look at those that are not ours."""
        names = [argument.partition("=")[0] for argument in arguments if re.match(r"-[^\d.]", argument)]
        strange = [name for name in names if name not in ours]
        known = beam_flags() if strange and self._runs_beam else set()
        for name in strange:
            if name not in known:
                raise InputError(f"unknown flag {name}{suggest(name, [*ours, *known])}")


def underscored(argument: str) -> str:
    """`--patch-size=8` as `--patch_size=8`; values are left alone."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"


def suggest(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing."""
    close = difflib.get_close_matches(name, list(known), 1, 0.5)
    return f"; did you mean {close[0]}?" if close else ""


def beam_flags() -> set[str]:
    """All flags that Beam's own options have."""
    from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

    parser = _BeamArgumentParser(add_help=False, conflict_handler="resolve")
    for options in PipelineOptions.__subclasses__():
        if options.__module__.startswith("apache_beam") and "_add_argparse_args" in options.__dict__:
            options._add_argparse_args(parser)
    return {flag for action in parser._actions for flag in action.option_strings}


def run_command(command: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Run a command's main; errors of ours become one message and an exit code."""
    _configure_logging()
    try:
        return command(argv)
    except RsbotError as error:
        return _report(error)
    except KeyboardInterrupt:
        print("rsbot: stopped; the same command continues where it was", file=sys.stderr)
        return 130
    except Exception as error:
        ours = from_worker(error) or from_system(error)
        if isinstance(error, ModuleNotFoundError):
            ours = extras.of_missing(error)
        if ours is None:
            raise
        return _report(ours)


def _report(error: RsbotError) -> int:
    print(f"rsbot: error: {re.split(_WHILE_RUNNING, str(error))[0]}", file=sys.stderr)
    return error.exit_code


def from_worker(error: BaseException) -> RsbotError | None:
    """The error of ours that a Beam worker raised, from the text in which the runner hands it over; or None."""
    found = _FROM_WORKER.findall(str(error))
    name, message = found[-1] if found else ("", "")
    kind = getattr(errors, name, None)
    return kind(message) if isinstance(kind, type) and issubclass(kind, RsbotError) else None


def from_system(error: BaseException) -> RsbotError | None:
    """What the operating system refused to this process or a Beam worker (no space left, no permission); or None."""
    found = [str(error)] if isinstance(error, OSError) else _OS_ERROR.findall(str(error))
    return RsbotError(f"{found[-1]}; once that is cured, the same command continues where it was") if found else None


def _configure_logging() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Keras 3 and tf_keras differ; tf.Transform needs neither in a pipeline.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    warnings.formatwarning = lambda message, *_, **__: f"rsbot: warning: {message}\n"
    logging.getLogger("rsbot_beam").setLevel(logging.INFO)
    if not os.environ.get("RSBOT_DEBUG"):
        # A failing bundle is logged with its traceback before the runner raises, and the message is printed here.
        for name in ("apache_beam", "root", "tensorflow"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        # tf.Transform speaks through absl, which sets its logger's level itself.
        for handler in logging.getLogger().handlers:
            handler.addFilter(lambda record: record.name != "absl" or record.levelno >= logging.ERROR)
