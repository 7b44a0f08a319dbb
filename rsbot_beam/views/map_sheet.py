"""The sheet that a map is drawn on: title above, legend beside it."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch as LegendPatch

from rsbot_beam.views.map_frame import View

DPI = 100
# Screen pixels around the map: for latitudes on the left, longitudes below, the legend on the right, and a line of title.
_LEFT, _BOTTOM, _LEGEND, _TITLE_LINE, _GAP = 78, 40, 250, 22, 12
# Least height of a sheet, in which a dozen classes fit; of an entry of the legend, and of each more line of one.
_LEAST_HEIGHT, _ENTRY, _MORE_LINES = 300, 22, 17
# Letters of the title that fit in a hundred screen pixels, at 11 points.
_TITLE_LETTERS = 12
# Screen pixels between the map and the legend's names.
_MARK = 44
# Points.
_LEGEND_SIZE, _LEAST_SIZE = 8.5, 5.0
# Letters of a line of the legend, and lines of a name.
_LEGEND_LETTERS, _NAME_LINES = 28, 2


def map_figure(view: View, panel: tuple[int, int], title: str) -> tuple[Figure, Any]:
    """Makes a figure and the axes of a map in it.

    Args:
        view: What the map shows.
        panel: Its width and height, screen pixels.
        title: Heading.

    Returns:
        The figure, and matplotlib's axes with the view's coordinates.
    """
    width = _LEFT + panel[0] + _GAP + _LEGEND
    lines = textwrap.wrap(title, (width - _LEFT - _GAP) * _TITLE_LETTERS // 100) or [""]
    above = 2 * _GAP + len(lines) * _TITLE_LINE
    height = max(_LEAST_HEIGHT, above + panel[1] + _BOTTOM)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    figure.text(_LEFT / width, 1 - _GAP / height, "\n".join(lines), ha="left", va="top", fontsize=11, linespacing=1.4)
    corner = _LEFT / width, (height - above - panel[1]) / height
    axis = figure.add_axes((*corner, panel[0] / width, panel[1] / height))
    left, bottom, right, top = view.bounds
    axis.set_xlim(left, right)
    axis.set_ylim(bottom, top)
    return figure, axis


def legend_text(name: str, amount: str) -> str:
    """What the legend says of a class: its name, on several lines if it is long, and how much there is of it."""
    if len(name) + len(amount) + 2 <= _LEGEND_LETTERS:
        return f"{name}, {amount}"
    lines = textwrap.wrap(name, _LEGEND_LETTERS, max_lines=_NAME_LINES, placeholder=" ...")
    return "\n".join([*lines, amount])


def add_legend(figure: Figure, axis: Any, handles: Sequence[Any]) -> None:  # noqa: ANN401
    """The legend to the right of the map; entries that do not fit are counted."""
    # From the top of the map down to the sheet's edge, less the line that says how many more there are.
    room = axis.get_position().y1 * figure.get_size_inches()[1] * DPI - 2 * _GAP - _ENTRY
    shown: list[Any] = []
    for handle in handles:
        room -= _ENTRY + _MORE_LINES * str(handle.get_label()).count("\n")
        if room < 0:
            break
        shown.append(handle)
    if len(shown) < len(handles):
        shown.append(LegendPatch(facecolor="none", label=f"and {len(handles) - len(shown)} more"))
    legend = axis.legend(
        handles=shown,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.6,
        fontsize=_LEGEND_SIZE,
        frameon=False,
        handlelength=1.8,
        handleheight=1.3,
        labelspacing=0.7,
    )
    room_across = (1 - axis.get_position().x1) * figure.get_size_inches()[0] * DPI - _MARK - _GAP
    texts, size = legend.get_texts(), _LEGEND_SIZE
    # Names of wide capitals, which the number of letters does not tell; hinted letters do not shrink evenly.
    while size > _LEAST_SIZE and any(text.get_window_extent().width > room_across for text in texts):
        size -= 0.5
        for text in texts:
            text.set_fontsize(size)


def png_of(figure: Figure) -> bytes:
    """The figure as a PNG; equal figures make equal bytes."""
    buffer = io.BytesIO()
    # Without it the file would name matplotlib's version.
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
