"""The lower side of the server: answers sent in parts, and connections broken on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rsbot_beam.local_ee.values import Value

TRANSPORT = "local_ee.transport"
# Seconds after which even a hanging request is given up, so that a forgotten server does not collect them for ever.
MAX_HANG = 3600.0


def protocol_class(connected: Callable[[], None]) -> type[HttpToolsProtocol]:
    """The HTTP protocol of uvicorn that counts connections and lets the application break them."""

    class Protocol(HttpToolsProtocol):
        def connection_made(self, transport: Value) -> None:
            super().connection_made(transport)
            connected()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            extensions: dict[str, Any] = {TRANSPORT: self.transport}
            self.scope["extensions"] = extensions

    return Protocol


class PartsResponse(Response):
    """A body in several parts, each sent from where it is in memory."""

    def __init__(self, parts: Sequence[bytes | memoryview], media_type: str) -> None:
        self.parts = parts
        self.length = sum(len(part) for part in parts)
        super().__init__(b"", media_type=media_type, headers={"content-length": str(self.length)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for part in self.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class JsonResponse(Response):
    """JSON; NaN has no place in it."""

    def __init__(self, content: Value, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
        super().__init__(body, status_code, dict(headers or {}), media_type="application/json")


class ResetResponse(Response):
    """No answer: the connection is reset (RST)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        transport = scope["extensions"][TRANSPORT]
        # Closing a socket with a linger time of 0 sends RST instead of FIN.
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


class TruncatedResponse(Response):
    """Half of another answer's body, then the connection is closed."""

    def __init__(self, parts: Sequence[bytes | memoryview], media_type: str) -> None:
        self._body = b"".join(bytes(part) for part in parts)
        super().__init__(b"", media_type=media_type, headers={"content-length": str(len(self._body))})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        half = self._body[: len(self._body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        scope["extensions"][TRANSPORT].close()


class SilentResponse(Response):
    """No answer at all: the client has gone, or is to wait until it gives up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        scope["extensions"][TRANSPORT].abort()


def closing(scope: Scope) -> bool:
    """Whether the client of a request has closed its connection. Callable from every thread."""
    return bool(scope["extensions"][TRANSPORT].is_closing())


async def gone(receive: Receive) -> None:
    """Waits until the client closes the connection, at most `MAX_HANG`."""

    async def wait() -> None:
        while (await receive())["type"] != "http.disconnect":
            continue

    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(wait(), MAX_HANG)
