"""Commands of `rsbot` as processes of their own that start warm: forked from one that has loaded TensorFlow and Beam.

A test that kills ten runs would otherwise wait for ten times the imports. What is forked has only loaded modules, and runs the
command's entry point from its beginning; it is killed, and ends, as any process.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
# What the commands load before they work. Nothing of it starts a thread or opens a connection when it is loaded.
LOADED = (
    "apache_beam.runners.portability.fn_api_runner",
    "tensorflow",
    "tensorflow_transform.beam",
    "keras",
    "matplotlib.backends.backend_agg",
    "rasterio",
    "ee",
    "rsbot_beam.runs.export",
    "rsbot_beam.runs.predict",
    "rsbot_beam.runs.learning_steps",
    "rsbot_beam.training.train",
    "pipelines.rsbot",
)
# Seconds that loading may take on a busy machine.
_START = 180


class Warm:
    """Starts commands; ends all of them when it is closed."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            text=True,
            bufsize=1,
        )
        self._running: dict[int, Process] = {}
        self._started: queue.Queue[int] = queue.Queue()
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()
        assert self._started.get(timeout=_START) == 0

    def start(self, arguments: list[str], log: Path, prelude: str = "") -> Process:
        """Start `rsbot` with arguments; all that it prints goes to `log`. `prelude` is Python code that runs first."""
        order = {"arguments": arguments, "log": str(log), "prelude": prelude, "environment": dict(os.environ)}
        assert self._server.stdin is not None
        with self._lock:
            self._server.stdin.write(json.dumps(order) + "\n")
            process = Process(self._started.get(timeout=_START))
            self._running[process.pid] = process
        return process

    def close(self) -> None:
        for process in self._running.values():
            process.kill()
        self._server.kill()
        self._server.wait()

    def _listen(self) -> None:
        assert self._server.stdout is not None
        for line in self._server.stdout:
            said = json.loads(line)
            if "started" in said:
                self._started.put(said["started"])
            else:
                # It may have ended before `start` has noted it.
                while said["pid"] not in self._running:
                    time.sleep(0.001)
                self._running[said["pid"]].ended(said["code"])


class Process:
    """A command that runs: the part of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._over = threading.Event()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if not self._over.wait(timeout):
            raise subprocess.TimeoutExpired(f"rsbot, process {self.pid}", timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        """Kill it with all that it has started."""
        if self.returncode is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:  # it has only just been forked
                os.kill(self.pid, signal.SIGKILL)

    def ended(self, code: int) -> None:
        self.returncode = code
        self._over.set()


def serve() -> None:
    """Fork a process for each order that comes in, and tell which have ended; returns in the processes."""
    for name in LOADED:
        importlib.import_module(name)
    tell(started=0)
    waiting = b""
    while True:
        ready, _, _ = select.select([0], [], [], 0.01)
        if ready:
            waiting += os.read(0, 1_000_000) or os._exit(0)  # type: ignore[operator]
        *orders, waiting = waiting.split(b"\n")
        for order in orders:
            pid = os.fork()
            if pid == 0:
                become(json.loads(order))
                return
            tell(started=pid)
        report_ended()


def report_ended() -> None:
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            tell(pid=ended[0], code=os.waitstatus_to_exitcode(ended[1]))
    except ChildProcessError:
        pass


def tell(**said: Any) -> None:
    os.write(1, json.dumps(said).encode() + b"\n")


def become(order: dict[str, Any]) -> None:
    """Turn this process into the command."""
    os.setsid()
    os.environ.clear()
    os.environ.update(order["environment"])
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["rsbot", *order["arguments"]]
    exec(order["prelude"], {})
    from pipelines.rsbot import console

    console()


if __name__ == "__main__":
    serve()
