"""Pictures of a trained model: confusion matrix, curves, and patches beside label and prediction."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch as LegendPatch
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.patch import Patch
from rsbot_beam.views.amounts import hectares_text
from rsbot_beam.views.contact_sheet import INVALID, UNNAMED, label_picture, picture, picture_bands

_DPI = 110
# Colours of lines that are told apart with any colour vision: Okabe and Ito 2008, https://jfly.uni-koeln.de/color/
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
# Hatches that tell bars apart in print.
HATCHES = ("", "//", "..", "xx")
# Share above which a cell of the confusion matrix is dark enough for white text, in the colours of "Blues".
_DARK = 0.55
# Where prediction and label agree: no other panel has it.
SAME = "#cfe3d4"
# Inches that a letter of a legend takes, a swatch with its margins, and a line.
_LETTER, _SWATCH, _LINE = 0.062, 0.55, 0.17


@dataclass(frozen=True, eq=False)
class ExamplePicture:
    """A patch to draw.

    Attributes:
        title: Why it is shown and how good it is.
        patch: Raw.
        predicted: For segmentation class codes (height, width); None for detection.
        boxes: For detection ymin, xmin, ymax, xmax in pixels (n, 4).
        codes: Class codes of the boxes (n,).
        scores: Of the boxes (n,).
    """

    title: str
    patch: Patch
    predicted: np.ndarray | None = None
    boxes: np.ndarray | None = None
    codes: np.ndarray | None = None
    scores: np.ndarray | None = None


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def confusion_picture(counts: np.ndarray, names: Sequence[str], title: str, unit: str) -> bytes:
    """Draw a confusion matrix as shares of each label's class.

    Args:
        counts: (classes, classes), row = label, column = prediction.
        names: The classes'.
        title: Heading.
        unit: Of the counts.

    Returns:
        A PNG.
    """
    side = 2.8 + 0.55 * len(names)
    figure = Figure(figsize=(side + 1.2, side), layout="constrained")
    axis = figure.subplots()
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, support, out=np.zeros_like(counts, float), where=support > 0)
    image = axis.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    axis.set_yticks(
        range(len(names)),
        [f"{n} ({hectares_text(s)} {unit})" for n, s in zip(names, support[:, 0], strict=True)],
        fontsize=8,
    )
    axis.set_xlabel("predicted")
    axis.set_ylabel("label")
    for row, column in np.argwhere(shares >= 0.005):
        colour = "white" if shares[row, column] > _DARK else "black"
        axis.text(column, row, f"{shares[row, column]:.2f}", ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(image, ax=axis, label="share of the label's class", shrink=0.8)
    figure.suptitle(title, fontsize=10)
    return _png(figure)


def curves_picture(
    history: Mapping[str, Sequence[float]],
    title: str,
    bars: Mapping[str, Mapping[str, float | None]] | None = None,
    precision_recall: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
) -> bytes:
    """Draw how a training went and, beside it, how good its classes are.

    Args:
        history: Losses and metrics by epoch; those of the validation split begin with `val_`.
        title: Heading.
        bars: F1 by class and, in it, by model and baselines.
        precision_recall: Recall and precision by class.

    Returns:
        A PNG.
    """
    panels = [bool(history), "accuracy" in history, bool(bars), bool(precision_recall)]
    count = max(1, sum(panels))
    widths = [1.6 if bars and i == count - 1 - bool(precision_recall) else 1.0 for i in range(count)]
    figure = Figure(figsize=(4.0 * sum(widths), 4.2), layout="constrained")
    axes = iter(np.atleast_1d(figure.subplots(1, count, width_ratios=widths)))
    if panels[0]:
        _lines(next(axes), history, "loss")
    if panels[1]:
        _lines(next(axes), history, "accuracy")
    if bars:
        _bars(next(axes), bars)
    if precision_recall:
        _precision_recall(next(axes), precision_recall)
    figure.suptitle(title, fontsize=10)
    return _png(figure)


def _lines(axis: Any, history: Mapping[str, Sequence[float]], name: str) -> None:  # noqa: ANN401 - matplotlib's
    for key, label, style in ((name, "train", "--"), (f"val_{name}", "validation", "-")):
        if key in history:
            colour = LINES[0] if label == "validation" else LINES[1]
            axis.plot(range(1, len(history[key]) + 1), history[key], style, color=colour, label=label)
    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.set_ylabel(name)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)


def _bars(axis: Any, bars: Mapping[str, Mapping[str, float | None]]) -> None:  # noqa: ANN401
    names = list(dict.fromkeys(name for values in bars.values() for name in values))
    width = 0.8 / len(names)
    for index, name in enumerate(names):
        heights = [values.get(name) or 0.0 for values in bars.values()]
        places = np.arange(len(bars)) + (index - (len(names) - 1) / 2) * width
        axis.bar(places, heights, width, label=name, color=LINES[index], hatch=HATCHES[index % len(HATCHES)])
    axis.set_xticks(range(len(bars)), list(bars), rotation=45, ha="right", fontsize=8)
    axis.set_ylabel("F1")
    axis.set_ylim(0, 1)
    axis.grid(alpha=0.3, axis="y")
    axis.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(names), frameon=False)


def _precision_recall(axis: Any, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:  # noqa: ANN401
    for index, (name, (recall, precision)) in enumerate(curves.items()):
        axis.step(recall, precision, where="post", color=LINES[index % len(LINES)], label=name)
    axis.set_xlabel("recall")
    axis.set_ylabel("precision")
    axis.set_xlim(0, 1.02)
    axis.set_ylim(0, 1.02)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)


def examples_picture(items: Sequence[ExamplePicture], classes: Sequence[LabelClass], title: str) -> bytes:
    """Draw patches: picture, label, prediction, and where the two differ; boxes in the picture for a detector.

    Returns:
        A PNG.
    """
    detects = items[0].predicted is None
    panels = 2 if detects else 4
    per_row = 1 if panels == 4 and len(items) < 4 else (3 if detects else 2)
    rows = -(-len(items) // per_row)
    figure = Figure(figsize=(1.75 * panels * per_row + 0.3, 2.05 * rows + 1.0), layout="constrained")
    axes = figure.subplots(rows, panels * per_row, squeeze=False)
    for axis in axes.ravel():
        axis.axis("off")
    stretch = _stretch([item.patch for item in items])
    for index, item in enumerate(items):
        row, column = divmod(index, per_row)
        part = axes[row, column * panels : (column + 1) * panels]
        (_detected if detects else _classified)(part, item, stretch, classes)
    figure.suptitle(title, fontsize=10)
    _legend(figure, classes, detects)
    return _png(figure)


def _stretch(patches: Sequence[Patch]) -> dict[str, tuple[float, float]]:
    """2nd and 98th percentile of the valid pixels of the bands shown."""
    names = picture_bands(patches[0].layout)
    found = [_middle(p.pixels[name])[_middle(p.valid[name])][::17] for p in patches for name in names]
    values = np.concatenate(found).astype(float)
    low, high = np.percentile(values, (2, 98)) if values.size else (0.0, 1.0)
    return dict.fromkeys(names, (float(low), float(max(high, low + 1e-6))))


def _middle(array: np.ndarray) -> np.ndarray:
    return array if array.ndim == 2 else array[len(array) // 2]


def _panel(axis: Any, image: np.ndarray, title: str) -> None:  # noqa: ANN401
    axis.imshow(image, interpolation="nearest")
    axis.set_title(title, fontsize=7, loc="left", pad=2)


def _classified(
    axes: np.ndarray, item: ExamplePicture, stretch: dict[str, tuple[float, float]], classes: Sequence[LabelClass]
) -> None:
    predicted = np.asarray(item.predicted)
    colours = np.full((*predicted.shape, 3), 0.5)
    for known in classes:
        colours[predicted == known.code] = to_rgb(known.colour)
    label, valid = np.asarray(item.patch.label), np.asarray(item.patch.label_valid)
    wrong = np.full((*predicted.shape, 3), to_rgb(SAME))
    wrong[label != predicted] = to_rgb(LINES[1])
    _panel(axes[0], picture(item.patch, stretch), item.title)
    _panel(axes[1], label_picture(item.patch), "label")
    _panel(axes[2], colours, "prediction")
    _panel(axes[3], np.where((valid & item.patch.seen)[..., None], wrong, 1.0), "differs")


def _detected(
    axes: np.ndarray, item: ExamplePicture, stretch: dict[str, tuple[float, float]], classes: Sequence[LabelClass]
) -> None:
    image = picture(item.patch, stretch)
    colours = {known.code: known.colour for known in classes}
    _panel(axes[0], image, f"{item.title}: label")
    _panel(axes[1], image, "prediction")
    if item.patch.objects is not None:
        _boxes(axes[0], item.patch.objects.boxes, item.patch.objects.classes, colours)
    if item.boxes is not None and item.codes is not None and item.scores is not None:
        _boxes(axes[1], item.boxes, item.codes, colours, item.scores)


def _boxes(
    axis: Any,  # noqa: ANN401
    boxes: np.ndarray,
    codes: np.ndarray,
    colours: Mapping[int, str],
    scores: np.ndarray | None = None,
) -> None:
    for index, (box, code) in enumerate(zip(boxes, codes, strict=True)):
        top, left, bottom, right = (float(edge) for edge in box)
        colour = colours.get(int(code), UNNAMED)
        # Pictures have pixel centres at whole numbers, boxes have pixel edges there.
        corner = (left - 0.5, top - 0.5)
        axis.add_patch(Rectangle(corner, right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.3))
        if scores is not None:
            axis.text(left, top - 1, f"{scores[index]:.2f}", color=colour, fontsize=6, clip_on=True)


def _legend(figure: Figure, classes: Sequence[LabelClass], detects: bool) -> None:
    handles = [LegendPatch(facecolor=item.colour, edgecolor="#555555", label=item.name) for item in classes]
    if not detects:
        handles.append(LegendPatch(facecolor=LINES[1], label="prediction differs from the label"))
        handles.append(LegendPatch(facecolor=SAME, label="prediction agrees"))
        handles.append(
            LegendPatch(facecolor="white", edgecolor="#555555", label="not compared: no label or no imagery")
        )
    handles.append(LegendPatch(facecolor=INVALID, label="imagery not valid"))
    widest = _SWATCH + _LETTER * max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), int(figure.get_figwidth() / widest)))
    figure.set_figheight(figure.get_figheight() + _LINE * (math.ceil(len(handles) / columns) - 1))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=7)
