"""Killed at any moment and started again with the same command, a map ends as if nothing had happened."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsbot_beam import leftovers
from tests.integration.made_models import Models, read_run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SEED = 20_261_123
# Seconds that the local Earth Engine takes for an answer: a run takes some seconds then, and a kill meets its middle.
LATENCY = 0.3
SIDE, SIZE, OVERLAP = 2, 32, 3
SETTINGS: dict[str, Any] = {"max_requests": 3, "block_side": SIDE}
# What a run says of itself: how long it took, and which endpoint it asked.
OF_THE_RUN = ("seconds", "tiles_per_second", "endpoint")


def blocks_asked(grids: list[dict[str, Any]], overlap: int = OVERLAP) -> list[str]:
    """Of each request for the padded pixels of a block, or of a part of it, the place of the block: "row_column"."""
    found = []
    for grid in grids:
        row, col = -round(grid["transform"][5] / 10), round(grid["transform"][2] / 10)
        found.append(place(row + overlap, col + overlap))
    return found


def place(row: int, col: int) -> str:
    return f"{row // (SIDE * SIZE)}_{col // (SIDE * SIZE)}"


def receipts(output: Path) -> dict[str, int]:
    """Time of writing of each receipt, by the place of its block."""
    found = {}
    for path in (output / "blocks").glob("EPSG*.json"):
        row, col = (int(part[1:]) for part in path.stem.split("_")[3:5])
        found[place(row, col)] = path.stat().st_mtime_ns
    return found


def lasting(snapshot: Callable[[Path], dict[str, bytes]], folder: Path) -> dict[str, bytes]:
    """All files, and of the run's what does not tell of the time."""
    files = snapshot(folder)
    run = json.loads(files["run.json"])
    kept = {name: value for name, value in run.items() if name not in OF_THE_RUN}
    kept["model"] = run["model"]["fingerprint"]
    return {**files, "run.json": json.dumps(kept).encode()}


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come so far in time"
        time.sleep(0.01)


def kill_and_check(child: Any, output: Path, earth: Any, rng: random.Random, overlap: int) -> None:
    """Kill a run a moment after some blocks were finished; those finished before it were not asked for."""
    before = receipts(output)
    goal = len(before) + rng.randrange(4)
    wait_until(lambda: len(receipts(output)) >= goal + 1 or child.process.poll() is not None)
    time.sleep(rng.uniform(0, LATENCY))
    child.kill()
    assert child.process.returncode == -9, child.wait().text
    assert not set(before) & set(blocks_asked(earth.grids(), overlap))
    after = receipts(output)
    assert {name: after[name] for name in before} == before, "a finished block was written again"
    assert not (output / "run.json").exists()
    earth.reset()
    earth.faults(latency=LATENCY)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "kills"), [("segmentation", 6), pytest.param("detection", 4, marks=pytest.mark.long)])
def test_ten_kills(
    kind: str,
    kills: int,
    predict: Callable[..., Any],
    start_predict: Callable[..., Any],
    models: Models,
    earth: Any,
    tmp_path: Path,
    snapshot: Callable[[Path], dict[str, bytes]],
) -> None:
    larger = {**SETTINGS, "region": "10.0,50.0,10.05,50.03"}  # some 40 blocks
    flags: dict[str, Any] = {**larger, "overlap": OVERLAP, "bands": "class,entropy", "polygons": "first,third"}
    if kind == "detection":
        places = [(10.002 + 0.0013 * i, 50.001 + 0.0017 * (i % 11), 1 + i % 2, 0.8) for i in range(20)]
        flags = {**larger, "overlap": 12, "model": models.sites(places, name="killed")}
    overlap = int(flags["overlap"])
    clean, output, rng = tmp_path / "clean", tmp_path / "out", random.Random(SEED)
    assert predict(clean, **flags).code == 0
    earth.reset()
    earth.faults(latency=LATENCY)
    for _ in range(kills):
        kill_and_check(start_predict(output, **flags), output, earth, rng, overlap)
    finished = receipts(output)
    assert 0 < len(finished) < len(receipts(clean)), "the kills came too early or too late"
    earth.faults()
    done = predict(output, **flags)
    assert done.code == 0, done.text
    assert not set(finished) & set(blocks_asked(earth.grids(), overlap))
    assert not [path for path in output.rglob("*") if path.name.startswith(leftovers.TEMPORARY_PREFIX)]
    one, other = lasting(snapshot, clean), lasting(snapshot, output)
    assert set(one) == set(other)
    assert [name for name in one if one[name] != other[name]] == []
    folders = {name.split("/")[0] for name in one}
    expected = {"candidates"} if kind == "detection" else {"class", "entropy", "stac", "polygons"}
    assert expected | {"blocks", "detections"} <= folders


@pytest.fixture(scope="module")
def finished(
    predict: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, earth_of_session: Any
) -> Callable[[Path], Path]:
    """Copies a finished map."""
    import shutil

    folder = tmp_path_factory.mktemp("finished") / "out"
    assert predict(folder, **SETTINGS, overlap=OVERLAP).code == 0
    return lambda target: Path(shutil.copytree(folder, target))


def again(predict: Callable[..., Any], output: Path, **flags: Any) -> Any:
    return predict(output, **{**SETTINGS, "overlap": OVERLAP, **flags})


def test_a_finished_map_is_left_alone(
    finished: Callable[[Path], Path],
    predict: Callable[..., Any],
    earth: Any,
    tmp_path: Path,
    snapshot: Callable[[Path], dict[str, bytes]],
) -> None:
    output = finished(tmp_path / "out")
    before, written = snapshot(output), receipts(output)
    done = again(predict, output)
    assert done.code == 0, done.text
    assert "complete already" in done.out
    assert earth.pixel_requests() == 0
    assert snapshot(output) == before
    assert receipts(output) == written


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("damage", [remove, truncate])
@pytest.mark.parametrize("pattern", ["class/*.tif", "stac/items/*.json", "blocks/*.json"])
def test_a_file_that_is_gone_or_cut_is_made_again(
    damage: Callable[[Path], None],
    pattern: str,
    finished: Callable[[Path], Path],
    predict: Callable[..., Any],
    earth: Any,
    tmp_path: Path,
    snapshot: Callable[[Path], dict[str, bytes]],
) -> None:
    output = finished(tmp_path / "out")
    before = lasting(snapshot, output)
    victim = sorted(output.glob(pattern))[3]
    damage(victim)
    done = again(predict, output)
    if pattern.startswith("blocks") and damage is truncate:
        assert done.code == 2
        assert f"{victim} is damaged" in done.error
        assert "remove it" in done.error
        victim.unlink()
        done = again(predict, output)
    assert done.code == 0, done.text
    assert "complete already" not in done.out
    row, col = (int(part[1:]) for part in victim.stem.split("_")[3:5])
    assert blocks_asked(earth.grids()) == [place(row, col)]
    assert lasting(snapshot, output) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"region": "10.0,50.0,10.03,50.03"}, "region: there"),
        ({"overlap": 8}, "grid.overlap: there 3, now 8"),
        ({"year": 2021}, "period: there"),
        ({"bands": "class,entropy"}, "bands: there"),
        ({"tile_size": 64}, "grid.tile_size: there 32, now 64"),
        ({"polygons": "first"}, "polygons: there"),
        ({"block_side": 4}, f"grid.block_side: there {SIDE}, now 4"),
    ],
)
def test_another_map_in_the_same_folder_is_refused(
    change: dict[str, Any],
    said: str,
    finished: Callable[[Path], Path],
    predict: Callable[..., Any],
    tmp_path: Path,
    snapshot: Callable[[Path], dict[str, bytes]],
) -> None:
    output = finished(tmp_path / "out")
    before = snapshot(output)
    done = again(predict, output, **change)
    assert done.code == 2
    assert "belongs to another map; what differs" in done.error
    assert said in done.error
    assert snapshot(output) == before


def test_another_model_in_the_same_folder_is_refused(
    finished: Callable[[Path], Path], predict: Callable[..., Any], models: Models, tmp_path: Path
) -> None:
    done = again(predict, finished(tmp_path / "out"), model=models.blur)
    assert done.code == 2
    assert "model: there" in done.error


@pytest.mark.parametrize("owner", ["export.json", "train.json"])
def test_the_folder_of_something_else_is_refused(owner: str, predict: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / owner).write_text("{}")
    done = predict(tmp_path)
    assert done.code == 2
    assert f"already (it has {owner})" in done.error
    assert {path.name for path in tmp_path.iterdir()} == {owner}


def test_the_same_map_through_another_endpoint_continues(
    finished: Callable[[Path], Path], predict: Callable[..., Any], earth: Any, tmp_path: Path
) -> None:
    output = finished(tmp_path / "out")
    for victim in sorted(output.glob("class/*.tif"))[:2]:
        victim.unlink()
    done = again(predict, output, ee_url=earth.url.replace("127.0.0.1", "localhost"))
    assert done.code == 0, done.text
    assert earth.pixel_requests() == 2
    assert read_run(output)["tiles"]["predicted"] == read_run(output)["tiles"]["asked"]
