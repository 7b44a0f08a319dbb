"""The page of a model: facts, training, evaluations beside their baselines."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from pipelines.rsbot import main
from rsbot_beam.data.model_file import read_model_file, write_model_file
from rsbot_beam.errors import InputError
from rsbot_beam.pages.folder_page import model_lines
from rsbot_beam.pages.model_evaluations import MOST_EVALUATIONS, confusion_table, find_evaluations, read_evaluation
from rsbot_beam.pages.model_page import page, read_history, training_charts
from rsbot_beam.pages.notebook import model_html
from rsbot_beam.pages.page import PageOptions
from tests.pages.made import EVIL
from tests.pages.made_models import (
    COUNTS,
    NAMES,
    detection_scores,
    segmentation_scores,
    write_evaluation,
    write_model,
)
from tests.pages.test_page_frame import Scripts


def text_of(html: str) -> str:
    """A page without scripts, styles and tags, on one line."""
    bare = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", bare).split())


def test_a_model_without_an_evaluation_says_how_to_make_one(tmp_path: Path) -> None:
    model = write_model(tmp_path / "my model")
    assert main(["view", str(model)]) == 0
    text = text_of((model / "view.html").read_text())
    assert f"rsbot evaluate --model &#39;{model}&#39; --dataset data/made --split validation" in text, "no test example"
    assert "23 pixels to each side; neighbouring tiles need an overlap of 24 pixels to agree" in text
    assert "data/made: train 1,200, validation 20, test 0" in text
    assert "2023-04-01 to 2023-09-30" in text
    assert "3 epochs, the best was 2" in text


@pytest.mark.parametrize("name", ["training", "scores", "versions"])
def test_a_part_that_is_not_there_is_named(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_model(tmp_path / "bad")
    without(model, name)
    assert main(["view", str(model)]) == 2
    said = capsys.readouterr().err
    assert f"{model}/model.json is damaged (it lacks {name}): remove it and start `rsbot train` again" in said
    assert "Traceback" not in said
    assert not (model / "view.html").exists()


@pytest.mark.parametrize(
    "training",
    [None, [], "x", {}, {"best_epoch": 1}, {"epochs_done": 1, "best_epoch": 1, "dataset": {"splits": {"train": 3}}}],
)
def test_a_training_of_any_shape_is_told_in_a_sentence(tmp_path: Path, training: object) -> None:
    model = write_model(tmp_path, training=training)
    with pytest.raises(InputError, match=r"model\.json is damaged \(.+\): remove it"):
        page(str(model), PageOptions())


def test_a_damaged_model_leaves_the_folder_its_page(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_model(tmp_path / "good")
    without(write_model(tmp_path / "bad"), "training")
    assert main(["view", str(tmp_path)]) == 0
    assert (tmp_path / "good/view.html").exists()
    assert not (tmp_path / "bad/view.html").exists()
    assert "bad/model.json is damaged (it lacks training)" in text_of((tmp_path / "view.html").read_text())
    assert "no page of" in caplog.text


def without(model: Path, name: str) -> None:
    """Take a part out of the description of a model."""
    content = read_model_file(str(model)) or {}
    del content[name]
    write_model_file(str(model), content)


def test_pixels_of_classes_are_told_where_they_were_counted(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    assert "Class code pixels weight" in text_of(page(str(model), PageOptions()))
    content = read_model_file(str(model)) or {}
    write_model_file(str(model), content | {"training": content["training"] | {"pixels_of_classes": {"1": 0, "2": 0}}})
    text = text_of(page(str(model), PageOptions()))
    assert "In the order of the model's outputs Class code" in text
    assert "weight" not in text


def test_scores_stand_beside_the_baselines(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    write_evaluation(model, "made-test", segmentation_scores())
    html = page(str(model), PageOptions())
    text = text_of(html)
    assert "Score model majority class Accuracy 0.890 0.500" in text
    assert "meadow 40 0.968 0.750 0.845 0.000" in text
    assert "7 patches, the test split of data/&lt;script&gt;" in text
    assert "another dataset than the model was trained on" in text
    assert "never there" not in re.findall(r'<table class="confusion">.*?</table>', html, re.DOTALL)[0]
    assert html.count("data:image/webp") == 2
    assert "No evaluation" not in text
    running = [body for kind, body in Scripts(html).scripts if kind == "text/javascript"]
    assert all(EVIL not in body for body in running)
    assert EVIL not in html


def test_confusion_is_in_shares_of_the_label_s_class() -> None:
    table = confusion_table(NAMES, COUNTS.tolist(), {})
    assert [name for name, _ in table["names"]] == NAMES[:3]
    shares = np.array([[cell["share"] for cell in row["cells"]] for row in table["rows"]])
    assert shares.tolist() == [[0.9, 0.1, 0.0], [0.0, 0.75, 0.25], [0.0, 0.0, 1.0]]
    assert [row["support"] for row in table["rows"]] == [10.0, 40.0, 50.0]
    assert [[cell["right"] for cell in row["cells"]] for row in table["rows"]] == np.eye(3, dtype=bool).tolist()
    assert not table["rows"][0]["cells"][2]["shown"]


def test_a_class_that_is_only_predicted_is_in_the_table() -> None:
    counts = np.zeros((2, 2))
    counts[0, 1] = 5
    table = confusion_table(["a", "b"], counts.tolist(), {})
    assert [[cell["share"] for cell in row["cells"]] for row in table["rows"]] == [[0, 1], [0, 0]]


def test_detections_are_told_by_way_of_matching(tmp_path: Path) -> None:
    model = write_model(tmp_path, task="detection")
    write_evaluation(model, "made-all", detection_scores(), "detection")
    text = text_of(page(str(model), PageOptions()))
    assert "found within model box in the centre best F1 at score labels detections" in text
    assert "IoU 0.5 0.500 – 0.667 0.900 2 1" in text


def test_more_evaluations_than_a_page_holds(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    for number in range(MOST_EVALUATIONS + 2):
        write_evaluation(model, f"n{number:02}", segmentation_scores())
    folders, more = find_evaluations(str(model))
    assert (len(folders), more) == (MOST_EVALUATIONS, 2)
    text = page(str(model), PageOptions())
    assert "And 2 more in" in text
    assert len(text) < 4_000_000


@pytest.mark.parametrize("content", ["{", "{}", '{"task": "segmentation", "scores": []}'])
def test_a_damaged_evaluation_is_named(tmp_path: Path, content: str) -> None:
    folder = write_evaluation(write_model(tmp_path), "bad", segmentation_scores())
    (folder / "metrics.json").write_text(content)
    with pytest.raises(InputError, match=r"bad/metrics.json is damaged .*: start the same `rsbot evaluate` again"):
        read_evaluation(str(folder), {})


def test_a_damaged_picture_of_an_evaluation_is_named(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    write_evaluation(model, "made-test", segmentation_scores())
    (model / "evaluation" / "made-test" / "examples.png").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"made-test/examples.png is damaged: remove it"):
        page(str(model), PageOptions())


def test_training_is_told_by_epoch(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    charts = dict(training_charts(read_history(str(model))))
    assert list(charts) == ["loss", "accuracy"]
    assert [shape.name for shape in charts["loss"].shapes] == ["train", "validation"]
    assert charts["loss"].unit == "epoch"
    (model / "history.json").write_text('{"loss": [1.0]}')
    assert len(training_charts(read_history(str(model)))) == 1
    (model / "history.json").unlink()
    assert read_history(str(model)) == {}
    assert "how the training went is not known" in page(str(model), PageOptions())


def test_a_damaged_history_is_named(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    (model / "history.json").write_text("[1]")
    with pytest.raises(InputError, match=r"history.json is damaged"):
        page(str(model), PageOptions())


def test_a_diverged_training_has_gaps(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    (model / "history.json").write_text(json.dumps({"loss": [1.0, float("nan"), 2.0]}))
    ((_, chart),) = training_charts(read_history(str(model)))
    assert chart.shapes[0].path.count("M") == 2


def test_an_epoch_that_went_astray_does_not_flatten_the_others(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    falling = np.linspace(3.0, 1.0, 20).tolist()
    (model / "history.json").write_text(json.dumps({"loss": falling}))
    ((_, whole),) = training_charts(read_history(str(model)))
    falling[5] = 75.0
    (model / "history.json").write_text(json.dumps({"loss": falling}))
    ((_, cut),) = training_charts(read_history(str(model)))
    assert (whole.title, cut.title) == (
        "loss by epoch",
        f"loss by epoch, cut off at {1.5 * np.quantile(falling, 0.9):.3g}",
    )
    assert max(float(tick.text) for tick in cut.up) < 5


def test_a_model_in_a_few_words_and_in_a_notebook(tmp_path: Path) -> None:
    model = write_model(tmp_path)
    assert model_lines(str(model)) == [
        "unet, segmentation of made",
        "3 epochs",
        "validation: accuracy 0.800, loss 0.600",
    ]
    assert model_html(str(model)).startswith('<iframe sandbox="allow-scripts"')
