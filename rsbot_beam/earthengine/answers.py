"""What an answer without pixels means: the kind of error decides what is done about it."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping

from rsbot_beam.errors import (
    AuthenticationError,
    EarthEngineError,
    PermanentError,
    ThrottledError,
    TooLargeError,
    TransientError,
)

# Characters of a server's message that are kept: some hold a whole expression.
MESSAGE_LENGTH = 500

# Seconds that a server's Retry-After is honoured at once; then it is asked again. A daily cap would name hours.
MAX_RETRY_AFTER = 300.0

# Earth Engine says with 400 what splitting can cure (messages of its documentation's "Debugging" and issue threads),
# and behind proxies with 504 or 503 as well: so the words count before the status.
_TOO_LARGE = re.compile(
    r"(request size|dimensions|number of bands|pixels).{0,80}must be less than or equal to"
    r"|user memory limit exceeded|computation timed out|response size exceeds"
    r"|output of image computation is too large|out of memory"
)
_THROTTLED = re.compile(
    r"too many concurrent aggregations|too many requests|quota exceeded|resource_exhausted|ratelimitexceeded"
)

REMEDY_LOGIN = (
    "Log in with `gcloud auth application-default login`, or give a service account's key with --ee_credentials, and "
    "name the project with --ee_project."
)
REMEDY_PERMISSION = (
    "Check that the project of --ee_project is registered for Earth Engine and its API is enabled "
    "(https://console.cloud.google.com/earth-engine), and that the account has the roles Earth Engine Resource Viewer "
    "and Service Usage Consumer in it."
)


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> EarthEngineError:
    """The error that an answer other than 200 stands for.

    Args:
        status: HTTP status.
        headers: Headers of the answer; names in any case if the mapping ignores case, else as in HTTP documents.
        body: The answer's body, or its beginning.

    Returns:
        `ThrottledError` (with `retry_after`), `TooLargeError`, `AuthenticationError`, `TransientError` or
        `PermanentError`, with the server's message.
    """
    message, words = _message(status, body)
    if status == 429 or (400 <= status < 500 and _THROTTLED.search(words)):
        error = ThrottledError(f"Earth Engine is over its quota of requests: {message}", status)
        error.retry_after = retry_after(headers.get("Retry-After"))
        return error
    if status == 413 or _TOO_LARGE.search(words):
        return TooLargeError(f"one request asks for too much: {message}", status)
    if status == 401:
        return AuthenticationError(f"Earth Engine does not accept the credentials: {message}. {REMEDY_LOGIN}", status)
    if status == 403:
        return AuthenticationError(f"Earth Engine denies permission: {message}. {REMEDY_PERMISSION}", status)
    if 300 <= status < 400:
        where = headers.get("Location") or "an address that it does not name"
        return PermanentError(
            f"the endpoint sends requests on to {where} (HTTP {status}): it is no Earth Engine, or asks for a login. Check "
            "--ee_url",
            status,
        )
    if status == 408 or status >= 500:
        return TransientError(f"Earth Engine failed: {message}", status)
    return PermanentError(f"Earth Engine refuses the request: {message}", status)


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Seconds to wait by a Retry-After header: a number or a date (RFC 9110, 10.2.3); None if there is none.

    Args:
        value: The header's value.
        now: Seconds since the epoch; the present by default.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value, time.time() if now is None else now)
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if seconds == seconds else None


def _until(date: str, now: float) -> float:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() - now
    except (TypeError, ValueError):
        return float("nan")


def _message(status: int, body: bytes) -> tuple[str, str]:
    """The server's message for people, and all of its words in lower case for us."""
    text = body.decode("utf-8", "replace").strip()
    try:
        error = json.loads(text)["error"]
        message = str(error["message"])
    except (ValueError, KeyError, TypeError):
        message = " ".join(text.split()) or "no message"
    return f"{message[:MESSAGE_LENGTH].rstrip('.')} (HTTP {status})", f"{message} {text}".lower()
