"""A finished export whose files are gone: started again, it makes them again, and fetches only what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

SMALL: dict[str, Any] = {"region": "10.0,50.0,10.02,50.015", "split_block": 300}
# TensorFlow gives each saved model a random id, and pictures depend on nothing of ours.
UNSTABLE = ("transform_fn/", "preview.png", "transform.json")


def stable(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if not name.startswith(UNSTABLE)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, export: Callable[..., Any]) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "out"
    outcome = export(folder, **SMALL)
    assert outcome.code == 0, outcome.text
    return folder


@pytest.mark.parametrize("part", ["raw", "train", "transform_fn"])
def test_what_is_gone_is_made_again(
    part: str, finished: Path, tmp_path: Path, export: Callable[..., Any], earth: Any, snapshot: Callable[..., Any]
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(finished, folder)
    before = stable(snapshot(folder))
    if part == "raw":
        gone = sorted((folder / "raw").iterdir())[1]
        gone.unlink()
    else:
        shutil.rmtree(folder / part)
    outcome = export(folder, **SMALL)
    assert outcome.code == 0, outcome.text
    assert part in outcome.text and "made again" in outcome.text
    assert stable(snapshot(folder)) == before
    assert (folder / "transform_fn" / "saved_model.pb").is_file()
    pixel_requests = len(earth.grids())
    assert pixel_requests == (1 if part == "raw" else 0), "only the missing shard is fetched"


def test_a_cut_off_shard_is_named_and_removing_it_helps(
    finished: Path, tmp_path: Path, export: Callable[..., Any], earth: Any, snapshot: Callable[..., Any]
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(finished, folder)
    before = stable(snapshot(folder))
    shard = sorted((folder / "raw").iterdir())[0]
    shard.write_bytes(shard.read_bytes()[:-500])
    outcome = export(folder, **SMALL)
    assert outcome.code == 2
    assert shard.name in outcome.text and "remove it" in outcome.text
    shard.unlink()
    assert export(folder, **SMALL).code == 0
    assert stable(snapshot(folder)) == before
