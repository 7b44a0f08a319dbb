"""A map to look at: classes in their colours, or what was found as points, with all that a map needs to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch as LegendPatch

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.geometry.tile import Bounds
from rsbot_beam.views.amounts import area_text, share_text
from rsbot_beam.views.colour_vision import PATTERNS, pattern_mask, patterns
from rsbot_beam.views.map_frame import LONGEST_SIDE, View, draw_coordinates, draw_scale
from rsbot_beam.views.map_sheet import add_legend, legend_text, map_figure, png_of
from rsbot_beam.views.pictures import INVALID, UNNAMED

__all__ = ["LONGEST_SIDE", "map_picture"]

_HATCH = "///"
_GREY = "#b0b0b0"


@dataclass(frozen=True)
class _Entry:
    """A line of the legend."""

    code: int
    name: str
    colour: str
    pattern: int
    pixels: int


def map_picture(
    codes: np.ndarray,
    bounds: Bounds,
    crs: str,
    classes: Sequence[LabelClass],
    title: str,
    *,
    nodata: int | None = None,
    hectares: Mapping[int, float] | None = None,
) -> bytes:
    """Draws a map of classes.

    Classes whose colours are too much alike for some eyes get a pattern on top.

    Args:
        codes: Integer class codes (height, width), north up; about `LONGEST_SIDE` pixels on the longer side are enough.
        bounds: left, bottom, right, top of the pixels, units of the CRS.
        crs: "EPSG:n".
        classes: Names and colours.
        title: Heading.
        nodata: Code of pixels that are not mapped; they are hatched in light grey.
        hectares: Area of each class on the whole map, for the legend; without it, the legend gives shares of the pixels
            drawn.

    Returns:
        A PNG.

    Raises:
        InputError: Empty bounds, or a CRS that PROJ does not know.
    """
    view = View(bounds, crs)
    panel = view.panel()
    entries = _entries(codes, classes, nodata, hectares)
    is_mapped = np.ones(codes.shape, bool) if nodata is None else codes != nodata
    figure, axis = map_figure(view, panel, title)
    axis.patch.set(facecolor=INVALID, hatch=_HATCH, edgecolor=_GREY)
    left, bottom, right, top = bounds
    image = _image(codes, is_mapped, entries, panel)
    axis.imshow(image, extent=(left, right, bottom, top), aspect="auto", interpolation="nearest", zorder=1)
    draw_coordinates(axis, view)
    draw_scale(axis, view, panel)
    handles = [_handle(entry, text) for entry, text in zip(entries, _amounts(entries, hectares), strict=True)]
    if not is_mapped.all():
        handles.append(LegendPatch(facecolor=INVALID, edgecolor=_GREY, hatch=_HATCH, label="not mapped"))
    add_legend(figure, axis, handles)
    return png_of(figure)


def _entries(
    codes: np.ndarray, classes: Sequence[LabelClass], nodata: int | None, hectares: Mapping[int, float] | None
) -> list[_Entry]:
    """The classes that occur, on the picture or on the whole map, the largest first."""
    found = dict(zip(*(values.tolist() for values in np.unique(codes, return_counts=True)), strict=True))
    found.pop(nodata, None)
    areas = {code: area for code, area in (hectares or {}).items() if area > 0}
    known = {item.code: item for item in classes}
    order = sorted({*found, *areas}, key=lambda code: (-areas.get(code, 0.0), -found.get(code, 0), code))
    items = [known.get(code, LabelClass(code, f"class {code}", UNNAMED)) for code in order]
    marks = patterns([item.colour for item in items])
    return [
        _Entry(item.code, item.name, item.colour, mark, found.get(item.code, 0))
        for item, mark in zip(items, marks, strict=True)
    ]


def _image(codes: np.ndarray, is_mapped: np.ndarray, entries: Sequence[_Entry], panel: tuple[int, int]) -> np.ndarray:
    """RGBA on the panel's screen pixels, float (height, width, 4); transparent where nothing is mapped."""
    width, height = panel
    rows = (np.arange(height) + 0.5) * codes.shape[0] / height
    columns = (np.arange(width) + 0.5) * codes.shape[1] / width
    place = np.ix_(rows.astype(int), columns.astype(int))
    shown, image = codes[place], np.zeros((height, width, 4))
    image[..., 3] = is_mapped[place]
    for entry in entries:
        inside = shown == entry.code
        image[inside, :3] = to_rgb(entry.colour)
        if entry.pattern:
            image[inside & pattern_mask(entry.pattern, (height, width)), :3] = _mark_on(entry.colour)
    return image


def _mark_on(colour: str) -> tuple[float, float, float]:
    """Black on light colours, white on dark ones (Rec. 601 weights)."""
    return (0.0, 0.0, 0.0) if np.dot(to_rgb(colour), (0.299, 0.587, 0.114)) > 0.45 else (1.0, 1.0, 1.0)


def _amounts(entries: Sequence[_Entry], hectares: Mapping[int, float] | None) -> list[str]:
    total = sum(entry.pixels for entry in entries)
    if hectares is None:
        return [share_text(entry.pixels / total) for entry in entries]
    whole = sum(hectares.values())
    areas = [hectares.get(entry.code, 0.0) for entry in entries]
    return [f"{area_text(area)}, {share_text(area / whole if whole else 0.0)}" for area in areas]


def _handle(entry: _Entry, amount: str) -> LegendPatch:
    label = legend_text(entry.name, amount)
    edge = _mark_on(entry.colour) if entry.pattern else "#555555"
    return LegendPatch(facecolor=entry.colour, edgecolor=edge, hatch=PATTERNS[entry.pattern], label=label)
