"""The check of the credentials: every way in which they can be missing or bad, and never a secret in what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import google.auth.exceptions
import pytest

from rsbot_beam.data.findings import Finding
from rsbot_beam.earthengine import login_check
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.login_check import (
    KEY_VARIABLE,
    Login,
    check_login,
    default_problem,
    key_problem,
    refusal_of,
)
from tests.loopback import Question, Says, Scripted, black_hole, scripted

TOKEN = "token-that-nobody-may-see"


@pytest.fixture
def tokens() -> Iterator[Scripted]:
    """A token service."""
    good = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
    with scripted(lambda question: Says(200, good)) as server:
        yield server


@pytest.fixture
def key(google_credentials: str, tokens: Scripted) -> dict[str, str]:
    """A key whose token service is on loopback."""
    return {**json.loads(Path(google_credentials).read_text()), "token_uri": f"{tokens.url}/token"}


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[object], str]:
    def save(content: object) -> str:
        path = tmp_path / "key.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return str(path)

    return save


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine on which nobody is logged in; returns the home folder."""
    for name in (KEY_VARIABLE, "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    return tmp_path


def check(credentials: str, seconds: float = 5.0) -> Login:
    return check_login(Endpoint(url="https://earthengine.googleapis.com", credentials=credentials), seconds)


def shown(finding: Finding, key: dict[str, str] | None = None) -> str:
    """All that a finding shows, after a look for secrets."""
    text = f"{finding} {finding!r}"
    secrets = [TOKEN, *(line for line in (key or {}).get("private_key", "").splitlines() if len(line) > 20)]
    assert not any(secret in text for secret in secrets), text
    return text


def test_a_key_that_works(key: dict[str, str], saved: Callable[[object], str], tokens: Scripted) -> None:
    login = check(saved(key))
    assert login.finding.state == "ok"
    assert "service account tests@rsbot-tests.iam.gserviceaccount.com" in shown(login.finding, key)
    assert "its token is valid for 60 minutes" in login.finding.found
    assert (login.token, login.project) == (TOKEN, "rsbot-tests")
    assert len(tokens.asked) == 1
    assert TOKEN not in repr(login)


def test_none_needs_nothing() -> None:
    assert check("none").finding.found == "none, as --ee_credentials says"
    local = check_login(Endpoint(url="http://127.0.0.1:1"), 1.0)
    assert (local.finding.state, local.token) == ("ok", None)
    assert "loopback" in local.finding.found


@pytest.mark.parametrize(
    ("content", "found", "remedy"),
    [
        (b'{"type": "service_account",\n "private_key": "SECRET"', "is no JSON (line 2)", "download the key anew"),
        (b"\xff\xfe\x00SECRET", "is no JSON (not a text)", "download the key anew"),
        (b'"SECRET"', "is not the key of a service account", "create a key"),
        ({"type": "authorized_user", "refresh_token": "SECRET"}, "is a user's login", KEY_VARIABLE),
        ({"installed": {"client_secret": "SECRET"}}, "identity of a program (OAuth client)", "create a key"),
        (
            {"type": "service_account", "private_key": "SECRET"},
            "has no client_email, token_uri",
            "download the key anew",
        ),
        (
            {"type": "service_account", "private_key": "SECRET", "client_email": "a@b", "token_uri": "http://x/y"},
            "is not the key of a service account",
            "create a new key",
        ),
    ],
)
def test_a_file_that_is_no_key(content: object, found: str, remedy: str, saved: Callable[[object], str]) -> None:
    login = check(saved(content))
    assert login.finding.state == "failed"
    assert login.token is None
    assert found in login.finding.found
    assert remedy in login.finding.remedy
    assert "SECRET" not in shown(login.finding)


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path: Path) -> None:
    missing = check(str(tmp_path / "nowhere.json")).finding
    assert (missing.state, missing.remedy) == ("failed", "correct --ee_credentials")
    assert f"there is no file {tmp_path / 'nowhere.json'}, which --ee_credentials names" in missing.found
    assert "cannot be read (Is a directory)" in check(str(tmp_path)).finding.found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_that_may_not_be_read(tmp_path: Path, saved: Callable[[object], str]) -> None:
    path = saved({"type": "service_account"})
    Path(path).chmod(0o600)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    child = os.fork()
    if child == 0:  # as nobody
        os.setuid(65_534)
        problem = key_problem(path)
        os._exit(0 if problem and "cannot be read (Permission denied)" in problem[0] and "chmod" in problem[1] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_nobody_is_logged_in(nobody: Path) -> None:
    finding = check("default").finding
    assert finding.state == "failed"
    assert finding.found == "there are no application default credentials"
    assert "`gcloud auth application-default login`" in finding.remedy
    assert "`earthengine authenticate --auth_mode=gcloud`" in finding.remedy
    assert "only Earth Engine's own client" not in finding.remedy


def test_a_login_that_only_earth_engine_s_client_reads_is_named(nobody: Path) -> None:
    place = nobody / ".config/earthengine/credentials"
    place.parent.mkdir(parents=True)
    place.write_text('{"refresh_token": "SECRET"}')
    finding = check("default").finding
    assert (
        "the login in ~/.config/earthengine/credentials is one that only Earth Engine's own client reads"
        in finding.remedy
    )
    assert "SECRET" not in shown(finding)


def test_the_variable_names_a_file_that_is_not_there(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, str(nobody / "gone.json"))
    finding = check("default").finding
    assert f"there is no file {nobody / 'gone.json'}, which {KEY_VARIABLE} names" in finding.found
    assert f"correct or unset {KEY_VARIABLE}" in finding.remedy


@pytest.mark.parametrize("content", ["SECRET {", '{"type": "unheard_of", "private_key": "SECRET"}'])
def test_the_variable_names_a_file_that_is_none(nobody: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    path = nobody / "odd.json"
    path.write_text(content)
    monkeypatch.setenv(KEY_VARIABLE, str(path))
    finding = check("default").finding
    assert finding.state == "failed"
    assert str(path) in finding.found
    assert "login" in finding.remedy
    assert "SECRET" not in shown(finding)


def test_the_variable_names_a_key(
    nobody: Path, monkeypatch: pytest.MonkeyPatch, key: dict[str, str], saved: Callable[[object], str]
) -> None:
    path = saved(key)
    monkeypatch.setenv(KEY_VARIABLE, path)
    login = check("default")
    assert login.finding.state == "ok"
    assert f"({path}, named by {KEY_VARIABLE})" in shown(login.finding, key)
    assert login.project == "rsbot-tests"


def test_a_user_s_login_that_was_revoked(
    nobody: Path, monkeypatch: pytest.MonkeyPatch, tokens: Scripted, saved: Callable[[object], str]
) -> None:
    """As `gcloud auth application-default login` leaves it; its token service is replaced by one on loopback."""
    login = {"type": "authorized_user", "client_id": "1", "client_secret": "SECRET-A", "refresh_token": "SECRET-B"}
    monkeypatch.setenv(KEY_VARIABLE, saved(login))
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{tokens.url}/token")
    tokens.says = lambda question: Says(
        400, {"error": "invalid_grant", "error_description": f"Token has been expired or revoked: {question.body!r}"}
    )
    finding = check("default").finding
    assert finding.state == "failed"
    assert "the login of a user" in finding.found
    assert "the login has expired or was revoked" in finding.found
    assert "gcloud auth application-default login" in finding.remedy
    assert b"SECRET-B" in tokens.asked[0].body, "this is what the answer quotes"
    assert "SECRET" not in shown(finding)


@pytest.mark.parametrize(
    ("error", "description", "found", "remedy"),
    [
        (
            "invalid_grant",
            "Invalid JWT: Token must be ... in a reasonable timeframe",
            "clock of this machine",
            "set the clock",
        ),
        ("invalid_grant", "Invalid grant: account not found", "does not exist any more", "another service account"),
        ("invalid_grant", "Invalid JWT Signature.", "the key was deleted", "create a new key"),
        ("invalid_grant", "reauth related error (invalid_rapt)", "asks for a new login", "log in again"),
        ("unauthorized_client", "Client is unauthorized", "may not use Earth Engine's scopes", "administrator"),
        ("invalid_scope", "Bad scope", "does not cover Earth Engine", "log in again"),
        ("something_new", "?", "the token service refuses them", "log in again"),
    ],
)
def test_what_the_token_service_says(
    error: str,
    description: str,
    found: str,
    remedy: str,
    key: dict[str, str],
    saved: Callable[[object], str],
    tokens: Scripted,
) -> None:
    def refuse(question: Question) -> Says:
        return Says(400, {"error": error, "error_description": f"{description} {question.body.decode()}"})

    tokens.says = refuse
    finding = check(saved(key)).finding
    assert finding.state == "failed"
    assert found in finding.found
    assert remedy in finding.remedy
    assertion = tokens.asked[0].body.decode().rpartition("assertion=")[2]
    assert len(assertion) > 100
    assert assertion not in shown(finding, key)


def test_a_token_service_that_is_away(key: dict[str, str], saved: Callable[[object], str]) -> None:
    finding = check(saved({**key, "token_uri": "http://127.0.0.1:9/token"})).finding
    assert "the token service does not answer" in shown(finding, key)
    assert "https://oauth2.googleapis.com" in finding.remedy


@pytest.mark.parametrize("how", ["swallowed", "hanging"])
def test_a_token_service_that_swallows_what_is_sent_costs_seconds(
    how: str, key: dict[str, str], saved: Callable[[object], str], tokens: Scripted
) -> None:
    tokens.says = lambda question: Says(hang=True)
    start = time.monotonic()
    with black_hole() as hole:
        uri = f"http://{hole}/token" if how == "swallowed" else key["token_uri"]
        finding = check(saved({**key, "token_uri": uri}), seconds=0.4).finding
    assert finding.state == "failed"
    assert "the token service does not answer" in shown(finding, key)
    assert time.monotonic() - start < 5


def test_a_token_service_that_is_out_of_order() -> None:
    def refresh() -> None:
        raise google.auth.exceptions.RefreshError("internal_failure", retryable=True)

    assert refusal_of(refresh) == ("the token service is out of order", "try again later")
    assert refusal_of(lambda: None) is None


def test_a_login_that_may_not_be_read_is_said(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, str(nobody))
    problem = default_problem()
    assert problem is not None
    assert "cannot be read (Is a directory)" in problem[0]


def test_where_earth_engine_s_client_keeps_its_login_is_still_so() -> None:
    """A process of its own: the client reads the home folder when it is loaded."""
    code = "import ee.oauth; print(ee.oauth.get_credentials_path())"
    path = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert Path(path) == login_check.EARTHENGINE_LOGIN.expanduser()


def test_kinds_of_credentials_are_named() -> None:
    class Machine:
        service_account_email = "robot@p.iam.gserviceaccount.com"

    assert login_check.described(Machine(), "default").startswith("service account robot@p")
    other: Any = type("Credentials", (), {"__module__": "google.auth.external_account"})()
    assert login_check.described(other, "default").startswith("external account (")
