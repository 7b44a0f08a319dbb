"""Pages of models and folders in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipelines.rsbot import main
from rsbot_beam.data.splits import SPLITS
from rsbot_beam.pages.dataset_histograms import transformed_values
from rsbot_beam.pages.notebook import dataset_html
from tests.browser import OpenPage, has_no_sideways_scroll
from tests.pages.made import write_raw_dataset
from tests.pages.made_models import segmentation_scores, write_evaluation, write_model
from tests.training.conftest import PLAIN, SERIES, field_patch, train, write_dataset

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
    # The page's policy forbids Playwright's own way of waiting, which evaluates text.
    for _ in range(100):
        if region.evaluate("region => region.scrollLeft > 0"):
            return
        page.wait_for_timeout(50)
    raise AssertionError("the arrow key did not scroll the table")


def test_a_page_works_inside_a_notebook_s_frame(folder: Path, open_page: OpenPage, tmp_path: Path) -> None:
    fragment = dataset_html(str(folder / "data" / "a b&c"))
    (tmp_path / "cell.html").write_text(f"<!doctype html><link rel=icon href='data:,'>{fragment}")
    page = open_page((tmp_path / "cell.html").as_uri())
    frame = page.frame_locator("iframe")
    frame.get_by_label("train (").click()
    frame.get_by_label("Split", exact=True).select_option("test")
    assert frame.locator(".sheet > .cell:visible").count() < frame.locator(".sheet > .cell").count()


@pytest.fixture(scope="module")
def real_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty time series with their transformed examples."""
    root = tmp_path_factory.mktemp("real") / "ds"
    write_dataset(root, [field_patch(SERIES, col) for col in range(40)])
    content = json.loads((root / "dataset.json").read_text())
    content["tiles"] = {"asked": 40, "stored": 40, "empty": 0, "dead": 0}
    content["tiles"] |= {name: part["examples"] for name, part in content["splits"].items()}
    (root / "dataset.json").write_text(json.dumps(content))
    return root


@pytest.mark.slow
def test_transformed_examples_stand_beside_raw_ones(real_dataset: Path, open_page: OpenPage) -> None:
    values, why = transformed_values(str(real_dataset), SERIES, SPLITS)
    assert why == ""
    for band in ("B4", "B8", "height"):
        found = np.concatenate(values.by_band[band]["train"])
        assert (abs(found.mean()) < 0.2, abs(found.std() - 1) < 0.2) == (True, True)
    assert main(["view", str(real_dataset)]) == 0
    page = open_page((real_dataset / "view.html").as_uri())
    assert page.locator("#values ~ .charts .chart").count() == 2 * 3
    assert page.get_by_text("After the transform nothing is shown").count() == 0


@pytest.mark.slow
def test_after_a_real_training_and_evaluation(real_dataset: Path, tmp_path: Path, open_page: OpenPage) -> None:
    dataset = str(real_dataset)
    model = train(dataset, tmp_path / "model", epochs=2).output
    assert main(["evaluate", "--model", model, "--dataset", dataset, "--split", "test", "--baselines", "majority"]) == 0
    assert main(["view", model]) == 0
    page = open_page((Path(model) / "view.html").as_uri())
    assert page.get_by_role("rowheader", name="maize").count() >= 3
    assert page.locator(".chart path.line").count() >= 4
    assert page.locator("figure.wide img").first.evaluate("image => image.complete && image.naturalWidth > 500")
