"""The page of a map: what it says of it in words."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from rsbot_beam.geometry import TileBlock
from rsbot_beam.pages.folder_page import page as folder_page
from rsbot_beam.pages.map_page import facts
from rsbot_beam.pages.map_page import page as page_of
from rsbot_beam.pages.page import PageOptions
from tests.maps.drawn_maps import write_map

BLOCK = TileBlock("EPSG:32633", 10.0, 256, -527_104, 47_616, 2, 2)


@pytest.mark.parametrize("cut", [0, 40], ids=["junk", "cut off"])
def test_a_damaged_picture_leaves_the_folder_its_page(tmp_path: Path, cut: int) -> None:
    write_map(tmp_path / "map", [BLOCK], ("class",))
    png = io.BytesIO()
    Image.new("RGB", (64, 64)).save(png, "png")
    (tmp_path / "map" / "map.png").write_bytes(png.getvalue()[:cut] or b"junk")
    text = folder_page(str(tmp_path), PageOptions())
    assert "stripes by unet" in text
    assert "data:image/webp" not in text


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
