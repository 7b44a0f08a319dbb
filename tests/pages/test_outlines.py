"""Outlines of countries around a place."""

from __future__ import annotations

import numpy as np
import pytest

from rsbot_beam.pages import outlines
from rsbot_beam.pages.outlines import outlines_near

WORLD = [[-85.0, -180.0], [85.0, 180.0]]


def points(lines: list[list[float]]) -> np.ndarray:
    return np.concatenate([np.reshape(line, (-1, 2)) for line in lines])


def test_only_what_is_near_is_kept() -> None:
    lon, lat = points(outlines_near([[41.0, -95.0], [43.0, -91.0]])).T
    assert -115.01 <= lon.min() < lon.max() <= -70.99
    assert 20.99 <= lat.min() < lat.max() <= 63.01


def test_the_world_is_small_enough_for_a_page() -> None:
    lines = outlines_near(WORLD)
    lon, lat = points(lines).T
    assert np.ptp(lon) > 359
    assert np.ptp(lat) > 160
    assert sum(len(line) for line in lines) < 30_000
    assert all(value == round(value, 2) for value in lines[0])


def test_across_the_antimeridian_both_sides_are_near() -> None:
    lon = points(outlines_near([[-18.0, 177.0], [-16.0, 182.0]]))[:, 0]
    assert (lon > 150).any()
    assert (lon < -155).any()
    assert not ((lon > -150) & (lon < 150)).any()


def test_a_border_is_kept_once() -> None:
    """Natural Earth has the border between two countries in both of them."""
    lines = outlines_near([[46.0, 10.0], [48.0, 12.0]])
    segments = [
        frozenset((tuple(a), tuple(b)))
        for line in lines
        for a, b in zip(np.reshape(line, (-1, 2)), np.reshape(line, (-1, 2))[1:], strict=False)
    ]
    assert len(segments) > 100
    assert len(set(segments)) == len(segments)


def test_the_antimeridian_is_no_coast() -> None:
    """Natural Earth cuts Russia, Fiji and Antarctica along it."""
    for line in outlines_near(WORLD):
        lon, lat = np.reshape(line, (-1, 2)).T
        along = (np.abs(lon[:-1]) > 179.9) & (np.abs(lon[1:]) > 179.9) & (np.abs(np.diff(lat)) > 0.5)
        assert not along.any()


def test_without_a_package_that_has_outlines_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    outlines._borders.cache_clear()
    monkeypatch.setattr(outlines, "_natural_earth", lambda: None)
    try:
        assert outlines_near(WORLD) == []
    finally:
        outlines._borders.cache_clear()
