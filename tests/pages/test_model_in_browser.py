"""Pages of models and folders in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.rsbot import main
from rsbot_beam.pages.notebook import dataset_html
from tests.pages.conftest import OpenPage, has_no_sideways_scroll
from tests.pages.made import write_raw_dataset
from tests.pages.made_models import segmentation_scores, write_evaluation, write_model
from tests.training.conftest import PLAIN, field_patch, train, write_dataset

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset and a model, and their pages."""
    root = tmp_path_factory.mktemp("several")
    write_raw_dataset(root / "data" / "a b&c", [field_patch(PLAIN, col) for col in range(20)])
    write_evaluation(write_model(root / "model"), "made-test", segmentation_scores())
    assert main(["view", str(root), "--no_examples"]) == 0
    return root


def test_a_folder_leads_to_its_parts(folder: Path, open_page: OpenPage, serve_folder: Callable[[Path], str]) -> None:
    for start in (folder.as_uri() + "/", serve_folder(folder)):
        page = open_page(start + "view.html", hosts=(start,))
        page.get_by_role("link", name="data/a b&c").click()
        page.wait_for_url("**/a%20b%26c/view.html")
        assert page.locator("h1").inner_text() == "Dataset a b&c"
        page.go_back()
        page.get_by_role("link", name="model", exact=True).focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/model/view.html")
        assert page.locator("table.confusion tbody tr").count() == 3


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["view.html", "model/view.html"])
def test_on_a_phone_nothing_of_them_scrolls_sideways(folder: Path, open_page: OpenPage, name: str, dark: bool) -> None:
    page = open_page((folder / name).as_uri(), width=360, height=640, dark=dark)
    assert has_no_sideways_scroll(page)


def test_tables_that_are_too_wide_are_scrolled_with_the_keyboard(folder: Path, open_page: OpenPage) -> None:
    page = open_page((folder / "model/view.html").as_uri(), width=360, height=640)
    region = page.get_by_role("region", name="Classes of made-test")
    region.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")


def test_a_page_works_inside_a_notebook_s_frame(folder: Path, open_page: OpenPage, tmp_path: Path) -> None:
    fragment = dataset_html(str(folder / "data" / "a b&c"))
    (tmp_path / "cell.html").write_text(f"<!doctype html><link rel=icon href='data:,'>{fragment}")
    page = open_page((tmp_path / "cell.html").as_uri())
    frame = page.frame_locator("iframe")
    frame.get_by_label("train (").click()
    frame.get_by_label("Split", exact=True).select_option("test")
    assert frame.locator(".sheet > .cell:visible").count() < frame.locator(".sheet > .cell").count()


@pytest.mark.slow
def test_after_a_real_training_and_evaluation(tmp_path: Path, open_page: OpenPage) -> None:
    dataset = write_dataset(tmp_path / "ds", [field_patch(PLAIN, col) for col in range(40)])
    model = train(dataset, tmp_path / "model").output
    assert main(["evaluate", "--model", model, "--dataset", dataset, "--split", "test", "--baselines", "majority"]) == 0
    assert main(["view", model]) == 0
    page = open_page((Path(model) / "view.html").as_uri())
    assert page.get_by_role("cell", name="maize").count() or page.get_by_role("rowheader", name="maize").count()
    assert page.locator(".chart path.line").count() >= 4
    assert page.locator("figure.wide img").first.evaluate("image => image.complete && image.naturalWidth > 500")
    shutil.rmtree(Path(model) / "evaluation")
