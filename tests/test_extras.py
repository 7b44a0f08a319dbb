"""Installations that lack an extra: what is missing is said, and nothing is begun."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from rsbot_beam import extras
from rsbot_beam.errors import InputError

# The command in a process in which some libraries are not found.
WITHOUT = """
import sys
from importlib.machinery import PathFinder

missing, find = sys.argv[1].split(","), PathFinder.find_spec
PathFinder.find_spec = classmethod(lambda cls, name, *rest: None if name.split(".")[0] in missing else find(name, *rest))
sys.argv = ["rsbot", *sys.argv[2:]]
from pipelines.rsbot import console

console()
"""
REGION = ("--region", "10,50,10.01,50.01", "--year", "2023")
LEARNING = "tensorflow,tensorflow_transform,tensorflow_metadata,tfx_bsl,keras"


def rsbot_without(missing: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, missing, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def closure(requirement: str, seen: set[str]) -> set[str]:
    """Names of all that comes with a requirement."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
    if name in seen:
        return seen
    seen.add(name)
    try:
        needed = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return seen
    for other in needed:
        if "extra ==" not in other:
            closure(other, seen)
    return seen


@pytest.mark.parametrize("module", sorted(extras.EXTRA_OF))
def test_the_extra_that_is_named_has_the_module(module: str) -> None:
    extra = extras.EXTRA_OF[module]
    listed = [line for line in metadata.requires("rsbot-beam") or [] if f'extra == "{extra}"' in line.replace("'", '"')]
    assert listed, extra
    names: set[str] = set()
    for line in listed:
        closure(line, names)
    made_by = {name.lower().replace("_", "-") for name in metadata.packages_distributions()[module]}
    assert made_by & names


def test_only_what_is_missing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.EXTRA_OF, "no_such_module", "views")
    extras.require(("matplotlib",), "a picture")
    with pytest.raises(
        InputError, match=r"^a picture needs no_such_module: pip install 'rsbot-beam\[views\]'; or none$"
    ):
        extras.require(("matplotlib", "no_such_module"), "a picture", "; or none")


def test_another_module_is_a_bug_and_no_extra() -> None:
    assert extras.of_missing(ModuleNotFoundError("No module named 'nowhere'", name="nowhere")) is None


def test_a_module_within_a_library() -> None:
    error = extras.of_missing(ModuleNotFoundError("...", name="tensorflow.keras"))
    assert isinstance(error, InputError)
    assert "this needs tensorflow, which is not installed: pip install 'rsbot-beam[learning]'" in str(error)


@pytest.mark.integration
def test_an_export_says_what_it_needs_before_it_fetches(tmp_path: Path) -> None:
    output = tmp_path / "out"
    done = rsbot_without(LEARNING, "export", "--recipe", "landcover", *REGION, "--output", str(output))
    assert done.returncode == 2, done.stderr
    assert "tensorflow, tensorflow_transform: pip install 'rsbot-beam[learning]'; or fetch now" in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()


@pytest.mark.integration
@pytest.mark.parametrize("missing", ["starlette,uvicorn,httptools", "httptools"])
@pytest.mark.parametrize("command", ["export", "predict", "plan export"])
def test_a_local_earth_engine_says_what_it_needs_before_it_starts(tmp_path: Path, command: str, missing: str) -> None:
    output = tmp_path / "out"
    recipe = () if command == "predict" else ("--recipe", "landcover")
    model = ("--model", str(tmp_path)) if command == "predict" else ()
    asked = (*command.split(), *recipe, *model, *REGION, "--output", str(output), "--ee_url", "local")
    done = rsbot_without(missing, *asked)
    assert done.returncode == 2, done.stderr
    needed = missing.replace(",", ", ")
    assert f"error: a local Earth Engine needs {needed}: pip install 'rsbot-beam[local]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("missing", "arguments", "named"),
    [
        ("starlette,uvicorn", ("earth",), "rsbot-beam[local]"),
        ("httptools", ("earth",), "rsbot-beam[local]"),
        (LEARNING, ("models",), "rsbot-beam[learning]"),
    ],
)
def test_a_command_says_which_extra_it_needs(missing: str, arguments: tuple[str, ...], named: str) -> None:
    done = rsbot_without(missing, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"pip install '{named}'" in done.stderr
    assert "Traceback" not in done.stderr
