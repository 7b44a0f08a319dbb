"""One question to one of Google's services, answered within seconds or not at all: for checks, not for pixels."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    SSLError,
)

from rsbot_beam.data.findings import Finding, hide_secrets
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.refusals import Refusal, read_refusal, remedy_for
from rsbot_beam.earthengine.transport import Reply, Transport, is_deadline
from rsbot_beam.errors import TransientError

# Bytes of an answer that are read: the longest one wanted, the API's description, has 300 kB.
_MOST_BYTES = 4_000_000


@dataclass(frozen=True)
class Answered:
    """The outcome of a question.

    Attributes:
        reply: The answer, or None if none came.
        refusal: What it says, if it is not 200.
        silent: Why no answer came, and what to do.
    """

    reply: Reply | None = None
    refusal: Refusal | None = None
    silent: tuple[str, str] | None = None

    @property
    def good(self) -> bool:
        """Whether it was answered as asked."""
        return self.reply is not None and self.refusal is None

    @property
    def body(self) -> bytes:
        """What was answered, empty without an answer."""
        return b"" if self.reply is None else bytes(self.reply.body)

    @property
    def seconds(self) -> float:
        """That the answer took."""
        return 0.0 if self.reply is None else self.reply.seconds

    def header(self, name: str) -> str | None:
        """A header of the answer, or None."""
        return None if self.reply is None else self.reply.headers.get(name)

    def json(self) -> dict[str, Any]:
        """The answer as a JSON object; an empty one if it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def failure(self, name: str, project: str) -> Finding:
        """The finding for a question that was not answered as asked."""
        if self.refusal is not None:
            return Finding(name, "failed", str(self.refusal), remedy_for(self.refusal, project))
        return Finding(name, "failed", *(self.silent or ("it was not asked", "try again")))


class Caller:
    """Asks a service, and never again what failed. Its repr shows no token.

    Args:
        url: Root of the service.
        seconds: That an answer may take.
        project: That is charged, or None.
        token: Of the credentials, or None.
        connections: Questions at the same time.
    """

    def __init__(
        self, url: str, seconds: float, project: str | None = None, token: str | None = None, connections: int = 1
    ) -> None:
        self.url, self.seconds = url, seconds
        endpoint = Endpoint(url=url, max_requests=connections, credentials="default" if token else "none")
        self._transport = Transport(endpoint)
        self._token, self._project = token, project

    def get(self, path: str) -> Answered:
        """Ask with GET; raises nothing."""
        return self._ask(lambda: self._transport.get(path, self._headers(), **self._limits()))

    def post(self, path: str, body: dict[str, Any] | bytes) -> Answered:
        """Ask with POST; raises nothing."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._ask(lambda: self._transport.post(path, content, self._headers(), **self._limits()))

    def _limits(self) -> dict[str, Any]:
        return {"deadline": self.seconds, "most_bytes": _MOST_BYTES}

    def _ask(self, question: Callable[[], Reply]) -> Answered:
        try:
            reply = question()
        except TransientError as error:
            return Answered(silent=why_silent(error, self.url))
        if reply.status == 200:
            return Answered(reply)
        # Without the token, should the service echo it.
        body = hide_secrets(reply.body.decode("utf-8", "replace"), self._token)
        return Answered(reply, read_refusal(reply.status, body.encode()))

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "rsbot-beam"}
        if self._project:
            headers["X-Goog-User-Project"] = self._project
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers


def why_silent(error: TransientError, url: str) -> tuple[str, str]:
    """What keeps a service from answering, and what to do about it.

    Args:
        error: Of a `Caller`.
        url: Root of the service.
    """
    cause, host = error.__cause__, url.partition("://")[2]
    if isinstance(cause, NameResolutionError):
        return f"the name {host} cannot be found", "check the network and its name server, and the spelling of the URL"
    if isinstance(cause, ProxyError):
        return (
            f"the proxy does not let {host} through",
            "correct https_proxy and no_proxy, or ask for whom the proxy works",
        )
    if isinstance(cause, SSLError):
        return (
            f"{host} shows a certificate that is not trusted",
            "something on the way opens encrypted connections: name its certificates with SSL_CERT_FILE, or ask your "
            "network's administrator to let Google's services through",
        )
    # Before time limits, of which urllib3 2 takes it for one.
    if isinstance(cause, NewConnectionError):
        if isinstance(cause.__cause__, ConnectionRefusedError):
            return f"nothing listens at {url}", "start a local Earth Engine with `rsbot earth`, or correct the URL"
        return f"{host} cannot be reached ({cause.__cause__})", "check the network, and the host and port of the URL"
    if isinstance(cause, ConnectTimeoutError) or is_deadline(error):
        return f"{host} does not answer in time ({error})", "check the network: a firewall, proxy or VPN may swallow it"
    return f"{host}: {error}", "try again; if it stays, check the network, its proxy and the URL"
