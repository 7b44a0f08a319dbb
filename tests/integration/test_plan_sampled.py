"""Plans of runs that sample: around vector features and points, with groups, and labels and boxes made here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsbot_beam.sampling import read_samples
from tests.integration.test_sampling_modes import PLANT_RECIPE, PLANTS, WIDE

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def around_plants(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Flags of a run around plants and masts, with as much background, half of it drawn by Earth Engine."""
    folder = tmp_path_factory.mktemp("plants")
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": coordinates}
            if kind == "wind"
            else {"type": "Polygon", "coordinates": [coordinates]},
            "properties": {"kind": kind, "name": name},
        }
        for name, (kind, coordinates) in PLANTS.items()
    ]
    (folder / "plants.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (folder / "plants.py").write_text(PLANT_RECIPE)
    return {
        "recipe": folder / "plants.py",
        "set": f"file={folder / 'plants.geojson'}",
        "region": WIDE,
        "sampling": "features",
        "background": 3.0,
        "seed": 5,
        "split": "60,20,20",
    }


@pytest.fixture(scope="module")
def around_points(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Flags of a run around a user's own points, some of which have no number."""
    path = tmp_path_factory.mktemp("points") / "points.csv"
    rows = [f"{10.01 + 0.008 * n},{50.01 + 0.005 * (n * 7 % 20)},site {n},{n / 3 if n % 4 else ''}" for n in range(20)]
    path.write_text("lon,lat,name,height\n" + "\n".join(rows))
    return {"region": WIDE, "sampling": "points", "points": path, "link_distance": 900}


@pytest.mark.parametrize("mode", ["around_plants", "around_points"])
def test_what_is_planned_is_drawn_fetched_and_written(
    mode: str,
    request: pytest.FixtureRequest,
    base_flags: dict[str, Any],
    run_command_here: Callable[..., Any],
    fetch: Callable[..., Any],
    earth: Any,
    tmp_path: Path,
) -> None:
    flags = request.getfixturevalue(mode)
    done = run_command_here(
        {**base_flags, **flags, "sample_tiles": 12, "json": "-", "map": tmp_path / "tiles.geojson"}, "plan export"
    )
    assert done.code == 0, done.text
    found = json.loads(done.out)
    earth.reset()
    assert fetch(tmp_path / "run", **flags).code == 0
    samples = read_samples(str(tmp_path / "run" / "samples.arrow"))
    totals = json.loads((tmp_path / "run/totals/fetch.json").read_text())
    assert found["exact"] is True
    assert found["whole"]["tiles"] == len(samples)
    assert found["whole"]["shards"] == totals["shards"]
    assert found["whole"]["requests"] == earth.pixel_requests("200") == earth.pixel_requests()
    assert {name: number for name, number in found["splits"].items() if number} == {
        name: totals[name] for name in ("train", "validation", "test") if totals[name]
    }
    raw = sum(path.stat().st_size for path in (tmp_path / "run" / "raw").glob("*.arrow"))
    assert found["bytes"]["written"]["raw"] == pytest.approx(raw, rel=0.2)
    listed = json.loads((tmp_path / "tiles.geojson").read_text())["features"]
    assert Counter(feature["id"] for feature in listed) == Counter(str(sample.key) for sample in samples)


def test_samples_that_are_drawn_are_not_drawn_again(
    base_flags: dict[str, Any],
    around_plants: dict[str, Any],
    run_command_here: Callable[..., Any],
    fetch: Callable[..., Any],
    earth: Any,
    tmp_path: Path,
) -> None:
    assert fetch(tmp_path, **around_plants).code == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    flags = {**base_flags, **around_plants, "output": tmp_path, "sample_tiles": 3, "json": "-"}
    found = json.loads(run_command_here(flags, "plan export").out)
    assert found["left"] == {"tiles": 0, "shards": 0, "requests": 0, "pixels": 0}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_draw_that_finds_nothing_says_so(
    base_flags: dict[str, Any], run_command_here: Callable[..., Any], earth: Any
) -> None:
    done = run_command_here({**base_flags, "sampling": "features"}, "plan export")
    assert done.code == 2
    assert "needs vector features" in done.error
