"""Pictures of models: what is drawn is there, whatever the classes are called and however many patches there are."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import image
from matplotlib.colors import to_rgb

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.patch import Patch
from rsbot_beam.views.pictures import INVALID
from rsbot_beam.views.training_pictures import (
    LINES,
    SAME,
    ExamplePicture,
    confusion_picture,
    curves_picture,
    examples_picture,
)
from tests.training.conftest import CLASSES, PLAIN, SERIES, SITES, field_patch, site_patch

pytestmark = pytest.mark.slow


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(image.imread(io.BytesIO(png)))[..., :3]


def has_colour(png: bytes, colour: str, least: int = 20) -> bool:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return int((np.abs(pixels(png) - wanted) < 0.01).all(axis=-1).sum()) >= least


@pytest.mark.parametrize("classes", [2, 13])
def test_a_confusion_matrix_is_dark_on_its_diagonal(classes: int) -> None:
    names = [f"a class with a longer name {i}" for i in range(classes)]
    right = pixels(confusion_picture(np.eye(classes) * 100, names, "right", "ha"))
    wrong = pixels(confusion_picture(np.ones((classes, classes)), names, "wrong", "ha"))
    assert right.shape == wrong.shape
    assert right.std() > wrong.std()


def test_a_class_that_does_not_occur_is_drawn_empty() -> None:
    counts = np.array([[5.0, 0.0], [0.0, 0.0]])
    assert pixels(confusion_picture(counts, ["here", "nowhere"], "<b>title</b>", "ha")).size


def test_curves_show_training_validation_and_bars() -> None:
    history = {"loss": [3.0, 2.0], "val_loss": [3.5, 2.5], "accuracy": [0.1, 0.2], "val_accuracy": [0.1, 0.3]}
    bars = {"maize": {"model": 0.9, "majority class": 0.0, "random forest": None}, "wheat": {"model": 0.5}}
    png = curves_picture(history, "title", bars=bars)
    assert has_colour(png, LINES[0]) and has_colour(png, LINES[1])
    narrow = pixels(curves_picture({"loss": [1.0], "val_loss": [1.0]}, "title"))
    assert narrow.shape[1] < pixels(png).shape[1]


def test_curves_of_a_detector() -> None:
    png = curves_picture(
        {"loss": [3.0, 2.0]},
        "title",
        precision_recall={"solar": (np.array([0.0, 0.5]), np.array([1.0, 0.5])), "wind": (np.zeros(0), np.zeros(0))},
    )
    assert has_colour(png, LINES[0])


def example(patch: Patch, wrong: bool) -> ExamplePicture:
    predicted = np.asarray(patch.label).copy()
    if wrong:
        predicted[:8] = 9
    return ExamplePicture("drawn", patch, predicted=predicted)


@pytest.mark.parametrize("count", [1, 4, 9])
@pytest.mark.parametrize("layout", [PLAIN, SERIES], ids=["plain", "series"])
def test_what_differs_is_marked(count: int, layout: object) -> None:
    patches = [field_patch(layout, col) for col in range(count)]  # type: ignore[arg-type]
    right = examples_picture([example(p, False) for p in patches], CLASSES, "title")
    wrong = examples_picture([example(p, True) for p in patches], CLASSES, "title")
    # A swatch in the legend, and half of a panel for each patch.
    assert has_colour(wrong, LINES[1], 2000) and not has_colour(right, LINES[1], 2000)
    for item in CLASSES:
        assert has_colour(right, item.colour)


@pytest.mark.parametrize("count", [1, 3, 4])
def test_the_legend_is_not_cut_off(count: int) -> None:
    """Nothing but the white margin at the edges, with as many classes and as long names as land cover has."""
    names = (
        "Tree cover",
        "Bare / sparse vegetation",
        "Permanent water bodies",
        "Herbaceous wetland",
        "Moss and lichen",
    )
    classes = [LabelClass(10 * i, names[i % 5], f"#{i}0{i}0{i}0") for i in range(1, 9)]
    drawn = pixels(examples_picture([example(field_patch(PLAIN, col), True) for col in range(count)], classes, "title"))
    assert (drawn[:, [0, 1, -2, -1]] == 1).all()
    assert (drawn[[0, 1, -2, -1]] == 1).all()


def test_where_both_agree_is_no_colour_of_what_is_invalid() -> None:
    png = examples_picture([example(field_patch(PLAIN, 1, gaps=0.3), False)], CLASSES, "title")
    assert has_colour(png, SAME, 2000)
    assert np.abs(np.array(to_rgb(SAME)) - INVALID).max() > 0.04


def test_epochs_are_whole_numbers() -> None:
    from matplotlib.figure import Figure

    from rsbot_beam.views import training_pictures

    for epochs in (1, 2, 3, 40):
        axis = Figure().subplots()
        training_pictures._lines(axis, {"loss": [1.0] * epochs}, "loss")
        assert all(tick == round(tick) for tick in axis.get_xticks())


def test_the_legend_of_the_bars_is_above_them() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from rsbot_beam.views import training_pictures

    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure).draw()
    axis = figure.subplots()
    training_pictures._bars(axis, {"maize": {"model": 1.0, "majority class": 1.0, "random forest": 1.0}})
    figure.canvas.draw()
    legend = axis.get_legend().get_window_extent()
    assert legend.y0 >= axis.get_window_extent().y1 - 1
    assert legend.y1 <= figure.bbox.y1


def test_boxes_are_drawn_in_the_colours_of_their_classes() -> None:
    patches = [site_patch(SITES, col) for col in range(5)]
    items = [
        ExamplePicture("best", p, boxes=np.array([[2, 2, 9, 9]]), codes=np.array([2]), scores=np.array([0.9]))
        for p in patches
    ]
    assert has_colour(examples_picture(items, SITES.classes, "title"), "#d55e00", 100)
    nothing = [ExamplePicture("best", patches[0])]
    assert pixels(examples_picture(nothing, SITES.classes, "title")).size
