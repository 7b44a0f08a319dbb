"""Killed at any moment and started again with the same command, an export ends as if nothing had happened."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsbot_beam import TileKey, leftovers, load_dataset, read_patches
from rsbot_beam.data.splits import SPLITS
from rsbot_beam.errors import DatasetError

# Sixteen processes, nine of which work through TensorFlow.
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1200)]

SEED = 20_261_122
FETCH_KILLS, ANALYZE_KILLS, TRANSFORM_KILLS = 6, 2, 2
# Seconds that the local Earth Engine takes for an answer: the fetch then takes some seconds, and a kill meets its middle.
LATENCY = 0.3
SETTINGS: dict[str, Any] = {"max_requests": 4, "split_block": 1000}
# The examples go into many files of a few patches, so that a kill can come between two of them.
EXAMPLES_BYTES = 50_000
SMALL_FILES = f"import rsbot_beam.runs.learning_steps as steps; steps.EXAMPLES_BYTES = {EXAMPLES_BYTES}"
# Files whose bytes depend on the process that wrote them: TensorFlow names the nodes of graphs by a counter, gives each
# saved model a random id, and zips in the order of a hash. What they compute is compared instead.
UNSTABLE = ("transform_fn/", "preview.png")


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come so far in time"
        time.sleep(0.01)


def left_behind(output: Path) -> list[Path]:
    return [path for path in output.rglob("*") if path.name.startswith(leftovers.TEMPORARY_PREFIX)]


def was_rewritten(path: Path, before: int) -> bool:
    """Whether a file is there that was written at another time, ns, than before."""
    return path.exists() and path.stat().st_mtime_ns != before


def more_than(count: Callable[[], int], before: int) -> bool:
    return count() > before


def stored_tiles(headers: dict[str, Any]) -> set[TileKey]:
    return {key for header in headers.values() for key in (*header.stored, *header.empty)}


def without_endpoint(text: bytes) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(text)
    return {name: value for name, value in content.items() if name != "endpoint"}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, export: Callable[..., Any]) -> Path:
    """The dataset as an undisturbed run makes it."""
    from rsbot_beam.runs import learning_steps

    folder = tmp_path_factory.mktemp("clean") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning_steps, "EXAMPLES_BYTES", EXAMPLES_BYTES)
        outcome = export(folder, **SETTINGS)
    assert outcome.code == 0, outcome.text
    return folder


@pytest.fixture
def assert_same_dataset(snapshot: Callable) -> Callable[[Path, Path], None]:
    """Checks that two finished datasets are equal: byte for byte, and in what their transform_fn computes."""

    def check(one: Path, other: Path) -> None:
        a, b = snapshot(one), snapshot(other)
        assert set(a) == set(b)
        stable = [name for name in a if not name.startswith(UNSTABLE) and name != "dataset.json"]
        assert sum(name.startswith("raw/") for name in stable) > 20
        assert sum(name.endswith(".tfrecord") for name in stable) > 3
        assert [name for name in stable if a[name] != b[name]] == []
        assert without_endpoint(a["dataset.json"]) == without_endpoint(b["dataset.json"])
        assert_same_transform(one, other)

    return check


def assert_same_transform(one: Path, other: Path) -> None:
    from rsbot_beam.learning.transform_fn import TransformFn

    patches = list(read_patches(one))[::17]
    layout = patches[0].layout
    a, b = (TransformFn(str(folder / "transform_fn"), layout) for folder in (one, other))
    for x, y in zip(a.apply(patches), b.apply(patches), strict=True):
        assert set(x) == set(y)
        for name in x:
            np.testing.assert_array_equal(x[name], y[name])
    assert a.statistics(32) == b.statistics(32)


def test_ten_kills(
    tmp_path: Path,
    earth: Any,
    clean: Path,
    start: Callable[..., Any],
    headers: Callable,
    asked_tiles: Callable,
    assert_same_dataset: Callable[[Path, Path], None],
) -> None:
    output, rng = tmp_path / "out", random.Random(SEED)
    any_tile = TileKey("EPSG:32632", 10.0, 32, 0, 0)
    earth.faults(latency=LATENCY)

    def fetch_and_kill(new_shards: int, delay: float) -> None:
        """One more run, killed a moment after it has written some shards; nothing that was stored is asked for."""
        before = stored_tiles(headers(output))
        goal = len(headers(output)) + new_shards
        child = start(output, steps="fetch", **SETTINGS)
        wait_until(lambda: len(headers(output)) >= goal or child.process.poll() is not None)
        time.sleep(delay)
        child.kill()
        assert child.process.returncode == -9, child.wait().text
        assert not before & set(asked_tiles(earth.grids(), any_tile))
        earth.reset()
        earth.faults(latency=LATENCY)
        assert before <= stored_tiles(headers(output))

    for _ in range(FETCH_KILLS):
        fetch_and_kill(rng.randrange(8), rng.uniform(0, LATENCY))
    before = headers(output)
    assert before, "nothing was stored before the last kill: the kills came too early"

    earth.faults()
    fetched = start(output, steps="fetch", **SETTINGS).wait()
    assert fetched.code == 0, fetched.text
    answered = Counter(asked_tiles(earth.grids("200"), any_tile))
    assert answered, "the last kill came too late"
    assert set(answered) == stored_tiles(headers(output)) - stored_tiles(before)
    assert set(answered.values()) == {1}
    assert not left_behind(output)
    earth.reset()

    totals, transform, model = (output / name for name in ("totals/fetch.json", "transform.json", "transform_fn"))

    def receipts() -> int:
        return len(list(output.glob("receipts/*.json")))

    def learn_and_kill(begun: Callable[[], bool], longest: float, late: Callable[[], bool]) -> None:
        """One more run, killed a moment after a step has begun, or when it is nearly over."""
        child = start(output, SMALL_FILES, **SETTINGS)
        wait_until(lambda: begun() or child.process.poll() is not None)
        moment = time.monotonic() + rng.uniform(0, longest)
        wait_until(lambda: time.monotonic() > moment or late())
        child.kill()
        assert child.process.returncode == -9, child.wait().text

    for _ in range(ANALYZE_KILLS):
        written = totals.stat().st_mtime_ns
        learn_and_kill(partial(was_rewritten, totals, written), 5, (model / "saved_model.pb").exists)
        assert not transform.exists()
    for _ in range(TRANSFORM_KILLS):
        learn_and_kill(partial(more_than, receipts, receipts()), 0.05, lambda: False)
        assert not (output / "dataset.json").exists()
    with pytest.raises(DatasetError, match="half-written"):
        load_dataset(output)
    finished = start(output, SMALL_FILES, cold=True, **SETTINGS).wait()
    assert finished.code == 0, finished.text
    assert earth.pixel_requests() == 0
    assert not left_behind(output)
    assert_same_dataset(output, clean)
    found = Counter(
        tile
        for split in SPLITS
        for batch in load_dataset(output, split).as_numpy_iterator()
        for tile in batch["tile"].tolist()
    )
    assert {TileKey.parse(tile.decode()) for tile in found} == stored_tiles(headers(output))
    assert set(found.values()) == {1}


def test_two_processes_fetch_into_the_same_folder(
    tmp_path: Path, earth: Any, start: Callable[..., Any], clean: Path, snapshot: Callable
) -> None:
    earth.faults(latency=0.1)
    children = [start(tmp_path / "out", steps="fetch", **SETTINGS) for _ in range(2)]
    outcomes = [child.wait() for child in children]
    assert [outcome.code for outcome in outcomes] == [0, 0], [outcome.text for outcome in outcomes]
    assert not left_behind(tmp_path / "out")
    assert snapshot(tmp_path / "out" / "raw") == snapshot(clean / "raw")


def test_two_processes_export_to_the_same_folder(
    tmp_path: Path,
    earth: Any,
    clean: Path,
    start: Callable[..., Any],
    assert_same_dataset: Callable[[Path, Path], None],
) -> None:
    children = [start(tmp_path / "out", SMALL_FILES, **SETTINGS) for _ in range(2)]
    outcomes = [child.wait() for child in children]
    assert [outcome.code for outcome in outcomes] == [0, 0], [outcome.text for outcome in outcomes]
    assert not left_behind(tmp_path / "out")
    assert_same_dataset(tmp_path / "out", clean)


def test_from_the_first_change_on_an_outdated_dataset_is_half_written(clean: Path, tmp_path: Path) -> None:
    """A kill while the examples of other raw shards are written must not leave an old dataset.json beside new files."""
    from rsbot_beam.runs.learning_steps import discard_learned

    folder = shutil.copytree(clean, tmp_path / "out")
    discard_learned(str(folder))
    with pytest.raises(DatasetError, match="half-written"):
        load_dataset(folder)
    assert not list(folder.rglob("*.tfrecord"))
    assert not (folder / "transform.json").exists()
    assert (folder / "transform_fn" / "saved_model.pb").exists()
    assert len(list(read_patches(folder))) == len(list(read_patches(clean)))
