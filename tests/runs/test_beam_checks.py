"""The checks of Beam's runners other than the local one: Dataflow, Flink, job servers, each answering on loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.runs import beam_checks
from rsbot_beam.runs.beam_checks import (
    check_dataflow,
    check_dataflow_flags,
    check_flink,
    check_job_server,
    kind_of,
)
from rsbot_beam.runs.beam_options import read_options
from tests.loopback import Question, Says, Scripted, black_hole, scripted

TOKEN = "token-that-nobody-may-see"
EARTH = Endpoint(project="my-project")
FLAGS = ["--runner=DataflowRunner", "--project=my-project", "--region=europe-west1", "--temp_location=gs://b/tmp"]
# Without it a source distribution is built, which takes seconds; test_package_is_built does so once.
IMAGE = "--sdk_container_image=europe-docker.pkg.dev/p/r/rsbot:1"


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted(lambda question: None) as found:
        yield found


@pytest.mark.parametrize(
    ("runner", "kind"),
    [
        ("FnApiRunner", "local"),
        ("DirectRunner", "local"),
        ("PrismRunner", "local"),
        ("DataflowRunner", "dataflow"),
        ("FlinkRunner", "flink"),
        ("PortableRunner", "other"),
        ("SparkRunner", "other"),
    ],
)
def test_kinds_of_runners(runner: str, kind: str) -> None:
    assert kind_of(read_options([f"--runner={runner}"])) == kind


def test_all_that_dataflow_needs_is_there() -> None:
    flags = [*FLAGS, IMAGE, "--service_account_email=robot@p.iam.gserviceaccount.com", "--max_num_workers=4"]
    finding = check_dataflow_flags(read_options(flags), EARTH, "gs://b/out")
    assert (finding.state, finding.remedy) == ("ok", "")
    assert "project my-project, region europe-west1, up to 8 processes" in finding.found
    assert "robot@p" in finding.found


@pytest.mark.slow
def test_package_is_built() -> None:
    finding = check_dataflow_flags(read_options(FLAGS), EARTH, None)
    assert finding.state == "warning", finding
    assert "default service account" in finding.found
    assert "--service_account_email" in finding.remedy
    assert "Dataflow Worker" in finding.remedy


@pytest.mark.parametrize(
    ("left_out", "given", "output", "words"),
    [
        ("--project", [], None, "--project missing"),
        ("--region", [], None, "--gcp_region missing"),
        ("--temp_location", [], None, "--temp_location gs://bucket/tmp missing"),
        ("--temp_location", ["--temp_location=/tmp"], None, "--temp_location gs://bucket/tmp missing"),
        ("--runner", ["--runner=DataflowRunner"], "out", "output 'out' is on this machine"),
        ("--", [], None, "--project, --gcp_region, --temp_location gs://bucket/tmp missing"),
        ("--x", ["--machine_type=a2-highgpu-1g"], None, "does not tell how many vCPUs"),
        ("--x", ["--max_num_workers=400"], None, "cannot share 40 requests in flight"),
    ],
)
def test_what_dataflow_lacks(
    left_out: str, given: list[str], output: str | None, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("CLOUDSDK_COMPUTE_REGION", raising=False)
    kept = [flag for flag in FLAGS if not flag.startswith(left_out)]
    finding = check_dataflow_flags(read_options(["--runner=DataflowRunner", *kept, *given, IMAGE]), EARTH, output)
    assert finding.state == "failed"
    assert words in finding.found
    assert finding.remedy


def test_the_region_of_the_environment_is_beam_s_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDSDK_COMPUTE_REGION", "us-east1")
    flags = [flag for flag in FLAGS if "region" not in flag]
    assert "region us-east1" in check_dataflow_flags(read_options([*flags, IMAGE]), EARTH, None).found


def test_an_earth_engine_that_workers_do_not_reach_is_a_warning() -> None:
    local = Endpoint(url="http://127.0.0.1:8791")
    finding = check_dataflow_flags(read_options([*FLAGS, IMAGE]), local, "gs://b/out")
    assert finding.state == "warning"
    assert "workers cannot reach http://127.0.0.1:8791" in finding.found


def test_a_key_file_is_not_sent_to_workers() -> None:
    key = Endpoint(project="my-project", credentials="key.json")
    finding = check_dataflow_flags(read_options([*FLAGS, IMAGE]), key, None)
    assert (finding.state, "keys are not sent to Dataflow" in finding.found) == ("failed", True)


def dataflow(server: Scripted, seconds: float = 5.0) -> Any:
    options = read_options([*FLAGS, f"--dataflow_endpoint={server.url}/"])
    finding = check_dataflow(options, seconds, TOKEN)
    assert TOKEN not in repr(finding)
    return finding


def test_dataflow_answers(server: Scripted) -> None:
    def says(question: Question) -> Says | None:
        path = "/v1b3/projects/my-project/locations/europe-west1/jobs?pageSize=1"
        return Says(200, {"jobs": [{"name": "rsbot-fetch-1"}]}) if question.path == path else None

    server.says = says
    finding = dataflow(server)
    assert finding.found == "answers for project my-project in europe-west1; its newest job is rsbot-fetch-1"
    assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    server.says = lambda question: Says(200, {})
    assert dataflow(server).found == "answers for project my-project in europe-west1"


@pytest.mark.parametrize(
    ("status", "message", "reason", "remedy"),
    [
        (403, "Dataflow API has not been used in project 1", "SERVICE_DISABLED", "gcloud services enable dataflow"),
        (403, "Permission 'dataflow.jobs.list' denied.", "", "--role=roles/dataflow.developer"),
        (401, "Invalid credentials", "", "log in again"),
        (503, "unavailable", "", "status.cloud.google.com"),
    ],
)
def test_dataflow_refuses(server: Scripted, status: int, message: str, reason: str, remedy: str) -> None:
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "metadata": {"service": "dataflow.googleapis.com"},
    }
    server.says = lambda question: Says(status, {"error": {"message": message, "details": [info] if reason else []}})
    finding = dataflow(server)
    assert finding.state == "failed"
    assert remedy in finding.remedy


def test_dataflow_is_swallowed() -> None:
    start = time.monotonic()
    with black_hole() as hole:
        options = read_options([*FLAGS, f"--dataflow_endpoint=http://{hole}"])
        finding = check_dataflow(options, 0.4, TOKEN)
    assert "does not answer in time" in finding.found
    assert time.monotonic() - start < 5


def flink(master: str, *more: str, seconds: float = 5.0) -> Any:
    return check_flink(read_options(["--runner=FlinkRunner", f"--flink_master={master}", *more]), seconds)


def test_a_flink_master(server: Scripted) -> None:
    overview = {"flink-version": "1.19.1", "taskmanagers": 2, "slots-total": 4, "slots-available": 3}
    server.says = lambda question: Says(200, overview) if question.path == "/overview" else None
    for master in (server.url, server.url.partition("//")[2]):
        finding = flink(master, "--parallelism=3")
        assert finding.state == "ok"
        assert finding.found == f"Flink 1.19.1 at {server.url} has 3 of 4 slots free"
    few = flink(server.url, "--parallelism=4")
    assert few.state == "warning"
    assert "asks for 4" in few.found


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (Says(200, {"hello": 1}), "is no Flink"),
        (Says(404, b"nothing"), "HTTP 404"),
        (Says(hang=True), "does not answer in time"),
    ],
)
def test_something_that_is_no_flink(server: Scripted, says: Says, words: str) -> None:
    server.says = lambda question: says
    finding = flink(server.url, seconds=0.4)
    assert finding.state == "failed"
    assert words in finding.found


def test_no_flink_listens_or_is_named() -> None:
    assert "nothing listens" in flink("127.0.0.1:9").found
    assert "is no host:port" in flink("://").found


@pytest.mark.parametrize(("java", "state"), [(None, "failed"), ("/usr/bin/java", "ok")])
def test_a_flink_of_beam_s_own_needs_java(java: str | None, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beam_checks.shutil, "which", lambda name: java)
    finding = check_flink(read_options(["--runner=FlinkRunner"]), 1.0)
    assert finding.state == state


def test_a_job_server() -> None:
    def found(endpoint: str | None) -> Any:
        given = [f"--job_endpoint={endpoint}"] if endpoint else []
        return check_job_server(read_options(["--runner=PortableRunner", *given]), 1.0)

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        assert found(f"127.0.0.1:{listening.getsockname()[1]}").state == "ok"
    assert "nothing takes jobs at 127.0.0.1:9" in found("127.0.0.1:9").found
    assert "is no host:port" in found("somewhere").found
    assert found("127.0.0.1:99999").state == "failed"
    assert found(None).state == found("embed").state == "skipped"
