"""The `ee` client of the main program: where recipes are built and checked. Workers do without it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import ee
import google.auth.credentials
import google.auth.exceptions
from ee import deprecation

from rsbot_beam.earthengine.answers import REMEDY_LOGIN, REMEDY_PERMISSION
from rsbot_beam.earthengine.credentials import load_credentials
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import AuthenticationError, EarthEngineError, InputError, OutageError

# Milliseconds for one answer to the client, which waits for ever by default; Earth Engine computes for 5 minutes.
_DEADLINE_MS = 320_000

# Seconds to connect on loopback, where it takes none.
_KNOCK_SECONDS = 5.0

_lock = threading.Lock()
_current: Endpoint | None = None


def initialize(endpoint: Endpoint) -> None:
    """Connect the `ee` client to an endpoint; does nothing if it is connected to it.

    Raises:
        AuthenticationError: There are no credentials, or they are not accepted.
        InputError: No project is known.
        OutageError: The endpoint does not answer.
    """
    global _current
    with _lock:
        if _current is not None and _address(_current) == _address(endpoint) and ee.data.is_initialized():
            return
        credentials, project = load_credentials(endpoint.credentials)
        project = endpoint.project or project or getattr(credentials, "quota_project_id", None)
        if project is None:
            raise InputError("no project is known that Earth Engine could charge: name yours with --ee_project")
        if endpoint.is_local:
            _knock(endpoint)
        _connect(endpoint, credentials or google.auth.credentials.AnonymousCredentials(), project)
        _current = endpoint


def _address(endpoint: Endpoint) -> tuple[str, str | None, str]:
    return endpoint.url, endpoint.project, endpoint.credentials


def _knock(endpoint: Endpoint) -> None:
    """Find out at once that no local endpoint runs: the client would try for half a minute."""
    parts = urlsplit(endpoint.url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=_KNOCK_SECONDS).close()
    except OSError as error:
        raise OutageError(
            f"nothing listens at {endpoint.url} ({error}): start a local Earth Engine with `rsbot earth`, or correct "
            "--ee_url or RSBOT_EE_URL"
        ) from error


def _connect(endpoint: Endpoint, credentials: google.auth.credentials.Credentials, project: str) -> None:
    try:
        with _no_deprecations() if endpoint.is_local else contextlib.nullcontext():
            ee.Initialize(credentials, url=endpoint.url, project=project)
        ee.data.setDeadline(_DEADLINE_MS)
        if endpoint.workload_tag:
            ee.data.setDefaultWorkloadTag(endpoint.workload_tag)
    except Exception as error:  # The client lets through those of google-auth, googleapiclient, httplib2 and requests.
        raise _connection_error(endpoint, project, error) from error


@contextlib.contextmanager
def _no_deprecations() -> Iterator[None]:
    """Keep the client on loopback: it asks storage.googleapis.com for deprecated assets, whatever URL it is given.

    A laptop without internet would wait for it. Without this hook (earthengine-api 1.7) it only waits.
    """
    load = getattr(deprecation, "InitializeDeprecatedAssets", None)
    setattr(deprecation, "InitializeDeprecatedAssets", lambda: None)  # noqa: B010
    try:
        yield
    finally:
        setattr(deprecation, "InitializeDeprecatedAssets", load)  # noqa: B010


def _connection_error(endpoint: Endpoint, project: str, error: Exception) -> EarthEngineError:
    text = str(error)[:500]
    if endpoint.credentials == "none" and isinstance(error, google.auth.exceptions.InvalidOperation):
        # What google-auth says when an answer 401 makes it renew a token that it does not have.
        return AuthenticationError(f"{endpoint.url} asks for credentials, but none were given (none). {REMEDY_LOGIN}")
    words = f"{type(error).__name__} {text}".lower()
    if any(word in words for word in ("refresherror", "credential", "unauthenticated", "401", "authorize")):
        return AuthenticationError(f"{endpoint.url} does not accept the credentials: {text} {REMEDY_LOGIN}")
    if any(word in words for word in ("403", "permission", "not registered", "has not been used", "disabled")):
        return AuthenticationError(f"project {project!r} may not use {endpoint.url}: {text} {REMEDY_PERMISSION}")
    return OutageError(
        f"Earth Engine at {endpoint.url} does not answer ({type(error).__name__}: {text}): check the network and "
        "--ee_url, or start a local one with `rsbot earth`"
    )
