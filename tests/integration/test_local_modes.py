"""The same fetch on every local way of running Beam: the same files, and never more requests than the budget allows."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rsbot_beam.data.raw_shard import ShardHeader

pytestmark = pytest.mark.integration
REPOSITORY = Path(__file__).parents[2]
BUDGET = 6


@pytest.fixture(scope="module")
def undisturbed(
    fetch: Callable[..., Any], snapshot: Callable[[Path], dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The raw shards of the default way."""
    folder = tmp_path_factory.mktemp("default")
    assert fetch(folder).code == 0
    return snapshot(folder / "raw")


def check(
    earth: Any, folder: Path, undisturbed: dict[str, bytes], snapshot: Callable[[Path], dict[str, bytes]]
) -> None:
    assert snapshot(folder / "raw") == undisturbed
    stats = earth.settle()
    assert 1 <= stats["max_concurrent_seen"] <= BUDGET
    assert set(stats["requests"]["computePixels"]) == {"200"}, "nothing was refused, and nothing asked twice"


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param({"direct_num_workers": 3}, id="in memory"),
        pytest.param({"direct_running_mode": "multi_threading", "direct_num_workers": 2}, id="threads"),
        pytest.param({"direct_running_mode": "multi_processing", "direct_num_workers": 2}, id="processes"),
        pytest.param({"runner": "DirectRunner"}, id="DirectRunner"),
    ],
)
def test_every_local_way_fetches_the_same_within_the_budget(
    flags: dict[str, Any],
    earth: Any,
    fetch: Callable[..., Any],
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    snapshot: Callable[[Path], dict[str, bytes]],
    headers: Callable[[object], dict[str, ShardHeader]],
) -> None:
    earth.faults(latency="0.05")
    done = fetch(tmp_path / "out", max_requests=BUDGET, **flags)
    assert done.code == 0, done.text
    assert "0 dead letters" in done.out
    assert sum(len(header.stored) for header in headers(tmp_path / "out").values()) > 50
    check(earth, tmp_path / "out", undisturbed, snapshot)


def test_more_processes_than_requests_are_refused(fetch: Callable[..., Any], tmp_path: Path) -> None:
    done = fetch(tmp_path / "out", max_requests=2, direct_running_mode="multi_processing", direct_num_workers=3)
    assert done.code == 2
    assert "3 workers cannot share 2 requests" in done.error


@pytest.fixture
def job_service(tmp_path: Path) -> Iterator[str]:
    """Beam's portable job service, a process of its own; workers come back to the main program."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path / "service.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main", f"--port={port}"],
        stdout=log,
        stderr=log,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    try:
        deadline = time.monotonic() + 90
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (tmp_path / "service.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield f"localhost:{port}"
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@pytest.mark.slow
def test_a_portable_job_service_fetches_the_same(
    job_service: str,
    earth: Any,
    fetch: Callable[..., Any],
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    snapshot: Callable[[Path], dict[str, bytes]],
) -> None:
    flags = {"runner": "PortableRunner", "job_endpoint": job_service, "environment_type": "LOOPBACK"}
    done = fetch(tmp_path / "out", max_requests=BUDGET, **flags)
    assert done.code == 0, done.text
    check(earth, tmp_path / "out", undisturbed, snapshot)
