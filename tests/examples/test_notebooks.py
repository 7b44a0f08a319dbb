"""The notebooks of the examples, executed as they are, in a folder of their own."""

from __future__ import annotations

import asyncio
import html
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from tests.browser import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Page

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(path.stem for path in EXAMPLES.glob("*.ipynb"))
# What each notebook shows, in this order.
FRAMES = ["dataset", "model", "evaluation", "map"]
# Its folders, and what the last of them, the map, holds.
FOLDERS = {"crops": ("iowa", "tempcnn", "illinois", "illinois-map"), "wind": ("iowa", "centernet", "illinois")}
MAPS = {
    "crops": ("class", "probability", "composite", "map.png", "stac/collection.json"),
    "wind": ("detections", "detections.geojson", "detections.png"),
}
# Settings of a user's own that would lead a notebook elsewhere.
_FOREIGN = ("RSBOT_EE_URL", "RSBOT_EE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS")


def read(name: str) -> Any:
    return nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)


def execute(notebook: Any, folder: Path) -> None:
    """Run all cells in a folder, with the Python of the tests; nothing of Jupyter's needs to be installed."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    spec = KernelSpec(argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python")
    manager = AsyncKernelManager(kernel_name="python3")
    manager._kernel_spec = spec
    client = NotebookClient(notebook, km=manager, timeout=300, resources={"metadata": {"path": str(folder)}})
    # A browser that this thread drives has an event loop in it already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(client.async_execute())).result()


def displayed(notebook: Any) -> list[str]:
    """The HTML outputs, in their order."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]


def test_each_use_case_has_a_notebook() -> None:
    assert list(FOLDERS) == NOTEBOOKS


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_kept_without_outputs(name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert all(not cell.metadata for cell in notebook.cells)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("name", ["crops", pytest.param("wind", marks=pytest.mark.long)])
def test_a_notebook_runs_and_shows_what_it_makes(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    open_page: OpenPage,
) -> None:
    for variable in _FOREIGN:
        monkeypatch.delenv(variable, raising=False)
    for variable in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    before = (EXAMPLES / f"{name}.ipynb").read_bytes()
    notebook = read(name)
    work = tmp_path / "work"
    work.mkdir()
    execute(notebook, work)

    assert [path.name for path in work.iterdir()] == [f"{name}-notebook"]
    made = work / f"{name}-notebook"
    assert {path.name for path in made.iterdir()} == set(FOLDERS[name])
    dataset, model, *_, of_map = (made / folder for folder in FOLDERS[name])
    assert json.loads((dataset / "dataset.json").read_text())["tiles"]["dead"] == 0
    assert (model / "saved_model/saved_model.pb").is_file()
    assert [file for file in MAPS[name] if not (of_map / file).exists()] == []

    frames = displayed(notebook)
    assert len(frames) == len(FRAMES)
    for frame, kind in zip(frames, FRAMES, strict=True):
        assert frame.startswith(f'<iframe sandbox="allow-scripts" title="{kind} {name}-notebook/')
    look_at(frames, tmp_path, open_page)
    assert (EXAMPLES / f"{name}.ipynb").read_bytes() == before
    assert not list(EXAMPLES.glob("*-notebook"))


def look_at(frames: list[str], folder: Path, open_page: Callable[..., Page]) -> None:
    """All frames work in one page of a browser, as in a notebook."""
    (folder / "cells.html").write_text(
        "<!doctype html><meta charset=utf-8><link rel=icon href='data:,'>" + "".join(frames)
    )
    page = open_page((folder / "cells.html").as_uri())
    for index, kind in enumerate(FRAMES):
        title = page.frame_locator("iframe").nth(index).locator("h1").inner_text()
        assert title.lower().startswith(kind)
    of_map = page.frame_locator("iframe").nth(FRAMES.index("map"))
    of_map.locator(".leaflet-container").first.wait_for()
    assert html.unescape(frames[-1]).count("data:image/webp") >= 1
