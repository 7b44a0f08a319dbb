"""The page of a dataset in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.rsbot import main
from rsbot_beam.data.bands import LabelClass
from tests.browser import OpenPage, has_no_sideways_scroll
from tests.pages.made import EVIL, write_raw_dataset
from tests.training.conftest import PLAIN, SERIES, field_patch, key_at

pytestmark = pytest.mark.integration

LAYOUT = replace(PLAIN, classes=tuple(LabelClass(c.code, f"{EVIL} {c.name}", c.colour) for c in PLAIN.classes))


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of forty patches, five empty tiles and two dead letters, of which a class is called like a script."""
    root = tmp_path_factory.mktemp("dataset")
    patches = [field_patch(LAYOUT, col % 8, col // 8) for col in range(40)]
    write_raw_dataset(
        root, patches, empty=[key_at(col, 6) for col in range(5)], dead=[key_at(col, 7) for col in range(2)]
    )
    assert main(["view", str(root), "--no_examples"]) == 0
    return root / "view.html"


def test_from_a_file_and_over_http(view: Path, open_page: OpenPage, serve_folder: Callable[[Path], str]) -> None:
    for url in (view.as_uri(), serve_folder(view.parent) + "view.html"):
        page = open_page(url)
        assert page.locator("h1").inner_text() == f"Dataset {view.parent.name}"
        assert page.locator("canvas").count() >= 2
        assert page.locator(".cell").count() > 10


def test_classes_called_like_scripts_stay_text(view: Path, open_page: OpenPage) -> None:
    page = open_page(view.as_uri())
    assert page.get_by_label("Class", exact=True).locator("option").nth(1).inner_text() == f"{EVIL} water"
    for script in page.locator("script").all():
        if "alert(1)" in script.inner_html():
            assert script.get_attribute("type") == "application/json"
    page.locator("#footprints").focus()
    page.keyboard.press("Enter")
    popup = page.locator(".leaflet-popup-content")
    assert EVIL in popup.inner_text()
    assert "EPSG32633_10_16_r64_c48" in popup.inner_text()
    page.keyboard.press("Escape")
    popup.wait_for(state="detached")


def test_a_click_tells_what_a_tile_is(view: Path, open_page: OpenPage) -> None:
    page = open_page(view.as_uri())
    tiles = page.locator("#footprints")
    box = tiles.bounding_box()
    assert box is not None
    tiles.click(position={"x": box["width"] / 2 + 10, "y": box["height"] / 2 + 10})
    text = page.locator(".leaflet-popup-content").inner_text()
    assert "split" in text
    assert any(split in text for split in ("train", "validation", "test"))
    tiles.click(position={"x": 200, "y": box["height"] - 200})
    page.locator(".leaflet-popup-content").wait_for(state="detached")


def test_patches_are_filtered_by_mouse_and_keyboard(view: Path, open_page: OpenPage) -> None:
    page = open_page(view.as_uri())
    cells, shown = page.locator(".sheet > .cell"), page.locator(".sheet > .cell:visible")
    everything = cells.count()
    assert shown.count() == everything
    page.get_by_label("Split", exact=True).select_option("test")
    assert 0 < shown.count() < everything
    assert set(shown.evaluate_all("all => all.map(c => c.dataset.split)")) == {"test"}
    assert page.locator("form.filter output").first.inner_text() == f"{shown.count()} of {everything} shown"
    page.get_by_label("Split", exact=True).focus()
    page.keyboard.press("Home")
    assert shown.count() == everything


def test_layers_are_switched(view: Path, open_page: OpenPage) -> None:
    page = open_page(view.as_uri())

    def drawn() -> str:
        """The canvas of the footprints, as a picture."""
        canvas = page.locator("#footprints .leaflet-overlay-pane canvas").last
        return str(canvas.evaluate("canvas => canvas.toDataURL()"))

    everything = drawn()
    train = page.get_by_label("train (")
    train.click()
    without = drawn()
    assert without != everything
    train.focus()
    page.keyboard.press("Space")
    assert drawn() == everything


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_scrolls_sideways(view: Path, open_page: OpenPage, dark: bool) -> None:
    page = open_page(view.as_uri(), width=360, height=640, dark=dark)
    assert has_no_sideways_scroll(page)


def test_the_series_change_with_the_band(open_page: OpenPage, tmp_path: Path) -> None:
    write_raw_dataset(tmp_path / "series", [field_patch(SERIES, col) for col in range(12)])
    assert main(["view", str(tmp_path / "series"), "--no_examples"]) == 0
    page = open_page((tmp_path / "series/view.html").as_uri())
    shown = page.locator(".over-time:visible")
    assert set(shown.evaluate_all("all => all.map(f => f.dataset.variable)")) == {"NDVI"}
    page.get_by_label("Shown", exact=True).select_option("B8")
    assert set(shown.evaluate_all("all => all.map(f => f.dataset.variable)")) == {"B8"}


def test_an_online_base_map_is_the_only_thing_that_is_asked_for(
    view: Path, open_page: OpenPage, tmp_path: Path
) -> None:
    base = "https://tiles.example.org/"
    file = tmp_path / "base.html"
    assert (
        main(["view", str(view.parent), "--no_examples", "--output", str(file), "--base_map", base + "{z}/{x}/{y}.png"])
        == 0
    )
    page = open_page(file.as_uri(), hosts=(base,), answer=base)
    page.get_by_label("base map").wait_for()
    assert page.locator(".leaflet-tile-loaded").count() > 0
    page.get_by_label("base map").click()
    assert page.locator(".leaflet-tile").count() == 0
