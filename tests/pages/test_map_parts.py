"""The page of a map: what it says of it in words."""

from __future__ import annotations

import json
from pathlib import Path

from rsbot_beam.geometry import TileBlock
from rsbot_beam.pages.map_page import facts
from rsbot_beam.pages.map_page import page as page_of
from rsbot_beam.pages.page import PageOptions
from tests.maps.drawn_maps import write_map

BLOCK = TileBlock("EPSG:32633", 10.0, 256, -527_104, 47_616, 2, 2)


def test_a_map_in_a_few_words(tmp_path: Path) -> None:
    root = write_map(tmp_path / "map", [BLOCK], ("class",))
    run = json.loads((tmp_path / "map" / "run.json").read_text())
    told = dict(facts({**run, "blocks": 1, "seconds": 3.2, "nbytes": 0}))
    assert told["Made in"] == "3 s, 1 block"
    assert told["Grid"].startswith("pixels of 10 m in EPSG:")
    assert dict(facts({**run, "blocks": 2, "seconds": 3.2, "nbytes": 1e6}))["Made in"] == "3 s, 2 blocks, 1.0 MB"
    assert "fewer pixels" in page_of(root, PageOptions())
    alone = write_map(tmp_path / "alone", [BLOCK], ())
    assert "fewer pixels" not in page_of(alone, PageOptions())
