"""The checks of Earth Engine: against the local one with its faults, and against answers as Google documents them."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from urllib3.exceptions import NameResolutionError, NewConnectionError, ProxyError

from rsbot_beam.data.findings import Finding
from rsbot_beam.earthengine.allowance_checks import UPLOAD, check_quota, check_upload
from rsbot_beam.earthengine.caller import Answered, Caller, why_silent
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.service_checks import (
    check_access,
    check_clock,
    check_endpoint,
    check_pixels,
    check_project,
    check_registration,
)
from rsbot_beam.errors import TransientError
from rsbot_beam.local_ee.faults import FaultPlan, Faults
from rsbot_beam.local_ee.run import serving
from rsbot_beam.local_ee.server import LocalEarthEngine
from rsbot_beam.local_ee.world import World
from tests.loopback import Question, Says, Scripted, black_hole, scripted

TOKEN = "token-that-nobody-may-see"
DISCOVERY = {"name": "earthengine", "version": "v1"}


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[LocalEarthEngine, str]]:
    engine = LocalEarthEngine([World(0)])
    with serving(engine) as url:
        yield engine, url


@pytest.fixture
def faults(world: tuple[LocalEarthEngine, str]) -> Iterator[Callable[..., Caller]]:
    """Sets what goes wrong; gives a caller of the local Earth Engine."""
    engine, url = world
    engine.reset()

    def set_faults(seconds: float = 5.0, **given: Any) -> Caller:
        engine.plan = FaultPlan(Faults(**given))
        return Caller(url, seconds, "local", connections=8)

    yield set_faults
    engine.reset()


@pytest.fixture
def google() -> Iterator[Scripted]:
    with scripted(lambda question: Says(200, DISCOVERY)) as server:
        yield server


def caller(server: Scripted, seconds: float = 5.0) -> Caller:
    return Caller(server.url, seconds, "my-project", TOKEN, connections=8)


def shown(finding: Finding) -> str:
    assert TOKEN not in f"{finding!r}{finding}"
    return finding.found


def refusal(status: int, message: str, reason: str = "", **metadata: str) -> Says:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": metadata}
    return Says(status, {"error": {"code": status, "message": message, "details": [info] if reason else []}})


def test_all_is_well_on_the_local_earth_engine(faults: Callable[..., Caller]) -> None:
    there = faults()
    endpoint, answered = check_endpoint(there)
    assert endpoint.state == "ok"
    assert f"{there.url} answers in 0." in endpoint.found
    assert check_clock(answered.header("Date"), time.time()).state == "ok"
    assert "computes for project local" in check_access(there, "local").found
    assert check_registration(there, "local").found == "registered for noncommercial use"
    pixels = check_pixels(there, "local", is_local=True)
    assert pixels.state == "ok"
    assert "4 x 4 of USGS/SRTMGL1_003" in pixels.found
    quota = check_quota(there, "local", Endpoint(url=there.url))
    assert (quota.state, "40 requests in flight and 100 a second" in quota.found) == ("ok", True)
    assert "8 at once were answered" in quota.found


@pytest.mark.parametrize(
    ("given", "status", "remedy"),
    [
        ({"rate_500": 1.0}, 500, "https://status.cloud.google.com"),
        ({"rate_503": 1.0}, 503, "https://status.cloud.google.com"),
        ({"rate_429": 1.0}, 429, "--max_requests"),
        ({"unauthorized": True}, 401, "gcloud auth application-default login"),
    ],
)
def test_what_the_local_earth_engine_refuses(
    given: dict[str, Any], status: int, remedy: str, faults: Callable[..., Caller]
) -> None:
    there = faults(**given)
    for finding in (check_access(there, "local"), check_pixels(there, "local", is_local=True)):
        assert finding.state == "failed"
        assert f"HTTP {status}" in finding.found
        assert remedy in finding.remedy


@pytest.mark.parametrize("given", [{"rate_hang": 1.0}, {"rate_reset": 1.0}, {"rate_truncate": 1.0}, {"latency": "20"}])
def test_what_never_comes_or_breaks_off_costs_seconds(given: dict[str, Any], faults: Callable[..., Caller]) -> None:
    start = time.monotonic()
    finding = check_access(faults(seconds=0.5, **given), "local")
    assert finding.state == "failed"
    assert finding.remedy
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("given", "found", "remedy"),
    [
        (
            {"rate_429": 1.0, "retry_after": 7},
            "8 of 8 questions at once met the quota: Too Many Requests",
            "wait for it",
        ),
        ({"rate_500": 1.0}, "8 of 8 questions at once failed", "runs retry them"),
        ({"rate_hang": 1.0}, "does not answer in time", "runs retry them"),
    ],
)
def test_a_burst_meets_the_quota_or_faults(
    given: dict[str, Any], found: str, remedy: str, faults: Callable[..., Caller]
) -> None:
    start = time.monotonic()
    there = faults(seconds=1.0, **given)
    finding = check_quota(there, "local", Endpoint(url=there.url))
    assert finding.state == "warning"
    assert found in finding.found
    assert ("asks to wait 7 s" in finding.found) == ("retry_after" in given)
    assert remedy in finding.remedy
    assert time.monotonic() - start < 8


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"max_requests": 41}, "otherwise --max_requests 40"),
        ({"max_qps": 101}, "otherwise --max_qps 100"),
        ({"max_requests": 80, "max_qps": 200}, "otherwise --max_requests 40 and --max_qps 100"),
    ],
)
def test_more_than_the_default_quota_is_told(
    settings: dict[str, Any], remedy: str, faults: Callable[..., Caller]
) -> None:
    there = faults()
    finding = check_quota(there, "local", Endpoint(url=there.url, **settings))
    assert finding.state == "warning"
    assert "more than Earth Engine gives by default" in finding.found
    assert finding.remedy.endswith(remedy)


def test_no_more_is_asked_at_once_than_the_run_may(faults: Callable[..., Caller], world: Any) -> None:
    there = faults()
    assert "; 3 at once" in check_quota(there, "local", Endpoint(url=there.url, max_requests=3)).found
    assert world[0].stats.to_json()["requests"]["computeValue"]["200"] == 3


def test_an_asset_that_this_local_earth_engine_lacks_is_no_failure() -> None:
    engine = LocalEarthEngine([])
    with serving(engine) as url:
        here = check_pixels(Caller(url, 5.0, "local"), "local", is_local=True)
        elsewhere = check_pixels(Caller(url, 5.0, "local"), "local", is_local=False)
    assert here.state == "skipped"
    assert "USGS/SRTMGL1_003" in here.found
    assert elsewhere.state == "failed", "Google has it"


@pytest.mark.parametrize(
    ("says", "found", "remedy"),
    [
        (Says(200, b"<html>Please log in to the network</html>"), "is no Earth Engine", "log in to it first"),
        (Says(200, {"name": "drive"}), "is no Earth Engine", "correct --ee_url"),
        (Says(404, b"<h1>Not Found</h1>"), "is no Earth Engine", "correct --ee_url or RSBOT_EE_URL"),
        (Says(503, b""), "HTTP 503", "status.cloud.google.com"),
        (Says(hang=True), "does not answer in time", "firewall"),
    ],
)
def test_an_endpoint_that_is_none(google: Scripted, says: Says, found: str, remedy: str) -> None:
    google.says = lambda question: says
    finding, _ = check_endpoint(caller(google, seconds=0.4))
    assert finding.state == "failed"
    assert found in finding.found
    assert remedy in finding.remedy


def test_an_endpoint_that_asks_for_a_login_is_one(google: Scripted) -> None:
    google.says = lambda question: refusal(403, "no", "CREDENTIALS_MISSING")
    assert check_endpoint(caller(google))[0].state == "ok"


def test_nothing_listens() -> None:
    finding, answered = check_endpoint(Caller("http://127.0.0.1:9", 2.0))
    assert finding.found == "nothing listens at http://127.0.0.1:9"
    assert "rsbot earth" in finding.remedy
    assert check_clock(answered.header("Date"), 0.0).state == "skipped"


def test_a_black_hole_costs_seconds() -> None:
    start = time.monotonic()
    with black_hole() as hole:
        finding, _ = check_endpoint(Caller(f"http://{hole}", 0.5))
    assert finding.state == "failed"
    assert "does not answer in time" in finding.found
    assert time.monotonic() - start < 5


def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    server = HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        finding, _ = check_endpoint(Caller(f"https://127.0.0.1:{server.server_address[1]}", 5.0))
    finally:
        server.shutdown()
        server.server_close()
    assert "shows a certificate that is not trusted" in finding.found
    assert "SSL_CERT_FILE" in finding.remedy


def self_signed(folder: Path) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *form) + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def unreachable() -> NewConnectionError:
    error = NewConnectionError(None, "no route")
    error.__cause__ = OSError("Network is unreachable")
    return error


@pytest.mark.parametrize(
    ("cause", "found", "remedy"),
    [
        (NameResolutionError("x.invalid", None, OSError("no")), "the name x.invalid cannot be found", "name server"),
        (ProxyError("Unable to connect to proxy", OSError("403")), "the proxy does not let x.invalid", "https_proxy"),
        (unreachable(), "x.invalid cannot be reached (Network is unreachable)", "check the network"),
        (OSError("reset"), "x.invalid: the connection failed", "try again"),
    ],
)
def test_why_nothing_comes(cause: Exception, found: str, remedy: str) -> None:
    error = TransientError("the connection failed")
    error.__cause__ = cause
    told = why_silent(error, "https://x.invalid")
    assert found in told[0]
    assert remedy in told[1]


@pytest.mark.parametrize(
    ("seconds", "state", "words"),
    [
        (0, "ok", "within 1 s"),
        (20, "ok", "within 20 s"),
        (-20, "ok", "within 20 s"),
        (90, "warning", "90 s ahead of"),
        (-90, "warning", "90 s behind"),
        (3600, "failed", "3600 s ahead of"),
    ],
)
def test_the_clock(seconds: float, state: str, words: str) -> None:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    finding = check_clock(format_datetime(now, usegmt=True), now.timestamp() + seconds)
    assert finding.state == state
    assert words in finding.found


@pytest.mark.parametrize("date", [None, "", "yesterday", "Thu, 99 Foo 2023"])
def test_an_endpoint_without_a_clock(date: str | None) -> None:
    assert check_clock(date, 0.0).state == "skipped"


@pytest.mark.parametrize(
    ("given", "of_credentials", "state", "project", "found"),
    [
        ("my-project", None, "ok", "my-project", "my-project (from --ee_project)"),
        ("my-project", "another-1", "ok", "my-project", "my-project (from --ee_project)"),
        (None, "another-1", "ok", "another-1", "another-1 (from the credentials)"),
        ("example.com:my-project", None, "ok", "example.com:my-project", "(from"),
        ("123456789", None, "ok", "123456789", "(from"),
        ("My Project", None, "warning", "My Project", "does not look like the id of a project"),
        (None, None, "failed", None, "none is given"),
    ],
)
def test_the_project(
    given: str | None, of_credentials: str | None, state: str, project: str | None, found: str
) -> None:
    finding, named = check_project(given, of_credentials, "--ee_project")
    assert (finding.state, named) == (state, project)
    assert found in finding.found


@pytest.mark.parametrize(
    ("says", "remedy"),
    [
        (
            refusal(403, "has not been used", "SERVICE_DISABLED", service="earthengine.googleapis.com"),
            "gcloud services enable earthengine.googleapis.com --project my-project",
        ),
        (refusal(403, "Caller does not have", "USER_PROJECT_DENIED"), "roles/serviceusage.serviceUsageConsumer"),
        (
            refusal(403, "Permission 'earthengine.computations.create' denied on resource"),
            "--role=roles/earthengine.viewer",
        ),
        (refusal(403, "Project my-project is not registered to use Earth Engine."), "register the project"),
        (refusal(404, "Project 'my-project' not found or deleted"), "the project's id, not its name"),
        (refusal(403, "Consumer suspended", "CONSUMER_SUSPENDED"), "dashboard?project=my-project"),
        (refusal(401, "Invalid authentication credentials"), "gcloud auth application-default login"),
    ],
)
def test_what_google_refuses(google: Scripted, says: Says, remedy: str) -> None:
    google.says = lambda question: says
    for finding in (check_access(caller(google), "my-project"), check_pixels(caller(google), "my-project", False)):
        assert finding.state == "failed"
        assert f"HTTP {says.status}" in shown(finding)
        assert remedy in finding.remedy


def test_a_question_carries_project_and_token_and_a_server_that_echoes_it_gives_nothing_away(google: Scripted) -> None:
    google.says = lambda question: refusal(403, f"I was sent {question.headers}")
    finding = check_access(caller(google), "my-project")
    (asked,) = google.asked
    assert asked.path == "/v1/projects/my-project/value:compute"
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["X-Goog-User-Project"] == "my-project"
    assert "I was sent" in shown(finding)
    assert TOKEN not in repr(caller(google))


@pytest.mark.parametrize("body", [b"not json", {"result": 2}, b"[1]"])
def test_something_that_computes_wrongly_is_no_earth_engine(google: Scripted, body: Any) -> None:
    google.says = lambda question: Says(200, body)
    assert check_access(caller(google), "my-project").state == "failed"


def test_pixels_that_are_none(google: Scripted) -> None:
    google.says = lambda question: Says(200, b"<html>cached by a proxy</html>")
    finding = check_pixels(caller(google), "my-project", is_local=False)
    assert (finding.state, "proxy" in finding.remedy) == ("failed", True)


@pytest.mark.parametrize(
    ("says", "state", "found"),
    [
        (Says(200, {"registrationState": "REGISTERED_COMMERCIALLY"}), "ok", "registered for commercial use"),
        (Says(200, {"registrationState": "NOT_REGISTERED"}), "failed", "my-project is not registered"),
        (Says(200, {"registrationState": "SOMETHING_NEW"}), "ok", "of a kind that the endpoint does not tell"),
        (refusal(403, "Permission 'earthengine.config.get' denied"), "skipped", "earthengine.config.get"),
        (Says(hang=True), "failed", "does not answer in time"),
    ],
)
def test_the_registration(google: Scripted, says: Says, state: str, found: str) -> None:
    google.says = lambda question: says if question.path == "/v1/projects/my-project/config" else None
    finding = check_registration(caller(google, 0.4), "my-project")
    assert finding.state == state
    assert found in shown(finding)


def permissions(*granted: str) -> Callable[[Question], Says | None]:
    """A Resource Manager that tells which of the permissions asked for the account has."""

    def says(question: Question) -> Says | None:
        if (question.method, question.path) != ("POST", "/v1/projects/their-project:testIamPermissions"):
            return None
        asked = json.loads(question.body)["permissions"]
        return Says(200, {"permissions": [name for name in asked if name in granted]} if granted else {})

    return says


@pytest.mark.parametrize(
    ("granted", "state", "text"),
    [
        (UPLOAD, "ok", "the account may make assets in project their-project"),
        (("earthengine.assets.get",), "failed", "lacks earthengine.assets.create, earthengine.imports.create"),
        ((), "failed", "lacks earthengine.assets.create, earthengine.assets.get, earthengine.imports.create"),
    ],
)
def test_the_right_to_upload(google: Scripted, granted: tuple[str, ...], state: str, text: str) -> None:
    google.says = permissions(*granted)
    finding = check_upload(caller(google), "projects/their-project/assets/map")
    assert finding.state == state
    assert text in shown(finding)
    assert state == "ok" or "--role=roles/earthengine.writer" in finding.remedy


def test_a_resource_manager_that_is_switched_off_is_a_warning(google: Scripted) -> None:
    name = "cloudresourcemanager.googleapis.com"
    google.says = lambda question: refusal(403, "not used", "SERVICE_DISABLED", service=name)
    finding = check_upload(caller(google), "projects/their-project/assets/map")
    assert finding.state == "warning"
    assert f"gcloud services enable {name}" in finding.remedy


def test_a_resource_manager_that_denies(google: Scripted) -> None:
    google.says = lambda question: refusal(403, "Permission 'resourcemanager.projects.get' denied")
    finding = check_upload(caller(google), "projects/their-project/assets/map")
    assert finding.state == "failed"
    assert "resourcemanager.projects.get" in finding.remedy


def test_a_question_that_was_not_put_has_a_finding_all_the_same() -> None:
    assert Answered().failure("x", "p").state == "failed"
    assert Answered().json() == {}
