"""Probes: a function in a process of its own, which is ended whatever it does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rsbot_beam.runs.probes import ProbeError, probe

HERE = "tests.runs.test_probes"


def add(a: int, b: int) -> dict[str, int]:
    print("chatter before")
    os.write(2, b"chatter of native code\n")
    return {"sum": a + b}


def fail() -> dict[str, int]:
    raise OSError("no such device\nand a second line")


def die() -> dict[str, int]:
    os.write(2, b"terminate called after throwing\n")
    os._exit(134)


def hang(folder: str) -> dict[str, int]:
    """Starts a child, too, as runners do."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(folder, "child").write_text(str(child.pid))
    time.sleep(60)
    return {}


def test_a_result_comes_through_the_chatter() -> None:
    assert probe(f"{HERE}:add", 2, 3, seconds=60) == {"sum": 5}


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("fail", "OSError: no such device"),
        ("die", "ended with code 134: terminate called"),
        ("missing", "AttributeError: module"),
    ],
)
def test_whatever_goes_wrong_is_told_in_a_line(function: str, words: str) -> None:
    with pytest.raises(ProbeError, match=words) as caught:
        probe(f"{HERE}:{function}", seconds=60)
    assert "\n" not in str(caught.value)


def test_a_probe_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="no result within 2 s"):
        probe(f"{HERE}:hang", str(tmp_path), seconds=2)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)


def alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
