"""Trying out something heavy in a process of its own, which can be ended when it hangs."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rsbot_beam.errors import RsbotError

# Begins the line with the result: libraries print what they like before and after.
_MARK = "RSBOT_PROBE "


class ProbeError(RsbotError):
    """A probe had no result; the text says why."""


def probe(function: str, *arguments: Any, seconds: float) -> dict[str, Any]:  # noqa: ANN401 - what JSON can hold
    """Call a function in a process of its own.

    Args:
        function: `module:function`; it returns a dictionary.
        *arguments: Of the function. They and its result must be JSON.
        seconds: After which the process is killed, with all that it started.

    Raises:
        ProbeError: It took too long, raised, or its process died.
    """
    process = subprocess.Popen(  # noqa: S603 - this module
        [sys.executable, "-m", __name__, function, json.dumps(arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=_environment(),
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"no result within {seconds:g} s") from error
    finally:
        _end(process)
    lines = [line for line in out.splitlines() if line.startswith(_MARK)]
    found: dict[str, Any] = json.loads(lines[-1][len(_MARK) :]) if lines else {"error": _last_words(process, err)}
    if "error" in found:
        raise ProbeError(found["error"])
    return found


def main(arguments: Sequence[str]) -> int:
    """The process of a probe."""
    module, _, name = arguments[0].partition(":")
    try:
        found = getattr(importlib.import_module(module), name)(*json.loads(arguments[1]))
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        found = {"error": f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": ")}
    print(f"{_MARK}{json.dumps(found)}", flush=True)
    return 0


def _last_words(process: subprocess.Popen[str], err: str) -> str:
    said = [line.strip() for line in err.splitlines() if line.strip()]
    return f"its process ended with code {process.returncode}{': ' + said[-1] if said else ''}"


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, os.environ.get("PYTHONPATH", "")]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    return {**os.environ, **quiet, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def _end(process: subprocess.Popen[str]) -> None:
    """Kill what is left of the process and its children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
