"""What pops up on the page of a map: where it lies, and what it says where there is only a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.rsbot import main
from rsbot_beam.pages.build import View
from rsbot_beam.pages.page import PageOptions
from rsbot_beam.pages.server import serving
from tests.browser import OpenPage
from tests.maps.drawn_maps import objects_at, write_map
from tests.pages.test_map_page import BLOCK, known_places, said, show

pytestmark = pytest.mark.integration


def test_a_composite_alone_does_not_say_that_there_is_no_data(tmp_path: Path, open_page: OpenPage) -> None:
    _, _, lon, lat = known_places(3)[1]
    objects = objects_at(np.array([lon + 0.02]), np.array([lat]), np.array([0.5]))
    root = write_map(tmp_path / "map", [BLOCK], ("composite",), objects=objects)
    assert main(["view", root]) == 0
    with serving(View.of(root), PageOptions(live=True)) as url:
        for address in ((tmp_path / "map" / "view.html").as_uri(), url + "/maps/0/"):
            page = open_page(address, hosts=(url,))
            show(page, lon, lat, 15)
            page.locator("#map").focus()
            page.keyboard.press("Enter")
            said(page, "no object")
            text = page.locator(".leaflet-popup-content").inner_text()
            assert "no data" not in text
            # Latitude and longitude each stay on one line.
            heights = [part.bounding_box()["height"] for part in page.locator(".values .whole").all()]
            assert len(heights) == 2
            assert max(heights) < 30


def test_what_pops_up_lies_beside_the_controls(tmp_path: Path, browser: Any) -> None:
    root = write_map(tmp_path / "map", [BLOCK], ("class", "probability"))
    assert main(["view", root]) == 0
    context = browser.new_context(viewport={"width": 375, "height": 800})
    page = context.new_page()
    page.goto((tmp_path / "map" / "view.html").as_uri())
    page.wait_for_selector(".leaflet-control-zoom")
    box = page.locator("#map").bounding_box()
    page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.wait_for_selector(".leaflet-popup-content")
    page.wait_for_timeout(600)  # it slides
    popup = page.locator(".leaflet-popup-content-wrapper").bounding_box()
    assert box["x"] <= popup["x"]
    assert popup["x"] + popup["width"] <= box["x"] + box["width"]
    for name in (".leaflet-control-zoom", ".switches"):
        control = page.locator(name).bounding_box()
        assert control["y"] + control["height"] <= popup["y"]
    context.close()
