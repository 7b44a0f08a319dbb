"""Small datasets of made patches, written as an export writes them: raw shards, transform_fn, TFRecords, dataset.json."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rsbot_beam import storage
from rsbot_beam.data.bands import Band, LabelClass, Layout
from rsbot_beam.data.dataset_file import write_dataset_file
from rsbot_beam.data.manifest import layout_to_dict
from rsbot_beam.data.objects import Objects
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.period import Period
from rsbot_beam.data.raw_store import RawStore, raw_fingerprint
from rsbot_beam.data.shards import FetchedShard, Shard
from rsbot_beam.data.splits import SPLITS, SpatialSplit
from rsbot_beam.geometry import TileKey
from rsbot_beam.recipes import Preprocessing
from rsbot_beam.training.config import TrainConfig

if TYPE_CHECKING:
    from rsbot_beam.training.train import TrainResult

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SIZE = 16
# Parameters of a U-Net that trains in a second.
SMALL = {"width": "4", "depth": "1"}
PERIOD = Period.parse("2023-04-01,2023-10-01")
CLASSES = (
    LabelClass(1, "water", "#0072b2"),
    LabelClass(2, "meadow", "#009e73"),
    LabelClass(5, "maize", "#e69f00"),
    LabelClass(9, "never there", "#cc79a7"),
)
PLAIN = Layout((Band("B4", "uint16"), Band("B8", "uint16")), label=Band("landcover", "uint8"), classes=CLASSES)
SERIES = Layout(
    (Band("B4", "float32"), Band("B8", "float32")), 3, (Band("height", "int16"),), Band("crop", "uint8"), CLASSES
)
SITES = Layout(
    (Band("B4", "uint16"), Band("B8", "uint16")),
    label=Band("plant", "uint8"),
    classes=(LabelClass(0, "none", "#dddddd"), LabelClass(1, "solar", "#0072b2"), LabelClass(2, "wind", "#d55e00")),
    painted=True,
    objects=True,
)
# Reflectance of the classes in B4 and B8, by code.
MEANS = {1: (300, 100), 2: (700, 3000), 5: (1500, 2200)}


def key_at(col: int, row: int = 0) -> TileKey:
    return TileKey("EPSG:32633", 10.0, SIZE, row * SIZE, col * SIZE)


def field_patch(layout: Layout, col: int, row: int = 0, gain: float = 1.0, gaps: float = 0.05) -> Patch:
    """A patch of two fields, with noise and pixels that are not valid."""
    rng = np.random.default_rng([row + 500, col + 500])
    codes = rng.choice(list(MEANS), 2, replace=False)
    split = rng.integers(4, SIZE - 4)
    label = np.full((SIZE, SIZE), codes[0], np.uint8)
    label[:, split:] = codes[1]
    pixels: dict[str, np.ndarray] = {}
    valid: dict[str, np.ndarray] = {}
    for band in layout.all_bands:
        shape = layout.shape(band, SIZE)
        if band is layout.label:
            pixels[band.name], valid[band.name] = label, rng.random(shape) > gaps
        elif band.name in ("B4", "B8"):
            table = np.zeros(256)
            table[list(MEANS)] = [means[band.name == "B8"] for means in MEANS.values()]
            mean = table[label]
            pixels[band.name] = np.broadcast_to(mean, shape) * gain + rng.normal(0, 60, shape)
            valid[band.name] = rng.random(shape) > gaps
        else:
            pixels[band.name], valid[band.name] = rng.normal(300, 50, shape), np.ones(shape, bool)
        pixels[band.name] = np.where(valid[band.name], np.clip(pixels[band.name], 0, 60000), 0).astype(band.dtype)
    return Patch(key_at(col, row), layout, pixels, valid)


def site_patch(layout: Layout, col: int, row: int = 0) -> Patch:
    """A patch with up to two bright squares: what is to be detected."""
    rng = np.random.default_rng([row + 900, col + 900])
    shape = (SIZE, SIZE)
    pixels = {name: rng.normal(500, 40, shape) for name in ("B4", "B8")}
    label, boxes, classes = np.zeros(shape, np.uint8), [], []
    for number in range(int(rng.integers(0, 3))):
        code, side = int(rng.integers(1, 3)), int(rng.integers(3, 6))
        top, left = int(rng.integers(0, SIZE - side)), 8 * number + int(rng.integers(0, 8 - side + 1))
        place = (slice(top, top + side), slice(left, left + side))
        pixels["B4" if code == 1 else "B8"][place] = 3000
        label[place] = code
        boxes.append((top, left, top + side, left + side))
        classes.append(code)
    found = Objects(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(classes, np.int32),
        np.zeros(len(boxes), bool),
        tuple(f"s{row}-{col}-{i}" for i in range(len(boxes))),
    )
    arrays = {name: array.astype(np.uint16) for name, array in pixels.items()} | {"plant": label}
    return Patch(key_at(col, row), layout, arrays, {name: np.ones(shape, bool) for name in arrays}, found)


def write_dataset(
    root: Path, patches: Sequence[Patch], shares: tuple[float, float, float] = (60, 20, 20), block: float = 1
) -> str:
    """Write patches of one size as a finished dataset; squares of `block` metres fall in one split."""
    import apache_beam as beam

    from rsbot_beam.data.examples import feature_table
    from rsbot_beam.learning.columns import adapter_config, record_batch
    from rsbot_beam.learning.examples import ExamplesSettings, SplitTally, plan_examples, write_examples
    from rsbot_beam.learning.preprocessing import make_preprocessing_fn
    from rsbot_beam.learning.transform_fn import TransformFn
    from rsbot_beam.transforms.analyze import AnalyzePatches

    layout, size = patches[0].layout, patches[0].key.size
    split = SpatialSplit(shares, block=block)
    store = RawStore(str(root), layout)
    for start in range(0, len(patches), 20):
        part = tuple(patches[start : start + 20])
        store.write(FetchedShard(Shard(f"s{start:04}", tuple(patch.key for patch in part)), part))
    storage.write_bytes(root / "export.json", json.dumps({"layout": layout_to_dict(layout)}))
    learned = [p for p in patches if split.split_of(p.key) == "train"] or list(patches)
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        made = pipeline | beam.Create([record_batch(learned, layout)], reshuffle=False)
        fn = make_preprocessing_fn(layout, Preprocessing())
        made | AnalyzePatches(fn, adapter_config(layout, size), str(root / "temp"), str(root / "transform_fn"))
    settings = ExamplesSettings(store, split, PERIOD, feature_table(layout, size))
    total = {name: SplitTally() for name in SPLITS}
    for task in plan_examples(store.files(), 100_000):
        written = write_examples(task, settings, lambda: TransformFn(str(root / "transform_fn"), layout))
        total = {name: total[name] + written[name] for name in SPLITS}
    tallies = {name: tally.to_dict() for name, tally in total.items()}
    write_dataset_file(str(root), describe(store, patches[0].key, layout, split, tallies))
    return str(root)


def describe(
    store: RawStore, key: TileKey, layout: Layout, split: SpatialSplit, splits: dict[str, Any]
) -> dict[str, Any]:
    from rsbot_beam.data.examples import feature_table

    most = max(1, *(tally["most_objects"] for tally in splits.values()))
    features = {name: asdict(f) for name, f in feature_table(layout, key.size, most).items()}
    codes = {int(code) for t in splits.values() for code in (*t["classes"], *t["objects"])}
    classes = [asdict(item) for item in layout.classes]
    named = [c["code"] for c in classes]
    classes += [{"code": code, "name": f"code {code}", "colour": "#808080"} for code in sorted(codes - set(named))]
    for item in classes:
        for kind, name in (("classes", "pixels"), ("objects", "objects")):
            item[name] = {s: t[kind].get(str(item["code"]), 0) for s, t in splits.items()}
    return {
        "recipe": {"name": "made", "description": "", "parameters": {}, "assets": [], "request": "0"},
        "region": {"source": "made", "bbox": [12, 0, 13, 1], "area_m2": 1.0},
        "period": {"start": "2023-04-01", "end": "2023-10-01"},
        "grid": {
            "crs": key.crs,
            "resolution": key.resolution,
            "patch_size": key.size,
            "origin": list(key.origin),
            "rule": "intersects",
        },
        "layout": layout_to_dict(layout),
        "bands": [{**asdict(band), "statistics": None} for band in layout.all_bands],
        "classes": classes,
        "preprocessing": asdict(Preprocessing()),
        "features": features,
        "split": {"shares": list(split.shares), "block": split.block},
        "splits": {name: {"examples": t["examples"], "nbytes": t["nbytes"]} for name, t in splits.items()},
        "raw": {"files": len(store.files()), "fingerprint": raw_fingerprint(store.files())},
    }


@pytest.fixture(scope="session")
def plain_dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Forty patches of three classes in two bands, without time axis."""
    return write_dataset(tmp_path_factory.mktemp("plain"), [field_patch(PLAIN, col) for col in range(40)])


@pytest.fixture(scope="session")
def series_dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same as time series of three steps, with a static band, and pixels that are valid but no numbers."""
    patches = [field_patch(SERIES, col) for col in range(40)]
    for patch in patches:
        patch.pixels["B4"][1, 2:5] = np.nan
        patch.pixels["B8"][0, 7, 7] = np.inf
    return write_dataset(tmp_path_factory.mktemp("series"), patches)


@pytest.fixture(scope="session")
def sites_dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eighty patches with bright squares."""
    return write_dataset(tmp_path_factory.mktemp("sites"), [site_patch(SITES, col) for col in range(80)])


@pytest.fixture(scope="session")
def changed_dataset(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Copies a dataset and changes its description."""
    import shutil

    def change(source: str, name: str, edit: Callable[[dict[str, Any]], None] = lambda content: None) -> str:
        root = tmp_path_factory.mktemp(name) / "dataset"
        shutil.copytree(source, root)
        content = json.loads((root / "dataset.json").read_text())
        edit(content)
        (root / "dataset.json").write_text(json.dumps(content))
        return str(root)

    return change


def config(dataset: str, output: Path | str, **changes: Any) -> TrainConfig:
    """A training of seconds."""
    told: dict[str, Any] = {"model": "unet", "settings": SMALL, "epochs": 3, "batch_size": 8, "learning_rate": 0.01}
    return TrainConfig(dataset=dataset, output=str(output), **(told | changes))


def train(dataset: str, output: Path | str, **changes: Any) -> TrainResult:
    from rsbot_beam.training.train import run_training

    return run_training(config(dataset, output, **changes))


@pytest.fixture(scope="session")
def plain_model(plain_dataset: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A finished training of a U-Net."""
    return train(plain_dataset, tmp_path_factory.mktemp("unet") / "model").output


@pytest.fixture(scope="session")
def series_model(series_dataset: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A finished training of a TempCNN."""
    output = tmp_path_factory.mktemp("tempcnn") / "model"
    return train(series_dataset, output, model="tempcnn", settings={"width": "4"}).output


@pytest.fixture(scope="session")
def sites_model(sites_dataset: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A finished training of a CenterNet, long enough to find something."""
    settings = {"width": "8", "depth": "2", "head": "8", "stride": "2"}
    output = tmp_path_factory.mktemp("centernet") / "model"
    return train(sites_dataset, output, model="centernet", settings=settings, epochs=25).output
