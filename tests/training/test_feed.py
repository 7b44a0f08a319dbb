"""What a training is fed: every example once in each epoch, and after a restart what would have come without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsbot_beam.errors import DatasetError

pytestmark = pytest.mark.slow

SEEN = ("image", "valid", "label", "label_valid", "tile")


def found(root: str, split: str = "train", features: tuple[str, ...] = SEEN) -> Any:
    from rsbot_beam.training.feed import find_examples

    return find_examples(root, split, json.loads(Path(root, "dataset.json").read_text()), features)


def both(example: dict[str, Any]) -> tuple[Any, Any]:
    return example, example["tile"]


def batches(
    root: str, epochs: range, seed: int = 3, augment: bool = True, size: int = 8
) -> list[dict[str, np.ndarray]]:
    from rsbot_beam.training.feed import training_batches

    dataset = training_batches(found(root), both, size, epochs, seed, augment)
    return [{name: array.numpy() for name, array in example.items()} for example, _ in dataset]


def tiles(parts: list[dict[str, np.ndarray]]) -> list[bytes]:
    return [tile for part in parts for tile in part["tile"]]


def test_only_the_features_asked_for_are_decoded(plain_dataset: str) -> None:
    examples = found(plain_dataset, features=("image", "label", "no such feature"))
    assert set(examples.table) == {"image", "label"}


def test_each_epoch_has_every_example_once_in_an_order_of_its_own(plain_dataset: str) -> None:
    examples = found(plain_dataset)
    parts = batches(plain_dataset, range(2))
    steps = examples.steps(8)
    assert len(parts) == 2 * steps
    first, second = tiles(parts[:steps]), tiles(parts[steps:])
    assert len(first) == examples.count == len(set(first))
    assert sorted(first) == sorted(second)
    assert first != second


def test_a_training_that_starts_again_sees_what_it_would_have_seen(plain_dataset: str) -> None:
    whole, tail = batches(plain_dataset, range(3)), batches(plain_dataset, range(1, 3))
    assert len(tail) == 2 * len(whole) // 3
    for expected, part in zip(whole[len(whole) // 3 :], tail, strict=True):
        for name in SEEN:
            assert np.array_equal(expected[name], part[name]), name


def test_the_seed_decides(plain_dataset: str) -> None:
    assert tiles(batches(plain_dataset, range(1), seed=3)) == tiles(batches(plain_dataset, range(1), seed=3))
    assert tiles(batches(plain_dataset, range(1), seed=3)) != tiles(batches(plain_dataset, range(1), seed=4))


def test_the_seed_of_the_process_does_not(plain_dataset: str) -> None:
    import keras

    orders = []
    for seed in (0, 1, 99):
        keras.utils.set_random_seed(seed)
        orders.append(tiles(batches(plain_dataset, range(2), seed=3)))
    assert orders[0] == orders[1] == orders[2]


def test_augmentation_turns_image_and_label_alike(plain_dataset: str) -> None:
    turned, plain = (batches(plain_dataset, range(1), augment=augment) for augment in (True, False))
    assert tiles(turned) == tiles(plain)
    changed = 0
    for a, b in zip(turned, plain, strict=True):
        for i in range(len(a["tile"])):
            symmetries = [
                np.rot90(m, k)
                for m in (np.arange(256).reshape(16, 16), np.arange(256).reshape(16, 16).T)
                for k in range(4)
            ]
            matching = [
                s
                for s in symmetries
                if np.array_equal(b["label"][i].ravel()[s], a["label"][i])
                and np.array_equal(b["label_valid"][i].ravel()[s], a["label_valid"][i])
                and np.array_equal(b["image"][i].reshape(256, -1)[s], a["image"][i])
            ]
            assert len(matching) == 1
            changed += not np.array_equal(a["image"][i], b["image"][i])
    assert changed > len(tiles(turned)) // 2


def test_the_order_of_validation_is_that_of_the_files(plain_dataset: str) -> None:
    from rsbot_beam.training.feed import ordered_batches

    examples = found(plain_dataset, "validation")
    orders = [[t for _, part in ordered_batches(examples, both, 2) for t in part.numpy()] for _ in range(2)]
    assert orders[0] == orders[1]
    assert len(orders[0]) == examples.count
    assert ordered_batches(examples, both, 2).cardinality().numpy() == examples.steps(2)


def test_an_unreadable_file_is_named(plain_dataset: str, changed_dataset: Callable[..., str]) -> None:
    from rsbot_beam.training.feed import unreadable

    root = changed_dataset(plain_dataset, "unreadable")
    assert unreadable(found(root)) is None
    victim = sorted(Path(root, "train").glob("*.tfrecord"))[-1]
    content = bytearray(victim.read_bytes())
    content[200] ^= 0xFF
    victim.write_bytes(content)
    assert victim.name in str(unreadable(found(root)))


def test_a_missing_file_is_an_error(plain_dataset: str, changed_dataset: Callable[..., str]) -> None:
    root = changed_dataset(plain_dataset, "missing")
    next(Path(root, "train").glob("*.tfrecord")).unlink()
    with pytest.raises(DatasetError, match=r"train split of .* missing or cut off.*rsbot export"):
        found(root)


def test_a_dataset_in_a_bucket_is_read_too(plain_dataset: str, gcs: str) -> None:
    from rsbot_beam import storage

    storage.copy_folder(str(Path(plain_dataset, "validation")), f"{gcs}/validation")
    from rsbot_beam.training.feed import find_examples, ordered_batches

    content = json.loads(Path(plain_dataset, "dataset.json").read_text())
    there = find_examples(gcs, "validation", content, SEEN)
    here = found(plain_dataset, "validation")
    read = [[t for _, part in ordered_batches(e, both, 2) for t in part.numpy()] for e in (there, here)]
    assert read[0] == read[1]
