"""Small charts as shapes for `charts.html.j2`, which draws them as SVG in the page's own colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

# Units of the drawing; about as many screen pixels, so that texts are readable on a phone.
WIDTH, HEIGHT = 330, 190
# Margins: room for the texts of the axes; below, one line more where a unit stands under them.
_LEFT, _RIGHT, _TOP, _BOTTOM, _UNIT = 46, 8, 10, 20, 15
_TICKS = 4
# Width of a letter of the axes, in units of the drawing.
_LETTER = 6.2


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: For the legend and for those who cannot see it.
        y: Heights, NaN where there is none.
        style: Class of the style sheet, which gives colour and dashes: "line-train" ...
        colour: A colour of its own, "#rrggbb"; empty: the style's.
        x: Places; none given are 0, 1, 2 ...
        low: Lower edge of an area around the line; none without one.
        high: Upper edge of the area.
        steps: Whether it is a histogram: `x` has one place more than `y`.
    """

    name: str
    y: np.ndarray
    style: str = ""
    colour: str = ""
    x: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    steps: bool = False


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its place in the drawing, its text, and on which side of the place it stands (as SVG says)."""

    at: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Shape:
    """A line as it is drawn: paths of SVG."""

    name: str
    style: str
    colour: str
    path: str
    area: str = ""


@dataclass(frozen=True)
class Chart:
    """A chart as it is drawn.

    Attributes:
        title: What it shows, in words.
        shapes: Its lines.
        across: Marks of the horizontal axis.
        up: Marks of the vertical axis.
        unit: What is counted along the horizontal axis.
        width: Units of the drawing.
        height: Units of the drawing.
    """

    title: str
    shapes: tuple[Shape, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    unit: str = ""
    width: int = WIDTH
    height: int = HEIGHT
    bottom: int = _BOTTOM
    left: int = field(default=_LEFT, init=False)
    right: int = field(default=_RIGHT, init=False)


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    names: Sequence[str] = (),
    unit: str = "",
    span: tuple[float, float] | None = None,
    width: int = WIDTH,
    height: int = HEIGHT,
) -> Chart:
    """Draw lines.

    Args:
        title: What it shows, in words.
        lines: The lines; without a finite value the chart is empty.
        names: Texts of the places 0, 1, 2 ... on the horizontal axis; without them it has numbers.
        unit: What is counted along the horizontal axis.
        span: Lowest and highest value of the vertical axis; None: those of the lines.
        width: Units of the drawing.
        height: Units of the drawing.
    """
    xs = [_places(line) for line in lines]
    left, right = _range(xs)
    bottom, top = span or _range([part for line in lines for part in (line.y, line.low, line.high) if part is not None])

    below = _BOTTOM + (_UNIT if unit else 0)

    def place(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (
            _LEFT + (x - left) / (right - left) * (width - _LEFT - _RIGHT),
            height - below - (y - bottom) / (top - bottom) * (height - below - _TOP),
        )

    across = _named_ticks(names, width) if names else [(value, text) for value, text in nice_ticks(left, right)]
    nothing = np.zeros(1)
    return Chart(
        title,
        tuple(_shape(line, x, place) for line, x in zip(lines, xs, strict=True)),
        tuple(_tick(float(place(nothing + at, nothing)[0][0]), text, width) for at, text in across),
        tuple(Tick(round(float(place(nothing, nothing + at)[1][0]), 1), text) for at, text in nice_ticks(bottom, top)),
        unit,
        width,
        height,
        below,
    )


def _tick(at: float, text: str, width: int) -> Tick:
    """A mark of the horizontal axis; its text ends at the chart's edge where it would pass it."""
    beyond = at + _LETTER * len(text) / 2 > width
    return Tick(round(float(width if beyond else at), 1), text, "end" if beyond else "middle")


def nice_ticks(low: float, high: float, count: int = _TICKS) -> list[tuple[float, str]]:
    """Round numbers between two, about `count` of them, with their texts."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    digits = max(0, -math.floor(math.log10(step)))
    values = [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    return [(value, _tick_text(value, digits)) for value in values]


def _tick_text(value: float, digits: int) -> str:
    if abs(value) >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value + 0.0:.{min(digits, 6)}f}"


def _named_ticks(names: Sequence[str], width: int) -> list[tuple[float, str]]:
    """As many names as fit beside each other."""
    most = max(1, int((width - _LEFT - _RIGHT) / (_LETTER * max(map(len, names)) + 10)))
    every = math.ceil(len(names) / most)
    return [(float(index), names[index]) for index in range(0, len(names), every)]


def _places(line: Line) -> np.ndarray:
    return np.arange(len(line.y), dtype=float) if line.x is None else np.asarray(line.x, float)


def _range(arrays: Sequence[np.ndarray]) -> tuple[float, float]:
    values = np.concatenate([np.ravel(array).astype(float) for array in arrays]) if arrays else np.empty(0)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _shape(line: Line, x: np.ndarray, place) -> Shape:  # type: ignore[no-untyped-def]  # noqa: ANN001 - a closure
    if line.steps:
        ends, tops = np.repeat(x, 2), np.concatenate([[0.0], np.repeat(line.y, 2), [0.0]])
        outline = _path(*place(ends[1:-1], tops[1:-1]))
        return Shape(line.name, line.style, line.colour, outline, _path(*place(ends, tops)) + "Z")
    area = ""
    if line.low is not None and line.high is not None:
        both = _path(*place(np.concatenate([x, x[::-1]]), np.concatenate([line.high, line.low[::-1]])))
        area = both + "Z" if both else ""
    return Shape(line.name, line.style, line.colour, _path(*place(x, line.y)), area)


def _path(x: np.ndarray, y: np.ndarray) -> str:
    """A path of SVG; it is interrupted where there is no number."""
    parts, pen = [], "M"
    for across, up in zip(x, y, strict=True):
        if not (math.isfinite(across) and math.isfinite(up)):
            pen = "M"
            continue
        parts.append(f"{pen}{across:.1f} {up:.1f}")
        pen = "L"
    return "".join(parts)
