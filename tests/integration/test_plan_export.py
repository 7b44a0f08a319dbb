"""`rsbot plan export` says beforehand what `rsbot export` then does."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsbot_beam.earthengine import pixels
from rsbot_beam.earthengine.transport import Transport
from rsbot_beam.transforms.progress import PROGRESS
from tests.integration.timing import close_once

pytestmark = pytest.mark.integration

# 12 degrees east is where zones 32 and 33 meet.
TWO_ZONES = "11.97,50.0,12.03,50.04"


@dataclass
class Wire:
    """What a process has sent, received and waited for; the requests themselves are real."""

    sent: int = 0
    received: int = 0
    started: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]

    @property
    def seconds(self) -> float:
        """From the first request to the last."""
        return max(self.ended) - min(self.started)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    found, post = Wire(), Transport.post

    def noted(self: Transport, path: str, body: bytes, *args: Any, **named: Any) -> Any:
        found.started.append(time.monotonic())
        reply = post(self, path, body, *args, **named)
        found.ended.append(time.monotonic())
        found.sent += len(body)
        found.received += len(reply.body)
        return reply

    monkeypatch.setattr(Transport, "post", noted)
    yield found


@pytest.fixture
def plan(base_flags: dict[str, Any], run_command_here: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Plans an export; takes flags that replace those of `base_flags`, and returns the JSON."""

    def run(**flags: Any) -> dict[str, Any]:
        done = run_command_here({**base_flags, "json": "-", **flags}, "plan export")
        assert done.code == 0, done.text
        found: dict[str, Any] = json.loads(done.out)
        return found

    return run


def raw_bytes(output: Path) -> int:
    return sum(path.stat().st_size for path in (output / "raw").glob("*.arrow"))


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param({}, id="a grid"),
        pytest.param({"region": TWO_ZONES, "crs": "utm"}, id="two zones"),
        pytest.param({"region": TWO_ZONES, "crs": "EPSG:4326", "resolution": 0.0001, "tiles": "centre"}, id="degrees"),
        pytest.param({"sampling": "random", "samples": 40, "region": "10.0,50.0,10.2,50.12"}, id="random"),
        pytest.param({"set": "hole=10.03"}, id="half of it empty"),
    ],
)
def test_tiles_requests_and_bytes_are_what_a_run_then_takes(
    flags: dict[str, Any], plan: Callable[..., Any], fetch: Callable[..., Any], earth: Any, wire: Wire, tmp_path: Path
) -> None:
    found = plan(**flags, sample_tiles=9)
    tried = earth.pixel_requests()
    assert found["trial"]["requests"] == tried == len(wire.ended)
    earth.reset()
    wire.clear()
    done = fetch(tmp_path, **flags)
    assert done.code == 0, done.text
    totals = json.loads((tmp_path / "totals/fetch.json").read_text())
    counts = PROGRESS.snapshot()
    assert found["exact"] is True
    assert found["whole"]["tiles"] == counts["tiles"] == sum(totals[name] for name in ("stored", "empty", "dead"))
    assert found["whole"]["shards"] == totals["shards"]
    assert found["whole"]["requests"] == earth.pixel_requests("200") == earth.pixel_requests() == counts["requests"]
    splits = found["splits"]
    if not totals["empty"]:
        assert {name: splits.get(name, 0) for name in ("train", "validation", "test")} == {
            name: totals[name] for name in ("train", "validation", "test")
        }
    assert found["bytes"]["received"] == pytest.approx(counts["bytes"], rel=0.02)
    assert wire.received == counts["bytes"]
    assert found["bytes"]["sent"] == pytest.approx(wire.sent, rel=0.05)
    assert found["bytes"]["written"]["raw"] == pytest.approx(raw_bytes(tmp_path), rel=0.2)
    assert found["trial"]["empty"] > 0 or not totals["empty"]


def test_tiles_that_are_too_large_for_a_request_are_counted_in_their_parts(
    plan: Callable[..., Any], fetch: Callable[..., Any], earth: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bytes with masks of 64 x 64 pixels of five bands are 61,440: four parts of each tile.
    monkeypatch.setattr(pixels, "MAX_REQUEST_BYTES", 20_000)
    found = plan(patch_size=64, sample_tiles=2)
    assert found["trial"]["splits"] == 2 * 3
    earth.reset()
    assert fetch(tmp_path, patch_size=64).code == 0
    assert found["whole"]["requests"] == earth.pixel_requests("200") == earth.pixel_requests()
    assert found["whole"]["requests"] == 4 * found["whole"]["tiles"]


def test_time_is_what_a_run_then_takes(
    plan: Callable[..., Any], fetch: Callable[..., Any], earth: Any, wire: Wire, tmp_path: Path
) -> None:
    """Where it is waiting that takes the time: half a second for each request, eight at a time."""
    flags = {"max_requests": 8, "block_mib": 0.02, "region": "10.0,50.0,10.03,50.02"}
    earth.faults(latency="0.5")

    def planned_and_run(name: str) -> tuple[float, float]:
        found = plan(**flags, sample_tiles=9)
        assert found["here"]["limit"] == "latency"
        assert found["pace"]["requests_per_second"] == pytest.approx(8 / found["trial"]["latency"], rel=0.05)
        wire.clear()
        assert fetch(tmp_path / name, **flags).code == 0
        assert found["whole"]["requests"] == len(wire.ended) > 50
        return found["here"]["seconds"], wire.seconds

    close_once(planned_and_run)


def test_time_is_bounded_by_the_rate(
    plan: Callable[..., Any], fetch: Callable[..., Any], wire: Wire, earth: Any, tmp_path: Path
) -> None:
    flags = {"max_requests": 40, "max_qps": 15, "block_mib": 0.02, "region": "10.0,50.0,10.03,50.02"}
    earth.faults(latency="0.2")

    def planned_and_run(name: str) -> tuple[float, float]:
        found = plan(**flags)
        assert found["here"]["limit"] == "qps"
        wire.clear()
        assert fetch(tmp_path / name, **flags).code == 0
        return found["here"]["seconds"], wire.seconds

    close_once(planned_and_run)


def test_examples_take_as_many_bytes_as_planned(
    plan: Callable[..., Any], export: Callable[..., Any], earth: Any, tmp_path: Path
) -> None:
    found = plan(set="hole=10.03")["bytes"]["written"]
    assert export(tmp_path, set="hole=10.03").code == 0
    dataset = json.loads((tmp_path / "dataset.json").read_text())
    examples = sum(split["nbytes"] for split in dataset["splits"].values())
    assert found["examples"] == pytest.approx(examples, rel=0.2)
    assert found["raw"] == pytest.approx(raw_bytes(tmp_path), rel=0.2)


def test_without_a_trial_nothing_is_fetched_and_the_unknown_is_unknown(
    plan: Callable[..., Any], earth: Any, tmp_path: Path
) -> None:
    found = plan(sample_tiles=0)
    assert earth.pixel_requests() == 0
    assert found["trial"] is found["pace"] is found["here"] is found["dataflow"] is found["eecu"] is None
    assert found["whole"]["requests"] > 0
    assert found["bytes"]["received"] > 0
    known = plan(sample_tiles=0, latency=2, eecu_per_request=9)
    requests = known["whole"]["requests"]
    assert known["here"]["seconds"] == pytest.approx(2 * -(-requests // 40))
    assert known["eecu"] == {"per_request": 9.0, "hours": requests * 9 / 3600, "source": "given"}


def test_the_endpoint_s_own_account_is_taken(plan: Callable[..., Any], earth: Any) -> None:
    found = plan()
    assert found["eecu"]["source"] == "endpoint"
    assert found["eecu"]["per_request"] > 0
    assert found["eecu"]["hours"] == pytest.approx(found["eecu"]["per_request"] * found["whole"]["requests"] / 3600)
    assert any("say nothing of what Google's would take" in note for note in found["notes"])


def test_what_an_earlier_run_has_left_is_what_the_next_one_fetches(
    plan: Callable[..., Any], fetch: Callable[..., Any], earth: Any, tmp_path: Path, headers: Callable[..., Any]
) -> None:
    output = tmp_path / "run"
    output.mkdir()
    assert plan(output=output, sample_tiles=0)["left"] is None
    assert not list(output.iterdir()), "a plan leaves nothing behind"
    assert fetch(tmp_path / "whole").code == 0
    lost = next(iter(headers(tmp_path / "whole").values())).stored[0]
    earth.faults(fail_tiles=[{"crs": lost.crs, "bounds": lost.bounds, "status": 400, "message": "No such place."}])
    assert fetch(output).code == 3
    dead = {shard for shard, header in headers(output).items() if header.dead}
    assert len(dead) == 1
    for shard in sorted(set(headers(output)) - dead)[::3]:
        (output / f"raw/{shard}.arrow").unlink()
    earth.faults()
    found = plan(output=output, sample_tiles=0)
    before = earth.pixel_requests()
    assert fetch(output).code == 0
    assert found["left"]["requests"] == earth.pixel_requests() - before > 1
    assert 1 < found["left"]["tiles"] < found["whole"]["tiles"]
    done = plan(output=output, sample_tiles=0, latency=1)
    assert (done["left"]["tiles"], done["left"]["requests"], done["here"]["seconds"]) == (0, 0, 0)


def test_a_folder_of_another_run_is_refused(
    fetch: Callable[..., Any],
    run_command_here: Callable[..., Any],
    base_flags: dict[str, Any],
    earth: Any,
    tmp_path: Path,
) -> None:
    assert fetch(tmp_path).code == 0
    done = run_command_here({**base_flags, "output": tmp_path, "patch_size": 64}, "plan export")
    assert done.code == 2
    assert "belongs to another export" in done.error
    assert "patch_size" in done.error


def test_stratified_sampling_says_what_counting_takes(
    plan: Callable[..., Any], fetch: Callable[..., Any], earth: Any, tmp_path: Path
) -> None:
    flags = {"sampling": "stratified", "samples": 3, "region": "10.0,50.0,10.2,50.12", "min_share": 0.2}
    found = plan(**flags, output=tmp_path)
    assert found["exact"] is False
    assert found["whole"]["tiles"] == 2 * 3
    earth.reset()
    assert fetch(tmp_path, **flags).code == 0
    asked = json.loads((tmp_path / "totals/fetch.json").read_text())["stored"]
    assert earth.pixel_requests() == found["counting_requests"] + asked
    assert asked <= found["whole"]["requests"]
    drawn = plan(**flags, output=tmp_path, sample_tiles=0)
    assert drawn["exact"] is True
    assert drawn["counting_requests"] == 0
    assert (drawn["whole"]["tiles"], drawn["left"]["requests"]) == (asked, 0)


def test_dataflow_shares_the_quota(plan: Callable[..., Any], earth: Any) -> None:
    flags = {"block_mib": 0.02, "latency": 4.0, "sample_tiles": 0, "max_requests": 9}
    four = plan(**flags, workers=2)
    assert four["dataflow"]["machines"] == 2
    assert four["dataflow"]["processes"] == 4
    requests = four["whole"]["requests"]
    assert four["dataflow"]["seconds"] == pytest.approx(4 * -(-requests // 8)), "four processes with two requests each"
    assert four["dataflow"]["worker_hours"] == pytest.approx(2 * four["dataflow"]["seconds"] / 3600)
    assert four["here"]["seconds"] == pytest.approx(4 * -(-requests // 9))
    there = plan(**flags, runner="DataflowRunner", machine_type="n1-standard-1", workers=3)
    assert there["here"] is None
    assert there["dataflow"]["processes"] == 3


def test_the_picture_shows_tiles_and_places(plan: Callable[..., Any], earth: Any, tmp_path: Path) -> None:
    splits = plan(region=TWO_ZONES, crs="utm", split_block=500, map=tmp_path / "tiles.png")["splits"]
    with Image.open(tmp_path / "tiles.png") as image:
        assert min(image.size) > 300
        drawn = np.asarray(image.convert("RGB"), int)
    # Blue and orange, seen through: train and validation.
    blue, orange = ((np.abs(drawn - colour).max(axis=-1) < 14).mean() for colour in ((38, 135, 190), (233, 173, 38)))
    assert blue > 0.1
    assert orange / blue == pytest.approx(splits["validation"] / splits["train"], rel=0.25)


def test_the_list_has_every_tile_where_it_lies(
    plan: Callable[..., Any], fetch: Callable[..., Any], headers: Callable[..., Any], earth: Any, tmp_path: Path
) -> None:
    import shapely

    flags = {"region": TWO_ZONES, "crs": "utm"}
    plan(**flags, sample_tiles=0, map=tmp_path / "tiles.geojson")
    listed = json.loads((tmp_path / "tiles.geojson").read_text())["features"]
    assert fetch(tmp_path / "run", **flags).code == 0
    stored = {str(key): key for header in headers(tmp_path / "run").values() for key in header.stored}
    assert {feature["id"] for feature in listed} == set(stored)
    assert len({feature["id"] for feature in listed}) == len(listed)
    for feature in listed[:: max(1, len(listed) // 20)]:
        truth = stored[feature["id"]].geobox.extent.to_crs("EPSG:4326").geom
        shape = shapely.geometry.shape(feature["geometry"])
        assert shape.exterior.is_ccw
        assert shapely.area(shapely.symmetric_difference(shape, truth)) < 0.001 * shape.area
        assert feature["properties"]["kind"] in ("train", "validation", "test")


def test_in_python_a_plan_is_an_object(earth: Any, base_flags: dict[str, Any]) -> None:
    import rsbot_beam as rsbot

    config = rsbot.ExportConfig(
        recipe=base_flags["recipe"],
        region=base_flags["region"],
        period=rsbot.Period.year(2023),
        output="-",
        patch_size=32,
        block_mib=0.1,
        endpoint=rsbot.Endpoint(earth.url, max_qps=1000),
    )
    report = rsbot.plan_run(config, settings=rsbot.PlanSettings(sample_tiles=2, budget=1))
    assert report.whole.tiles > 100
    assert report.is_within
    assert report._repr_html_().count("<tr>") > 10
    assert report.to_dict()["output"] is None
    assert dataclasses.replace(report, settings=rsbot.PlanSettings(budget=1e-9)).is_within is False
