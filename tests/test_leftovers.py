"""What a killed process was writing is removed, what a living one is writing is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rsbot_beam import leftovers

WRITE_AND_WAIT = """
import os, sys, time
from pathlib import Path
from rsbot_beam import leftovers
folder = Path(sys.argv[1])
(folder / leftovers.temporary_name("file")).write_bytes(b"half")
(folder / leftovers.temporary_name("folder") / "inner").mkdir(parents=True)
print("ready", flush=True)
time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_a_temporary_name_is_new_each_time_and_tells_what_it_is_for() -> None:
    first, second = leftovers.temporary_name("a.arrow"), leftovers.temporary_name("a.arrow")
    assert first != second
    assert first.startswith(leftovers.TEMPORARY_PREFIX)
    assert first.endswith("-a.arrow")


def test_leftovers_are_removed_when_their_process_is_dead(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITE_AND_WAIT, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert leftovers.remove_leftovers(tmp_path) == 0
    assert len(names(tmp_path)) == 3
    process.kill()
    process.communicate()
    assert leftovers.remove_leftovers(tmp_path) == 2
    assert names(tmp_path) == []


def test_what_this_process_is_writing_is_spared(tmp_path: Path) -> None:
    (tmp_path / leftovers.temporary_name("file")).write_bytes(b"half")
    assert leftovers.remove_leftovers(tmp_path) == 0


def test_leftovers_are_found_in_every_folder(tmp_path: Path) -> None:
    deep = tmp_path / "transform_fn" / "variables"
    deep.mkdir(parents=True)
    (deep / f"{leftovers.TEMPORARY_PREFIX}x").write_bytes(b"half")
    (deep / "variables.index").write_bytes(b"whole")
    inner = tmp_path / f"{leftovers.TEMPORARY_PREFIX}folder" / f"{leftovers.TEMPORARY_PREFIX}inner"
    inner.mkdir(parents=True)
    assert leftovers.remove_leftovers(tmp_path) == 2
    assert names(tmp_path) == ["transform_fn", "variables", "variables.index"]


@pytest.mark.parametrize(("age", "removed"), [(60, 0), (7200, 1)])
def test_what_another_machine_is_writing_is_spared_for_an_hour(tmp_path: Path, age: float, removed: int) -> None:
    path = tmp_path / f"{leftovers.TEMPORARY_PREFIX}00000000-1-0-file"
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age, time.time() - age))
    assert leftovers.remove_leftovers(tmp_path) == removed


def test_a_process_number_beyond_all_bounds_is_nobody(tmp_path: Path) -> None:
    name = leftovers.temporary_name("file").replace(f"-{os.getpid()}-", f"-{10**30}-")
    (tmp_path / name).write_bytes(b"half")
    assert leftovers.remove_leftovers(tmp_path) == 1
