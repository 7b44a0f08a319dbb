"""Tokens: found, refreshed once by one thread, forced once on 401, never shown."""

from __future__ import annotations

import datetime
import json
import pickle
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from rsbot_beam.earthengine import PixelFetcher, PixelSource, session
from rsbot_beam.earthengine.credentials import MARGIN, TokenSource, load_credentials
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import AuthenticationError, InputError, TransientError
from rsbot_beam.geometry.tile import TileBlock
from tests.loopback import Says, scripted

BLOCK = TileBlock("EPSG:32633", 10.0, 64, -400_000, 50_000, 8, 8)


class TokenService:
    """Answers tokens `token-1`, `token-2`... for signed requests, as Google's does."""

    def __init__(self) -> None:
        self.granted = 0
        self.status, self.latency, self.lasts = 200, 0.0, 3600
        self.assertions: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                service.assertions += form["assertion"]
                time.sleep(service.latency)
                service.granted += service.status == 200
                good = {"access_token": f"token-{service.granted}", "expires_in": service.lasts, "token_type": "Bearer"}
                body = json.dumps(good if service.status == 200 else {"error": "invalid_grant"}).encode()
                self.send_response(service.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service() -> Iterator[TokenService]:
    tokens = TokenService()
    yield tokens
    tokens.close()


@pytest.fixture(scope="session")
def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.fixture
def key_file(service: TokenService, pem: str, tmp_path: Path) -> str:
    path = tmp_path / "key.json"
    key = {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "1",
        "private_key": pem,
        "client_email": "robot@my-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"http://127.0.0.1:{service.server.server_address[1]}/token",
    }
    path.write_text(json.dumps(key))
    return str(path)


def test_none_needs_no_token() -> None:
    tokens = TokenSource("none")
    assert tokens.token() is None and tokens.project is None
    tokens.renew(None)


def test_a_service_account_gets_a_token_and_names_its_project(key_file: str, service: TokenService) -> None:
    tokens = TokenSource(key_file)
    assert tokens.token() == tokens.token() == "token-1"
    assert tokens.project == "my-project" and service.granted == 1


def test_forty_threads_refresh_once(key_file: str, service: TokenService) -> None:
    service.latency = 0.1
    tokens = TokenSource(key_file)
    with ThreadPoolExecutor(40) as pool:
        assert set(pool.map(lambda _: tokens.token(), range(200))) == {"token-1"}
    assert service.granted == 1


def test_a_token_is_renewed_before_its_end_and_used_meanwhile(key_file: str, service: TokenService) -> None:
    tokens = TokenSource(key_file)
    tokens.token()
    found = tokens._found()[0]
    found.expiry = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) + datetime.timedelta(
        seconds=MARGIN - 60
    )
    service.latency = 0.2
    with ThreadPoolExecutor(20) as pool:
        start = time.monotonic()
        waits = list(pool.map(lambda _: (tokens.token(), time.monotonic() - start), range(20)))
    assert service.granted == 2
    assert sum(waited > 0.15 for _, waited in waits) == 1, "one thread renews, nobody waits for it"
    assert tokens.token() == "token-2"


def test_a_refused_token_is_renewed_once_for_all(key_file: str, service: TokenService) -> None:
    tokens = TokenSource(key_file)
    refused = tokens.token()
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: tokens.renew(refused), range(40)))
    assert service.granted == 2 and tokens.token() == "token-2"


def test_a_refusal_of_the_token_service_shows_nothing_secret(key_file: str, service: TokenService, pem: str) -> None:
    service.status = 400
    with pytest.raises(AuthenticationError, match="gcloud auth application-default login") as caught:
        TokenSource(key_file).token()
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert pem.splitlines()[1] not in str(caught.value)


def test_a_token_service_that_is_away_is_transient(key_file: str, service: TokenService) -> None:
    service.close()
    with pytest.raises(TransientError, match="token service"):
        TokenSource(key_file).token()


def test_a_missing_or_wrong_key_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json.*no file"):
        load_credentials(str(tmp_path / "nowhere.json"))
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"private_key": "SECRET"}')
    with pytest.raises(InputError, match="not the key of a service account") as caught:
        load_credentials(str(wrong))
    assert "SECRET" not in str(caught.value) and caught.value.__cause__ is None


def test_no_default_credentials_says_how_to_get_some(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(AuthenticationError, match="gcloud auth application-default login"):
        load_credentials("default")


def test_nothing_secret_in_repr_or_pickle(key_file: str, earth: Any, source: PixelSource, pem: str) -> None:
    fetcher = PixelFetcher(earth.endpoint(credentials=key_file, project="p"))
    fetcher.fetch(source, BLOCK.geobox)
    assert earth.asked[0].headers["Authorization"] == "Bearer token-1"
    shown = repr(fetcher) + repr(vars(fetcher)) + repr(vars(fetcher._tokens)["_name"])
    for secret in ("token-1", pem.splitlines()[1]):
        assert secret not in shown
        assert secret.encode() not in pickle.dumps(fetcher)


def test_a_401_is_cured_by_one_refresh_under_forty_threads(
    earth: Any, source: PixelSource, say: Any, key_file: str, service: TokenService
) -> None:
    def behave(asked: Any) -> Any:
        stale = asked.headers.get("Authorization") == "Bearer token-1"
        return say(401, "Request had invalid authentication credentials.") if stale else None

    earth.behave = behave
    fetcher = PixelFetcher(earth.endpoint(credentials=key_file, project="p", max_requests=40))
    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda key: fetcher.fetch(source, key.geobox), BLOCK.tiles()))
    assert len(found) == 64 and service.granted == 2
    assert fetcher.stats.drain().counters["retries_authentication"] <= 40


def test_a_second_401_is_final(earth: Any, source: PixelSource, say: Any, key_file: str, service: TokenService) -> None:
    earth.behave = lambda asked: say(401, "Request had invalid authentication credentials.")
    with pytest.raises(AuthenticationError, match="gcloud auth"):
        PixelFetcher(earth.endpoint(credentials=key_file, project="p")).fetch(source, BLOCK.geobox)
    assert len(earth.asked) == 2 and service.granted == 2


def test_without_credentials_nobody_can_work_and_all_know_at_once(
    earth: Any, source: PixelSource, tmp_path: Path
) -> None:
    wrong = tmp_path / "key.json"
    fetcher = PixelFetcher(earth.endpoint(credentials=str(wrong), project="p"))
    with pytest.raises(InputError, match="no file"):
        fetcher.fetch(source, BLOCK.geobox)
    assert not earth.asked


def test_an_endpoint_that_wants_credentials_and_got_none() -> None:
    denied = Says(401, {"error": {"code": 401, "message": "Request is missing required authentication credential."}})
    with scripted(lambda _: denied) as server:
        endpoint = Endpoint(url=server.url, credentials="none", project="p")
        with pytest.raises(AuthenticationError, match=r"asks for credentials, but none were given.*gcloud auth"):
            session.initialize(endpoint)
