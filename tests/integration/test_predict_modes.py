"""A map is the same on every local way of running Beam, and never asks for more than the budget allows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration
BUDGET = 6
SETTINGS: dict[str, Any] = {"bands": "class,entropy", "max_requests": BUDGET, "block_side": 2}
# What a run says of itself: when, how fast.
OF_THE_RUN = ("run.json", "totals/predict.json")


def lasting(snapshot: Callable[[Path], dict[str, bytes]], folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in snapshot(folder).items() if name not in OF_THE_RUN}


@pytest.fixture(scope="module")
def undisturbed(
    predict: Callable[..., Any], snapshot: Callable[[Path], dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The files of the default way, in blocks of four tiles."""
    folder = tmp_path_factory.mktemp("default")
    assert predict(folder, **SETTINGS).code == 0
    return lasting(snapshot, folder)


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param({"direct_num_workers": 3}, id="in memory"),
        pytest.param({"direct_running_mode": "multi_threading", "direct_num_workers": 2}, id="threads"),
        pytest.param({"direct_running_mode": "multi_processing", "direct_num_workers": 2}, id="processes"),
        pytest.param({"runner": "DirectRunner"}, id="DirectRunner"),
    ],
)
def test_every_local_way_makes_the_same_map_within_the_budget(
    flags: dict[str, Any],
    earth: Any,
    predict: Callable[..., Any],
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    snapshot: Callable[[Path], dict[str, bytes]],
) -> None:
    earth.faults(latency="0.05")
    done = predict(tmp_path, **SETTINGS, **flags)
    assert done.code == 0, done.text
    found = lasting(snapshot, tmp_path)
    assert set(found) == set(undisturbed)
    assert [name for name in found if found[name] != undisturbed[name]] == []
    assert sum(name.startswith("class/") for name in found) > 15
    stats = earth.settle()
    assert 1 <= stats["max_concurrent_seen"] <= BUDGET
    assert set(stats["requests"]["computePixels"]) == {"200"}, "nothing was refused, and nothing asked twice"
