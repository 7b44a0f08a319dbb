"""What notebooks show of results and paths."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rsbot_beam import show
from rsbot_beam.errors import InputError
from rsbot_beam.pages.notebook import path_html
from rsbot_beam.pages.shown import Page
from rsbot_beam.runs.export import ExportResult
from rsbot_beam.runs.launch import DescribedJob
from rsbot_beam.runs.predict import PredictResult
from rsbot_beam.training.evaluate import Evaluation
from rsbot_beam.training.train import TrainResult
from tests.pages.made import EVIL, write_raw_dataset
from tests.pages.made_models import segmentation_scores, write_evaluation, write_model
from tests.pages.test_model_page import text_of
from tests.training.conftest import PLAIN, field_patch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset and a model with an evaluation."""
    root = tmp_path_factory.mktemp("shown")
    write_raw_dataset(root / "data", [field_patch(PLAIN, col) for col in range(6)])
    write_evaluation(write_model(root / "model"), "made-test", segmentation_scores())
    return root


def content_of(fragment: str) -> str:
    """The text of the page inside a frame."""
    import html

    return text_of(html.unescape(fragment))


def test_results_show_the_pages_of_their_folders(folder: Path) -> None:
    results = {
        "data": ExportResult(str(folder / "data"), {}, None),
        "model": TrainResult(str(folder / "model"), {}),
        "model/evaluation/made-test": Evaluation(str(folder / "model/evaluation/made-test"), {}),
    }
    for name, result in results.items():
        shown = result._repr_html_()
        assert shown == path_html(str(folder / name))
        assert shown.startswith('<iframe sandbox="allow-scripts"')
        assert show(result).html == shown


def test_an_evaluation_has_a_page_of_its_own(folder: Path) -> None:
    text = content_of(show(folder / "model" / "evaluation" / "made-test").html)
    assert f"Model unet ({folder}/model)" in text
    assert "Compared with majority class" in text
    assert "Score model majority class Accuracy 0.890 0.500" in text
    assert "Epochs" not in text


def test_an_evaluation_does_not_need_its_model(folder: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    alone = write_evaluation(model, "made-test", segmentation_scores()).rename(tmp_path / "alone")
    coloured = show(alone).html
    (model / "model.json").unlink()
    grey = show(alone).html
    assert grey != coloured
    assert content_of(grey) == content_of(coloured)


def test_height_is_that_of_the_frame(folder: Path) -> None:
    assert "height:300px" in show(str(folder / "data"), height=300).html
    assert "height:640px" in show(str(folder / "data")).html


def test_a_page_says_what_it_shows(folder: Path) -> None:
    assert repr(show(folder)) == f"Page(name='folder {folder}')"


@pytest.mark.parametrize("kind", [ExportResult, PredictResult])
def test_a_job_that_was_described_has_no_page(kind: Any) -> None:
    job = DescribedJob("fetch", EVIL, "p", "europe-west1", None)
    text = kind("gs://nowhere/out", {}, *([None] if kind is ExportResult else []), described=job)._repr_html_()
    assert "described, not run" in text
    assert "<iframe" not in text
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_results_that_are_half_written_say_so(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text("{}")
    text = ExportResult(str(tmp_path), {"stored": 3}, None)._repr_html_()
    assert "half-written: start the same `rsbot export` again" in text
    assert "&#x27;stored&#x27;: 3" in text


def test_a_damaged_evaluation_says_so(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"task": "segmentation"}')
    assert "is damaged (KeyError(&#x27;model&#x27;" in show(tmp_path).html


def test_a_path_with_nothing_to_see_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no dataset, model or map in"):
        show(tmp_path)


def test_without_the_libraries_of_pages_the_result_is_told(folder: Path) -> None:
    script = (
        "import sys\nsys.modules['jinja2'] = None\nimport rsbot_beam\n"
        f"print(rsbot_beam.show({str(folder / 'data')!r}).html)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.startswith("<p><code>dataset ")
    assert "pages need jinja2, which is not installed: pip install &#x27;rsbot-beam[views]&#x27;" in done.stdout


@pytest.fixture
def shell() -> Iterator[Any]:
    """A real IPython."""
    from IPython.core.interactiveshell import InteractiveShell

    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def displayed(shell: Any, code: str) -> list[str]:
    """The HTML that a cell displays, by itself and as its value."""
    from IPython.utils.capture import capture_output

    values: list[dict[str, Any]] = []
    shell.displayhook.write_format_data = lambda data, metadata=None: values.append(data)
    with capture_output() as captured:
        shell.run_cell(code, store_history=True).raise_error()
    found = [*(output.data for output in captured.outputs), *values]
    return [data["text/html"] for data in found if "text/html" in data]


def test_in_ipython_a_page_is_displayed_once_in_a_cell(folder: Path, shell: Any) -> None:
    path = str(folder / "data")
    shell.user_ns.update(path=path, result=ExportResult(path, {}, None))
    page = path_html(path)
    shell.run_cell("from rsbot_beam import show", store_history=True)
    assert displayed(shell, "show(path)") == [page]
    assert displayed(shell, "kept = show(path); 1") == [page]
    assert displayed(shell, "kept") == [page]
    assert displayed(shell, "for p in (path, path): show(p, 300)") == [page.replace("640px", "300px")] * 2
    assert displayed(shell, "result") == [page]
    assert displayed(shell, "show(result)") == [page]


def test_outside_ipython_nothing_is_displayed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = show(folder / "data")
    assert isinstance(page, Page)
    assert page._repr_html_() == page.html
    assert capsys.readouterr().out == ""
