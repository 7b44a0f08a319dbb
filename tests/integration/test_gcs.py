"""The whole road to a bucket: an emulator of Google Cloud Storage on loopback holds what a local folder would."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsbot_beam import TileKey, load_dataset, read_patches, storage
from rsbot_beam.data.raw_shard import read_header
from rsbot_beam.data.splits import SPLITS
from rsbot_beam.errors import DatasetError

pytestmark = pytest.mark.integration

SMALL: dict[str, Any] = {"region": "10.0,50.0,10.02,50.015", "split_block": 300}
DEAD = TileKey.parse("EPSG32632_10_32_r-554016_c57216")
# TensorFlow gives each saved model a random id and names its nodes by a counter; pictures depend on nothing of ours.
UNSTABLE = ("transform_fn/", "preview.png")


def objects(folder: str) -> dict[str, bytes]:
    """All objects below a `gs://` folder, by relative name."""
    start = len(storage.join(folder, ""))
    return {file.path[start:]: storage.read_bytes(file.path) for file in storage.walk(folder)}


def stored_tiles(folder: str) -> set[TileKey]:
    raw = {name: content for name, content in objects(folder).items() if name.startswith("raw/")}
    return {key for name, content in raw.items() for key in read_header(content, name).stored}


@pytest.fixture(scope="module")
def bucket(gcs_server: str) -> str:
    return f"{storage.GCS_SCHEME}{gcs_server}/whole-road"


@pytest.fixture(scope="module")
def exported(bucket: str, export: Callable[..., Any], earth_of_session: Any) -> Iterator[tuple[str, list[Any]]]:
    """An export with a dead letter, and again after the cure, in one process; the folder and both outcomes."""
    earth_of_session.faults(fail_tiles=[{"bounds": DEAD.bounds, "crs": DEAD.crs, "status": 500}])
    first = export(bucket, allow_dead_letters=True, **SMALL)
    first_content = json.loads(storage.read_text(storage.join(bucket, "dataset.json")))
    earth_of_session.settle()
    earth_of_session.reset()
    second = export(bucket, **SMALL)
    yield bucket, [first, second, first_content, earth_of_session.grids()]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, export: Callable[..., Any]) -> Path:
    folder = tmp_path_factory.mktemp("local") / "out"
    outcome = export(folder, **SMALL)
    assert outcome.code == 0, outcome.text
    return folder


@pytest.mark.slow
def test_an_export_to_a_bucket_is_resumed(
    exported: tuple[str, list[Any]], asked_tiles: Callable[..., list[TileKey]]
) -> None:
    _, (first, second, before, grids) = exported
    assert first.code == 0, first.text
    assert second.code == 0, second.text
    assert "1 dead letters" in first.out
    assert "0 dead letters" in second.out
    assert before["tiles"]["dead"] == 1
    assert asked_tiles(grids, DEAD) == [DEAD]


@pytest.mark.slow
def test_the_bucket_holds_the_bytes_of_a_local_export(
    exported: tuple[str, list[Any]], local: Path, snapshot: Callable[[Path], dict[str, bytes]]
) -> None:
    in_bucket, in_folder = objects(exported[0]), snapshot(local)
    assert set(in_bucket) == set(in_folder)
    for name in in_folder:
        if not name.startswith(UNSTABLE):
            assert in_bucket[name] == in_folder[name], name


@pytest.mark.slow
def test_a_dataset_is_loaded_from_a_bucket(exported: tuple[str, list[Any]], local: Path, tmp_path: Path) -> None:
    for split in SPLITS:
        here = load_dataset(local, split, batch_size=5).as_numpy_iterator()
        there = load_dataset(exported[0], split, batch_size=5, cache_dir=tmp_path / "cache").as_numpy_iterator()
        for a, b in zip(here, there, strict=True):
            assert set(a) == set(b)
            for name in a:
                np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.slow
def test_raw_patches_are_read_from_a_bucket(
    exported: tuple[str, list[Any]], local: Path, same_patch: Callable[..., bool]
) -> None:
    here, there = list(read_patches(local)), list(read_patches(exported[0]))
    assert len(here) == len(there) > 20
    assert all(same_patch(a, b) for a, b in zip(here, there, strict=True))


@pytest.mark.slow
def test_a_finished_export_in_a_bucket_does_nothing(
    exported: tuple[str, list[Any]], export: Callable[..., Any], earth: Any
) -> None:
    before = objects(exported[0])
    outcome = export(exported[0], **SMALL)
    assert outcome.code == 0
    assert "complete already" in outcome.out
    assert earth.pixel_requests() == 0
    assert objects(exported[0]) == before


@pytest.mark.slow
def test_another_export_in_the_same_bucket_folder_is_refused(
    exported: tuple[str, list[Any]], fetch: Callable[..., Any]
) -> None:
    outcome = fetch(exported[0], **{**SMALL, "split_block": 2000})
    assert outcome.code == 2
    assert "split.block: there 300.0, now 2000.0" in outcome.error


def test_a_run_that_was_stopped_continues_in_a_bucket(
    gcs: str, fetch: Callable[..., Any], earth: Any, asked_tiles: Callable[..., list[TileKey]]
) -> None:
    """Permission is lost on the way; what was stored by then is not asked for again."""
    south = {"bounds": [9, 49, 11, 50.004], "status": 403, "message": "Permission denied."}
    earth.faults(fail_tiles=[south], latency=0.05)
    stopped = fetch(gcs, max_requests=2, **SMALL)
    assert stopped.code == 2
    assert "Permission denied" in stopped.error
    with pytest.raises(DatasetError, match="half-written"):
        load_dataset(gcs)
    kept = stored_tiles(gcs)
    assert kept
    earth.settle()
    earth.reset()
    assert fetch(gcs, **SMALL).code == 0
    asked = asked_tiles(earth.grids(), DEAD)
    assert asked
    assert not set(asked) & kept
    assert set(asked) | kept == stored_tiles(gcs)


def test_a_bucket_that_does_not_exist(gcs_server: str, fetch: Callable[..., Any]) -> None:
    outcome = fetch("gs://rsbot-no-such-bucket/out", **SMALL)
    assert outcome.code == 2
    assert "there is no bucket gs://rsbot-no-such-bucket" in outcome.error
