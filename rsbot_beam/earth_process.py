"""The local Earth Engine as a process of its own, for as long as a block of code runs. Standard library only."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsbot_beam.errors import RsbotError
from rsbot_beam.extras import require

# Seconds until the server must accept connections: imports take 2 s, opening many rasters more, on a busy machine.
START_TIMEOUT = 120.0
# Seconds that it gets to end by itself.
STOP_TIMEOUT = 10.0
# What the server imports of the extra `local`.
NEEDED = ("starlette", "uvicorn", "httptools")


@contextlib.contextmanager
def local_earth(**flags: Any) -> Iterator[str]:  # noqa: ANN401 - the command's flags
    """Starts `rsbot earth`, yields its URL, and stops it at the end.

    The server also ends when this process dies, however that happens: it watches a pipe that only this process holds.

    Args:
        **flags: The command's flags by name: `assets="dir"` or a list of them, `world=False`, `latency="0.5"`.

    Raises:
        InputError: When the extra `local` is not installed.
        RsbotError: When it does not start; the message has what it printed.
    """
    require(NEEDED, "a local Earth Engine")
    with tempfile.TemporaryDirectory(prefix="rsbot-earth-") as folder:
        ready, errors = Path(folder) / "url", Path(folder) / "stderr"
        with errors.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "pipelines.earth", "--watch_stdin", f"--ready_file={ready}", *arguments(flags)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=_environment(),
                # Ctrl-C in a terminal reaches the whole group: the server is to outlive the pipeline's last requests.
                start_new_session=True,
            )
        try:
            yield _wait(process, ready, errors)
        finally:
            _stop(process)


def arguments(flags: dict[str, Any]) -> list[str]:
    """Flags as command line arguments: False becomes `--no_NAME`, lists are repeated, None is left out."""
    found = []
    for name, value in flags.items():
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if item is True:
                found.append(f"--{name}")
            elif item is False:
                found.extend([f"--no_{name}"] if name == "world" else [])
            elif item is not None:
                found.append(f"--{name}={item}")
    return found


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def _wait(process: subprocess.Popen[bytes], ready: Path, errors: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if ready.exists():
            return ready.read_text(encoding="utf-8")
        if process.poll() is not None:
            break
        time.sleep(0.02)
    said = errors.read_text(encoding="utf-8", errors="replace").strip()[-2000:]
    state = "did not start in time" if process.poll() is None else f"ended with code {process.returncode}"
    raise RsbotError(f"The local Earth Engine {state}: {said or 'it printed nothing'}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
