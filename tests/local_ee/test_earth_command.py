"""The command `rsbot earth` and the server as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from pipelines import earth as command
from rsbot_beam.earth_process import arguments, local_earth
from rsbot_beam.errors import InputError, RsbotError

ROOT = Path(command.__file__).resolve().parent.parent


def alive(url: str) -> bool:
    try:
        urllib.request.urlopen(url + "/_local/stats", timeout=5).read()
    except OSError:
        return False
    return True


def gone_within(url: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not alive(url):
            return True
        time.sleep(0.05)
    return False


def test_flags_become_settings():
    flags, _ = command.parser().parse(
        ["--latency", "0.5±0.1", "--rate-429", "0.2", "--max_qps", "0", "--retry_after", "3", "--record", "--no_world"]
    )
    found = command.settings(flags)
    assert found.faults.latency == "0.5±0.1"
    assert found.faults.rate_429 == 0.2
    assert found.faults.retry_after == 3
    assert (found.max_qps, found.max_concurrent, found.record) == (0, 40, True)
    assert command.providers(flags.assets, flags.world, flags.seed) == []


@pytest.mark.parametrize(
    "flags", [["--latency", "soon"], ["--rate_500", "2"], ["--max_concurrent", "-1"], ["--assets", "/does/not/exist"]]
)
def test_wrong_flags_end_with_2_and_a_message(flags, capsys):
    assert command.main([*flags, "--no_world"]) == 2
    assert capsys.readouterr().err.startswith("rsbot earth: ")


def test_unknown_flags_end_with_2_and_the_nearest(capsys):
    assert command.main(["--prot", "1"]) == 2
    assert capsys.readouterr().err == "rsbot earth: unknown flag --prot; did you mean --port?\n"


def test_a_port_in_use_is_an_input_error():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="--port"):
            command.listen("127.0.0.1", taken.getsockname()[1])


def test_arguments():
    given = {"assets": ["a", "b"], "world": False, "record": True, "log": False, "latency": "0.5", "retry_after": None}
    assert arguments(given) == ["--assets=a", "--assets=b", "--no_world", "--record", "--latency=0.5"]


def test_the_process_serves_and_ends(samples):
    with local_earth(assets=samples.folder, world=False, record=True) as url:
        body = json.loads(urllib.request.urlopen(url + "/v1/projects/sample-project/assets/utm", timeout=10).read())
        assert body["type"] == "IMAGE"
        assert alive(url)
    assert gone_within(url, 5)


def test_a_server_that_cannot_start_says_why():
    with (
        pytest.raises(RsbotError, match=r"ended with code 2.*has no manifest.json"),
        local_earth(assets="/does/not/exist", world=False),
    ):
        pass


def start(*flags: str, **more) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "pipelines.earth", "--no_world", *flags], env=environment, **more)


def url_in(path: Path) -> str:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.02)
    return path.read_text()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(tmp_path, sign):
    process = start("--ready_file", str(tmp_path / "url"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    url = url_in(tmp_path / "url")
    assert alive(url)
    process.send_signal(sign)
    out, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"export RSBOT_EE_URL={url}" in out
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["url"]


def test_it_dies_with_a_parent_that_is_killed(tmp_path):
    script = (
        "import time\n"
        "from rsbot_beam.earth_process import local_earth\n"
        f"with local_earth(world=False) as url:\n    open({str(tmp_path / 'url')!r}, 'w').write(url)\n    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        url = url_in(tmp_path / "url")
        time.sleep(0.1)
        url = url or url_in(tmp_path / "url")
        assert alive(url)
    finally:
        parent.kill()
        parent.wait()
    assert gone_within(url, 10)
