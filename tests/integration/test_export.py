"""`rsbot export` from flags to files, on a local Earth Engine: what is stored, learned and written is right."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsbot_beam import Patch, TileKey, read_patches
from rsbot_beam.data.splits import SPLITS, SpatialSplit

pytestmark = pytest.mark.integration

REGION = "10.0,50.0,10.06,50.04"
PERIOD = "2023-01-01/2024-01-01"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, export: Callable[..., Any]) -> Path:
    """A finished export; nothing in it is changed by any test."""
    folder = tmp_path_factory.mktemp("dataset") / "out"
    outcome = export(folder)
    assert outcome.code == 0, outcome.text
    return folder


@pytest.fixture(scope="module")
def content(dataset: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((dataset / "dataset.json").read_text())
    return found


@pytest.fixture(scope="module")
def patches(dataset: Path) -> dict[str, Patch]:
    return {str(patch.key): patch for patch in read_patches(dataset)}


@pytest.fixture(scope="module")
def examples(dataset: Path) -> dict[str, list[dict[str, Any]]]:
    """The examples of each split, as arrays."""
    from rsbot_beam import load_dataset

    def read(split: str) -> Iterator[dict[str, Any]]:
        for batch in load_dataset(dataset, split, batch_size=7).as_numpy_iterator():
            yield from ({name: batch[name][i] for name in batch} for i in range(len(batch["tile"])))

    return {split: list(read(split)) for split in SPLITS}


def check_pixels(patch: Patch, expected: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]) -> None:
    pixels, valid = expected
    assert set(patch.pixels) == set(pixels)
    for name, values in pixels.items():
        assert patch.pixels[name].dtype == values.dtype
        np.testing.assert_array_equal(patch.valid[name], valid[name], err_msg=f"{patch.key} {name}")
        np.testing.assert_array_equal(patch.pixels[name], values, err_msg=f"{patch.key} {name}")


# What is stored -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_stored_pixel_is_what_the_recipe_has_there(patches: dict[str, Patch], compute: Callable) -> None:
    for patch in patches.values():
        check_pixels(patch, compute(patch.key))
    assert {patch.valid["fine"].all() for patch in patches.values()} == {True, False}
    assert {patch.valid["kind"].all() for patch in patches.values()} == {True, False}


@pytest.mark.slow
def test_the_tiles_are_those_that_meet_the_region(patches: dict[str, Patch]) -> None:
    import shapely
    from pyproj import Transformer

    to_utm = Transformer.from_crs("EPSG:4326", "EPSG:32632", always_xy=True)
    region = shapely.transform(
        shapely.segmentize(shapely.box(10.0, 50.0, 10.06, 50.04), 1e-4),
        lambda lonlat: np.column_stack(to_utm.transform(*lonlat.T)),
    )
    left, bottom, right, top = region.bounds
    side = 320.0
    wanted = {
        str(TileKey("EPSG:32632", 10.0, 32, -32 * row, 32 * col))
        for row in range(int(bottom // side), int(top // side) + 2)
        for col in range(int(left // side), int(right // side) + 1)
        if region.intersection(shapely.box(col * side, (row - 1) * side, (col + 1) * side, row * side)).area > 1e-3
    }
    assert set(patches) == wanted


# What is learned and written ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_stored_patch_is_an_example_of_its_split_and_no_other(
    patches: dict[str, Patch], examples: dict[str, list[dict[str, Any]]]
) -> None:
    found = Counter(example["tile"].decode() for split in SPLITS for example in examples[split])
    assert found == Counter(patches.keys())
    split_of = SpatialSplit(block=1000.0).split_of
    for split in SPLITS:
        assert examples[split], split
        assert {split_of(TileKey.parse(e["tile"].decode())) for e in examples[split]} == {split}


@pytest.mark.slow
def test_splits_do_not_share_a_square_of_ground(examples: dict[str, list[dict[str, Any]]]) -> None:
    # 1000 m are three tiles of 320 m.
    squares = {
        split: {
            (TileKey.parse(e["tile"].decode()).row // 96, TileKey.parse(e["tile"].decode()).col // 96)
            for e in examples[split]
        }
        for split in SPLITS
    }
    assert not squares["train"] & squares["validation"]
    assert not squares["train"] & squares["test"]
    assert not squares["validation"] & squares["test"]


@pytest.mark.slow
def test_each_example_says_where_and_when(examples: dict[str, list[dict[str, Any]]]) -> None:
    for example in (example for split in SPLITS for example in examples[split]):
        key = TileKey.parse(example["tile"].decode())
        assert example["crs"].decode() == "EPSG:32632"
        assert example["period"].decode() == PERIOD
        left, top = key.col * 10.0, -key.row * 10.0
        np.testing.assert_array_equal(example["transform"], [10.0, 0.0, left, 0.0, -10.0, top])
        np.testing.assert_array_equal(example["bounds"], [left, top - 320.0, left + 320.0, top])


def statistics(patches: list[Patch]) -> dict[str, np.ndarray]:
    """Valid pixels of each input band, all patches together, as float64."""
    return {
        band: np.concatenate([p.pixels[band][p.valid[band]] for p in patches]).astype(np.float64)
        for band in ("lon", "lat", "fine")
    }


@pytest.fixture(scope="module")
def train_pixels(patches: dict[str, Patch], examples: dict[str, list[dict[str, Any]]]) -> dict[str, np.ndarray]:
    return statistics([patches[example["tile"].decode()] for example in examples["train"]])


@pytest.mark.slow
def test_examples_are_the_normalised_patches(
    patches: dict[str, Patch], examples: dict[str, list[dict[str, Any]]], train_pixels: dict[str, np.ndarray]
) -> None:
    mean = np.array([x.mean(dtype=np.float64) for x in train_pixels.values()])
    std = np.array([x.std(dtype=np.float64) for x in train_pixels.values()])
    for example in (example for split in SPLITS for example in examples[split]):
        patch = patches[example["tile"].decode()]
        raw = np.stack([patch.pixels[band].astype(np.float64) for band in train_pixels], axis=-1)
        valid = np.stack([patch.valid[band] for band in train_pixels], axis=-1)
        wanted = np.where(valid, (raw - mean) / std, 0)
        assert example["image"].dtype == np.float32
        np.testing.assert_allclose(example["image"], wanted, rtol=1e-6, atol=1e-6, err_msg=str(patch.key))
        np.testing.assert_array_equal(example["valid"], valid.all(axis=-1))
        np.testing.assert_array_equal(example["label"], patch.label)
        np.testing.assert_array_equal(example["label_valid"], patch.label_valid)


@pytest.mark.slow
def test_dataset_json_counts_what_is_there(
    dataset: Path, content: dict[str, Any], patches: dict[str, Patch], examples: dict[str, list[dict[str, Any]]]
) -> None:
    tiles = content["tiles"]
    assert tiles["asked"] == tiles["stored"] == len(patches)
    assert tiles["empty"] == tiles["dead"] == 0
    for split in SPLITS:
        assert content["splits"][split]["examples"] == tiles[split] == len(examples[split])
        assert content["splits"][split]["nbytes"] == sum(f.stat().st_size for f in (dataset / split).iterdir())
        labels = Counter[int]()
        for example in examples[split]:
            labels.update(example["label"][example["label_valid"] == 1].tolist())
        assert {c["code"]: c["pixels"][split] for c in content["classes"]} == labels
    # A code that the recipe does not name is not lost.
    assert [(c["code"], c["name"]) for c in content["classes"]] == [(1, "one"), (2, "two"), (3, "code 3")]


@pytest.mark.slow
def test_dataset_json_has_the_statistics_of_the_train_split(
    content: dict[str, Any], train_pixels: dict[str, np.ndarray]
) -> None:
    for band in content["bands"]:
        if band["name"] == "kind":
            assert band["statistics"] is None
            continue
        pixels, found = train_pixels[band["name"]], band["statistics"]
        assert found["count"] == pixels.size
        assert (found["min"], found["max"]) == (pixels.min(), pixels.max())
        np.testing.assert_allclose([found["mean"], found["std"]], [pixels.mean(), pixels.std()], rtol=1e-6)
        wanted = np.quantile(pixels, [float(q) for q in found["quantiles"]], method="lower")
        # Exact for integers, to a bin of the histogram for wider types.
        step = np.ptp(pixels) / 65_535 if band["name"] == "lon" else 0
        np.testing.assert_allclose(list(found["quantiles"].values()), wanted, rtol=1e-6, atol=step)


@pytest.mark.slow
def test_dataset_json_says_what_it_is_of(content: dict[str, Any], earth_of_session: Any) -> None:
    assert content["recipe"]["name"] == "lonlat"
    assert content["recipe"]["parameters"]["scale"] == 1.0
    assert content["period"] == {"start": "2023-01-01", "end": "2024-01-01"}
    assert content["region"]["bbox"] == [10.0, 50.0, 10.06, 50.04]
    assert content["grid"]["crs"] == "EPSG:32632"
    assert content["endpoint"] == earth_of_session.url
    assert content["bands"][0]["unit"] == "degree"


@pytest.mark.slow
def test_a_finished_export_does_nothing_quickly(
    dataset: Path, export: Callable[..., Any], earth: Any, snapshot: Callable
) -> None:
    before = snapshot(dataset)
    start = time.perf_counter()
    outcome = export(dataset)
    seconds = time.perf_counter() - start
    assert outcome.code == 0
    assert "complete already" in outcome.out
    assert earth.pixel_requests() == 0
    assert seconds < 3
    assert snapshot(dataset) == before


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory, fetch: Callable[..., Any]) -> Path:
    """An export of a few tiles whose first step is done."""
    folder = tmp_path_factory.mktemp("fetched") / "out"
    outcome = fetch(folder, region="10.0,50.0,10.01,50.005")
    assert outcome.code == 0, outcome.text
    return folder


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"set": "scale=2"}, ("recipe.parameters.scale: there 1.0, now 2.0", "request")),
        ({"year": 2022}, ("period: there", "2022-01-01")),
        ({"resolution": 20}, ("grid.resolution: there 10.0, now 20.0",)),
        ({"patch_size": 64}, ("grid.patch_size: there 32, now 64",)),
        ({"crs": "EPSG:3857"}, ("grid.crs", "EPSG:3857")),
        ({"origin": "15,15"}, ("grid.origin: there [0.0, 0.0], now [15.0, 15.0]",)),
        ({"tiles": "centre"}, ("grid.rule",)),
        ({"region": "10.0,50.0,10.02,50.005"}, ("region",)),
        ({"split": "70,20,10"}, ("split.shares",)),
        ({"split_block": 5000}, ("split.block: there 1000.0, now 5000.0",)),
    ],
)
def test_another_export_in_the_same_folder_is_refused(
    fetched: Path, fetch: Callable[..., Any], earth: Any, snapshot: Callable, flags: dict[str, Any], named: tuple
) -> None:
    before = snapshot(fetched)
    outcome = fetch(fetched, **{"region": "10.0,50.0,10.01,50.005", **flags})
    assert outcome.code == 2
    assert str(fetched) in outcome.error
    assert "--output" in outcome.error
    for text in named:
        assert text in outcome.error
    assert snapshot(fetched) == before
    assert earth.pixel_requests() == 0


@pytest.mark.parametrize("flags", [{"block_mib": 0.5}, {"max_requests": 3}, {"split_block": 1000.0}])
def test_how_it_is_fetched_may_change(
    fetched: Path, fetch: Callable[..., Any], earth: Any, flags: dict[str, Any]
) -> None:
    outcome = fetch(fetched, **{"region": "10.0,50.0,10.01,50.005", **flags})
    assert outcome.code == 0, outcome.text
    assert earth.pixel_requests() == 0


BROKEN = {
    "syntax.py": ("def f(:\n", "syntax.py:1"),
    "raises.py": ("x = 1\ny = x / 0\n", "raises.py:2"),
    "nothing.py": ("x = 1\n", "must define `recipe`"),
    "bare.py": (
        "from dataclasses import dataclass\nfrom rsbot_beam import Recipe\n\n\n@dataclass(frozen=True, kw_only=True)\n"
        "class Bare(Recipe):\n    name = 'bare'\n\n\nrecipe = Bare()\n",
        "inputs(self, region, period)",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_recipe_file(tmp_path: Path, fetch: Callable[..., Any], name: str) -> None:
    code, named = BROKEN[name]
    (tmp_path / name).write_text(code)
    outcome = fetch(tmp_path / "out", recipe=tmp_path / name)
    assert outcome.code == 2
    assert named in outcome.error
    assert not (tmp_path / "out").exists()


def changed_recipe(recipe_file: str, folder: Path, old: str, new: str) -> Path:
    text = Path(recipe_file).read_text()
    assert old in text
    path = folder / "changed.py"
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('Band("lat", "int16")', 'Band("height", "int16")', ("height",)),
        ('Band("kind", "uint8")', 'Band("crop", "uint8")', ("crop",)),
        ("place = ee.Image.pixelLonLat()\n        lon", "place = ee.Image('NO/SUCH/ASSET')\n        lon", ("NO/SUCH",)),
        ("ee.Image.cat(", "ee.Image.kat(", ("changed.py:", "kat")),
        ("return image.updateMask(lon.gte(self.hole)) if self.hole else image", "return None", ("inputs", "NoneType")),
    ],
)
def test_a_recipe_that_earth_engine_does_not_have(
    tmp_path: Path, fetch: Callable[..., Any], recipe_file: str, old: str, new: str, named: tuple
) -> None:
    outcome = fetch(tmp_path / "out", recipe=changed_recipe(recipe_file, tmp_path, old, new))
    assert outcome.code == 2
    for text in named:
        assert text in outcome.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"recipe": "landcovr"}, ("landcovr", "landcover")),
        ({"recipe": "missing.py"}, ("missing.py", "does not exist")),
        ({"set": "scael=2"}, ("scael", "scale")),
        ({"set": "scale=big"}, ("scale", "big")),
        ({"region": "50.0,100.0,50.1,100.1"}, ("100",)),
        ({"region": "nowhere.geojson"}, ("nowhere.geojson",)),
        ({"region": "10.0,50.0,10.0,50.0"}, ("10.0,50.0,10.0,50.0",)),
        ({"crs": "EPSG:999999"}, ("999999",)),
        ({"crs": "moon"}, ("moon",)),
        ({"crs": "EPSG:4326"}, ("resolution", "degrees")),
        ({"resolution": -1}, ("-1",)),
        ({"patch_size": 0}, ("patch_size=0",)),
        ({"block_mib": 100}, ("block_mib=100",)),
        ({"split": "1,2"}, ("1,2",)),
        ({"year": 23}, ("23",)),
        ({"year": None, "period": "2023-05-01,2023-05-01"}, ("2023-05-01", "empty")),
        ({"steps": "fetch,fly"}, ("fly",)),
        ({"ee_url": "ftp://x"}, ("ftp://x",)),
        ({"ee_deadline": 0}, ("deadline=0",)),
        ({"max_requests": 0}, ("max_requests=0",)),
        ({"pathc_size": 8}, ("pathc_size", "patch_size")),
    ],
)
def test_bad_flags(
    tmp_path: Path, fetch: Callable[..., Any], export: Callable[..., Any], flags: dict[str, Any], named: tuple
) -> None:
    outcome = export(tmp_path / "out", **flags) if "steps" in flags else fetch(tmp_path / "out", **flags)
    assert outcome.code == 2, outcome.text
    for text in named:
        assert text in outcome.error
    assert not (tmp_path / "out").exists()


def test_an_endpoint_that_is_not_there(tmp_path: Path, fetch: Callable[..., Any]) -> None:
    outcome = fetch(tmp_path / "out", ee_url="http://127.0.0.1:9")
    assert outcome.code == 1
    assert "http://127.0.0.1:9" in outcome.error
    assert "--ee_url" in outcome.error
    assert not (tmp_path / "out").exists()


def test_a_region_without_imagery(tmp_path: Path, export: Callable[..., Any], earth: Any) -> None:
    outcome = export(tmp_path / "out", region="10.0,50.0,10.01,50.005", set="hole=20")
    assert outcome.code == 2
    assert "are empty" in outcome.error
    assert "lonlat" in outcome.error
    assert "2023-01-01" in outcome.error
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_an_output_that_is_a_file(tmp_path: Path, fetch: Callable[..., Any]) -> None:
    (tmp_path / "out").write_text("mine")
    outcome = fetch(tmp_path / "out")
    assert outcome.code == 2
    assert str(tmp_path / "out") in outcome.error
    assert "--output" in outcome.error
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, fetch: Callable[..., Any]) -> None:
    """What the operating system refuses to a worker is said in one line."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "raw").write_text("mine")
    outcome = fetch(tmp_path / "out", region="10.0,50.0,10.01,50.005")
    assert outcome.code == 1
    assert str(tmp_path / "out" / "raw") in outcome.error
    assert "the same command continues" in outcome.error


# Everywhere on Earth --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "crs"),
    [
        ({"region": "5.99,50.0,6.01,50.006", "crs": "utm"}, {"EPSG:32631", "EPSG:32632"}),
        ({"region": "10.0,-0.005,10.01,0.005", "crs": "utm"}, {"EPSG:32632", "EPSG:32732"}),
        ({"region": "-70.56,-33.61,-70.54,-33.60"}, {"EPSG:32719"}),
        ({"region": "179.99,-17.005,-179.99,-17.0", "crs": "utm"}, {"EPSG:32760", "EPSG:32701"}),
        ({"region": "179.99,-17.005,-179.99,-17.0"}, {"EPSG:32701", "EPSG:32760"}),
        ({"region": "10.0,50.0,10.02,50.01", "crs": "EPSG:4326", "resolution": 0.00013}, {"EPSG:4326"}),
        ({"region": "-70.56,-33.61,-70.54,-33.60", "crs": "EPSG:4326", "resolution": 0.00013}, {"EPSG:4326"}),
        ({"region": "10.0,50.0,10.02,50.01", "crs": "EPSG:3857", "resolution": 20}, {"EPSG:3857"}),
        ({"region": "10.0,50.0,10.02,50.01", "crs": "EPSG:3035", "origin": "3,7"}, {"EPSG:3035"}),
        ({"region": "20.0,-75.01,20.03,-75.0", "crs": "EPSG:3031"}, {"EPSG:3031"}),
    ],
    ids=[
        "zones",
        "equator",
        "south",
        "fiji-utm",
        "fiji",
        "degrees",
        "degrees-south",
        "mercator",
        "origin",
        "antarctica",
    ],
)
def test_pixels_in_every_grid(
    tmp_path: Path, fetch: Callable[..., Any], compute: Callable, flags: dict[str, Any], crs: set[str]
) -> None:
    from rsbot_beam import Cover, read_region, resolve_grid

    outcome = fetch(tmp_path / "out", **flags)
    assert outcome.code == 0, outcome.text
    found = list(read_patches(tmp_path / "out"))
    for patch in found:
        check_pixels(patch, compute(patch.key))
    keys = {patch.key for patch in found}
    assert {key.crs for key in keys} <= crs
    if flags.get("crs") == "utm":
        assert {key.crs for key in keys} == crs
    assert len(keys) == len(found)
    manifest = json.loads((tmp_path / "out" / "export.json").read_text())["grid"]
    region = read_region(flags["region"])
    grid = resolve_grid(
        region,
        crs=manifest["crs"],
        resolution=manifest["resolution"],
        patch_size=manifest["patch_size"],
        origin=tuple(manifest["origin"]),
    )
    assert keys == set(Cover(region, grid, manifest["rule"]).tiles())


def test_a_hole_is_stored_as_empty_tiles(
    tmp_path: Path, fetch: Callable[..., Any], compute: Callable, headers: Callable, earth: Any
) -> None:
    outcome = fetch(tmp_path / "out", set="hole=10.03")
    assert outcome.code == 0, outcome.text
    found = headers(tmp_path / "out").values()
    empty = {key for header in found for key in header.empty}
    stored = {key for header in found for key in header.stored}
    assert empty
    assert stored
    for patch in read_patches(tmp_path / "out"):
        check_pixels(patch, compute(patch.key, hole=10.03))
        assert patch.key in stored
    for key in empty:
        assert not any(flags.any() for name, flags in compute(key, hole=10.03)[1].items() if name != "kind")
    assert f"{len(stored)} stored + {len(empty)} empty + 0 dead" in outcome.out
    earth.reset()
    assert fetch(tmp_path / "out", set="hole=10.03").code == 0
    assert earth.pixel_requests() == 0


@pytest.mark.parametrize("runner", ["DirectRunner", "FnApiRunner"])
def test_runners_write_the_same_bytes(
    tmp_path: Path, fetch: Callable[..., Any], fetched: Path, snapshot: Callable, runner: str
) -> None:
    outcome = fetch(tmp_path / "out", region="10.0,50.0,10.01,50.005", runner=runner)
    assert outcome.code == 0, outcome.text
    assert snapshot(tmp_path / "out" / "raw") == snapshot(fetched / "raw")


@pytest.mark.slow
def test_more_worker_processes_write_the_same_bytes(
    tmp_path: Path, fetch: Callable[..., Any], fetched: Path, snapshot: Callable
) -> None:
    outcome = fetch(
        tmp_path / "out",
        region="10.0,50.0,10.01,50.005",
        direct_num_workers=2,
        direct_running_mode="multi_processing",
        max_requests=10,
    )
    assert outcome.code == 0, outcome.text
    assert snapshot(tmp_path / "out" / "raw") == snapshot(fetched / "raw")
