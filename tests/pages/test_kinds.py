"""What lies in a folder, and what to do where it is half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from rsbot_beam import storage
from rsbot_beam.errors import InputError
from rsbot_beam.pages.build import View
from rsbot_beam.pages.kinds import Found, found_in, kind_of


def put(*names: str, root: str) -> None:
    for name in names:
        storage.write_bytes(storage.join(root, name), b"{}")


@pytest.mark.parametrize(("file", "kind"), [("dataset.json", "dataset"), ("model.json", "model"), ("run.json", "map")])
def test_what_is_finished(any_folder: str, file: str, kind: str) -> None:
    put(file, "raw/x.arrow", root=any_folder)
    assert kind_of(any_folder) == kind


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (
            "export.json",
            r"the dataset .* is half-written: start the same `rsbot export` again, with --output .*, to finish",
        ),
        ("train.json", r"the model .* is half-written: start the same `rsbot train` again"),
        ("predict.json", r"the map .* is half-written: start the same `rsbot predict` again"),
    ],
)
def test_what_is_half_written(any_folder: str, file: str, said: str) -> None:
    put(file, root=any_folder)
    with pytest.raises(InputError, match=said):
        kind_of(any_folder)


def test_a_folder_of_several_two_levels_down(any_folder: str) -> None:
    put(
        *(
            "crops/dataset.json",
            "crops/export.json",
            "crops/train/x.tfrecord",
            "deep/a/model.json",
            "deep/b/predict.json",
        ),
        *("deep/a/b/run.json", "crops/inner/model.json", "notes/readme.txt"),
        root=any_folder,
    )
    assert kind_of(any_folder) == "folder"
    found = found_in(any_folder)
    assert [(part.name, part.kind, bool(part.unfinished)) for part in found] == [
        ("crops", "dataset", False),
        ("deep/a", "model", False),
        ("deep/b", "map", True),
    ]
    assert found[0] == Found("crops", storage.join(any_folder, "crops"), "dataset")


def test_what_lies_inside_of_something_is_a_part_of_it(tmp_path: Path) -> None:
    put("ds/dataset.json", "ds/kept/model.json", root=str(tmp_path))
    assert [part.name for part in found_in(str(tmp_path))] == ["ds"]


def test_three_levels_down_is_too_deep(any_folder: str) -> None:
    put("a/b/c/dataset.json", root=any_folder)
    with pytest.raises(InputError, match=r"no dataset, model or map in .* or 2 levels below it"):
        kind_of(any_folder)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Make one with `rsbot export`, `rsbot train` or `rsbot predict`"):
        kind_of(str(tmp_path / "nowhere"))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    put("dataset.json", root=str(tmp_path))
    with pytest.raises(InputError, match="is a file: give the folder of the dataset, model or map"):
        kind_of(str(tmp_path / "dataset.json"))


def test_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    put(".trash/dataset.json", root=str(tmp_path))
    assert found_in(str(tmp_path)) == []


def test_an_empty_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put("a/dataset.json", root=str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="the path is empty: give the folder"):
        View.of("")
    assert View.of(".").kind == "folder"


def test_a_path_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be looked at .*too long.*give another path"):
        View.of(str(tmp_path / ("a" * 300)))
