"""`rsbot plan predict` says beforehand what `rsbot predict` then does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsbot_beam.earthengine.transport import Transport
from rsbot_beam.transforms.progress import PROGRESS
from tests.integration.timing import close_once

pytestmark = pytest.mark.integration


@pytest.fixture
def plan(predict_flags: dict[str, Any], run_command_here: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Plans a map; takes flags that replace those of `predict_flags`, and returns the JSON."""

    def run(**flags: Any) -> dict[str, Any]:
        done = run_command_here({**predict_flags, "json": "-", **flags}, "plan predict")
        assert done.code == 0, done.text
        found: dict[str, Any] = json.loads(done.out)
        return found

    return run


def counted(earth: Any) -> tuple[int, int]:
    """Requests for pixels and bytes of the last run."""
    counts = PROGRESS.snapshot()
    assert earth.pixel_requests("200") == earth.pixel_requests()
    return earth.pixel_requests(), counts["bytes"]


@pytest.mark.parametrize(
    ("model", "flags"),
    [
        pytest.param("place", {}, id="whole blocks"),
        pytest.param("blur", {"overlap": 8, "bands": "class,probability", "block_side": 4}, id="with overlap"),
        # A block of 4 x 4 tiles with its margin takes some requests, of which none holds all.
        pytest.param("blur", {"block_side": 4, "block_mib": 0.05}, id="blocks in pieces"),
        # Less than one tile with its overlap comes in a request.
        pytest.param("blur", {"block_side": 2, "block_mib": 0.01}, id="tiles in pieces"),
        pytest.param("hole", {"block_side": 2, "recipe": None}, id="half of it empty"),
        pytest.param("place", {"region": "11.97,50.0,12.03,50.02", "crs": "utm", "block_side": 4}, id="two zones"),
    ],
)
def test_tiles_requests_and_bytes_are_what_a_run_then_takes(
    model: str,
    flags: dict[str, Any],
    plan: Callable[..., Any],
    predict: Callable[..., Any],
    models: Any,
    earth: Any,
    tmp_path: Path,
) -> None:
    flags = {**flags, "model": getattr(models, model), "recipe": models.recipe}
    found = plan(**flags, sample_tiles=9)
    earth.reset()
    assert predict(tmp_path, **flags).code == 0
    requests, nbytes = counted(earth)
    run = json.loads((tmp_path / "run.json").read_text())
    assert found["whole"]["tiles"] == run["tiles"]["asked"]
    assert found["whole"]["shards"] == run["blocks"]
    assert found["whole"]["requests"] == requests
    assert found["whole"]["pixels"] == run["pixels"]["fetched"]
    assert found["bytes"]["received"] == pytest.approx(nbytes, rel=0.02)
    assert found["bytes"]["written"]["map"] == pytest.approx(run["nbytes"], rel=0.2)
    share = run["tiles"]["empty"] / run["tiles"]["asked"]
    assert found["trial"]["empty"] / found["trial"]["tiles"] == pytest.approx(share, abs=0.15)


def test_objects_of_a_detector_are_planned_as_well(
    plan: Callable[..., Any], predict: Callable[..., Any], models: Any, earth: Any, tmp_path: Path
) -> None:
    sites = [(10.002 + 0.0015 * n, 50.002 + 0.0008 * n, 1 + n % 2, 0.9) for n in range(18)]
    flags = {"model": models.sites(sites, name="planned sites"), "recipe": models.recipe, "block_side": 4}
    found = plan(**flags, sample_tiles=30)
    earth.reset()
    assert predict(tmp_path, **flags).code == 0
    assert found["whole"]["requests"] == earth.pixel_requests()
    run = json.loads((tmp_path / "run.json").read_text())
    assert found["bytes"]["written"]["map"] == pytest.approx(run["nbytes"], rel=0.3)


def test_time_is_what_a_run_then_takes(
    plan: Callable[..., Any],
    predict: Callable[..., Any],
    earth: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where it is waiting that takes the time: for each block of one tile, eight at a time.

    While the model is loaded, a second of the run, few blocks are asked for: the run is long enough for that not to count.
    """
    started: list[float] = []
    ended: list[float] = []
    post = Transport.post

    def noted(self: Transport, *args: Any, **named: Any) -> Any:
        started.append(time.monotonic())
        reply = post(self, *args, **named)
        ended.append(time.monotonic())
        return reply

    monkeypatch.setattr(Transport, "post", noted)
    flags = {"block_side": 1, "max_requests": 8, "region": "10.0,50.0,10.05,50.03"}
    earth.faults(latency="0.6")

    def planned_and_run(name: str) -> tuple[float, float]:
        found = plan(**flags, sample_tiles=9)
        assert found["here"]["limit"] == "latency"
        started.clear()
        ended.clear()
        assert predict(tmp_path / name, **flags).code == 0
        assert found["whole"]["requests"] == len(ended) == found["whole"]["tiles"] > 100
        return found["here"]["seconds"], max(ended) - min(started)

    close_once(planned_and_run)


def test_the_model_s_time_is_measured(
    plan: Callable[..., Any], models: Any, earth: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rsbot_beam.learning.predictor import Predictor

    predict = Predictor.predict

    def slow(self: Predictor, patches: Any, most_values: int = 0) -> Any:
        time.sleep(0.05 * sum(len(patch.block) for patch in patches))
        return predict(self, patches, most_values)

    monkeypatch.setattr(Predictor, "predict", slow)
    found = plan(block_side=2, sample_tiles=4)
    assert found["pace"]["tile_seconds"] > 0.05
    assert found["here"]["limit"] == "computing"
    assert found["here"]["seconds"] > 0.05 * found["whole"]["tiles"]


def test_nothing_is_predicted_without_a_trial(
    plan: Callable[..., Any], earth: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rsbot_beam.learning.predictor import Predictor

    monkeypatch.setattr(Predictor, "predict", None)
    found = plan(sample_tiles=0, latency=2.0)
    assert earth.pixel_requests() == 0
    assert found["bytes"]["written"] == {}
    assert found["here"]["seconds"] == pytest.approx(2.0 * -(-found["whole"]["requests"] // 40), rel=0.01)


def test_what_an_earlier_run_has_left_is_what_the_next_one_fetches(
    plan: Callable[..., Any], predict: Callable[..., Any], earth: Any, tmp_path: Path
) -> None:
    flags = {"block_side": 2}
    assert plan(**flags, output=tmp_path, sample_tiles=0)["left"] is None
    assert not list(tmp_path.iterdir()), "a plan leaves nothing behind"
    assert predict(tmp_path, **flags).code == 0
    receipts = sorted((tmp_path / "blocks").glob("*.json"))
    for path in receipts[::3]:
        path.unlink()
    (tmp_path / "run.json").unlink()
    found = plan(**flags, output=tmp_path, sample_tiles=0, map=tmp_path / "blocks.geojson")
    listed = json.loads((tmp_path / "blocks.geojson").read_text())["features"]
    kinds = [feature["properties"]["kind"] for feature in listed]
    assert kinds.count("blocks") == len(receipts[::3])
    assert kinds.count("blocks there already") == len(receipts) - len(receipts[::3])
    assert sum(feature["properties"]["tiles"] for feature in listed) == found["whole"]["tiles"]
    assert {feature["id"] for feature in listed} == {path.stem for path in receipts}
    earth.reset()
    assert predict(tmp_path, **flags).code == 0
    assert found["left"]["requests"] == earth.pixel_requests() > 1


def test_the_picture_shows_blocks(plan: Callable[..., Any], earth: Any, tmp_path: Path) -> None:
    plan(block_side=2, sample_tiles=3, map=tmp_path / "blocks.png")
    with Image.open(tmp_path / "blocks.png") as image:
        pixels = np.asarray(image.convert("RGB"), int)
    assert (np.abs(pixels - (38, 135, 190)).max(axis=-1) < 14).mean() > 0.2
