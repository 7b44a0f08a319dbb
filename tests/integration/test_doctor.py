"""`rsbot doctor` as a user meets it: on a machine where all is well, and on machines where much is not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rsbot_beam
from pipelines.doctor import parser
from rsbot_beam.earthengine.endpoint import Endpoint
from tests.integration.conftest import Outcome, run_here
from tests.loopback import Question, Says, Scripted, black_hole, scripted

pytestmark = pytest.mark.integration

TOKEN = "ya29.token-that-nobody-may-see"
# Leaves out the pipeline, which takes seconds in a process of its own: nothing is known of this runner.
NO_PIPELINE = {"runner": "PortableRunner"}


def doctor(**flags: Any) -> Outcome:
    return run_here({**NO_PIPELINE, **flags}, "doctor")


def states(outcome: Outcome) -> dict[str, str]:
    return {finding["name"]: finding["state"] for finding in json.loads(outcome.out)["findings"]}


def finding(outcome: Outcome, name: str) -> dict[str, Any]:
    return next(dict(found) for found in json.loads(outcome.out)["findings"] if found["name"] == name)


@pytest.fixture
def google() -> Iterator[Scripted]:
    """An Earth Engine, a token service and a Dataflow, as Google would answer."""

    def says(question: Question) -> Says | None:
        if question.path == "/token":
            return Says(200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})
        if question.path.startswith("/$discovery"):
            return Says(200, {"name": "earthengine"})
        if question.path.endswith("/value:compute"):
            return Says(200, {"result": 1})
        if question.path.endswith("/config"):
            return Says(200, {"registrationState": "REGISTERED_COMMERCIALLY"})
        return Says(200, {"jobs": []}) if question.path.startswith("/v1b3/") else None

    with scripted(says) as server:
        yield server


@pytest.fixture
def key_file(google_credentials: str, google: Scripted, tmp_path: Path) -> str:
    path = tmp_path / "key.json"
    path.write_text(
        json.dumps({**json.loads(Path(google_credentials).read_text()), "token_uri": f"{google.url}/token"})
    )
    return str(path)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody's environment: no project, no login, no emulator."""
    for name in ("RSBOT_EE_URL", "RSBOT_EE_PROJECT", "GOOGLE_CLOUD_PROJECT", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.mark.slow
@pytest.mark.usefixtures("clean")
def test_a_machine_on_which_all_is_well(tmp_path: Path) -> None:
    """As in the documentation: the local Earth Engine, started here, and the local runner."""
    outcome = run_here({"ee_url": "local", "output": tmp_path / "out"}, "doctor")
    assert outcome.code == 0, outcome.text
    assert not outcome.err
    lines = outcome.out.splitlines()
    assert lines[-1].endswith("nothing stands in the way")
    rows = {line[:17].strip(): line[17:26].strip() for line in lines if line[:1] not in ("", " ")}
    failed = {name for name, state in rows.items() if state not in ("ok", "skipped", "warning")}
    assert not failed - {lines[-1][:17].strip()}, rows
    assert {rows[name] for name in ("pixels", "registration", "earth engine", "quota", "beam")} == {"ok"}
    assert not (tmp_path / "out").exists(), "nothing is made"


@pytest.mark.usefixtures("clean")
def test_json_and_the_order_of_the_checks(earth: Any) -> None:
    outcome = doctor(ee_url=earth.url, json=True)
    assert outcome.code == 0, outcome.text
    found = states(outcome)
    first = ["python", "packages", "[learning]", "[scores]", "[vectors]", "[views]", "[local]", "environment"]
    earth_engine = ["endpoint", "clock", "credentials", "project", "earth engine", "registration", "pixels", "quota"]
    assert list(found) == [*first, *earth_engine, "beam", "gpu"]
    assert found["pixels"] == "skipped", "this one has no world"
    assert all(item["seconds"] >= 0 for item in json.loads(outcome.out)["findings"])


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    ("faults", "state", "words"),
    [
        ({"rate_500": 1.0}, "failed", "HTTP 500"),
        ({"unauthorized": True}, "failed", "HTTP 401"),
        ({"rate_hang": 1.0}, "failed", "does not answer in time"),
        ({"rate_reset": 1.0}, "failed", "connection failed"),
    ],
)
def test_a_fault_of_earth_engine_stops_no_other_check(
    earth: Any, faults: dict[str, Any], state: str, words: str, tmp_path: Path
) -> None:
    earth.faults(**faults)
    start = time.monotonic()
    outcome = doctor(ee_url=earth.url, json=True, timeout=1, output=tmp_path)
    assert outcome.code == 1
    assert time.monotonic() - start < 15
    found = states(outcome)
    assert found["earth engine"] == state
    assert words in finding(outcome, "earth engine")["found"]
    assert {found[name] for name in ("registration", "pixels", "quota")} == {"skipped"}
    assert finding(outcome, "pixels")["found"] == "because the check 'earth engine' failed"
    assert found["output"] in ("ok", "warning")


@pytest.mark.usefixtures("clean")
def test_much_is_wrong_and_all_of_it_is_told_in_seconds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody is logged in, the endpoint is swallowed, the bucket as well, and the environment is wrong."""
    monkeypatch.setenv("RSBOT_EE_URL", "not a url")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "My Project")
    start = time.monotonic()
    with black_hole() as hole:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://{hole}")
        outcome = doctor(
            ee_url=f"http://{hole}", ee_credentials=tmp_path / "no.json", bucket="gs://b", timeout=0.5, json=True
        )
    assert time.monotonic() - start < 30
    assert outcome.code == 1
    found = states(outcome)
    assert {found[name] for name in ("environment", "endpoint", "credentials", "gs://b")} == {"failed"}
    assert {found[name] for name in ("clock", "earth engine", "access gs://b")} == {"skipped"}
    assert found["python"] == "ok"
    for item in json.loads(outcome.out)["findings"]:
        assert item["remedy"] or item["state"] in ("ok", "skipped"), item


@pytest.mark.usefixtures("clean")
def test_a_wrong_url_in_the_environment_is_one_of_the_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    """All else goes on with the default endpoint; here no name server knows it, or a proxy is in the way."""
    monkeypatch.setenv("RSBOT_EE_URL", "earthengine")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    outcome = doctor(ee_credentials="none", ee_project="my-project", timeout=1)
    assert outcome.code == 1
    assert "environment       failed  RSBOT_EE_URL: 'earthengine' is not the URL" in outcome.out
    assert "endpoint          failed" in outcome.out
    assert "the proxy does not let earthengine-highvolume.googleapis.com through" in outcome.out


@pytest.mark.usefixtures("clean")
def test_a_service_account_and_dataflow_and_no_secret_anywhere(
    google: Scripted, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file)
    answers = google.says
    google.says = lambda question: (
        Says(403, {"error": {"message": f"computePixels denied to {question.headers}"}})
        if question.path.endswith("image:computePixels")
        else answers(question)
    )
    flags: dict[str, Any] = {
        "ee_url": google.url,
        "ee_credentials": "default",
        "ee_project": "my-project",
        "runner": "DataflowRunner",
        "project": "my-project",
        "gcp_region": "us-central1",
        "dataflow_endpoint": google.url,
        "sdk_container_image": "image",
        "service_account_email": "robot@p.iam.gserviceaccount.com",
        "asset": "projects/my-project/assets/map",
    }
    outcome = doctor(**flags, json=True)
    table = doctor(**flags)
    found = states(outcome)
    assert found["credentials"] == found["earth engine"] == found["registration"] == "ok"
    assert found["pixels"] == "failed"
    assert "denied to" in finding(outcome, "pixels")["found"]
    assert finding(outcome, "dataflow flags")["found"] == "--temp_location gs://bucket/tmp missing"
    assert found["dataflow"] == "skipped"
    assert found["upload"] == "skipped", "on loopback there are no roles"
    key = json.loads(Path(key_file).read_text())
    sent = [question.headers.get("Authorization") for question in google.asked]
    assert f"Bearer {TOKEN}" in sent
    secrets = [
        TOKEN,
        "token-that-nobody-may-see",
        *(part for part in key["private_key"].splitlines() if len(part) > 20),
    ]
    for secret in secrets:
        assert secret not in outcome.text
        assert secret not in table.text
    assert "service account tests@rsbot-tests.iam.gserviceaccount.com" in table.out


@pytest.mark.slow
def test_dataflow_with_everything(
    google: Scripted, key_file: str, gcs_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file)
    bucket = f"gs://{gcs_server}"
    outcome = doctor(
        ee_url=google.url,
        output=f"{bucket}/doctor/out",
        runner="DataflowRunner",
        project="my-project",
        gcp_region="us-central1",
        dataflow_endpoint=google.url,
        temp_location=f"{bucket}/tmp",
        service_account_email="robot@p.iam.gserviceaccount.com",
        json=True,
    )
    found = states(outcome)
    assert found[bucket] == found[f"access {bucket}/doctor/out"] == found["dataflow"] == "ok", outcome.out
    assert found["dataflow flags"] == "warning"
    assert "workers cannot reach" in finding(outcome, "dataflow flags")["found"]
    assert found["environment"] == "warning", "the emulator of this test"


@pytest.mark.usefixtures("clean")
def test_a_local_earth_engine_that_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As without the extra: a package that the server needs cannot be imported."""
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(\"No module named 'uvicorn'\")")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    outcome = doctor(ee_url="local", json=True)
    assert outcome.code == 1
    found = states(outcome)
    assert next(iter(found)) == "endpoint"
    assert "No module named 'uvicorn'" in finding(outcome, "endpoint")["found"]
    assert 'rsbot-beam[local]"' in finding(outcome, "endpoint")["remedy"]
    assert {found[name] for name in ("clock", "credentials", "project", "earth engine", "pixels", "quota")} == {
        "skipped"
    }


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"bucket": "my-bucket"}, "--bucket 'my-bucket' is no bucket"),
        ({"asset": "map"}, "--asset 'map' is no asset"),
        ({"timeout": 0}, "timeout=0.0 leaves no time"),
        ({"ee_url": "http://a.example"}, "would carry your token unencrypted"),
        ({"max_requests": 0}, "max_requests=0"),
        ({"outptu": "x"}, "did you mean --output"),
        ({"direct_num_workers": "many"}, "Beam refuses its flags"),
    ],
)
def test_bad_flags(flags: dict[str, Any], words: str) -> None:
    outcome = doctor(**flags)
    assert outcome.code == 2
    assert words in outcome.error


def test_from_python(earth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[rsbot_beam.Finding] = []
    config = rsbot_beam.DoctorConfig(endpoint=Endpoint(url=earth.url), timeout=5.0)
    found = rsbot_beam.run_doctor(config, ["--runner=PortableRunner"], told.append)
    assert isinstance(found, rsbot_beam.Diagnosis)
    assert found.ok
    assert tuple(told) == found.findings
    assert found["earth engine"].state == "ok"
    assert "<table>" in found._repr_html_()
    assert str(found).endswith(found.summary())


def test_help_names_every_flag_of_the_documentation() -> None:
    text = parser().format_help()
    documented = (Path(__file__).parents[2] / "docs/doctor.md").read_text(encoding="utf-8")
    for flag in ("--output", "--bucket", "--asset", "--deep", "--timeout", "--json", "--ee_url", "--ee_credentials"):
        assert flag in text
        assert flag in documented
