"""What users may say about sampling, and what they are told otherwise."""

from __future__ import annotations

import pytest

from rsbot_beam.errors import InputError
from rsbot_beam.sampling import MODES, SamplingSettings

NEEDED = {"random": {"count": 5}, "stratified": {"count": 5}, "points": {"points": "p.csv"}}


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_has_defaults_that_work(mode: str) -> None:
    assert SamplingSettings(mode, **NEEDED.get(mode, {})).mode == mode  # type: ignore[arg-type]


def test_nothing_asked_takes_all_tiles() -> None:
    assert SamplingSettings().mode == "grid"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"mode": "some"}, "sampling 'some' is unknown: choose from grid, random, stratified, features, points"),
        ({"mode": "random"}, "--sampling random needs the number of tiles, such as --samples 500"),
        ({"mode": "stratified"}, "--sampling stratified needs the number of tiles"),
        ({"mode": "random", "count": 0}, "number of samples 0 must be a whole number, 1 or more"),
        ({"mode": "random", "count": 1.5}, "number of samples 1.5 must be a whole number"),
        ({"mode": "grid", "count": 5}, "--sampling grid takes all tiles, not 5: leave --samples out"),
        ({"mode": "points", "points": "p.csv", "count": 5}, "--sampling points takes all points, not 5"),
        ({"mode": "points"}, "--sampling points needs a CSV or vector file"),
        ({"mode": "grid", "points": "p.csv"}, "--points p.csv is not read by --sampling grid"),
        ({"seed": -1}, "seed -1 must be a whole number, 0 or more"),
        ({"background": -0.5}, "background=-0.5 must be at least 0: background tiles for each tile with a feature"),
        ({"background": float("inf")}, "background=inf must be at least 0"),
        ({"hard": 1.5}, "hard=1.5 must be from 0 to 1"),
        ({"shift": 0.7}, "shift=0.7 must be from 0 to 0.5: in sides of a tile"),
        ({"min_share": 0.0}, "min_share=0.0 must be above 0 and at most 1"),
        ({"min_share": float("nan")}, "min_share=nan must be above 0"),
        ({"link_distance": -1.0}, "link_distance=-1.0 must be at least 0: metres"),
        ({"link_distance": float("nan")}, "link_distance=nan must be at least 0"),
    ],
)
def test_what_cannot_be(asked: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        SamplingSettings(**asked)
    assert message in str(caught.value)


def test_the_count_of_a_mode_without_one() -> None:
    with pytest.raises(InputError, match="--sampling features needs the number of tiles"):
        _ = SamplingSettings("features").required_count


@pytest.mark.parametrize(
    ("given", "within"),
    [
        ({"mode": "features"}, 1000.0),
        ({"mode": "features", "link_distance": 50.0}, 50.0),
        ({"mode": "random", "count": 3}, None),
        ({"mode": "random", "count": 3, "overlap": True}, 0.0),
        ({"mode": "stratified", "count": 3, "link_distance": 7.0}, 7.0),
    ],
)
def test_what_is_kept_in_one_partition(given: dict, within: float | None) -> None:
    assert SamplingSettings(**given).linked_within == within
