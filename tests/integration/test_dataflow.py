"""What Dataflow would be sent, without Google: a template built offline, its package, and what its workers unpickle."""

from __future__ import annotations

import base64
import bz2
import contextlib
import io
import json
import re
import subprocess
import sys
import tarfile
import threading
import venv
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2

from pipelines import rsbot
from rsbot_beam import __version__, storage
from rsbot_beam.earth_process import local_earth

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
TOKEN = "ya29.the-token-that-must-not-travel"
PROJECT, GCP_REGION = "my-project", "europe-west1"
JOB = rf"Dataflow job rsbot-fetch-\d+-\d+ in project {PROJECT}"


@dataclass
class Described:
    """What `rsbot export --template_location` left behind."""

    code: int
    out: str
    folder: str
    secrets: list[bytes]
    job: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def pool(self) -> dict[str, Any]:
        (pool,) = self.job["environment"]["workerPools"]
        return dict(pool)

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.job["environment"]["sdkPipelineOptions"]["options"])

    @property
    def proto(self) -> beam_runner_api_pb2.Pipeline:
        (content,) = [content for name, content in self.files.items() if name.endswith("/pipeline.pb")]
        return beam_runner_api_pb2.Pipeline.FromString(content)

    @property
    def package(self) -> bytes:
        (content,) = [content for name, content in self.files.items() if name.endswith(".tar.gz")]
        return content

    @property
    def pickled(self) -> list[bytes]:
        """Pickled functions of all steps; steps that the runner does itself have none."""
        leaves = self.proto.components.transforms.values()
        specs = [leaf.spec.payload for leaf in leaves if leaf.spec.urn == common_urns.primitives.PAR_DO.urn]
        payloads = [beam_runner_api_pb2.ParDoPayload.FromString(spec).do_fn.payload for spec in specs]
        return [payload for payload in payloads if payload]

    @property
    def payloads(self) -> list[bytes]:
        """The same, unpacked."""
        return [unpacked(payload) for payload in self.pickled]


def unpacked(payload: bytes) -> bytes:
    """What Beam's pickler packed: base64 of bzip2 or zlib."""
    packed = base64.b64decode(payload)
    for unpack in (bz2.decompress, zlib.decompress):
        with contextlib.suppress(OSError, zlib.error):
            return unpack(packed)
    raise AssertionError("neither bzip2 nor zlib: Beam packs differently, and this test would not see what is inside")


def run_main(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = rsbot.main(["export", *arguments])
    return code, out.getvalue()


@pytest.fixture(scope="module")
def secured_earth(google_credentials: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """An Earth Engine that asks for a token, and the key of an account that gets it there."""
    with local_earth(world=False, max_qps=1000) as url:
        with urlopen(Request(f"{url}/_local/faults", json.dumps({"required_token": TOKEN}).encode())) as answer:
            answer.read()
        account = {**json.loads(Path(google_credentials).read_text()), "token_uri": f"{url}/token"}
        path = tmp_path_factory.mktemp("dataflow") / "key.json"
        path.write_text(json.dumps(account))
        yield url, str(path)


@pytest.fixture(scope="module")
def account(secured_earth: tuple[str, str], gcs_server: str) -> Iterator[str]:
    """The environment of somebody who is logged in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", secured_earth[1])
        yield gcs_server


@pytest.fixture(scope="module")
def flags(secured_earth: tuple[str, str], account: str, recipe_file: str) -> Callable[..., list[str]]:
    def made(folder: str, **more: object) -> list[str]:
        found: dict[str, object] = {
            "recipe": recipe_file,
            "region": "10.0,50.0,10.06,50.04",
            "year": 2023,
            "patch_size": 32,
            "output": f"{folder}/out",
            "ee_url": secured_earth[0],
            "ee_credentials": "default",
            "steps": "fetch",
            "runner": "DataflowRunner",
            "project": PROJECT,
            "gcp_region": GCP_REGION,
            "temp_location": f"{folder}/tmp",
            **more,
        }
        return [f"--{name}={value}" for name, value in found.items() if value is not None]

    return made


@pytest.fixture(scope="module")
def template(flags: Callable[..., list[str]], account: str, secured_earth: tuple[str, str]) -> Described:
    folder = f"gs://{account}/template"
    code, out = run_main(*flags(folder, template_location=f"{folder}/fetch.json"))
    key = json.loads(Path(secured_earth[1]).read_text())["private_key"]
    lines = [line for line in key.splitlines() if not line.startswith("-----")]
    secrets = [TOKEN.encode(), b"BEGIN PRIVATE KEY", *(line.encode() for line in lines if len(line) > 20)]
    found = Described(code, out, folder, secrets)
    found.files = {file.path.removeprefix(folder): storage.read_bytes(file.path) for file in storage.walk(folder)}
    if "/fetch.json" in found.files:
        found.job = json.loads(found.files["/fetch.json"])
    return found


def test_a_template_is_written_and_nothing_is_run(template: Described) -> None:
    assert template.code == 0, template.out
    assert template.job["type"] == "JOB_TYPE_BATCH"
    assert re.fullmatch(r"rsbot-fetch-\d{8}-\d{6}", template.job["name"])
    assert not [name for name in template.files if name.startswith(("/out/raw", "/out/totals"))]
    assert "/out/export.json" in template.files


def test_the_user_is_told_how_to_launch_it_and_what_comes_next(template: Described) -> None:
    place, name = f"{template.folder}/fetch.json", template.job["name"]
    assert (
        f"gcloud dataflow jobs run {name} --gcs-location={place} --region=europe-west1 --project=my-project"
        in template.out
    )
    assert "--steps=analyze,transform" in template.out
    assert "Traceback" not in template.out


def test_the_workers_are_sane(template: Described) -> None:
    pool = template.pool
    assert (pool["machineType"], pool["diskSizeGb"]) == ("n1-standard-2", 30)
    scaling = pool["autoscalingSettings"]
    assert scaling["algorithm"] == "AUTOSCALING_ALGORITHM_BASIC"
    (image,) = pool["sdkHarnessContainerImages"]
    assert image["useSingleCorePerContainer"] is True, "one process for each of two vCPUs"
    (fetch,) = [dofn for dofn in dofns(template) if type(dofn).__name__ == "_FetchShards"]
    assert scaling["maxNumWorkers"] * 2 * fetch._settings.endpoint.max_requests <= 40
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert re.search(rf"beam_python{re.escape(python)}_sdk:{metadata.version('apache-beam')}$", image["containerImage"])


def dofns(template: Described) -> list[Any]:
    """The functions, unpickled in this process."""
    from apache_beam.internal import pickler

    return [pickler.loads(payload)[0] for payload in template.pickled]


def test_the_package_is_staged_and_nothing_else(template: Described) -> None:
    names = {package["name"] for package in template.pool["packages"]}
    assert names == {f"rsbot_beam-{__version__}.tar.gz", "extra_packages.txt"}
    for package in template.pool["packages"]:
        location = package["location"].removeprefix("storage.googleapis.com/")
        assert storage.exists(f"gs://{location}"), "what the job names is there"
    assert not any("requirements" in name or "main_session" in name for name in template.files)


def test_the_options_reach_the_workers(template: Described) -> None:
    options = template.options
    assert (options["project"], options["region"], options["runner"]) == (PROJECT, GCP_REGION, "DataflowRunner")
    assert options["save_main_session"] is False
    assert options["experiments"].count("use_multiple_sdk_containers") == 1
    assert options["pipelineUrl"].endswith("/pipeline.pb")
    assert options["pipelineUrl"].removeprefix(template.folder) in template.files


def test_nothing_secret_is_in_it(template: Described) -> None:
    assert len(template.payloads) >= 8
    places = {**template.files, **{f"payload {n}": payload for n, payload in enumerate(template.payloads)}}
    with tarfile.open(fileobj=io.BytesIO(template.package)) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            places[member.name] = file.read() if file else b""
    for name, content in places.items():
        leaked = [secret for secret in template.secrets if secret in content or base64.b64encode(secret) in content]
        assert not leaked, f"{name} holds {leaked[0][:12]!r}..."
    assert any(secret in json.dumps({"a": TOKEN}).encode() for secret in template.secrets), "the search finds a token"


def test_no_path_of_this_machine_s_checkout_is_in_it(template: Described, secured_earth: tuple[str, str]) -> None:
    """But for those of libraries, which Beam pickles with its own lambdas."""
    checkout, key = str(ROOT).encode(), secured_earth[1].encode()
    for content in (template.files["/fetch.json"], template.proto.SerializeToString(), *template.payloads):
        assert key not in content
        for place in re.finditer(re.escape(checkout) + rb"[\w./-]*", content):
            assert b"site-packages/" in place.group(), place.group()


def test_the_expression_travels_as_text(template: Described) -> None:
    (fetch,) = [dofn for dofn in dofns(template) if type(dofn).__name__ == "_FetchShards"]
    source = fetch._settings.source
    assert source.asset is None
    assert json.loads(source.expression)["result"]
    assert any(source.expression.encode() in payload for payload in template.payloads)
    assert fetch._settings.endpoint.credentials == "default", "workers use their own account"


def test_fetch_and_write_are_one_stage(template: Described) -> None:
    from apache_beam.runners.portability.fn_api_runner import translations as t

    phases = (t.pack_combiners, t.lift_combiners, t.expand_gbk, t.sink_flattens, t.greedily_fuse, t.sort_stages)
    known = frozenset([common_urns.primitives.FLATTEN.urn, common_urns.primitives.GROUP_BY_KEY.urn])
    _, stages = t.create_and_optimize_stages(
        template.proto, phases=phases, known_runner_urns=known, use_state_iterables=False
    )
    names = [[transform.unique_name.rsplit("/", 1)[-1] for transform in stage.transforms] for stage in stages]
    (fused,) = [stage for stage in names if "FetchShards" in stage]
    assert "WriteRawShard" in fused
    assert "Shards" not in fused
    assert "Squares" not in fused
    assert len(template.proto.components.environments) == 1


@pytest.fixture(scope="module")
def installed(template: Described, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the libraries of this one and the staged package, but nothing of the checkout."""
    folder = tmp_path_factory.mktemp("worker")
    with tarfile.open(fileobj=io.BytesIO(template.package)) as archive:
        archive.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True, timeout=120)
    venv.create(folder / "env", with_pip=False)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    # A plain line is a path and no more: the editable install of the checkout is not found through it.
    (site / "libraries.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    return folder / "env" / "bin" / "python"


def as_worker(installed: Path, code: str, cwd: Path) -> str:
    done = subprocess.run([str(installed), "-I", "-c", code], capture_output=True, text=True, timeout=200, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_staged_package_installs_and_imports(installed: Path, tmp_path: Path) -> None:
    out = as_worker(
        installed,
        "import pathlib, rsbot_beam, rsbot_beam.transforms.fetch, rsbot_beam.transforms.raw, pipelines.rsbot\n"
        "folder = pathlib.Path(rsbot_beam.__file__).parent\n"
        "print(folder, rsbot_beam.__version__, (folder / 'py.typed').is_file(), pipelines.rsbot.main(['--version']))",
        tmp_path,
    )
    assert f"{__version__} True 0" in out
    assert str(installed.parents[1]) in out


def test_workers_unpickle_their_functions_without_ee_and_tensorflow(
    template: Described, installed: Path, tmp_path: Path
) -> None:
    (tmp_path / "payloads").write_bytes(b"\n".join(template.pickled))
    out = as_worker(
        installed,
        "import sys\n"
        "from apache_beam.internal import pickler\n"
        "functions = [pickler.loads(line)[0] for line in open('payloads', 'rb').read().split()]\n"
        "names = {type(function).__name__ for function in functions}\n"
        "print(sorted(names), sorted({'ee', 'tensorflow', 'tensorflow_transform', 'rasterio'} & set(sys.modules)))\n",
        tmp_path,
    )
    assert "_FetchShards" in out
    assert out.strip().endswith("[]"), out


def test_what_workers_import_is_required_by_the_package(installed: Path, tmp_path: Path) -> None:
    """Direct imports of the fetch's modules are in the run-time set, not only some library's own requirements."""
    import ast

    (about,) = (installed.parents[1]).glob("lib/python*/site-packages/rsbot_beam-*.dist-info/METADATA")
    lines = [line.removeprefix("Requires-Dist: ") for line in about.read_text().splitlines() if "Requires-Dist" in line]
    named = [re.split(r"[^\w.-]", line)[0] for line in lines if "extra ==" not in line]
    required = {name.lower().replace("_", "-") for name in named}
    of_module = metadata.packages_distributions()
    missing: dict[str, set[str]] = {}
    rooms = ("data", "geometry", "earthengine", "transforms")
    files = [file for room in rooms for file in (ROOT / "rsbot_beam" / room).glob("*.py")]
    learning = {"analyze.py", "examples.py", "train_batches.py"}
    for file in [*files, ROOT / "rsbot_beam" / "storage.py"]:
        for node in [] if file.name in learning else ast.parse(file.read_text()).body:
            module = node.module if isinstance(node, ast.ImportFrom) else None
            names = [module] if module else [a.name for a in node.names] if isinstance(node, ast.Import) else []
            for name in {(name or "").partition(".")[0] for name in names} - set(sys.stdlib_module_names):
                owners = {owner.lower().replace("_", "-") for owner in of_module.get(name, [name])}
                if not owners & required and name not in ("rsbot_beam", "google"):
                    missing.setdefault(name, set()).add(file.name)
    assert not missing


def test_a_dry_run_says_that_it_is_valid(flags: Callable[..., list[str]], account: str) -> None:
    code, out = run_main(*flags(f"gs://{account}/dry", dry_run=1))
    assert code == 0, out
    assert "step fetch) is valid, and nothing was sent" in out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"output": "/tmp/somewhere"}, r"on this machine, which Dataflow's workers cannot reach: give gs://"),
        ({"gcp_region": None, "region": "europe-west1"}, r"give Dataflow's as --gcp_region europe-west1"),
        ({"temp_location": None}, r"give --temp_location"),
        ({"temp_location": "/tmp/here"}, r"'/tmp/here'.*give --temp_location, e.g. gs://"),
        ({"project": None}, r"Beam refuses its options: .*project"),
        ({"max_num_workers": 100}, r"100 machines .* cannot share 40 requests"),
        ({"ee_credentials": "KEY"}, r"keys are not sent to Dataflow"),
        ({"steps": "analyze,transform"}, r"not fetched to its end: add the step fetch"),
    ],
)
def test_mistakes_are_told_before_anything_is_staged(
    flags: Callable[..., list[str]],
    account: str,
    secured_earth: tuple[str, str],
    change: dict[str, Any],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    folder = f"gs://{account}/{tmp_path.name}"
    change = {name: secured_earth[1] if value == "KEY" else value for name, value in change.items()}
    change = {name: str(tmp_path / "out") if name == "output" else value for name, value in change.items()}
    code, out = run_main(*flags(folder, **{"template_location": f"{folder}/t.json", **change}))
    assert code == 2, out
    assert re.search(said, out), out
    assert "Traceback" not in out
    assert not list(storage.walk(f"{folder}/tmp"))


class Dataflow:
    """The part of Dataflow's API that a submission asks: takes a job, and says how it ended."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.jobs: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str | None]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.server_address[1]}"

    def handler(dataflow) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                dataflow.asked.append((self.path, self.headers.get("Authorization")))
                job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                dataflow.jobs.append(job)
                self.say({"id": "job-1", "name": job["name"], "clientRequestId": job.get("clientRequestId", "")})

            def do_GET(self) -> None:
                self.say({} if "messages" in self.path else {"id": "job-1", "currentState": dataflow.state})

            def say(self, answer: dict[str, Any]) -> None:
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        return Handler


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("JOB_STATE_CANCELLED", rf"{JOB} for the step fetch did not end well"),
        # Beam waits 50 s for the messages of a job that failed.
        pytest.param("JOB_STATE_FAILED", rf"{JOB} for the step fetch did not end well", marks=pytest.mark.long),
        ("JOB_STATE_DONE", r"ended without its totals"),
    ],
)
def test_a_job_is_submitted_and_its_end_is_checked(
    flags: Callable[..., list[str]], account: str, state: str, said: str
) -> None:
    service = Dataflow(state)
    try:
        more = {"no_auth": None, "dataflow_endpoint": service.url}
        code, out = run_main(*flags(f"gs://{account}/{state}", **more), "--no_auth")
    finally:
        service.server.shutdown()
        service.server.server_close()
    assert code == 1, out
    assert re.search(said, out), out
    assert "Traceback" not in out
    assert "Start the same command again" in out or "start the same command again" in out
    ((path, authorization),) = service.asked
    assert f"/projects/{PROJECT}/locations/{GCP_REGION}/jobs" in path
    assert not authorization, "a job sent without authentication carries no token"
    assert TOKEN not in json.dumps(service.jobs)


@pytest.mark.slow
def test_the_learning_steps_bring_tensorflow_and_cannot_be_templates_before_they_can(
    flags: Callable[..., list[str]], account: str
) -> None:
    """Fetch here; then the steps that follow are described for Dataflow.

    The analysis itself is not: tf.Transform asks Google, whatever emulator there is, for `--temp_location` at once.
    """
    folder = f"gs://{account}/steps"
    here = {"runner": None, "project": None, "gcp_region": None, "temp_location": None, "split_block": 640}
    code, out = run_main(*flags(folder, **here))
    assert code == 0, out
    later = {"steps": "analyze,transform", "split_block": 640}
    code, out = run_main(*flags(folder, **later, template_location=f"{folder}/analyze.json"))
    assert code == 2, out
    assert "leave out --template_location" in out
    code, out = run_main(*flags(folder, **{**here, "steps": "analyze"}))
    assert code == 0, out
    code, out = run_main(*flags(folder, **later, dry_run=1))
    assert code == 0, out
    assert "step transform) is valid" in out
    code, out = run_main(*flags(folder, **later, template_location=f"{folder}/transform.json"))
    assert code == 0, out
    assert "--steps=transform and without --template_location" in out
    job = json.loads(storage.read_text(f"{folder}/transform.json"))
    (pool,) = job["environment"]["workerPools"]
    staged = {
        package["name"]: package["location"].removeprefix("storage.googleapis.com/") for package in pool["packages"]
    }
    assert set(staged) >= {"requirements.txt", f"rsbot_beam-{__version__}.tar.gz"}
    assert "tensorflow>=2.21" in storage.read_text(f"gs://{staged['requirements.txt']}")
    assert not [name for name in staged if name.startswith("tensorflow")], "workers fetch it from the index"
