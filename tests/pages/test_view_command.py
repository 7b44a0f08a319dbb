"""`rsbot view` from the command line: what it writes, and what it says where it cannot."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.rsbot import main
from rsbot_beam import storage
from rsbot_beam.pages.dataset_page import step_names
from rsbot_beam.pages.notebook import dataset_html, path_html
from tests.pages.made import EVIL, write_raw_dataset
from tests.pages.test_page_frame import Scripts
from tests.training.conftest import PLAIN, SERIES, SITES, field_patch, key_at, site_patch


def strange(content: dict[str, Any]) -> None:
    """Texts that people and their files may contain."""
    content["recipe"]["description"] = EVIL
    content["region"]["source"] = EVIL
    content["classes"][0]["name"] = EVIL
    content["layout"]["classes"][0]["name"] = EVIL
    content["layout"]["classes"][1]["colour"] = "red;background:url(//x)"
    content["sampling"] = {"mode": EVIL, "kinds": {EVIL: 3}, "shortfalls": [{"what": EVIL, "found": 1, "wanted": 2}]}
    content["step_names"] = [EVIL] * 3


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("command") / "series"
    patches = [field_patch(SERIES, col) for col in range(30)]
    write_raw_dataset(root, patches, empty=[key_at(0, 3)], dead=[key_at(0, 4)], edit=strange)
    return root


def test_the_page_is_written_into_the_folder(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", str(dataset), "--no_examples"]) == 0
    assert capsys.readouterr().out == f"{dataset}/view.html: open it in a browser\n"
    text = (dataset / "view.html").read_text()
    page = Scripts(text)
    assert "32 tiles asked = 30 stored + 1 empty + 1 dead letters." in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert all("alert(1)" not in body for kind, body in page.scripts if kind == "text/javascript")
    assert not page.handlers
    assert "url(//x)" not in text
    for heading in ("At a glance", "Tiles", "Patches", "Class balance", "Values of the bands", "Pixels over time"):
        assert f">{heading}</h2>" in text
    assert ">Dead letters</h2>" in text
    assert "no band &lt;script&gt;" in text


def test_every_link_within_the_page_leads_somewhere(dataset: Path, tmp_path: Path) -> None:
    assert main(["view", str(dataset), "--no_examples", "--output", str(tmp_path / "x.html")]) == 0
    text = re.sub(r"<script>.*?</script>", "", (tmp_path / "x.html").read_text(), flags=re.DOTALL)
    for anchor in re.findall(r'href="#([^"]*)"', text):
        assert f'id="{anchor}"' in text
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    for name in re.findall(r'aria-labelledby="([^"]*)"', text):
        assert name in ids


def test_pages_of_a_bucket(dataset: Path, gcs: str) -> None:
    root = storage.join(gcs, "ds")
    storage.copy_folder(dataset, root)
    assert main(["view", root, "--no_examples"]) == 0
    assert "30 stored" in storage.read_text(storage.join(root, "view.html"))


@pytest.mark.parametrize(("layout", "make"), [(PLAIN, field_patch), (SITES, site_patch)], ids=["plain", "sites"])
def test_datasets_of_other_shapes(tmp_path: Path, layout: Any, make: Callable[..., Any]) -> None:
    write_raw_dataset(tmp_path / "ds", [make(layout, col) for col in range(25)])
    assert main(["view", str(tmp_path / "ds"), "--no_examples"]) == 0
    text = (tmp_path / "ds/view.html").read_text()
    assert "Pixels over time" not in text
    assert "Dead letters" not in text
    assert ("<rect" in text) == layout.objects


def test_a_dataset_without_labels(tmp_path: Path) -> None:
    layout = replace(PLAIN, label=None, classes=())
    patches = [field_patch(PLAIN, col) for col in range(5)]
    bare = [
        replace(
            patch,
            layout=layout,
            pixels={name: patch.pixels[name] for name in ("B4", "B8")},
            valid={name: patch.valid[name] for name in ("B4", "B8")},
        )
        for patch in patches
    ]
    write_raw_dataset(tmp_path / "ds", bare)
    assert main(["view", str(tmp_path / "ds"), "--no_examples"]) == 0
    text = (tmp_path / "ds/view.html").read_text()
    assert "Class balance" not in text
    assert text.count('class="cell" data-split') == 5


def test_a_folder_of_several(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a/x & y%20#", "damaged", "half"):
        shutil.copytree(dataset, tmp_path / name, ignore=shutil.ignore_patterns("view.html"))
    next((tmp_path / "damaged/raw").iterdir()).write_bytes(b"nothing")
    (tmp_path / "half/dataset.json").unlink()
    assert main(["view", str(tmp_path), "--no_examples"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path}/view.html: open it in a browser\n  {tmp_path}/a/x & y%20#/view.html\n"
    text = (tmp_path / "view.html").read_text()
    assert 'href="./a/x%20%26%20y%2520%23/view.html"' in text
    assert "is not an Arrow file" in text
    assert "half-written: start the same `rsbot export` again" in text
    assert text.count("view.html") == 1
    assert not (tmp_path / "half/view.html").exists()


def test_a_part_of_a_folder_that_its_page_stumbles_over(dataset: Path, tmp_path: Path) -> None:
    for name in ("bad", "good"):
        shutil.copytree(dataset, tmp_path / name, ignore=shutil.ignore_patterns("view.html"))
    file = tmp_path / "bad/dataset.json"
    content = json.loads(file.read_text())
    del content["grid"]["crs"]
    file.write_text(json.dumps(content))
    assert main(["view", str(tmp_path), "--no_examples"]) == 0
    assert (tmp_path / "good/view.html").exists()
    assert not (tmp_path / "bad/view.html").exists()
    assert "damaged: it lacks crs" in (tmp_path / "view.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{empty}"], "there is no dataset, model or map in {empty}"),
        (["{dataset}", "--base_map", "here"], "--base_map 'here' is no address of map tiles"),
        (
            ["{dataset}", "--no_examples", "--output", "{empty}"],
            "{empty} cannot be written (Is a directory): name another",
        ),
        ([], "the following arguments are required: path"),
        (["{dataset}", "--out", "x"], "unknown flag --out; did you mean --output?"),
    ],
)
def test_what_cannot_be_done(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    names = {"empty": str(tmp_path / "empty"), "dataset": str(dataset)}
    (tmp_path / "empty").mkdir()
    assert main(["view", *(argument.format(**names) for argument in arguments)]) == 2
    assert said.format(**names) in capsys.readouterr().err


def test_help_says_what_leaves_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["view", "--help"])
    assert "Nothing is fetched from the internet unless --base_map says so." in capsys.readouterr().out


def test_a_page_in_a_notebook_is_in_a_frame(dataset: Path) -> None:
    frames: list[dict[str, str | None]] = []

    class Frames(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            frames.append({"tag": tag, **dict(attrs)})

    Frames().feed(dataset_html(str(dataset)))
    (frame,) = frames
    assert frame["tag"] == "iframe"
    assert frame["sandbox"] == "allow-scripts"
    assert str(frame["srcdoc"]).startswith("<!doctype html>")
    assert "30 stored" in str(frame["srcdoc"])
    assert path_html(str(dataset)) == dataset_html(str(dataset)).replace('title="Dataset ', 'title="dataset ', 1)


def test_step_names_are_those_of_the_recipe(dataset: Path) -> None:
    content = json.loads((dataset / "dataset.json").read_text())
    assert step_names(content, SERIES) == [EVIL] * 3
    assert step_names({}, SERIES) == ["step 1", "step 2", "step 3"]
