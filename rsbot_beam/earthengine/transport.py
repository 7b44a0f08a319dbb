"""One pool of connections for a process, and a deadline for every request."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError

from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import TransientError

# Seconds to connect: beyond it the network is broken, not busy.
CONNECT_TIMEOUT = 10.0

# Bytes of an answer beside its pixels: the NPY header of 1,024 bands with long names stays below.
_HEADER_BYTES = 262_144

# Bytes read of an answer without pixels; messages are cut to 500 characters anyway.
_ERROR_BYTES = 65_536

# Bytes received at once: what the kernel hands over is rarely more.
_CHUNK = 262_144


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        status: HTTP status.
        headers: Its headers; names are found in any case.
        body: The whole body of a 200, the beginning of any other.
        seconds: From sending the request to the last byte, without the time in `before_body`.
    """

    status: int
    headers: Mapping[str, str]
    body: bytearray
    seconds: float


class Transport:
    """Sends requests over pooled connections. Thread-safe.

    Args:
        endpoint: Where to; as many connections as it has `max_requests`.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        manager = _manager(endpoint.url, {"maxsize": endpoint.max_requests, "block": True, "retries": False})
        self._pool = manager.connection_from_url(endpoint.url)

    def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        deadline: float,
        most_bytes: int,
        before_body: Callable[[], None] | None = None,
    ) -> Reply:
        """Send a request and read its answer.

        Args:
            path: Path and query of the URL.
            body: What to send.
            headers: What to send before it.
            deadline: Seconds until the last byte of the answer, without those in `before_body`.
            most_bytes: Pixel bytes that a good answer has at most.
            before_body: Called before the body of a 200 is read; may block to bound the memory in use.

        Raises:
            TransientError: There is no answer, or it broke off, or took too long (see `is_deadline`).
        """
        return self._exchange("POST", path, body, headers, deadline, most_bytes, before_body)

    def get(self, path: str, headers: Mapping[str, str], *, deadline: float, most_bytes: int) -> Reply:
        """Ask without a body; arguments and errors are those of `post`."""
        return self._exchange("GET", path, None, headers, deadline, most_bytes, None)

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        deadline: float,
        most_bytes: int,
        before_body: Callable[[], None] | None,
    ) -> Reply:
        start = time.monotonic()
        try:
            response = self._pool.urlopen(
                method,
                path,
                body,
                headers,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT, deadline), read=deadline),
                preload_content=False,
                decode_content=False,
            )
        except (HTTPError, OSError) as error:
            raise _broken(error, deadline) from error
        try:
            return _receive(response, start, deadline, most_bytes, before_body)
        except (HTTPError, OSError) as error:
            raise _broken(error, deadline) from error
        finally:
            # A connection that was read to its end is back in the pool already. Any other cannot be used again: it is
            # closed, but its place in the pool is given back.
            response.close()
            response.release_conn()

    def close(self) -> None:
        """Close the connections that are idle."""
        self._pool.close()


def is_deadline(error: TransientError) -> bool:
    """Whether it was a deadline that was missed."""
    return isinstance(error.__cause__, (ReadTimeoutError, TimeoutError))


def _manager(url: str, options: dict[str, Any]) -> urllib3.PoolManager:
    """Pools that respect `https_proxy` and `no_proxy`. Plain http is for loopback, where there is no proxy."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get("https")
    if parts.scheme == "https" and proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        return urllib3.ProxyManager(proxy, num_pools=1, **options)
    return urllib3.PoolManager(num_pools=1, **options)


def _broken(error: Exception, deadline: float) -> TransientError:
    if isinstance(error, (ReadTimeoutError, TimeoutError)):
        return TransientError(f"no answer within the deadline of {deadline:.0f} s")
    return TransientError(f"the connection failed: {type(error).__name__}: {str(error)[:300]}")


def _receive(
    response: urllib3.BaseHTTPResponse,
    start: float,
    deadline: float,
    most_bytes: int,
    before_body: Callable[[], None] | None,
) -> Reply:
    good = response.status == 200
    waited = time.monotonic()
    if good and before_body is not None:
        before_body()
    waited = time.monotonic() - waited
    most = most_bytes + _HEADER_BYTES if good else _ERROR_BYTES
    body = _read(response, most, start + deadline + waited)
    if good and len(body) > most:
        raise TransientError(f"the answer is longer than the {most:,} bytes that the pixels need")
    return Reply(response.status, response.headers, body, time.monotonic() - start - waited)


def _read(response: urllib3.BaseHTTPResponse, most: int, until: float) -> bytearray:
    """The body, up to a little more than `most` bytes; the time is looked at between any two packets."""
    body = bytearray()
    while len(body) <= most:
        chunk = response.read1(_CHUNK)
        if not chunk:
            break
        body += chunk
        if time.monotonic() > until:
            raise TimeoutError("the body came too slowly")
    return body
