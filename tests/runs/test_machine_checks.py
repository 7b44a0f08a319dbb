"""The checks of this machine: environment, room, the local runner, the GPU."""

from __future__ import annotations

import json
import os
import tempfile
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from rsbot_beam.data.findings import Finding
from rsbot_beam.runs import machine_checks
from rsbot_beam.runs.machine_checks import check_environment, check_gpu, check_local_runner, check_space

Usage = namedtuple("Usage", "total used free")


def test_an_environment_in_which_nothing_is_set() -> None:
    assert check_environment({"PATH": "/bin"}).found == "no variable is set that changes anything"


def test_what_is_set_is_told_without_passwords() -> None:
    finding = check_environment(
        {
            "RSBOT_EE_URL": "http://127.0.0.1:8791",
            "https_proxy": "http://me:hunter2@proxy:3128",
            "GOOGLE_APPLICATION_CREDENTIALS": "/home/me/key.json",
            "SECRET_THING": "do not show",
        }
    )
    assert finding.state == "ok"
    assert "RSBOT_EE_URL=http://127.0.0.1:8791" in finding.found
    assert "GOOGLE_APPLICATION_CREDENTIALS=/home/me/key.json" in finding.found
    assert "proxy:3128" in finding.found
    assert "hunter2" not in finding.found
    assert "do not show" not in finding.found


@pytest.mark.parametrize("url", ["earthengine", "ftp://x", "http://a.example", "https://host/path"])
def test_a_url_that_is_none(url: str) -> None:
    finding = check_environment({"RSBOT_EE_URL": url})
    assert (finding.state, finding.remedy) == ("failed", "correct or unset RSBOT_EE_URL")
    assert "RSBOT_EE_URL: " in finding.found


def test_an_emulator_that_is_still_set_is_a_warning() -> None:
    finding = check_environment({"STORAGE_EMULATOR_HOST": "http://127.0.0.1:9"})
    assert finding.state == "warning"
    assert "every gs:// path is in that emulator" in finding.found


def test_a_folder_that_would_be_made(tmp_path: Path) -> None:
    finding = check_space(str(tmp_path / "a" / "b" / "c"))
    assert f"GB free in {tmp_path}," in finding.found


@pytest.mark.parametrize(("free", "state"), [(5e8, "failed"), (5e9, "warning"), (5e10, "ok")])
def test_room(free: float, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk of a test cannot be filled up."""
    monkeypatch.setattr(machine_checks.shutil, "disk_usage", lambda path: Usage(1e12, 1e12 - free, free))
    finding = check_space(str(tmp_path))
    assert finding.state == state
    assert f"{free / 1e9:.1f} GB free" in finding.found
    assert f"{free / 658e3:,.0f} patches" in finding.found


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert check_space(str(tmp_path / "file" / "out")).state == "failed"
    assert "is a file" in check_space(str(tmp_path / "file")).found


def found_by_nobody(folder: Path) -> Finding:
    """What the check says of a folder to somebody who has no rights."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        # Whatever happens, the child ends here: else it would go on as a second run of the tests, without rights.
        try:
            os.setuid(65_534)
            os.write(theirs, json.dumps(asdict(check_space(str(folder)))).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    assert said, "the check raised"
    return Finding(**json.loads(said))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder below none that is closed to others, as those of pytest are."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_cannot_be_written(open_folder: Path) -> None:
    finding = found_by_nobody(open_folder / "out")
    assert finding.state == "failed"
    assert finding.found == f"nothing can be written in {open_folder}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_below_one_that_cannot_be_entered(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    finding = found_by_nobody(closed / "out")
    assert finding.state == "failed"
    assert finding.found == f"{closed / 'out'} cannot be looked at: permission denied"
    assert "enter the folders above" in finding.remedy


@pytest.mark.slow
def test_the_local_runner_runs() -> None:
    finding = check_local_runner((), 40)
    assert finding.state == "ok"
    assert finding.found.startswith("FnApiRunner of Beam 2.77")


@pytest.mark.slow
def test_a_local_runner_that_does_not_run() -> None:
    finding = check_local_runner(["--runner=PrismRunner", "--prism_location=/no/such/prism"], 40)
    assert finding.state == "failed"
    assert "prism" in finding.found.lower()
    assert "leave out --runner" in finding.remedy


def test_a_local_runner_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "PIPELINE_LIMIT", 0.2)
    finding = check_local_runner((), 40)
    assert finding.found == "a small pipeline does not run: no result within 0.2 s"
    assert "pip install" in finding.remedy


@pytest.mark.parametrize(
    ("gpus", "driver", "state", "words"),
    [
        (["NVIDIA L4"], True, "ok", "sees 1: NVIDIA L4"),
        ([], True, "warning", "sees none, although NVIDIA's driver is installed"),
        ([], False, "ok", "run on 2 cores"),
    ],
)
def test_gpus(gpus: list[str], driver: bool, state: str, words: str) -> None:
    finding = check_gpu({"tensorflow": "2.21.0", "gpus": gpus, "cpus": 2, "seconds": 8.0}, driver)
    assert finding.state == state
    assert words in finding.found


@pytest.mark.slow
def test_tensorflow_is_asked() -> None:
    finding = check_gpu()
    assert finding.state in ("ok", "warning")
    assert "TensorFlow 2.21" in finding.found


def test_a_tensorflow_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "GPU_LIMIT", 0.2)
    finding = check_gpu()
    assert (finding.state, "no result within" in finding.found) == ("failed", True)
