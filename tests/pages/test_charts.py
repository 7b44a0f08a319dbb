"""Charts as shapes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsbot_beam.pages.charts import HEIGHT, WIDTH, Line, line_chart, nice_ticks


def points(path: str) -> np.ndarray:
    return np.array([[float(n) for n in pair.split()] for pair in re.findall(r"[ML]([-\d. ]+)", path)])


def test_a_line_fills_the_chart() -> None:
    chart = line_chart("rise", [Line("a", np.array([0.0, 5.0, 10.0]))])
    x, y = points(chart.shapes[0].path).T
    assert x.tolist() == [chart.left, (chart.left + WIDTH - chart.right) / 2, WIDTH - chart.right]
    assert (y[0], y[-1]) == (HEIGHT - chart.bottom, 10)
    assert [tick.text for tick in chart.across] == ["0.0", "0.5", "1.0", "1.5", "2.0"]
    assert [tick.text for tick in chart.up] == ["0", "5", "10"]


def test_a_line_is_interrupted_where_there_is_no_number() -> None:
    chart = line_chart("gap", [Line("a", np.array([1.0, 2.0, np.nan, 4.0, np.inf, 6.0]))])
    assert re.sub(r"[\d. ]+", "", chart.shapes[0].path) == "MLMM"


def test_quartiles_are_an_area() -> None:
    middle = np.array([1.0, 2.0])
    (shape,) = line_chart("x", [Line("a", middle, low=middle - 1, high=middle + 1)]).shapes
    assert len(points(shape.area)) == 4
    assert shape.area.endswith("Z")


def test_a_histogram_stands_on_the_axis_and_its_line_does_not_run_along_it() -> None:
    chart = line_chart("h", [Line("a", np.array([2.0, 4.0]), x=np.array([0.0, 1.0, 2.0]), steps=True)], span=(0, 4))
    outline, area = points(chart.shapes[0].path), points(chart.shapes[0].area)
    floor = HEIGHT - chart.bottom
    assert len(outline) == 4
    assert (area[0, 1], area[-1, 1]) == (floor, floor)
    assert outline[:, 1].max() < floor


def test_nothing_finite_is_an_empty_chart() -> None:
    chart = line_chart("none", [Line("a", np.full(3, np.nan))])
    assert chart.shapes[0].path == ""
    assert line_chart("no lines", []).shapes == ()


def test_names_that_do_not_fit_are_left_out_and_none_leaves_the_chart() -> None:
    names = [f"2023-{month:02}-01" for month in range(1, 13)]
    chart = line_chart("names", [Line("a", np.arange(12.0))], names=names)
    assert chart.across[0].text == names[0]
    assert 2 <= len(chart.across) < 6
    for a, b in zip(chart.across, chart.across[1:], strict=False):
        assert b.at - a.at > 6.2 * len(a.text)
    last = line_chart("two", [Line("a", np.arange(2.0))], names=names[:2]).across[-1]
    assert (last.anchor, last.at) == ("end", WIDTH)


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0, 1, ["0.0", "0.5", "1.0"]),
        (-0.1, 0.1, ["-0.10", "-0.05", "0.00", "0.05", "0.10"]),
        (0, 25_000, ["0", "10k", "20k"]),
        (1e-5, 5e-5, ["0.00001", "0.00002", "0.00003", "0.00004", "0.00005"]),
    ],
)
def test_ticks_are_round(low: float, high: float, texts: list[str]) -> None:
    assert [text for _, text in nice_ticks(low, high)] == texts


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_lie_within_and_are_few(low: float, width: float) -> None:
    high = low + width
    if high > low:
        values = [value for value, _ in nice_ticks(low, high)]
        slack = 1e-6 * (abs(low) + abs(high) + width)
        assert len(values) <= 8
        assert all(low - slack <= value <= high + slack for value in values)
