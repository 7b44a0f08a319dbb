"""Examples and datasets: what is written is what is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsbot_beam import storage
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.dataset_file import PARTS, write_dataset_file
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.period import Period
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.shards import FetchedShard, Shard
from rsbot_beam.data.splits import SPLITS, SpatialSplit
from rsbot_beam.errors import DatasetError
from rsbot_beam.storage import StoredFile

pytestmark = pytest.mark.slow

Make = Callable[..., Patch]
PERIOD = Period.parse("2023-04-01,2023-10-01")


class Halves:
    """Stands where the learned transform_fn does; counts how often it is asked for."""

    def __init__(self) -> None:
        self.loaded = 0

    def __call__(self) -> Halves:
        self.loaded += 1
        return self

    def apply(self, patches: Iterable[Patch]) -> list[dict[str, np.ndarray]]:
        return [self.features(patch) for patch in patches]

    @staticmethod
    def features(patch: Patch) -> dict[str, np.ndarray]:
        image = np.stack([patch.pixels[band.name] / 2 for band in patch.layout.bands], axis=-1).astype(np.float32)
        valid = np.all([patch.valid[band.name] for band in patch.layout.bands], axis=0).astype(np.float32)
        return {"image": image, "valid": valid}


@pytest.fixture
def settings(any_folder: str, layout: Layout, make_patch: Make) -> Any:
    """Sixty patches in three raw shards, and how to write them."""
    from rsbot_beam.data.examples import feature_table
    from rsbot_beam.learning.examples import ExamplesSettings

    store = RawStore(any_folder, layout)
    for row in range(3):
        patches = tuple(make_patch(layout, row, col, 0.1) for col in range(20))
        store.write(FetchedShard(Shard(f"s{row}", tuple(patch.key for patch in patches)), patches))
    return ExamplesSettings(store, SpatialSplit((60, 20, 20), block=1), PERIOD, feature_table(layout, 8))


def write_all(settings: Any, transform: Any, nbytes: int = 10**9) -> dict[str, Any]:
    from rsbot_beam.learning.examples import SplitTally, plan_examples, write_examples

    total = {split: SplitTally() for split in SPLITS}
    for task in plan_examples(settings.store.files(), nbytes):
        tallies = write_examples(task, settings, transform)
        total = {split: total[split] + tallies[split] for split in SPLITS}
    return total


def finish(settings: Any, total: dict[str, Any]) -> None:
    splits = {split: tally.to_dict() for split, tally in total.items()}
    features = {name: asdict(feature) for name, feature in settings.table.items()}
    write_dataset_file(
        settings.root, {**{part: kind() for part, kind in PARTS.items()}, "splits": splits, "features": features}
    )


@pytest.fixture
def dataset(settings: Any) -> str:
    finish(settings, write_all(settings, Halves(), nbytes=1))
    return str(settings.root)


def tiles(dataset: Any) -> list[str]:
    return [tile.decode() for batch in dataset for tile in batch["tile"].numpy()]


def test_tables_of_features(layout: Layout, series_layout: Layout) -> None:
    from rsbot_beam.data.examples import feature_table

    plain = {name: (f.dtype, f.shape) for name, f in feature_table(layout, 16).items()}
    assert plain["image"] == ("float32", (16, 16, 2))
    assert plain["valid"] == ("uint8", (16, 16))
    assert plain["label"] == ("uint8", (16, 16))
    assert list(plain)[-5:] == ["tile", "crs", "transform", "bounds", "period"]
    series = {name: (f.dtype, f.shape) for name, f in feature_table(series_layout, 16).items()}
    assert series["image"] == ("float32", (3, 16, 16, 1))
    assert series["static"] == ("float32", (16, 16, 1))
    assert "label" not in feature_table(Layout(layout.bands), 16)


@pytest.mark.parametrize("with_time", [False, True])
def test_examples_come_back(layout: Layout, series_layout: Layout, make_patch: Make, with_time: bool) -> None:
    import tensorflow as tf

    from rsbot_beam.data.examples import encode_example, feature_table
    from rsbot_beam.learning.features import decode_examples, feature_spec

    some = series_layout if with_time else layout
    patch, table = make_patch(some, -3, 7, 0.2), feature_table(some, 8)
    rng = np.random.default_rng(3)
    transformed: dict[str, np.ndarray] = {}
    for name in {"image", "valid", "static", "static_valid"} & set(table):
        made = rng.normal(size=table[name].shape).astype(np.float32)
        transformed[name] = (made > 0).astype(np.float32) if table[name].dtype == "uint8" else made
    record = encode_example(patch, transformed, PERIOD, table)
    assert record == encode_example(patch, transformed, PERIOD, table)
    parsed = tf.io.parse_example([record, record], feature_spec(table))
    assert set(parsed) == set(table) == set(tf.train.Example.FromString(record).features.feature)
    found = {name: tensor.numpy() for name, tensor in decode_examples([record, record], table).items()}
    for name, array in transformed.items():
        assert found[name].dtype == table[name].dtype
        assert np.array_equal(found[name][1], array)
    assert np.array_equal(found["label"][0], patch.label)  # type: ignore[arg-type]
    assert np.array_equal(found["label_valid"][0] == 1, patch.label_valid)  # type: ignore[arg-type]
    assert found["tile"].tolist() == [str(patch.key).encode()] * 2
    assert found["crs"][0] == b"EPSG:32633"
    assert found["period"][0] == b"2023-04-01/2023-10-01"
    assert tuple(found["bounds"][0]) == patch.key.bounds
    assert tuple(found["transform"][0]) == tuple(patch.key.transform)[:6]


@pytest.mark.parametrize(
    ("sizes", "nbytes", "expected"),
    [
        ([], 10, []),
        ([5], 1, [1]),
        ([5, 5, 5], 10, [2, 1]),
        ([50, 1, 1], 10, [1, 2]),
        ([1, 50, 1], 10, [1, 1, 1]),
        ([3] * 10, 100, [10]),
    ],
)
def test_plans_group_shards_in_order(sizes: list[int], nbytes: int, expected: list[int]) -> None:
    from rsbot_beam.learning.examples import plan_examples

    files = [StoredFile(f"raw/{index:03}.arrow", size) for index, size in enumerate(sizes)]
    tasks = plan_examples(files, nbytes)
    assert [len(task.files) for task in tasks] == expected
    assert [path for task in tasks for path in task.files] == [file.path for file in files]
    assert [task.name for task in tasks] == [f"examples-{i:05}-of-{len(tasks):05}" for i in range(len(tasks))]


def test_every_patch_is_written_once_into_its_split(settings: Any) -> None:
    from rsbot_beam import load_dataset

    total = write_all(settings, Halves(), nbytes=1)
    finish(settings, total)
    patches = {str(p.key): p for file in settings.store.files() for p in settings.store.patches(file.path)}
    seen: list[str] = []
    for split in SPLITS:
        examples = load_dataset(settings.root, split, batch_size=7)
        found = tiles(examples)
        assert len(found) == total[split].examples > 0
        assert all(settings.split.split_of(patches[tile].key) == split for tile in found)
        for batch in examples.as_numpy_iterator():
            for index, tile in enumerate(batch["tile"]):
                assert np.array_equal(batch["image"][index], Halves.features(patches[tile.decode()])["image"])
        labels = [patches[tile].label[patches[tile].label_valid] for tile in found]
        codes, counts = np.unique(np.concatenate(labels), return_counts=True)
        assert total[split].classes == dict(zip(codes.tolist(), counts.tolist(), strict=True))
        seen += found
    assert sorted(seen) == sorted(patches)


def test_finished_tasks_are_kept(settings: Any) -> None:
    transform = Halves()
    first = write_all(settings, transform, nbytes=1)
    assert transform.loaded == 3
    before = {file.path: storage.read_bytes(file.path) for file in storage.walk(settings.root)}
    assert write_all(settings, transform, nbytes=1) == first
    assert transform.loaded == 3
    assert {file.path: storage.read_bytes(file.path) for file in storage.walk(settings.root)} == before


def test_a_task_without_receipt_is_done_again_to_the_same_bytes(settings: Any) -> None:
    write_all(settings, Halves(), nbytes=1)
    before = {file.path: storage.read_bytes(file.path) for file in storage.walk(settings.root)}
    receipts = list(storage.list_files(storage.join(settings.root, "receipts")))
    assert len(receipts) == 3
    storage.remove(receipts[1].path)
    storage.remove(storage.join(settings.root, "train", "examples-00001-of-00003.tfrecord"))
    again = Halves()
    write_all(settings, again, nbytes=1)
    assert again.loaded == 1
    assert {file.path: storage.read_bytes(file.path) for file in storage.walk(settings.root)} == before


def test_a_failing_task_leaves_nothing(settings: Any) -> None:
    class Broken(Halves):
        def apply(self, patches: Iterable[Patch]) -> list[dict[str, np.ndarray]]:
            raise MemoryError("too much")

    before = [file.path for file in storage.walk(settings.root)]
    with pytest.raises(MemoryError, match="too much"):
        write_all(settings, Broken())
    assert [file.path for file in storage.walk(settings.root)] == before
    if not storage.is_gcs(settings.root):
        assert sorted(path.name for path in Path(settings.root).iterdir()) == ["raw"]


def test_a_removed_file_is_written_again(settings: Any) -> None:
    """What load_dataset advises for a missing file must help."""
    write_all(settings, Halves(), nbytes=1)
    path = storage.join(settings.root, "train", "examples-00001-of-00003.tfrecord")
    storage.remove(path)
    write_all(settings, Halves(), nbytes=1)
    assert storage.exists(path)


def test_the_order_without_shuffling_is_stable(dataset: str) -> None:
    from rsbot_beam import load_dataset

    assert tiles(load_dataset(dataset)) == tiles(load_dataset(dataset))


def test_shuffling_is_repeatable_by_seed_and_differs_between_epochs(dataset: str) -> None:
    from rsbot_beam import load_dataset

    plain = tiles(load_dataset(dataset))
    one = load_dataset(dataset, shuffle=True, seed=1)
    first, second = tiles(one), tiles(one)
    assert sorted(first) == sorted(second) == sorted(plain)
    assert first != plain
    assert first != second
    assert first == tiles(load_dataset(dataset, shuffle=True, seed=1))
    assert first != tiles(load_dataset(dataset, shuffle=True, seed=2))


def test_shapes_of_batches(dataset: str) -> None:
    from rsbot_beam import load_dataset

    batches = list(load_dataset(dataset, batch_size=8).as_numpy_iterator())
    assert {len(batch["tile"]) for batch in batches[:-1]} == {8}
    assert batches[0]["image"].shape == (8, 8, 8, 2)
    assert batches[0]["label"].shape == (8, 8, 8)
    assert batches[0]["bounds"].shape == (8, 4)
    assert load_dataset(dataset).element_spec["image"].shape.as_list() == [None, 8, 8, 2]


def test_repeating_goes_on(dataset: str) -> None:
    from rsbot_beam import load_dataset

    once = tiles(load_dataset(dataset))
    assert tiles(load_dataset(dataset, batch_size=len(once), repeat=True).take(3)) == once * 3


def test_the_cache_of_a_bucket_s_files(settings: Any, tmp_path: Path) -> None:
    from rsbot_beam import load_dataset

    finish(settings, write_all(settings, Halves()))
    found = tiles(load_dataset(settings.root, cache_dir=tmp_path / "cache"))
    cached = list(storage.walk(tmp_path / "cache"))
    assert len(cached) == (1 if storage.is_gcs(settings.root) else 0)
    written = [Path(file.path).stat().st_mtime_ns for file in cached]
    assert tiles(load_dataset(settings.root, cache_dir=tmp_path / "cache")) == found
    assert [Path(file.path).stat().st_mtime_ns for file in cached] == written


def test_an_unknown_split(dataset: str) -> None:
    from rsbot_beam import load_dataset

    with pytest.raises(DatasetError, match="there is no split 'val': choose one of train, validation, test"):
        load_dataset(dataset, "val")


def test_a_missing_dataset(any_folder: str) -> None:
    from rsbot_beam import load_dataset

    with pytest.raises(DatasetError, match="there is no dataset in"):
        load_dataset(any_folder)


def test_a_half_written_dataset(settings: Any) -> None:
    from rsbot_beam import load_dataset

    write_all(settings, Halves())
    storage.write_bytes(storage.join(settings.root, "export.json"), "{}")
    with pytest.raises(DatasetError, match="is half-written"):
        load_dataset(settings.root)


@pytest.mark.parametrize("damage", ["missing", "cut off"])
def test_missing_and_cut_off_files(dataset: str, damage: str) -> None:
    from rsbot_beam import load_dataset

    path = next(storage.list_files(storage.join(dataset, "train"))).path
    content = storage.read_bytes(path)
    storage.remove(path)
    if damage == "cut off":
        storage.write_bytes(path, content[:-1])
    with pytest.raises(DatasetError, match=r"files of the train split of .* are missing or cut off"):
        load_dataset(dataset)


def test_an_empty_split(dataset: str) -> None:
    from rsbot_beam import load_dataset

    content = json.loads(storage.read_text(storage.join(dataset, "dataset.json")))
    content["splits"]["test"] = {"examples": 0, "nbytes": 0}
    storage.write_bytes(storage.join(dataset, "dataset.json"), json.dumps(content))
    with pytest.raises(DatasetError, match=r"the test split of .* is empty: export with a smaller --split_block"):
        load_dataset(dataset, "test")


def test_tallies_of_splits_come_back() -> None:
    from collections import Counter

    from rsbot_beam.learning.examples import SplitTally

    one, two = SplitTally(3, 100, Counter({1: 5, 200: 7})), SplitTally(1, 50, Counter({1: 2}))
    assert SplitTally.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    assert one + two == SplitTally(4, 150, Counter({1: 7, 200: 7}))
