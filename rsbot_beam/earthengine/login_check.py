"""The check of the credentials: which there are, whether they bring a token, and how long it lasts. Shows nothing secret."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google.auth.exceptions
import google.auth.transport.urllib3
import urllib3
from google.auth import _cloud_sdk

from rsbot_beam.data.findings import Finding
from rsbot_beam.earthengine.credentials import load_credentials, seconds_left
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import AuthenticationError, InputError

NAME = "credentials"
LOG_IN = "`gcloud auth application-default login`"
KEY_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
# Where `earthengine authenticate` leaves its login, which only Earth Engine's own client reads (ee.oauth, 1.7).
EARTHENGINE_LOGIN = Path("~/.config/earthengine/credentials")

# What a key of a service account must have (google.oauth2.service_account).
_FIELDS = ("client_email", "private_key", "token_uri")

# What token services answer instead of a token (RFC 6749, 5.2, and Google), or a word of their description; what it means.
_REFUSALS = (
    ("reasonable timeframe", "the clock of this machine is wrong", "set the clock (`timedatectl set-ntp true`)"),
    ("rapt", "the organisation asks for a new login", f"log in again: {LOG_IN}"),
    ("account not found", "the service account does not exist any more", "create a key of another service account"),
    (
        "invalid jwt signature",
        "the key was deleted or is of another account",
        "create a new key of the service account",
    ),
    ("expired or revoked", "the login has expired or was revoked", f"log in again: {LOG_IN}"),
    ("deleted_client", "the program that was logged in with does not exist any more", f"log in again: {LOG_IN}"),
    ("invalid_scope", "the login does not cover Earth Engine", f"log in again: {LOG_IN}"),
    (
        "unauthorized_client",
        "the account may not use Earth Engine's scopes",
        "ask the administrator of the organisation",
    ),
    ("invalid_grant", "the login or key is not valid any more", f"log in again ({LOG_IN}), or create a new key"),
)
_OTHERWISE = ("the token service refuses them", f"log in again ({LOG_IN}), or create a new key of the service account")


@dataclass(frozen=True, repr=False)
class Login:
    """The outcome of the check, with what the next checks need.

    Attributes:
        finding: To show.
        token: That was obtained, or None.
        project: That the credentials belong to, or None.
    """

    finding: Finding
    token: str | None = None
    project: str | None = None


def check_login(endpoint: Endpoint, seconds: float) -> Login:
    """Load the credentials of an endpoint and get a token.

    Args:
        endpoint: Earth Engine.
        seconds: That an answer of the token service may take.
    """
    name = endpoint.credentials
    if name == "none":
        why = "none are needed on loopback" if endpoint.is_local else "none, as --ee_credentials says"
        return Login(Finding(NAME, "ok", why))
    problem = default_problem() if name == "default" else key_problem(name)
    if problem is not None:
        return Login(Finding(NAME, "failed", *problem))
    try:
        found, project = load_credentials(name)
    except AuthenticationError:
        return Login(Finding(NAME, "failed", _nothing_found(), _how_to_log_in()))
    except InputError as error:
        return Login(Finding(NAME, "failed", str(error), "create a new key of the service account"))
    problem = refresh(found, seconds)
    kind = described(found, name)
    if problem is not None:
        return Login(Finding(NAME, "failed", f"{kind}: {problem[0]}", problem[1]))
    left = seconds_left(found)
    lasts = "never expires" if left == float("inf") else f"is valid for {left / 60:.0f} minutes"
    project = project or getattr(found, "quota_project_id", None)
    return Login(Finding(NAME, "ok", f"{kind}; its token {lasts}"), found.token, project)


def key_problem(path: str, option: str = "--ee_credentials") -> tuple[str, str] | None:
    """What is wrong with the key file of a service account, and what to do; None if nothing is seen from outside.

    Args:
        path: Of the file.
        option: What named it.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"there is no file {path}, which {option} names", f"correct {option}"
    except OSError as error:
        return (
            f"the file {path} cannot be read ({error.strerror})",
            "correct its permissions: `chmod 600` and its owner",
        )
    except ValueError as error:
        where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "not a text"
        return f"the file {path} is no JSON ({where})", "download the key anew: it was cut off, or is another file"
    kind = content.get("type") if isinstance(content, dict) else None
    if kind != "service_account":
        return _other_file(path, content)
    missing = [field for field in _FIELDS if not content.get(field)]
    if missing:
        return f"the key {path} has no {', '.join(missing)}", "download the key anew: it was edited or cut off"
    return None


def _other_file(path: str, content: Any) -> tuple[str, str]:  # noqa: ANN401 - any JSON
    key = "create a key of a service account (console: IAM, Service accounts, Keys, JSON)"
    if isinstance(content, dict) and content.get("type") == "authorized_user":
        return (
            f"{path} is a user's login, not the key of a service account",
            f"leave out --ee_credentials and set {KEY_VARIABLE}={path}; or {key}",
        )
    if isinstance(content, dict) and ("installed" in content or "web" in content):
        return f"{path} is the identity of a program (OAuth client), not the key of a service account", key
    return f"{path} is not the key of a service account", key


def _default_file() -> str:
    return os.environ.get(KEY_VARIABLE) or str(_cloud_sdk.get_application_default_credentials_path())


def _nothing_found() -> str:
    path = _default_file()
    if Path(path).is_file():
        return f"the file {path} holds no credentials that Google's client takes"
    return "there are no application default credentials"


def default_problem() -> tuple[str, str] | None:
    """What is wrong with the file of the application default credentials; None if nothing is, or if there is none."""
    path = _default_file()
    try:
        json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if os.environ.get(KEY_VARIABLE):
            return (
                f"there is no file {path}, which {KEY_VARIABLE} names",
                f"correct or unset {KEY_VARIABLE}; or {LOG_IN}",
            )
    except OSError as error:
        return (
            f"the file {path} cannot be read ({error.strerror})",
            "correct its permissions: `chmod 600` and its owner",
        )
    except ValueError:
        return f"the file {path} is no JSON", f"log in again: {LOG_IN}"
    return None


def _how_to_log_in() -> str:
    text = (
        f"log in with {LOG_IN} or `earthengine authenticate --auth_mode=gcloud`; or name the key of a service account with "
        "--ee_credentials"
    )
    if EARTHENGINE_LOGIN.expanduser().is_file():
        text += f" (the login in {EARTHENGINE_LOGIN} is one that only Earth Engine's own client reads)"
    return text


def described(found: Any, name: str) -> str:  # noqa: ANN401 - any of google-auth's credentials
    """Whose credentials they are, and where they come from."""
    email = getattr(found, "service_account_email", None)
    place = "application default credentials" if name == "default" else name
    if name == "default" and os.environ.get(KEY_VARIABLE):
        place = f"{os.environ[KEY_VARIABLE]}, named by {KEY_VARIABLE}"
    if isinstance(email, str) and "@" in email:
        return f"service account {email} ({place})"
    kind = type(found).__module__.rpartition(".")[2]
    return f"{'the login of a user' if kind == 'credentials' else kind.replace('_', ' ')} ({place})"


def refresh(found: Any, seconds: float) -> tuple[str, str] | None:  # noqa: ANN401
    """Get a token; returns what keeps it from coming and what to do, or None.

    Args:
        found: Of google-auth; holds the token afterwards.
        seconds: That an answer may take.
    """
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=seconds, read=seconds), retries=False)
    return refusal_of(lambda: found.refresh(google.auth.transport.urllib3.Request(pool)))


def refusal_of(refresh: Callable[[], object]) -> tuple[str, str] | None:
    """What keeps a call of the token service from bringing a token, and what to do; its answer is never quoted."""
    try:
        refresh()
    except google.auth.exceptions.TransportError:
        return "the token service does not answer", "check the network: tokens come from https://oauth2.googleapis.com"
    except google.auth.exceptions.GoogleAuthError as error:
        if getattr(error, "retryable", False):
            return "the token service is out of order", "try again later"
        # The answer can hold parts of the credentials: only words that are known are looked for.
        words = str(error).lower()
        return next((refusal[1:] for refusal in _REFUSALS if refusal[0] in words), _OTHERWISE)
    return None
