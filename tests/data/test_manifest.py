"""Whose folder it is."""

from __future__ import annotations

from typing import Any

import pytest

from rsbot_beam import storage
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.manifest import FILE, claim, layout_from_dict, layout_to_dict, read_manifest
from rsbot_beam.errors import DatasetError


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


def test_a_damaged_manifest(any_folder: str, manifest: dict[str, Any]) -> None:
    storage.write_bytes(storage.join(any_folder, FILE), b'{"version": 1, ')
    with pytest.raises(DatasetError, match=r"export.json is damaged"):
        claim(any_folder, manifest)


def test_layouts_come_back(layout: Layout, series_layout: Layout) -> None:
    for some in (layout, series_layout, Layout(layout.bands)):
        assert layout_from_dict(layout_to_dict(some)) == some
