"""Versions: what is declared against what is installed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from rsbot_beam.runs.package_checks import (
    DISABLED,
    Declared,
    check_extra,
    check_packages,
    check_python,
    declared,
    misfits,
)

PACKAGE = Declared(
    ">=3.10,<3.13",
    (Requirement("numpy>=1.26"), Requirement("urllib3>=2.2")),
    {"learning": (Requirement("tensorflow>=2.21,<2.22"), Requirement("tensorflow-transform>=1.21,<1.22"))},
)


def test_this_environment_fits() -> None:
    package = declared()
    assert package is not None
    assert check_python(package).state == "ok"
    assert check_packages(package).state == "ok"
    assert [check_extra(extra, package).state for extra in DISABLED] == ["ok"] * len(DISABLED)
    assert {need.name for need in package.requirements} >= {"apache-beam", "earthengine-api", "numpy"}
    assert not {need.name for need in package.requirements} & {"tensorflow", "pytest"}, "extras are apart"


def test_every_extra_that_a_user_can_leave_out_is_looked_at() -> None:
    source = ast.parse((Path(__file__).parents[2] / "setup.py").read_text(encoding="utf-8"))
    extras = {
        key.value
        for node in ast.walk(source)
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "EXTRAS"
        and isinstance(node.value, ast.Dict)
        for key in node.value.keys
        if isinstance(key, ast.Constant)
    }
    assert extras == set(DISABLED)


@pytest.mark.parametrize(
    ("version", "state"), [("3.9.18", "failed"), ("3.10.0", "ok"), ("3.12.9", "ok"), ("3.13.1", "failed")]
)
def test_versions_of_python(version: str, state: str) -> None:
    finding = check_python(PACKAGE, version)
    assert finding.state == state
    assert version in finding.found
    assert state == "ok" or ">=3.10,<3.13" in finding.remedy


def test_a_package_that_is_missing_or_too_old() -> None:
    finding = check_packages(PACKAGE, {"numpy": "1.20", "urllib3": None})
    assert finding.state == "failed"
    assert finding.found == "numpy is 1.20, not >=1.26; urllib3 is missing"
    assert finding.remedy == "`pip install 'numpy>=1.26' 'urllib3>=2.2'`"
    only = check_packages(PACKAGE, {"numpy": "2.0", "urllib3": None})
    assert only.remedy == "`pip install 'urllib3>=2.2'`"
    assert check_packages(PACKAGE, {"numpy": "2.0", "urllib3": "2.2"}).state == "ok"


def test_an_extra_that_is_missing_is_only_a_warning_and_says_what_does_not_work() -> None:
    finding = check_extra("learning", PACKAGE, {"tensorflow": None, "tensorflow-transform": "1.21.0"})
    assert finding.state == "warning"
    assert "tensorflow is missing: needed for the steps analyze and transform" in finding.found
    assert '`pip install "rsbot-beam[learning]"`' in finding.remedy
    newer = check_extra("learning", PACKAGE, {"tensorflow": "2.22.0", "tensorflow-transform": "1.21.0"})
    assert "tensorflow is 2.22.0, not <2.22,>=2.21" in newer.found


def test_a_package_that_is_run_from_a_folder_does_not_know() -> None:
    assert declared("no-such-package-anywhere") is None
    for finding in (check_python(None), check_packages(None)):
        assert finding.state == "warning"
        assert "make setup" in finding.remedy
    assert check_extra("learning", None).state == "skipped"


def test_versions_before_a_release_count() -> None:
    assert not misfits((Requirement("x>=1.0"),), {"x": "2.0rc1"})
    assert misfits((Requirement("no-such-package-anywhere"),)) == ["no-such-package-anywhere is missing"]
