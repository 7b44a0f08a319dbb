"""Periods: reading and cutting them."""

from __future__ import annotations

import datetime
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsbot_beam.data.period import Period
from rsbot_beam.errors import InputError

DAY = datetime.timedelta(days=1)
days = st.dates(datetime.date(1985, 1, 1), datetime.date(2030, 1, 1))


@st.composite
def periods(draw: st.DrawFn) -> Period:
    start = draw(days)
    return Period(start, start + datetime.timedelta(days=draw(st.integers(1, 1500))))


@pytest.mark.parametrize(
    "text", ["2023-01-01/2024-01-01", "2023-01-01,2024-01-01", "2023", " 2023-01-01 , 2024-01-01 "]
)
def test_spellings_of_a_year(text: str) -> None:
    assert Period.parse(text) == Period.year(2023)


@pytest.mark.parametrize(
    "text",
    ["", "x", "23", "2023-13-01,2024-01-01", "2023-01-01", "2023-01-01,2023-02-01,2023-03-01", "2023-02-30,2023-03-01"],
)
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(InputError, match=r"cannot be read|is not one"):
        Period.parse(text)


@pytest.mark.parametrize("text", ["2023-05-01,2023-05-01", "2023-05-02,2023-05-01"])
def test_an_empty_period(text: str) -> None:
    with pytest.raises(InputError, match=r"is empty.*day after the last one"):
        Period.parse(text)


@given(periods())
def test_the_text_of_a_period_parses_back(period: Period) -> None:
    assert Period.parse(str(period)) == period


@given(periods(), st.none() | st.integers(1, 400))
def test_intervals_partition_the_period(period: Period, length: int | None) -> None:
    pieces = period.intervals(length)
    assert pieces[0].start == period.start
    assert pieces[-1].end == period.end
    assert all(a.end == b.start for a, b in itertools.pairwise(pieces))
    if length:
        assert {(piece.end - piece.start).days for piece in pieces[:-1]} <= {length}
    else:
        assert all(piece.start.month == (piece.end - DAY).month for piece in pieces)


def test_months_of_a_growing_season() -> None:
    months = Period.parse("2022-11-15,2023-02-10").intervals()
    assert [str(month) for month in months] == [
        "2022-11-15/2022-12-01",
        "2022-12-01/2023-01-01",
        "2023-01-01/2023-02-01",
        "2023-02-01/2023-02-10",
    ]


@pytest.mark.parametrize("length", [0, -5])
def test_intervals_without_length(length: int) -> None:
    with pytest.raises(InputError, match="1 or more"):
        Period.year(2023).intervals(length)


def test_periods_are_ordered() -> None:
    assert sorted([Period.year(2024), Period.year(2020)])[0] == Period.year(2020)
