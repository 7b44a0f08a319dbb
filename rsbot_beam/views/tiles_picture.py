"""Where the tiles of a run lie: each by itself where it can be seen, and how dense they are where it cannot."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch as LegendPatch

from rsbot_beam.errors import InputError
from rsbot_beam.geometry.corners import unwrapped
from rsbot_beam.geometry.polygons import Areal
from rsbot_beam.views.map_frame import View, draw_coordinates, draw_scale
from rsbot_beam.views.map_sheet import add_legend, legend_text, map_figure, png_of
from rsbot_beam.views.region_ground import draw_region, eastwards, region_view

# Colours of partitions, told apart with any colour vision: Okabe and Ito 2008, https://jfly.uni-koeln.de/color/
SPLIT_COLOURS = {"train": "#0072b2", "validation": "#e69f00", "test": "#009e73"}
PLAIN_COLOUR = "#0072b2"
DONE_COLOUR = "#9a9a9a"
# Screen pixels a side from which on a tile is drawn by itself; below, its edges would be all that is seen of it.
LEAST_SIDE = 2.0
# The same from which on it has an edge.
_EDGED = 5.0
# Samples that are too small to be seen are drawn as dots, if they are fewer.
MOST_DOTS = 50_000
_DOT, _SMALL_DOT, _MANY = 9.0, 1.5, 5_000
# Opacity of a pixel with the least of tiles; one that is full of them has 1.
_FAINT = 0.35
_TRIED = "#000000"


class Ground(NamedTuple):
    """Some tiles or blocks.

    Attributes:
        corners: float (n, 4, 2), longitude and latitude (see `geometry.corners.lonlat_corners`).
        kinds: int (n,), an index of the legend's kinds.
    """

    corners: np.ndarray
    kinds: np.ndarray


@dataclass(frozen=True)
class Kind:
    """A line of the legend.

    Attributes:
        name: For people.
        colour: "#rrggbb".
        count: How many there are, or None for a line without a number.
    """

    name: str
    colour: str
    count: int | None = None


def tiles_picture(
    ground: Iterable[Ground],
    kinds: Sequence[Kind],
    region: Areal,
    title: str,
    *,
    tried: np.ndarray | None = None,
    scattered: bool = False,
) -> bytes:
    """Draws tiles on the region that they are of.

    Args:
        ground: The tiles, chunk by chunk; all about as large as the first one.
        kinds: What they may be.
        region: In longitude and latitude, cut at the antimeridian.
        title: Heading.
        tried: float (n, 2), longitude and latitude of places to be marked.
        scattered: Whether tiles lie apart: too small ones become dots.

    Returns:
        A PNG.

    Raises:
        InputError: The region is empty, or there is no tile.
    """
    chunks = iter(ground)
    first = next((chunk for chunk in chunks if len(chunk.kinds)), None)
    if region.is_empty or first is None:
        raise InputError("there is nothing to draw: the region is empty, or holds no tile")
    frame, west = region_view(region)
    chunks = (_placed(chunk, west) for chunk in itertools.chain([first], chunks))
    # Scattered tiles are few enough to be kept; of a grid's, those that are seen one by one.
    seen = _side(_placed(first, west), frame) >= LEAST_SIDE
    kept = list(chunks) if seen or scattered else []
    view = _around(frame, kept) if seen else frame
    panel = view.panel()
    figure, axis = map_figure(view, panel, title)
    axis.set_facecolor("white")
    draw_region(axis, region, west)
    if seen:
        _draw_tiles(axis, kept, kinds, edged=_side(kept[0], view) >= _EDGED)
    elif scattered and sum(len(chunk.kinds) for chunk in kept) <= MOST_DOTS:
        _draw_dots(axis, kept, kinds)
    else:
        _draw_density(axis, kept or chunks, kinds, view, panel)
    draw_region(axis, region, west, above=True)
    draw_coordinates(axis, view)
    draw_scale(axis, view, panel)
    handles: list[Any] = [_handle(kind) for kind in kinds if kind.count != 0]
    if tried is not None and len(tried):
        handles.append(_mark_tried(axis, eastwards(tried[:, 0], west), tried[:, 1]))
    add_legend(figure, axis, handles)
    return png_of(figure)


def _placed(chunk: Ground, west: float) -> Ground:
    """Counted eastwards from `west`, each tile in one piece, whichever side of that meridian it begins on."""
    lon = unwrapped(chunk.corners[..., 0])
    middle = lon.mean(axis=1)
    # A tile may stick out of the view to the west: its middle is in it, or less than half a turn before.
    turn = eastwards(middle, west) - middle
    turn = np.where(middle + turn - west > 359.0, turn - 360.0, turn)
    return chunk._replace(corners=np.stack([lon + turn[:, None], chunk.corners[..., 1]], axis=-1))


def _side(chunk: Ground, view: View) -> float:
    """Screen pixels of the shorter side of the first tile."""
    left, bottom, right, top = view.bounds
    width, height = view.panel()
    extent = np.ptp(chunk.corners[0], axis=0)
    return float(min(extent[0] / (right - left) * width, extent[1] / (top - bottom) * height))


def _around(view: View, chunks: Sequence[Ground]) -> View:
    """The view, enlarged to what sticks out of it."""
    corners = np.concatenate([chunk.corners.reshape(-1, 2) for chunk in chunks])
    (west, south), (east, north) = corners.min(axis=0), corners.max(axis=0)
    left, bottom, right, top = view.bounds
    margin = 0.02 * max(right - left, top - bottom)
    grown = (west - margin, south - margin, east + margin, north + margin)
    return replace(
        view,
        bounds=(
            min(left, grown[0]),
            max(-90.0, min(bottom, grown[1])),
            max(right, grown[2]),
            min(90.0, max(top, grown[3])),
        ),
    )


def _draw_tiles(axis: Any, chunks: Sequence[Ground], kinds: Sequence[Kind], edged: bool) -> None:  # noqa: ANN401
    line: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.5} if edged else {"edgecolors": "none"}
    for chunk in chunks:
        for number in np.unique(chunk.kinds).tolist():
            corners = chunk.corners[chunk.kinds == number]
            colour = kinds[number].colour
            axis.add_collection(
                PolyCollection(list(corners), facecolors=colour, alpha=0.85, zorder=2, antialiaseds=edged, **line)
            )


def _draw_dots(axis: Any, chunks: Sequence[Ground], kinds: Sequence[Kind]) -> None:  # noqa: ANN401
    corners, numbers = np.concatenate([c.corners for c in chunks]), np.concatenate([c.kinds for c in chunks])
    size = _DOT + (_SMALL_DOT - _DOT) * min(1.0, len(numbers) / _MANY)
    for number, kind in enumerate(kinds):
        lon, lat = corners[numbers == number].mean(axis=1).T
        axis.scatter(lon, lat, s=size, c=kind.colour, marker="s", linewidths=0, zorder=3)


def _draw_density(
    axis: Any,  # noqa: ANN401
    chunks: Iterable[Ground],
    kinds: Sequence[Kind],
    view: View,
    panel: tuple[int, int],
) -> None:
    """Each screen pixel in the colour of most of its tiles, the fainter the fewer there are."""
    width, height = panel
    counts = np.zeros((len(kinds), height, width))
    for kind, row, column in _pixels(chunks, view, panel):
        np.add.at(counts, (kind, row, column), 1)
    total = counts.sum(axis=0)
    # Where the region is full, pixels hold a tile more or less as their edges fall: that is not to be seen.
    full = 0.6 * np.percentile(total[total > 0], 75)
    image = np.zeros((height, width, 4))
    image[..., :3] = np.array([to_rgb(kind.colour) for kind in kinds])[counts.argmax(axis=0)]
    image[..., 3] = np.where(total > 0, np.clip(_FAINT + (1 - _FAINT) * total / full, 0, 1), 0)
    left, bottom, right, top = view.bounds
    axis.imshow(image, extent=(left, right, bottom, top), aspect="auto", interpolation="nearest", zorder=2)


def _pixels(
    chunks: Iterable[Ground], view: View, panel: tuple[int, int]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The kinds, rows and columns of the middles of tiles."""
    (left, bottom, right, top), (width, height) = view.bounds, panel
    for chunk in chunks:
        lon, lat = chunk.corners.mean(axis=1).T
        column = ((lon - left) / (right - left) * width).astype(int)
        row = ((top - lat) / (top - bottom) * height).astype(int)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        yield np.asarray(chunk.kinds)[inside], row[inside], column[inside]


def _mark_tried(axis: Any, lon: np.ndarray, lat: np.ndarray) -> Line2D:  # noqa: ANN401
    style: dict[str, Any] = {"marker": "o", "markerfacecolor": "none", "markeredgewidth": 1.6, "linestyle": "none"}
    axis.plot(lon, lat, markeredgecolor="white", markersize=10, zorder=4, **{**style, "markeredgewidth": 3.2})
    axis.plot(lon, lat, markeredgecolor=_TRIED, markersize=10, zorder=5, **style)
    return Line2D([], [], markeredgecolor=_TRIED, markersize=8, label=legend_text("tried", f"{len(lon):,}"), **style)


def _handle(kind: Kind) -> LegendPatch:
    label = kind.name if kind.count is None else legend_text(kind.name, f"{kind.count:,}")
    return LegendPatch(facecolor=kind.colour, edgecolor="#555555", label=label)
