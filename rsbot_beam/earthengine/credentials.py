"""Tokens of a process: found once, refreshed by one thread, never shown."""

from __future__ import annotations

import datetime
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import google.auth
import google.auth.exceptions
import google.auth.transport.urllib3
import urllib3
from google.oauth2 import service_account

from rsbot_beam.earthengine.answers import REMEDY_LOGIN
from rsbot_beam.errors import AuthenticationError, InputError, TransientError

SCOPES = ("https://www.googleapis.com/auth/earthengine", "https://www.googleapis.com/auth/cloud-platform")

# Seconds before its end that a token is renewed. google-auth counts a token with under 225 s left as expired.
MARGIN = 300.0

# Seconds for one answer of the token service.
_TIMEOUT = 30.0


def load_credentials(credentials: str) -> tuple[Any, str | None]:
    """The google-auth credentials that an endpoint names, and their project.

    Args:
        credentials: "default" or the path of a service account's JSON file; "none" gives None.

    Raises:
        AuthenticationError: There are none; the message says how to get some.
        InputError: The file is missing or is no service account's key.
    """
    if credentials == "none":
        return None, None
    if credentials != "default":
        return _service_account(credentials)
    try:
        with warnings.catch_warnings():
            # It advises to set a quota project; ours goes into every request by header.
            warnings.filterwarnings("ignore", message=".*quota project.*")
            return google.auth.default(scopes=SCOPES)
    except google.auth.exceptions.GoogleAuthError as error:
        raise AuthenticationError(f"no credentials for Earth Engine were found. {REMEDY_LOGIN}") from error


def _service_account(path: str) -> tuple[Any, str | None]:
    if not Path(path).is_file():
        raise InputError(f"the credentials {path!r} are no file: give default, none, or a service account's JSON key")
    try:
        found = service_account.Credentials.from_service_account_file(path, scopes=SCOPES)
    except OSError as error:
        raise InputError(
            f"the credentials {path!r} cannot be read ({error.strerror}): correct their permissions"
        ) from error
    except (ValueError, KeyError, google.auth.exceptions.GoogleAuthError):
        # Not chained: the cause may quote the key.
        raise InputError(
            f"{path!r} is not the key of a service account: create one in the cloud console (IAM, Service accounts, "
            "Keys, JSON) or use `gcloud auth application-default login`"
        ) from None
    return found, found.project_id


class TokenSource:
    """The access token of one endpoint, for all threads of a process. Its repr shows nothing secret.

    Args:
        credentials: As in `Endpoint.credentials`.
        load: Finds the credentials; called once, at the first use.
    """

    def __init__(self, credentials: str, load: Callable[[str], tuple[Any, str | None]] = load_credentials) -> None:
        self._name, self._load = credentials, load
        self._lock = threading.Lock()
        self._loaded: tuple[Any, str | None] | None = None
        self._request: Any = None

    @property
    def project(self) -> str | None:
        """Project that the credentials belong to, or None."""
        found, project = self._found()
        return project or getattr(found, "quota_project_id", None)

    def token(self) -> str | None:
        """A token that is valid for some minutes, or None where none is needed.

        Raises:
            AuthenticationError: There is none to be had.
            TransientError: The token service does not answer.
        """
        found, _ = self._found()
        if found is None:
            return None
        left = seconds_left(found)
        if left > MARGIN:
            return found.token
        if left > 0 and self._lock.locked():  # Another thread renews it; this one is good meanwhile.
            return found.token
        with self._lock:
            if seconds_left(found) <= MARGIN:
                self._refresh(found)
            return found.token

    def renew(self, refused: str | None) -> None:
        """Get another token than the one that was refused, unless another thread has done so.

        Raises:
            AuthenticationError: There is none to be had.
            TransientError: The token service does not answer.
        """
        found, _ = self._found()
        if found is None:
            return
        with self._lock:
            if found.token == refused:
                self._refresh(found)

    def _found(self) -> tuple[Any, str | None]:
        if self._loaded is None:
            with self._lock:
                self._loaded = self._loaded or self._load(self._name)
        return self._loaded

    def _refresh(self, found: Any) -> None:  # noqa: ANN401
        self._request = self._request or google.auth.transport.urllib3.Request(urllib3.PoolManager(timeout=_TIMEOUT))
        try:
            found.refresh(self._request)
        except google.auth.exceptions.GoogleAuthError as error:
            if getattr(error, "retryable", False) or isinstance(error, google.auth.exceptions.TransportError):
                raise TransientError(f"the token service does not answer: {type(error).__name__}") from error
            # Not chained and not quoted: the token service's answer can hold parts of the credentials.
            raise AuthenticationError(
                f"the token service refuses the credentials {self._name!r} ({type(error).__name__}). {REMEDY_LOGIN}"
            ) from None


def seconds_left(found: Any) -> float:  # noqa: ANN401
    """Seconds that the token is still valid: below 0 without one, infinite if it never expires."""
    if not found.token:
        return -1.0
    if found.expiry is None:
        return float("inf")
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)  # google-auth has UTC without a zone
    return (found.expiry - now).total_seconds()
