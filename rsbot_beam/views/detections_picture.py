"""What a detector found, as points on the region that was searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.polygons import Areal
from rsbot_beam.views.map_frame import draw_coordinates, draw_scale
from rsbot_beam.views.map_sheet import add_legend, legend_text, map_figure, png_of
from rsbot_beam.views.pictures import UNNAMED
from rsbot_beam.views.region_ground import draw_region, eastwards, region_view

# Shapes by class, in the classes' order: told apart without colours.
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
# Points drawn, the best ones: more cannot be seen, and take matplotlib seconds.
MOST_POINTS = 50_000
# Opacity of a score of 0 and of 1.
_FAINT, _FULL = 0.25, 1.0
# Area of a marker in square points, and its line in points, where there are few; a tenth where there are many.
_AREA, _LINE, _MANY = 42.0, 0.6, 5000


def detections_picture(
    lon: np.ndarray,
    lat: np.ndarray,
    scores: np.ndarray,
    codes: np.ndarray,
    classes: Sequence[LabelClass],
    region: Areal,
    title: str,
) -> bytes:
    """Draws detections as points: a shape and a colour for each class, and the fainter the lower the score.

    Args:
        lon: float (n,), degrees.
        lat: float (n,), degrees.
        scores: float (n,), 0..1; NaN is drawn as 1.
        codes: int (n,), class codes.
        classes: Names and colours.
        region: What was searched, in longitude and latitude, cut at the antimeridian.
        title: Heading.

    Returns:
        A PNG.

    Raises:
        InputError: The region is empty.
    """
    if region.is_empty:
        raise InputError("the region of the picture is empty: give the polygons that were searched")
    view, west = region_view(region)
    panel = view.panel()
    figure, axis = map_figure(view, panel, title)
    axis.set_facecolor("white")
    draw_region(axis, region, west)
    draw_coordinates(axis, view)
    draw_scale(axis, view, panel)
    best = np.argsort(-np.nan_to_num(scores, nan=1.0), kind="stable")[:MOST_POINTS]
    size = 1 - 0.9 * min(1.0, len(best) / _MANY)
    handles = []
    for number, item in enumerate(_occurring(codes, classes)):
        chosen = best[codes[best] == item.code]
        style: dict[str, Any] = {"marker": MARKERS[number % len(MARKERS)], "size": size, "colour": item.colour}
        _draw_points(axis, eastwards(lon[chosen], west), lat[chosen], scores[chosen], style)
        handles.append(_handle(item, int((codes == item.code).sum()), style["marker"]))
    add_legend(figure, axis, [*handles, *_notes(len(codes), len(best))])
    return png_of(figure)


def _occurring(codes: np.ndarray, classes: Sequence[LabelClass]) -> list[LabelClass]:
    known = {item.code: item for item in classes}
    return [known.get(code, LabelClass(code, f"class {code}", UNNAMED)) for code in np.unique(codes).tolist()]


def _draw_points(axis: Any, lon: np.ndarray, lat: np.ndarray, scores: np.ndarray, style: dict[str, Any]) -> None:  # noqa: ANN401
    opacity = _FAINT + (_FULL - _FAINT) * np.clip(np.nan_to_num(scores, nan=1.0), 0, 1)
    faces, edges = (np.tile(to_rgba(colour), (len(lon), 1)) for colour in (style["colour"], "black"))
    faces[:, 3] = edges[:, 3] = opacity
    # The best on top.
    order = np.arange(len(lon))[::-1]
    axis.scatter(
        lon[order],
        lat[order],
        s=_AREA * style["size"],
        marker=style["marker"],
        c=faces[order],
        edgecolors=edges[order],
        linewidths=_LINE * style["size"],
        zorder=3,
    )


def _handle(item: LabelClass, count: int, marker: str) -> Line2D:
    return _dot(marker, item.colour, legend_text(item.name, f"{count:,}"))


def _dot(marker: str, colour: str, label: str, alpha: float = 1.0) -> Line2D:
    style: dict[str, Any] = {
        "markerfacecolor": colour,
        "markeredgecolor": "black",
        "markeredgewidth": 0.6,
        "markersize": 7,
    }
    return Line2D([], [], linestyle="none", marker=marker, label=label, alpha=alpha, **style)


def _notes(found: int, drawn: int) -> list[Line2D]:
    """What opacity means, and what is not drawn."""
    if not found:
        return [Line2D([], [], linestyle="none", label="nothing found")]
    notes = [_dot("o", "#707070", f"score {score:g}", _FAINT + (_FULL - _FAINT) * score) for score in (1.0, 0.5, 0.1)]
    if drawn < found:
        notes.append(Line2D([], [], linestyle="none", label=f"the best {drawn:,} are drawn"))
    return notes
