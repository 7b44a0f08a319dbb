"""Small real servers on loopback: one that answers what a test scripts, and one that swallows everything."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Question:
    """One request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Says:
    """What to answer; a dictionary becomes JSON."""

    status: int = 200
    body: bytes | dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Scripted:
    """A server that answers what `says` returns; 404 where that is None."""

    def __init__(self, says: Callable[[Question], Says | None]) -> None:
        self.says, self.asked, self.closing = says, [], threading.Event()
        self.asked: list[Question] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                question = Question(self.command, self.path, dict(self.headers), self.rfile.read(length))
                server.asked.append(question)
                say = server.says(question) or Says(404, {"error": {"code": 404, "message": "no such method"}})
                if say.hang:
                    server.closing.wait(60)
                    self.close_connection = True
                    return
                self.send_response_only(say.status)
                for name, value in {"Date": self.date_time_string(), **say.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(say.content)))
                self.end_headers()
                self.wfile.write(say.content)

            do_GET = do_POST = do_DELETE = do_PUT = answer  # noqa: N815 - the names that http.server looks for

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@contextlib.contextmanager
def scripted(says: Callable[[Question], Says | None]) -> Iterator[Scripted]:
    """Runs a scripted server for as long as the context is open."""
    server = Scripted(says)
    try:
        yield server
    finally:
        server.closing.set()
        server.server.shutdown()
        server.server.server_close()


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """host:port where connecting gets no answer at all, as behind a firewall that drops packets."""
    with contextlib.ExitStack() as stack:
        hole = stack.enter_context(socket.socket())
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        # Two connections fill the queue of a socket that nobody accepts from; the kernel drops what comes after them.
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(hole.getsockname())
        yield f"127.0.0.1:{hole.getsockname()[1]}"
