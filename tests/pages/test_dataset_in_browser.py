"""The page of a dataset in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.rsbot import main
from rsbot_beam.data.bands import LabelClass
from tests.pages.conftest import OpenPage, has_no_sideways_scroll
from tests.pages.made import EVIL, write_raw_dataset
from tests.training.conftest import PLAIN, field_patch, key_at

pytestmark = pytest.mark.integration

LAYOUT = replace(PLAIN, classes=(LabelClass(1, EVIL, "#0072b2"), *PLAIN.classes[1:]))


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


def test_a_class_called_like_a_script_stays_text(view: Path, open_page: OpenPage) -> None:
    page = open_page(view.as_uri())
    assert page.get_by_label("Class", exact=True).locator("option").nth(1).inner_text() == EVIL
    assert page.locator("script", has_text="alert(1)").count() == 0 or "application/json" in str(
        page.locator("script", has_text="alert(1)").evaluate_all("all => all.map(s => s.type)")
    )
    page.locator("#footprints").focus()
    page.keyboard.press("Enter")
    assert page.locator(".leaflet-popup-content").is_visible()


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
