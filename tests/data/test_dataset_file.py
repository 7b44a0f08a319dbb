"""dataset.json: finished, half-written, missing, damaged."""

from __future__ import annotations

import json

import pytest

from rsbot_beam import storage
from rsbot_beam.data.dataset_file import PARTS, read_dataset_file, require_dataset_file, write_dataset_file
from rsbot_beam.data.splits import SPLITS
from rsbot_beam.errors import DatasetError

WHOLE = {
    **{part: kind() for part, kind in PARTS.items()},
    "splits": {split: {"examples": 3, "nbytes": 9} for split in SPLITS},
}


def test_write_and_read(any_folder: str) -> None:
    assert read_dataset_file(any_folder) is None
    write_dataset_file(any_folder, WHOLE)
    assert require_dataset_file(any_folder) == {"version": 1, **WHOLE}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "it is no JSON object"),
        ({"version": 1}, "it lacks recipe, region, .*splits, raw"),
        ({"version": 1, **{name: part for name, part in WHOLE.items() if name != "splits"}}, r"it lacks splits\)"),
        ({"version": 1, **WHOLE, "splits": []}, "splits is no object"),
        ({"version": 1, **WHOLE, "grid": 7, "bands": "B4"}, "grid is no object, bands is no list"),
        ({"version": 1, **WHOLE, "splits": {}}, "`splits` does not say what train, validation, test hold"),
        ({"version": 1, **WHOLE, "splits": {**WHOLE["splits"], "test": {"examples": 3}}}, "`splits` does not say"),
    ],
)
def test_a_description_that_lacks_something(any_folder: str, content: object, message: str) -> None:
    storage.write_bytes(storage.join(any_folder, "dataset.json"), json.dumps(content))
    with pytest.raises(DatasetError, match=f"dataset.json is damaged .*{message}.*start the export again"):
        require_dataset_file(any_folder)


def test_a_missing_dataset(any_folder: str) -> None:
    with pytest.raises(DatasetError, match=r"there is no dataset in .* make one with `rsbot export`"):
        require_dataset_file(any_folder)


def test_a_half_written_dataset(any_folder: str) -> None:
    storage.write_bytes(storage.join(any_folder, "export.json"), b"{}")
    with pytest.raises(DatasetError, match=r"is half-written: start the same `rsbot export` again"):
        require_dataset_file(any_folder)


@pytest.mark.parametrize("content", [b"", b'{"version": 1', b"\xff\xfe"])
def test_a_damaged_description(any_folder: str, content: bytes) -> None:
    storage.write_bytes(storage.join(any_folder, "dataset.json"), content)
    with pytest.raises(DatasetError, match=r"dataset.json is damaged"):
        require_dataset_file(any_folder)


def test_a_later_version(any_folder: str) -> None:
    storage.write_bytes(storage.join(any_folder, "dataset.json"), json.dumps({"version": 9}))
    with pytest.raises(DatasetError, match="has version 9, this package reads 1"):
        require_dataset_file(any_folder)
