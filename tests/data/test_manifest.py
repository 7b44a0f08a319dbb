"""Whose folder it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rsbot_beam import storage
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.manifest import (
    FILE,
    MAP_FILE,
    TRAIN_FILE,
    claim,
    is_claimed,
    layout_from_dict,
    layout_to_dict,
    read_manifest,
)
from rsbot_beam.errors import DatasetError, InputError


@pytest.fixture
def manifest(layout: Layout) -> dict[str, Any]:
    return {
        "version": 1,
        "recipe": {"name": "landcover", "parameters": {"clear": 0.6, "months": (1, 2)}},
        "layout": layout_to_dict(layout),
        "grid": {"crs": "EPSG:32633", "resolution": 10.0},
        "information": {"region": "a.geojson"},
    }


def test_the_first_run_writes_it(any_folder: str, manifest: dict[str, Any]) -> None:
    assert read_manifest(any_folder) is None
    claim(any_folder, manifest)
    found = read_manifest(any_folder)
    assert found is not None
    assert found["recipe"]["parameters"] == {"clear": 0.6, "months": [1, 2]}


def test_the_same_run_is_accepted_and_nothing_is_written(any_folder: str, manifest: dict[str, Any]) -> None:
    claim(any_folder, manifest)
    before = storage.read_bytes(storage.join(any_folder, FILE))
    claim(any_folder, manifest)
    assert storage.read_bytes(storage.join(any_folder, FILE)) == before


def test_information_is_not_compared(any_folder: str, manifest: dict[str, Any]) -> None:
    claim(any_folder, manifest)
    claim(any_folder, manifest | {"information": {"region": "b.geojson"}})
    found = read_manifest(any_folder)
    assert found is not None
    assert found["information"] == {"region": "a.geojson"}


def test_differences_are_named(any_folder: str, manifest: dict[str, Any]) -> None:
    claim(any_folder, manifest)
    other = manifest | {
        "recipe": {"name": "landcover", "parameters": {"clear": 0.5, "months": (1, 2), "new": True}},
        "grid": {"crs": "EPSG:32633", "resolution": 20.0},
    }
    with pytest.raises(DatasetError) as caught:
        claim(any_folder, other)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{any_folder} belongs to another export")
    assert lines[1:-1] == [
        "  grid.resolution: there 10.0, now 20.0",
        "  recipe.parameters.clear: there 0.6, now 0.5",
        "  recipe.parameters.new: there null, now true",
    ]
    assert "--output" in lines[-1]
    assert read_manifest(any_folder) != other


def test_long_differences_are_shortened(any_folder: str, manifest: dict[str, Any]) -> None:
    claim(any_folder, manifest)
    with pytest.raises(DatasetError) as caught:
        claim(any_folder, manifest | {"version": "x" * 5000})
    assert "..." in str(caught.value)
    assert len(str(caught.value)) < 500


def test_what_is_compared_by_a_hash_is_told_as_it_was_written(any_folder: str, manifest: dict[str, Any]) -> None:
    claim(any_folder, manifest | {"region": "5ab1", "request": "77fe"})
    other = {"region": "0c3d", "request": "77ff", "information": {"region": "b.geojson", "recipe": "mine.py"}}
    with pytest.raises(DatasetError) as caught:
        claim(any_folder, manifest | other)
    assert str(caught.value).splitlines()[1:-1] == [
        '  region: there a.geojson "5ab1", now b.geojson "0c3d"',
        '  request: there "77fe", now mine.py "77ff"',
    ]


@pytest.mark.parametrize("file", [FILE, MAP_FILE, TRAIN_FILE])
@pytest.mark.parametrize("content", [b'{"version": 1, ', b"", b"\xff"])
def test_a_damaged_manifest(any_folder: str, manifest: dict[str, Any], file: str, content: bytes) -> None:
    storage.write_bytes(storage.join(any_folder, file), content)
    with pytest.raises(DatasetError, match=rf"{file} is damaged"):
        claim(any_folder, manifest, file)


@pytest.mark.parametrize(("file", "kind"), [(FILE, "export"), (MAP_FILE, "map"), (TRAIN_FILE, "training")])
def test_the_run_that_it_belongs_to_is_named(any_folder: str, manifest: dict[str, Any], file: str, kind: str) -> None:
    assert not is_claimed(any_folder, manifest, file)
    claim(any_folder, manifest, file)
    assert is_claimed(any_folder, manifest, file)
    with pytest.raises(DatasetError, match=f"belongs to another {kind}; what differs"):
        is_claimed(any_folder, manifest | {"version": 7}, file)


def test_the_folder_of_another_kind_of_run(any_folder: str, manifest: dict[str, Any]) -> None:
    claim(any_folder, manifest, TRAIN_FILE)
    with pytest.raises(DatasetError, match=r"is the folder of a model already \(it has train.json\)"):
        claim(any_folder, manifest)


def test_a_file_is_no_folder(tmp_path: Path, manifest: dict[str, Any]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"cannot be the folder of a run .*give another --output"):
        claim(str(tmp_path / "file"), manifest)


@pytest.mark.integration
def test_a_bucket_that_is_out_of_reach_is_no_damage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(InputError, match="cannot be reached without Google credentials") as caught:
        read_manifest("gs://no-such-bucket/ds")
    assert "damaged" not in str(caught.value)


def test_layouts_come_back(layout: Layout, series_layout: Layout) -> None:
    for some in (layout, series_layout, Layout(layout.bands)):
        assert layout_from_dict(layout_to_dict(some)) == some
