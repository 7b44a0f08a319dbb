"""What `rsbot predict` says at its end: only files that are there."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.predict_summary import summary
from rsbot_beam.runs.predict import PredictResult

TILES = {"asked": 1, "predicted": 1, "empty": 0, "dead": 0}


def said(folders: list[str], objects: int | None) -> str:
    item = {"code": 1, "name": "pond", "colour": "#0000ff", "hectares": None, "objects": objects}
    run: dict[str, Any] = {"task": "segmentation", "tiles": TILES, "blocks": 1, "seconds": 1.0}
    return summary(PredictResult("map", {**run, "classes": [item], "folders": [*folders, "stac/items"]}))


@pytest.mark.parametrize(
    ("folders", "named", "unnamed"),
    [
        (["class", "entropy"], ["map.png", "class.vrt", "class/, entropy/", "stac/collection.json"], ["entropy.vrt"]),
        (["entropy"], ["entropy.vrt", "stac/collection.json"], ["map.png", "class"]),
        ([], [], ["map.png", "vrt", "collection.json"]),
    ],
)
def test_rasters_that_were_not_asked_for_are_not_named(
    folders: list[str], named: list[str], unnamed: list[str]
) -> None:
    text = said(folders, None)
    assert all(name in text for name in named)
    assert not any(name in text for name in unnamed)


def test_a_folder_of_objects_is_named_where_there_are_objects() -> None:
    assert "detections/" in said(["class"], 3)
    assert "detections.png" in said(["class"], 0)
    assert "detections/" not in said(["class"], 0)
    assert "detections" not in said(["class"], None)
