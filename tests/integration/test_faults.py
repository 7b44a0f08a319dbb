"""Earth Engine at its worst, over HTTP: every tile is stored exactly once or is a dead letter, and nothing else."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ee
import numpy as np
import pytest
from google.auth.exceptions import RefreshError, TransportError

from rsbot_beam import TileKey, read_patches
from rsbot_beam.data.shards import DeadLetter
from rsbot_beam.earth_process import local_earth
from rsbot_beam.earthengine.images import check_source
from rsbot_beam.earthengine.source import FetchBand, PixelSource
from rsbot_beam.errors import AuthenticationError, OutageError

pytestmark = pytest.mark.integration

# What the issue of a bad day looks like: shares of all requests.
BAD_DAY = {"rate_429": 0.20, "rate_reset": 0.05, "rate_truncate": 0.02, "rate_503": 0.02, "rate_hang": 0.01}
MEMORY = "User memory limit exceeded."


def utm_place(key: TileKey, **answer: Any) -> dict[str, Any]:
    """A place of the fault plan: exactly one tile."""
    return {"bounds": key.bounds, "crs": key.crs, **answer}


def dead_letters(output: Path) -> list[DeadLetter]:
    files = sorted((output / "dead_letters").glob("*.jsonl"))
    return [DeadLetter(**json.loads(line)) for file in files for line in file.read_text().splitlines()]


@pytest.fixture
def check_stored(compute: Callable) -> Callable[[Path], set[TileKey]]:
    """Checks that every stored pixel is right and every tile is stored once; the stored tiles."""

    def check(output: Path) -> set[TileKey]:
        keys = Counter[TileKey]()
        for patch in read_patches(output):
            keys[patch.key] += 1
            pixels, valid = compute(patch.key)
            for name in pixels:
                np.testing.assert_array_equal(patch.pixels[name], pixels[name], err_msg=f"{patch.key} {name}")
                np.testing.assert_array_equal(patch.valid[name], valid[name], err_msg=f"{patch.key} {name}")
        assert set(keys.values()) == {1}
        return set(keys)

    return check


@pytest.fixture(scope="module")
def all_tiles(tmp_path_factory: pytest.TempPathFactory, fetch: Callable[..., Any]) -> list[TileKey]:
    """The tiles of the region, as an export without faults stores them."""
    folder = tmp_path_factory.mktemp("clean") / "out"
    assert fetch(folder).code == 0
    return sorted(patch.key for patch in read_patches(folder))


def test_a_bad_day(
    tmp_path: Path,
    fetch: Callable[..., Any],
    earth: Any,
    all_tiles: list[TileKey],
    check_stored: Callable[[Path], set[TileKey]],
    asked_tiles: Callable,
    headers: Callable,
) -> None:
    """One tile always fails, one is too large for any request; all else fails now and then."""
    output = tmp_path / "out"
    broken, heavy = all_tiles[17], all_tiles[101]
    memory = {"status": 400, "message": MEMORY}
    faults = {
        **BAD_DAY,
        "fail_tiles": [utm_place(broken, status=500), utm_place(heavy, **memory)],
        "seed": 3,
    }
    earth.faults(**faults)

    first = fetch(output, ee_deadline=3)

    assert first.code == 3
    assert f"2 of {len(all_tiles)} tiles failed for good" in first.error
    assert str(output / "dead_letters") in first.error
    assert str(broken) in first.error
    assert str(heavy) in first.error
    assert "--allow_dead_letters" in first.error
    assert check_stored(output) == set(all_tiles) - {broken, heavy}
    letters = {letter.tile: letter for letter in dead_letters(output)}
    assert set(letters) == {str(broken), str(heavy)}
    assert letters[str(broken)].kind == "transient"
    assert "500" in letters[str(broken)].message
    assert letters[str(broken)].attempts >= 8
    assert letters[str(heavy)].kind == "too_large"
    assert MEMORY.rstrip(".") in letters[str(heavy)].message
    for key in (broken, heavy):
        grid = letters[str(key)].request
        assert grid["crsCode"] == key.crs
        assert (grid["affineTransform"]["translateX"], grid["affineTransform"]["translateY"]) == (
            key.bounds[0],
            key.bounds[3],
        )
        assert grid["bands"] == ["lon", "lat", "fine", "kind"]
    statuses = earth.settle()["requests"]["computePixels"]
    for kind in ("429", "reset", "truncate", "hang", "500", "400"):
        assert statuses.get(kind), f"no {kind} happened: {statuses}"
    # Every tile was answered with pixels once: none was fetched twice, none came by another way.
    answered = Counter(asked_tiles(earth.grids("200"), broken))
    assert answered == Counter(set(all_tiles) - {broken, heavy})

    # Accepted.
    earth.reset()
    earth.faults(**faults)
    accepted = fetch(output, ee_deadline=3, allow_dead_letters=True)
    assert accepted.code == 0, accepted.text
    assert f"2 of {len(all_tiles)} tiles failed for good" in accepted.err
    assert not Counter(asked_tiles(earth.grids("200"), broken))
    assert {letter.tile for letter in dead_letters(output)} == {str(broken), str(heavy)}

    # Cured: only the dead ones are asked for.
    earth.reset()
    cured = fetch(output)
    assert cured.code == 0, cured.text
    assert Counter(asked_tiles(earth.grids(), broken)) == Counter([broken, heavy])
    assert earth.pixel_requests() == 2
    assert check_stored(output) == set(all_tiles)
    assert not dead_letters(output)
    assert not any(header.dead for header in headers(output).values())


def test_after_the_cure_all_files_are_those_of_an_undisturbed_run(
    tmp_path: Path, fetch: Callable[..., Any], earth: Any, all_tiles: list[TileKey], snapshot: Callable
) -> None:
    region = "10.0,50.0,10.02,50.01"
    assert fetch(tmp_path / "clean", region=region).code == 0
    key = sorted(patch.key for patch in read_patches(tmp_path / "clean"))[5]
    earth.faults(**BAD_DAY, fail_tiles=[utm_place(key, status=503)], seed=5)
    assert fetch(tmp_path / "out", region=region, ee_deadline=3).code == 3
    earth.faults()
    assert fetch(tmp_path / "out", region=region).code == 0
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "clean")


def test_too_large_requests_are_cut_and_remembered(
    tmp_path: Path, fetch: Callable[..., Any], earth: Any, all_tiles: list[TileKey], check_stored: Callable
) -> None:
    earth.faults(too_large_over_pixels=32 * 32)  # single tiles pass, squares of four do not
    outcome = fetch(tmp_path / "out")
    assert outcome.code == 0, outcome.text
    assert check_stored(tmp_path / "out") == set(all_tiles)
    assert earth.pixel_requests("200") == len(all_tiles)
    # Forty were under way before the first answer, and some of their halves before it was clear that size is the reason;
    # without a memory, every square of four and both of its halves would have been refused.
    squares = len(list((tmp_path / "out" / "raw").iterdir()))
    assert earth.pixel_requests("400") < 0.8 * 3 * squares


def test_tiles_larger_than_a_request_are_cut_within(
    tmp_path: Path, fetch: Callable[..., Any], earth: Any, check_stored: Callable
) -> None:
    earth.faults(too_large_over_pixels=64 * 64)
    outcome = fetch(tmp_path / "out", patch_size=128, region="10.0,50.0,10.03,50.02")
    assert outcome.code == 0, outcome.text
    assert check_stored(tmp_path / "out")


def test_throttling_alone_loses_nothing_and_cuts_nothing(
    tmp_path: Path, fetch: Callable[..., Any], earth: Any, all_tiles: list[TileKey], check_stored: Callable
) -> None:
    earth.faults(rate_429=0.5, retry_after=0.05)
    outcome = fetch(tmp_path / "out")
    assert outcome.code == 0, outcome.text
    assert check_stored(tmp_path / "out") == set(all_tiles)
    # As many answers as squares of four tiles: none of them was cut.
    assert earth.pixel_requests("200") == len(list((tmp_path / "out" / "raw").iterdir()))


@pytest.mark.parametrize("most", [1, 3, 12])
def test_max_requests_holds(tmp_path: Path, fetch: Callable[..., Any], earth: Any, most: int) -> None:
    earth.faults(latency=0.05)
    outcome = fetch(tmp_path / "out", max_requests=most, region="10.0,50.0,10.02,50.02")
    assert outcome.code == 0, outcome.text
    assert earth.settle()["max_concurrent_seen"] == most


def test_max_qps_holds(tmp_path: Path, fetch: Callable[..., Any], earth: Any) -> None:
    start = time.monotonic()
    outcome = fetch(tmp_path / "out", max_qps=10, region="10.0,50.0,10.02,50.02")
    seconds = time.monotonic() - start
    assert outcome.code == 0, outcome.text
    requests = earth.pixel_requests()
    assert requests >= 12
    # A second's tenth may start at once.
    assert seconds >= (requests - 2) / 10


def test_429_of_a_smaller_quota_makes_it_slower_not_worse(
    tmp_path: Path, fetch: Callable[..., Any], all_tiles: list[TileKey], check_stored: Callable
) -> None:
    with local_earth(world=False, record=True, max_concurrent=4, max_qps=1000, latency="0.05") as url:
        outcome = fetch(tmp_path / "out", ee_url=url)
        with urllib.request.urlopen(url + "/_local/stats", timeout=10) as answer:
            stats = json.loads(answer.read())
    assert outcome.code == 0, outcome.text
    assert check_stored(tmp_path / "out") == set(all_tiles)
    counts = stats["requests"]["computePixels"]
    # Forty start at once and 36 are refused; from then on it feels its way: below one refusal for each answer.
    assert counts["429"] < 40 + counts["200"]


@pytest.mark.parametrize(("status", "message"), [(401, "Invalid token"), (403, "Permission denied on project")])
def test_no_permission_is_one_error_after_few_requests(
    tmp_path: Path, fetch: Callable[..., Any], earth: Any, all_tiles: list[TileKey], status: int, message: str
) -> None:
    everywhere = {"bounds": [-180, -90, 180, 90], "status": status, "message": message}
    earth.faults(fail_tiles=[everywhere])
    outcome = fetch(tmp_path / "out")
    assert outcome.code == 2
    assert message in outcome.error
    assert str(status) in outcome.error
    assert ("--ee_credentials" if status == 401 else "--ee_project") in outcome.error
    # No more than were under way when the first answer came.
    assert earth.settle()["requests"]["computePixels"] == {str(status): earth.pixel_requests()}
    assert earth.pixel_requests() <= 40
    assert not dead_letters(tmp_path / "out")


def test_an_expired_token_from_the_start(tmp_path: Path, fetch: Callable[..., Any], earth: Any) -> None:
    ee.Reset()  # as in a new process
    earth.faults(unauthorized=True)
    outcome = fetch(tmp_path / "out")
    assert outcome.code == 2
    assert "credentials" in outcome.error
    assert earth.pixel_requests() == 0


def test_a_token_that_expires_between_two_runs_of_a_process(
    tmp_path: Path, fetch: Callable[..., Any], earth: Any
) -> None:
    assert fetch(tmp_path / "one", region="10.0,50.0,10.001,50.001").code == 0
    earth.reset()
    earth.faults(unauthorized=True)
    outcome = fetch(tmp_path / "two")
    assert outcome.code == 2
    assert "does not accept the credentials" in outcome.error
    assert "--ee_credentials" in outcome.error
    assert earth.pixel_requests() == 0


class UnansweredImage:
    """An image that the client cannot ask about: the error of its transport comes through."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def getInfo(self) -> None:  # noqa: N802 - the client's name
        raise self._error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(111, "Connection refused"), OutageError),
        (TransportError("no route"), OutageError),
        (RefreshError("token expired"), AuthenticationError),
    ],
)
def test_a_check_of_the_recipe_that_is_not_answered(error: Exception, kind: type[Exception]) -> None:
    """The client would ask for a minute before it gave up on a real endpoint."""
    image: Any = UnansweredImage(error)
    with pytest.raises(kind, match=re.escape(str(error))) as found:
        check_source(PixelSource((FetchBand("a", "uint8"),), expression="{}"), image)
    assert found.value.__cause__ is error


def test_a_recipe_that_is_refused_everywhere_stops_the_run(
    tmp_path: Path, fetch: Callable[..., Any], earth: Any
) -> None:
    earth.faults(fail_tiles=[{"bounds": [-180, -90, 180, 90], "status": 400, "message": "Bad things."}])
    outcome = fetch(tmp_path / "out")
    assert outcome.code == 2
    assert "Bad things" in outcome.error
    assert earth.pixel_requests() <= 100


def test_a_place_that_is_refused_is_a_dead_letter(
    tmp_path: Path, fetch: Callable[..., Any], earth: Any, all_tiles: list[TileKey], check_stored: Callable
) -> None:
    key = all_tiles[40]
    earth.faults(fail_tiles=[utm_place(key, status=400, message="Projection error: no such place.")])
    outcome = fetch(tmp_path / "out")
    assert outcome.code == 3
    assert check_stored(tmp_path / "out") == set(all_tiles) - {key}
    (letter,) = dead_letters(tmp_path / "out")
    assert (letter.tile, letter.kind) == (str(key), "permanent")
    assert "no such place" in letter.message


@pytest.mark.slow
def test_a_dataset_with_dead_letters_is_refreshed_when_they_are_cured(
    tmp_path: Path, export: Callable[..., Any], earth: Any, asked_tiles: Callable
) -> None:
    """Statistics, examples and dataset.json follow the raw shards."""
    from rsbot_beam import load_dataset

    output, small = tmp_path / "out", {"region": "10.0,50.0,10.02,50.015", "split_block": 300}
    key = TileKey.parse("EPSG32632_10_32_r-554016_c57216")
    earth.faults(fail_tiles=[utm_place(key, status=500)])
    first = export(output, **small)
    assert first.code == 3
    before = json.loads((output / "dataset.json").read_text())
    assert before["tiles"]["dead"] == 1

    def tiles(dataset: dict[str, Any]) -> set[str]:
        splits = [name for name, split in dataset["splits"].items() if split["examples"]]
        return {
            tile.decode()
            for split in splits
            for batch in load_dataset(output, split).as_numpy_iterator()
            for tile in batch["tile"]
        }

    assert len(tiles(before)) == before["tiles"]["stored"]
    assert str(key) not in tiles(before)

    earth.reset()
    assert export(output, **small).code == 0
    after = json.loads((output / "dataset.json").read_text())
    assert asked_tiles(earth.grids(), key) == [key]
    assert after["tiles"]["dead"] == 0
    assert after["tiles"]["stored"] == before["tiles"]["stored"] + 1
    assert tiles(after) == tiles(before) | {str(key)}
    counted = [dataset["bands"][0]["statistics"]["count"] for dataset in (before, after)]
    in_train = [dataset["splits"]["train"]["examples"] for dataset in (before, after)]
    assert counted == [32 * 32 * number for number in in_train]
