"""The two use cases by the command, on the world of the local Earth Engine: built-in recipes from flags to examples."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsbot_beam import SpatialSplit, load_dataset, read_patches
from rsbot_beam.earth_process import local_earth
from rsbot_beam.earthengine import fetcher

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SOLAR_PLANTS = "projects/rsbot/assets/world/solar_plants"
WIND_TURBINES = "projects/rsbot/assets/world/wind_turbines"
# Two months and small patches: the world makes each acquisition of each tile.
SPRING = "2022-05-01,2022-07-01"


@pytest.fixture(scope="module")
def world() -> Iterator[str]:
    with local_earth(max_qps=1000) as url:
        yield url


@pytest.fixture
def run(world: str, export: Callable[..., Any]) -> Callable[..., Any]:
    def exported(output: Path, **flags: Any) -> Any:
        fetcher._fetchers.clear()
        settings = {"year": None, "period": SPRING, "patch_size": 32, "split_block": 300, "block_mib": 8}
        outcome = export(output, **{**settings, "ee_url": world, **flags})
        assert outcome.code == 0, outcome.text
        return outcome

    return exported


def content_of(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "dataset.json").read_text())
    return found


def examples(output: Path) -> list[dict[str, Any]]:
    found = []
    for split in (name for name, sizes in content_of(output)["splits"].items() if sizes["examples"]):
        for batch in load_dataset(output, split).as_numpy_iterator():
            found += [{name: batch[name][i] for name in batch} for i in range(len(batch["tile"]))]
    return found


def counted(output: Path) -> Counter[int]:
    """Valid label pixels by code, from the raw patches."""
    found: Counter[int] = Counter()
    for patch in read_patches(output):
        assert patch.label is not None
        found.update(patch.label[patch.label_valid].tolist())
    return found


@pytest.mark.parametrize(
    ("region", "labels"),
    [
        pytest.param("-93.75,41.95,-93.74,41.96", "cdl", id="Iowa"),
        pytest.param("10.0,52.0,10.01,52.01", "eucropmap", id="Germany"),
        pytest.param("-104.5,50.5,-104.49,50.51", "aafc", id="Saskatchewan"),
        pytest.param("35.0,-1.0,35.01,-0.99", "worldcover", id="Kenya"),
    ],
)
def test_crops(tmp_path: Path, run: Callable[..., Any], region: str, labels: str) -> None:
    run(tmp_path / "ds", recipe="crops", set=f"labels={labels}", region=region, patch_size=64)
    content = content_of(tmp_path / "ds")
    assert content["recipe"]["parameters"]["labels"] == labels
    assert content["layout"]["steps"] == 2
    assert {asset["id"] for asset in content["recipe"]["assets"]} >= {"COPERNICUS/S2_SR_HARMONIZED"}
    assert all(asset["licence"] for asset in content["recipe"]["assets"])
    found = examples(tmp_path / "ds")
    assert found[0]["image"].shape == (2, 64, 64, 8)
    assert found[0]["valid"].shape == (2, 64, 64)
    pixels = counted(tmp_path / "ds")
    assert {
        item["code"]: sum(item["pixels"].values()) for item in content["classes"] if item["code"] in pixels
    } == pixels
    assert sum(pixels.values()) > 0


def test_a_step_without_imagery_stays(tmp_path: Path, run: Callable[..., Any]) -> None:
    """Steps shorter than the time between two acquisitions: some have no image at all."""
    flags = {"period": "2022-05-01,2022-05-13", "region": "-93.75,41.95,-93.747,41.953"}
    run(tmp_path / "ds", recipe="crops", set="interval=2 days", **flags)
    for patch in read_patches(tmp_path / "ds"):
        assert patch.valid["B4"].shape == (6, 32, 32)
        seen = patch.valid["B4"].any(axis=(1, 2))
        assert seen.any()
        assert not seen.all()
    for example in examples(tmp_path / "ds"):
        gaps = example["valid"] == 0
        assert gaps.any()
        assert not example["image"][gaps].any()


@pytest.mark.parametrize(
    ("recipe", "settings", "region", "codes"),
    [
        ("solar", f"labels={SOLAR_PLANTS}", "-93.9,41.9,-93.6,42.1", {1}),
        ("wind", f"labels={WIND_TURBINES}", "-93.9,41.9,-93.3,42.3", {2}),
        ("solar", f"labels={SOLAR_PLANTS}", "20.0,47.0,20.4,47.3", {1}),
    ],
)
def test_plants(
    tmp_path: Path, run: Callable[..., Any], recipe: str, settings: str, region: str, codes: set[int]
) -> None:
    flags = {"recipe": recipe, "set": settings, "region": region, "sampling": "features", "split": "100,0,0"}
    run(tmp_path / "ds", **flags, patch_size=64, samples=6, split_block=5000)
    content = content_of(tmp_path / "ds")
    found: Counter[int] = Counter()
    for example in examples(tmp_path / "ds"):
        count = int(example["box_count"])
        found.update(example["box_classes"][:count].tolist())
        boxes = example["boxes"][:count]
        assert (boxes >= 0).all()
        assert (boxes <= 64).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert set(found) == codes
    objects = {item["code"]: sum(item["objects"].values()) for item in content["classes"]}
    assert {code: number for code, number in objects.items() if number} == found
    if content["layout"]["label"]:
        pixels = counted(tmp_path / "ds")
        assert {
            item["code"]: sum(item["pixels"].values()) for item in content["classes"] if item["code"] in pixels
        } == (pixels)


def test_turbines_from_the_air(tmp_path: Path, run: Callable[..., Any]) -> None:
    """NAIP at 1 m: the square of a turbine is its size in metres, and so in pixels."""
    flags = {"region": "-93.9,41.9,-93.3,42.3", "period": "2019-01-01,2023-01-01", "patch_size": 256}
    settings = [f"labels={WIND_TURBINES}", "imagery=naip", "turbine_size=100"]
    sampling = {"sampling": "features", "samples": 3, "background": 0, "split": "100,0,0"}
    run(tmp_path / "ds", recipe="wind", set=settings, **flags, **sampling)
    whole = 0
    for patch in read_patches(tmp_path / "ds"):
        assert patch.key.resolution == 1.0
        assert list(patch.pixels) == ["R", "G", "B", "N"]
        assert patch.objects is not None
        sides = (patch.objects.boxes[:, 2:] - patch.objects.boxes[:, :2])[~patch.objects.truncated]
        assert np.abs(sides - 100).max(initial=0) < 0.5
        whole += len(sides)
    assert whole > 0


def test_both_kinds_of_plants_in_one_dataset(tmp_path: Path, run: Callable[..., Any]) -> None:
    settings = [f"solar_labels={SOLAR_PLANTS}", f"wind_labels={WIND_TURBINES}"]
    flags = {
        "region": "-93.9,41.9,-93.3,42.3",
        "sampling": "features",
        "background": 0.5,
        "split": "60,20,20",
        "samples": 16,
    }
    run(tmp_path / "ds", recipe="power_plants", set=settings, **flags, patch_size=64, split_block=5000)
    content = content_of(tmp_path / "ds")
    objects = {item["name"]: sum(item["objects"].values()) for item in content["classes"]}
    assert len([name for name, number in objects.items() if number]) == 2
    split = SpatialSplit((60, 20, 20), 5000)
    of_object: dict[str, set[str]] = {}
    for patch in read_patches(tmp_path / "ds"):
        for name in patch.objects.ids if patch.objects else ():
            of_object.setdefault(name, set()).add(split.split_of(patch.key, patch.group))
    assert of_object
    assert all(len(splits) == 1 for splits in of_object.values())


def test_rare_crops_reach_their_number(tmp_path: Path, run: Callable[..., Any]) -> None:
    flags = {
        "region": "-94.0,41.9,-93.75,42.1",
        "sampling": "stratified",
        "samples": 3,
        "min_share": 0.1,
        "steps": "fetch",
    }
    outcome = run(tmp_path / "ds", recipe="crops", **flags, period="2022-06-01,2022-06-11")
    held: Counter[int] = Counter()
    names = {}
    for patch in read_patches(tmp_path / "ds"):
        names = {item.code: item.name for item in patch.layout.classes}
        assert patch.label is not None
        shares = {code: (patch.label == code).sum() / max(1, patch.label_valid.sum()) for code in names}  # type: ignore[union-attr]
        # The draw looks at every fourth pixel.
        held.update(code for code, share in shares.items() if share >= 0.05)
    short = {code for code, name in names.items() if f"{name}" in outcome.err}
    assert {code for code in names if code not in short} <= {code for code, number in held.items() if number >= 3}
    assert len(set(names) - short) >= 4


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"recipe": "crops", "set": "optical=B2,B99"}, "B99"),
        ({"recipe": "crops", "set": "reducer=foo"}, "foo"),
        ({"recipe": "crops", "period": "1999-01-01,1999-03-01"}, "S2_SR_HARMONIZED"),
        ({"recipe": "crops", "crs": "EPSG:99999"}, "99999"),
        ({"recipe": "solar"}, "labels"),
        ({"recipe": "solar", "set": "labels=projects/rsbot/assets/world/nothing"}, "nothing"),
        ({"recipe": "solar", "set": "labels=ESA/WorldCover/v200"}, "mask"),
        ({"recipe": "wind", "set": "labels=/no/where.gpkg"}, "/no/where.gpkg"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_fetched(
    tmp_path: Path, world: str, export: Callable[..., Any], flags: dict[str, Any], message: str
) -> None:
    fetcher._fetchers.clear()
    given = {"year": None, "period": SPRING, "region": "-93.75,41.95,-93.74,41.96", "ee_url": world, **flags}
    outcome = export(tmp_path / "ds", **given)
    assert outcome.code == 2, outcome.text
    assert message in outcome.error
    assert not (tmp_path / "ds" / "raw").exists()
