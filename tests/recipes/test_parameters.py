"""Checks of parameters, intervals and codes, without Earth Engine."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsbot_beam.data.period import Period
from rsbot_beam.errors import RecipeError
from rsbot_beam.recipes.codes import classes_of, colour, parse_codes, recode
from rsbot_beam.recipes.energy import BACKGROUND, SOLAR
from rsbot_beam.recipes.intervals import cut, parse_interval
from rsbot_beam.recipes.parameters import (
    REDUCERS,
    Derived,
    check_choice,
    check_names,
    check_positive,
    check_reducer,
    check_within,
    percentile,
)


@pytest.mark.parametrize("reducer", [*REDUCERS, "p0", "p5", "p50", "p100"])
def test_reducers(reducer: str) -> None:
    check_reducer("reducer", reducer)


@pytest.mark.parametrize("reducer", ["p101", "p", "p-5", "p5.5", "Median", "foo", "", "sum"])
def test_what_is_no_reducer(reducer: str) -> None:
    with pytest.raises(RecipeError, match=r"reducer=.* is not a way to reduce.*median, mean.*p0 to p100"):
        check_reducer("reducer", reducer)


def test_the_nearest_reducer() -> None:
    with pytest.raises(RecipeError, match=r"did you mean median\?"):
        check_reducer("reducer", "medain")


def test_percentiles() -> None:
    assert (percentile("p25"), percentile("p100"), percentile("median")) == (25, 100, None)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), 7])
def test_a_number_out_of_range(value: float) -> None:
    with pytest.raises(RecipeError, match=rf"threshold={value!r} is not within 0\.\.1: it is a share"):
        check_within("threshold", value, 0, 1, "a share")


@pytest.mark.parametrize("value", [0, -3.0, float("inf"), float("nan")])
def test_a_number_that_must_be_positive(value: float) -> None:
    with pytest.raises(RecipeError, match=r"size=.* must be a positive number: it is a side"):
        check_positive("size", value, "a side")


def test_choices_are_named() -> None:
    with pytest.raises(RecipeError, match=r"labels='cld' is not one of cdl, aafc \(did you mean cdl\?\)"):
        check_choice("labels", "cld", ["cdl", "aafc"])


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ((), "optical is empty: list at least one band of X: B2, B8A"),
        (("B2", "B10"), r"X has no band 'B10'; it has B2, B8A$"),
        (("B8a",), r"X has no band 'B8a'; it has B2, B8A \(did you mean B8A\?\)"),
        (("B2", "B8A", "B2"), "lists B2 twice"),
    ],
)
def test_names_of_bands(names: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        check_names("optical", names, ["B2", "B8A"], "X")


def test_a_derived_number_is_a_number() -> None:
    assert Derived(10) == 10.0
    assert json.dumps({"resolution": Derived(10)}) == '{"resolution": 10.0}'
    copied = pickle.loads(pickle.dumps(Derived(2.5)))
    assert (copied, type(copied)) == (2.5, Derived)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("month", (1, "month")),
        ("2 months", (2, "month")),
        ("10 days", (10, "day")),
        ("10days", (10, "day")),
        ("10-days", (10, "day")),
        ("1_day", (1, "day")),
        (" Month ", (1, "month")),
    ],
)
def test_intervals(text: str, expected: tuple[int, str]) -> None:
    assert parse_interval(text) == expected


@pytest.mark.parametrize("text", ["", "week", "0 days", "-3 days", "1.5 months", "days 3", "10"])
def test_what_is_no_interval(text: str) -> None:
    with pytest.raises(RecipeError, match=r"interval=.* is not an interval: write month, '2 months' or '10 days'"):
        parse_interval(text)


def test_months_are_those_of_the_calendar() -> None:
    pieces = cut(Period.parse("2023-04-10/2023-07-02"), "month")
    assert [str(piece) for piece in pieces] == [
        "2023-04-10/2023-05-01",
        "2023-05-01/2023-06-01",
        "2023-06-01/2023-07-01",
        "2023-07-01/2023-07-02",
    ]
    assert [str(piece) for piece in cut(Period.year(2023), "5 months")] == [
        "2023-01-01/2023-06-01",
        "2023-06-01/2023-11-01",
        "2023-11-01/2024-01-01",
    ]


@given(
    start=st.dates(datetime.date(2015, 1, 1), datetime.date(2024, 1, 1)),
    days=st.integers(1, 800),
    count=st.integers(1, 40),
    unit=st.sampled_from(["day", "days", "month", "months"]),
)
def test_steps_follow_each_other_and_fill_the_period(start: datetime.date, days: int, count: int, unit: str) -> None:
    period = Period(start, start + datetime.timedelta(days=days))
    pieces = cut(period, f"{count} {unit}")
    assert (pieces[0].start, pieces[-1].end) == (period.start, period.end)
    assert all(a.end == b.start for a, b in itertools.pairwise(pieces))


def test_codes_and_their_classes() -> None:
    texts = ("maize:1", "211:3:winter wheat", "grain maize:1", "*:7:other")
    assert parse_codes("codes", texts) == {"maize": 1, "211": 3, "grain maize": 1, "*": 7}
    classes = classes_of("codes", texts)
    assert [(item.code, item.name) for item in classes] == [(1, "maize"), (3, "winter wheat"), (7, "other")]
    assert len({item.colour for item in classes}) == 3


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (("maize",), r"'maize' is not VALUE:CODE or VALUE:CODE:NAME"),
        ((":1",), "':1' is not VALUE:CODE"),
        (("maize:one",), "'maize:one' is not VALUE:CODE"),
        (("maize:-1",), "is not VALUE:CODE"),
        (("maize:65536",), "above 65535"),
        (("maize:1", "maize:2"), "gives 'maize' two codes, 1 and 2"),
    ],
)
def test_codes_that_cannot_be(texts: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        parse_codes("codes", texts)


def test_codes_must_be_those_of_the_recipe() -> None:
    assert recode("codes", ("Solar:1", "*:0"), (BACKGROUND, SOLAR)) == {"Solar": 1, "*": 0}
    with pytest.raises(
        RecipeError, match=r"codes of no class: \{'Wind': 2\}; the recipe's classes are 0 background, 1 sol"
    ):
        recode("codes", ("Solar:1", "Wind:2"), (BACKGROUND, SOLAR))


def test_colours_differ() -> None:
    assert len({colour(number) for number in range(100)}) == 100


def test_frozen() -> None:
    from rsbot_beam.recipes import Solar

    with pytest.raises(dataclasses.FrozenInstanceError):
        Solar().imagery = "naip"  # type: ignore[misc]
