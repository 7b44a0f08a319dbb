"""A contact sheet of a dataset's patches: pictures with objects, and labels beside them."""

from __future__ import annotations

import io
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch as LegendPatch
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.geometry.crs import LONLAT, transformer
from rsbot_beam.views.pictures import (
    INVALID,
    TRUE_COLOUR,
    UNNAMED,
    label_picture,
    picture,
    picture_bands,
    shown_steps,
    stretch_of,
)

__all__ = [
    "INVALID",
    "TRUE_COLOUR",
    "UNNAMED",
    "contact_sheet",
    "label_picture",
    "picture",
    "picture_bands",
    "sheet_size",
]

_DPI = 100
# Screen pixels, all of them: a sheet is as wide as a web page shows it without shrinking.
_WIDTH = 1080
_MARGIN, _GAP, _CAPTION, _TITLE_LINE, _LEGEND_LINE = 12, 6, 18, 20, 18
# A narrower sheet would break its title into many lines.
_LEAST_WIDTH = 480
# Side of a panel, by the number of panels of a patch; more panels share the width.
_SIDES = {1: 205, 2: 170}
# Seven months from sowing to harvest, and the label, fit side by side at 128 pixels each.
_MOST_STEPS = 7
# Height of all rows: a sheet is seen without much scrolling.
_HEIGHT = 940
# Classes of a long code table that the legend names, those with most pixels.
_MOST_CLASSES = 24
# Letters of the title that fit in a hundred screen pixels, at 10 points: the widest of them are as wide as 9 pixels.
_TITLE_LETTERS = 11
# Perceived brightness from where on a line is light, and gets a dark seam (Rec. 601 weights).
_LIGHT, _WEIGHTS = 0.55, (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class _Sheet:
    """Where things are, in screen pixels from the top left corner."""

    steps: tuple[int, ...]
    panels: int
    side: int
    columns: int

    @classmethod
    def of(cls, layout: Layout) -> _Sheet:
        label = 1 if layout.label else 0
        steps = shown_steps(layout.steps, _MOST_STEPS)
        panels = len(steps) + label
        side = min(_SIDES.get(panels, 170), (_WIDTH - _GAP * (panels - 1)) // panels)
        return cls(steps, panels, side, max(1, (_WIDTH + 2 * _GAP) // (panels * (side + _GAP) + _GAP)))

    def width(self, columns: int) -> int:
        cells = columns * self.panels * (self.side + _GAP) + (columns - 1) * _GAP
        return max(_LEAST_WIDTH, cells - _GAP + 2 * _MARGIN)

    def corner(self, index: int, panel: int) -> tuple[int, int]:
        """Left and top of a panel of a patch, below the title."""
        row, column = divmod(index, self.columns)
        left = _MARGIN + (column * self.panels + panel) * (self.side + _GAP) + column * _GAP
        return left, row * self.row_height + _CAPTION

    @property
    def row_height(self) -> int:
        return self.side + _CAPTION + _GAP


def sheet_size(layout: Layout) -> int:
    """How many patches of a layout a sheet shows well."""
    sheet = _Sheet.of(layout)
    return sheet.columns * (_HEIGHT // sheet.row_height)


def contact_sheet(patches: Sequence[tuple[str, Patch]], title: str, step_names: Sequence[str] = ()) -> bytes:
    """Draw patches: imagery with the boxes of objects, several steps of a time series, and the label where there is one.

    Args:
        patches: Split and patch, one or more, all of one layout.
        title: Heading.
        step_names: What the steps of a time series are called; none numbers them.

    Returns:
        A PNG, at most 1,104 pixels wide.
    """
    shown = [patch for _, patch in patches]
    layout = shown[0].layout
    sheet = _Sheet.of(layout)
    columns, rows = min(sheet.columns, len(patches)), -(-len(patches) // sheet.columns)
    width = sheet.width(columns)
    lines = textwrap.wrap(title, width * _TITLE_LETTERS // 100) or [""]
    handles = _handles(shown, sheet)
    per_line = _per_line(handles, width)
    top = _GAP + len(lines) * _TITLE_LINE
    height = top + rows * sheet.row_height + _legend_lines(handles, per_line) * _LEGEND_LINE + _MARGIN
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    FigureCanvasAgg(figure)
    figure.text(0.5, 1 - _GAP / height, "\n".join(lines), ha="center", va="top", fontsize=10, linespacing=1.3)
    stretch = stretch_of(shown, sheet.steps if layout.steps else None)
    names = _step_names(layout, step_names)
    for index, (split, patch) in enumerate(patches):
        axes = [_axis(figure, sheet.corner(index, n), top, sheet.side) for n in range(sheet.panels)]
        _draw(axes, patch, stretch, [(step, names[step]) for step in sheet.steps])
        axes[0].set_title(f"{split}, {_place(patch)}", fontsize=7.5, loc="left", pad=3)
    if handles:
        figure.legend(handles=handles, loc="lower center", ncols=per_line, fontsize=8, frameon=False, borderpad=0.2)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _axis(figure: Figure, corner: tuple[int, int], top: int, side: int) -> Any:  # noqa: ANN401 - matplotlib's
    width, height = figure.get_size_inches() * _DPI
    left, below = corner
    axis = figure.add_axes((left / width, 1 - (top + below + side) / height, side / width, side / height))
    axis.axis("off")
    return axis


def _draw(
    axes: Sequence[Any], patch: Patch, stretch: dict[str, tuple[float, float]], steps: Sequence[tuple[int, str]]
) -> None:
    for axis, (step, name) in zip(axes, steps, strict=False):
        # "antialiased" averages where a patch has more pixels than the panel, and does not blur where it has fewer.
        axis.imshow(picture(patch, stretch, step), interpolation="antialiased")
        if patch.layout.steps:
            seam = [withStroke(linewidth=2, foreground="black")]
            axis.text(
                0.03, 0.97, name, transform=axis.transAxes, va="top", color="white", fontsize=7, path_effects=seam
            )
        _draw_objects(axis, patch)
    if patch.layout.label:
        axes[-1].imshow(label_picture(patch), interpolation="nearest")


def _draw_objects(axis: Any, patch: Patch) -> None:  # noqa: ANN401
    """Boxes in their classes' colours with a seam that shows on any ground; those that the tile's edge cuts are dashed."""
    if patch.objects is None:
        return
    colours = {item.code: item.colour for item in patch.layout.classes}
    for box, code, cut in zip(patch.objects.boxes, patch.objects.classes, patch.objects.truncated, strict=True):
        top, left, bottom, right = (float(edge) for edge in box)
        colour = colours.get(int(code), UNNAMED)
        seam = "black" if np.dot(to_rgb(colour), _WEIGHTS) > _LIGHT else "white"
        # Pictures have pixel centres at whole numbers, boxes have pixel edges there.
        axis.add_patch(
            Rectangle(
                (left - 0.5, top - 0.5),
                right - left,
                bottom - top,
                fill=False,
                edgecolor=colour,
                linestyle="dashed" if cut else "solid",
                linewidth=1.2,
                path_effects=[withStroke(linewidth=2.6, foreground=seam)],
            )
        )


def _place(patch: Patch) -> str:
    left, bottom, right, top = patch.key.bounds
    lon, lat = transformer(patch.key.crs, LONLAT).transform((left + right) / 2, (bottom + top) / 2)
    return f"{abs(lat):.3f}° {'N' if lat >= 0 else 'S'} {abs(lon):.3f}° {'E' if lon >= 0 else 'W'}"


def _step_names(layout: Layout, given: Sequence[str]) -> list[str]:
    count = max(1, layout.steps)
    return list(given) if len(given) == count else [f"{n + 1} of {count}" for n in range(count)]


def _handles(patches: Sequence[Patch], sheet: _Sheet) -> list[LegendPatch]:
    """What the legend says: classes that occur, the most frequent first where there are too many, and marks."""
    layout = patches[0].layout
    pixels = _pixels_of_classes(patches)
    occurring = [item for item in layout.classes if item.code in pixels]
    named = sorted(occurring, key=lambda item: -pixels[item.code])[:_MOST_CLASSES]
    handles = [
        LegendPatch(
            facecolor=item.colour, edgecolor="#555555", label=textwrap.shorten(item.name, 28, placeholder=" ...")
        )
        for item in occurring
        if item in named
    ]
    if len(occurring) > len(named):
        handles.append(LegendPatch(facecolor="none", label=f"and {len(occurring) - len(named)} rarer classes"))
    if layout.classes and pixels.keys() - {item.code for item in layout.classes}:
        handles.append(LegendPatch(facecolor=UNNAMED, edgecolor="#555555", label="class without a name"))
    if any(patch.objects is not None and patch.objects.truncated.any() for patch in patches):
        handles.append(LegendPatch(fill=False, edgecolor="#555555", linestyle="dashed", label="cut by the tile's edge"))
    if any(_has_gaps(patch, sheet.steps) for patch in patches):
        handles.append(LegendPatch(facecolor=INVALID, edgecolor="white", hatch="////", label="not valid"))
    return handles


def _pixels_of_classes(patches: Sequence[Patch]) -> Counter[int]:
    """Valid pixels of each code of the labels, and the number of objects of each class."""
    found: Counter[int] = Counter()
    for patch in patches:
        if patch.label is not None and patch.label_valid is not None and patch.layout.classes:
            codes, counts = np.unique(patch.label[patch.label_valid], return_counts=True)
            found.update(dict(zip(codes.tolist(), counts.tolist(), strict=True)))
        if patch.objects is not None:
            found.update(patch.objects.classes.tolist())
    return found


def _has_gaps(patch: Patch, steps: Sequence[int]) -> bool:
    shown = [patch.valid[name] for name in picture_bands(patch.layout)]
    if not all((flags[list(steps)] if flags.ndim == 3 else flags).all() for flags in shown):
        return True
    return patch.label_valid is not None and not patch.label_valid.all()


def _per_line(handles: Sequence[LegendPatch], width: int) -> int:
    """How many entries fit beside each other: some 5 screen pixels a letter, and 55 for the mark."""
    longest = max((len(str(handle.get_label())) for handle in handles), default=0)
    return max(1, min(len(handles), width // (55 + 5 * longest)))


def _legend_lines(handles: Sequence[LegendPatch], per_line: int) -> int:
    return -(-len(handles) // per_line)
