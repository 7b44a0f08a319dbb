"""Runs the server on a socket, in this thread until stopped or in a thread of its own."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

import uvicorn

from rsbot_beam.listening import listen, url_of
from rsbot_beam.local_ee.asgi import protocol_class
from rsbot_beam.local_ee.server import LocalEarthEngine

# Seconds that a pooled client connection may rest; Google's front ends keep them about this long.
KEEP_ALIVE = 240
# Seconds that requests under way get when the server is stopped.
GRACE = 1


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def make_server(engine: LocalEarthEngine, ready: Callable[[], None], log: bool = False) -> uvicorn.Server:
    """A uvicorn server of an engine.

    Args:
        engine: What answers.
        ready: Called when connections are accepted.
        log: Whether every request is logged.
    """
    config = uvicorn.Config(
        engine.app,
        http=protocol_class(engine.stats.connected),
        ws="none",
        lifespan="off",
        log_level="info" if log else "critical",
        access_log=log,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        backlog=2048,
    )
    return _Server(config, ready)


def serve(engine: LocalEarthEngine, sock: socket.socket, ready: Callable[[], None], log: bool = False) -> None:
    """Serves until SIGINT or SIGTERM. To be called from the main thread.

    Args:
        engine: What answers.
        sock: Listening socket.
        ready: Called when connections are accepted.
        log: Whether every request is logged.
    """
    # uvicorn handles both signals itself, and raises them again when it has ended: by then all is done.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    spare_the_collector()
    try:
        make_server(engine, ready, log).run(sockets=[sock])
    finally:
        engine.close()


def spare_the_collector() -> None:
    """Keeps Python's cyclic garbage collector from walking through all kept graphs several times in every request."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@contextlib.contextmanager
def serving(engine: LocalEarthEngine, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serves in a thread of this process as long as the context is open; yields the URL."""
    sock = listen(host, port)
    started = threading.Event()
    server = make_server(engine, started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    started.wait(30)
    try:
        yield url_of(sock)
    finally:
        server.should_exit = True
        thread.join(10)
        engine.close()


def end_now() -> None:
    """Ends this process with code 0. Python's own way out waits for threads that may compute for minutes yet."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


# Seconds that requests under way have to end when the parent is gone.
LINGER = 5.0


def end_with_stdin() -> None:
    """Ends the process when standard input is closed: the parent has died, however that happened, or wants it so."""

    def watch() -> None:
        while sys.stdin.buffer.read(4096):
            continue
        os.kill(os.getpid(), signal.SIGTERM)
        # A request that computes for minutes would keep the server alive, and the machine busy, with nobody waiting for it.
        time.sleep(LINGER)
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpgrp(), signal.SIGKILL)  # with its own helpers
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
