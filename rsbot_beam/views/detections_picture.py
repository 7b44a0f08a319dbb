"""What a detector found, as points on the region that was searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from shapely.affinity import translate

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.crs import LONLAT
from rsbot_beam.geometry.lonlat import longitude_boxes
from rsbot_beam.geometry.polygons import Areal, polygons_of
from rsbot_beam.views.map_frame import View, draw_coordinates, draw_scale
from rsbot_beam.views.map_sheet import add_legend, legend_text, map_figure, png_of
from rsbot_beam.views.pictures import UNNAMED

# Shapes by class, in the classes' order: told apart without colours.
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
# Points drawn, the best ones: more cannot be seen, and take matplotlib seconds.
MOST_POINTS = 50_000
# Opacity of a score of 0 and of 1.
_FAINT, _FULL = 0.25, 1.0
# Area of a marker in square points, and its line in points, where there are few; a tenth where there are many.
_AREA, _LINE, _MANY = 42.0, 0.6, 5000
# Share of the region's size that is left free around it; and below it, for the scale bar.
_AROUND, _BELOW = 0.04, 0.09


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
    view, west = _view(region)
    panel = view.panel()
    figure, axis = map_figure(view, panel, title)
    axis.set_facecolor("white")
    for polygon in _joined(region, west):
        axis.add_patch(_outline(polygon))
    draw_coordinates(axis, view)
    draw_scale(axis, view, panel)
    best = np.argsort(-np.nan_to_num(scores, nan=1.0), kind="stable")[:MOST_POINTS]
    size = 1 - 0.9 * min(1.0, len(best) / _MANY)
    handles = []
    for number, item in enumerate(_occurring(codes, classes)):
        chosen = best[codes[best] == item.code]
        style: dict[str, Any] = {"marker": MARKERS[number % len(MARKERS)], "size": size, "colour": item.colour}
        _draw_points(axis, _eastwards(lon[chosen], west), lat[chosen], scores[chosen], style)
        handles.append(_handle(item, int((codes == item.code).sum()), style["marker"]))
    add_legend(figure, axis, [*handles, *_notes(len(codes), len(best))])
    return png_of(figure)


def _view(region: Areal) -> tuple[View, float]:
    """A rectangle of degrees around the region, and the longitude from which on eastwards it is counted."""
    boxes = longitude_boxes(polygons_of(region))
    west, east = boxes[0][0], boxes[-1][2] + (360 if len(boxes) == 2 else 0)
    south, north = min(b[1] for b in boxes), max(b[3] for b in boxes)
    wide, high = _AROUND * (east - west), _AROUND * (north - south)
    return View(
        (west - wide, max(-90.0, south - _BELOW * (north - south)), east + wide, min(90.0, north + high)), LONLAT
    ), west - wide


def _eastwards(lon: np.ndarray, west: float) -> np.ndarray:
    return np.asarray(west + (lon - west) % 360)


def _joined(region: Areal, west: float) -> list[shapely.Polygon]:
    """The region's polygons, counted eastwards from `west` and without the cut at the antimeridian."""
    # A part east of the antimeridian is moved as a whole: its own western edge may be the border itself.
    turns = [360.0 if polygon.bounds[2] < west else 0.0 for polygon in polygons_of(region)]
    if not any(turns):
        return polygons_of(region)
    moved = [translate(polygon, turn) for polygon, turn in zip(polygons_of(region), turns, strict=True)]
    return polygons_of(shapely.union_all(moved))


def _outline(polygon: shapely.Polygon) -> PathPatch:
    rings = [Path(shapely.get_coordinates(ring), closed=True) for ring in (polygon.exterior, *polygon.interiors)]
    return PathPatch(Path.make_compound_path(*rings), facecolor="#eef1ea", edgecolor="#404040", linewidth=1.2, zorder=1)


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
