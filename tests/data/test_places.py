"""Cells of the globe: every place has one home, and what is near it is known there."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyproj import Geod

from rsbot_beam.data.places import ROWS, Cell, cells_of, cells_within, columns_of, home_cells, reach_beyond

GEOD = Geod(ellps="WGS84")
LON = st.floats(-180, 180)
LAT = st.floats(-90, 90)


def home(lon: float, lat: float) -> Cell:
    rows, columns = home_cells(np.array([lon]), np.array([lat]))
    return Cell(int(rows[0]), int(columns[0]))


@given(LON, LAT)
@example(180.0, 90.0)
@example(-180.0, -90.0)
@example(np.nextafter(-180, -181), 0.0)
@example(179.99999999999997, 0.0)
def test_a_place_lies_in_its_home(lon: float, lat: float) -> None:
    cell = home(lon, lat)
    west, south, east, north = cell.bbox
    assert south - 1e-9 <= lat <= north
    # A longitude a hair below -180 is that hair below 180, which rounds to it.
    turned = (lon + 180) % 360 - 180
    assert west - 1e-9 <= turned <= east + 1e-9 or (turned == 180 and cell.column == 0)
    assert Cell.parse(str(cell)) == cell


def test_cells_fill_the_globe() -> None:
    for row in (0, 1, 45, 90, 150, 179):
        cells = [Cell(row, column) for column in range(int(columns_of(np.array([row]))[0]))]
        assert (cells[0].bbox[0], cells[-1].bbox[2]) == (-180, 180)
        for left, right in itertools.pairwise(cells):
            assert left.bbox[2] == pytest.approx(right.bbox[0])
    assert columns_of(np.array([0, 90, ROWS - 1])).tolist() == [3, 360, 3]


def test_cells_are_about_as_wide_as_high() -> None:
    for row in range(5, 175, 10):
        west, south, east, north = Cell(row, 0).bbox
        *_, width = GEOD.inv(west, (south + north) / 2, east, (south + north) / 2)
        assert 0.85 < width / 111_000 < 1.15


def test_both_sides_of_the_antimeridian_are_neighbours() -> None:
    assert home(180.0, 10.0) == home(-180.0, 10.0)
    assert set(cells_within(179.999, 10.5, 5000)) == {home(179.9, 10.5), home(-179.9, 10.5)}
    assert set(cells_within(-179.999, 10.5, 5000)) == {home(179.9, 10.5), home(-179.9, 10.5)}


def test_all_that_meets_at_the_pole_is_near() -> None:
    assert set(cells_within(0.0, 89.999, 5000)) == {Cell(179, column) for column in range(3)}


@given(LON, LAT, st.floats(0, 360), st.floats(1, 20_000))
@example(180.0, 60.0, 90.0, 5000.0)
@example(0.0, 89.99, 0.0, 5000.0)
@example(10.0, 0.0, 180.0, 20_000.0)
def test_a_place_within_reach_has_its_home_among_the_cells(
    lon: float, lat: float, azimuth: float, reach: float
) -> None:
    other_lon, other_lat, _ = GEOD.fwd(lon, lat, azimuth, reach)
    assert home(other_lon, other_lat) in cells_within(lon, lat, reach)


@given(LON, LAT, st.floats(1, 20_000))
def test_most_places_are_asked_quickly_and_rightly(lon: float, lat: float, reach: float) -> None:
    (quick,) = cells_of(np.array([lon]), np.array([lat]), reach)
    assert home(lon, lat) in quick
    assert set(quick) <= set(cells_within(lon, lat, reach)) | {home(lon, lat)}
    # What the quick way leaves out has no ground within reach: look in all directions.
    for azimuth in range(0, 360, 15):
        other_lon, other_lat, _ = GEOD.fwd(lon, lat, azimuth, reach)
        assert home(other_lon, other_lat) in quick


def test_the_way_to_the_border_is_not_overstated() -> None:
    lon, lat = np.array([10.5, 10.01, 10.5]), np.array([0.5, 0.5, 0.999])
    metres = reach_beyond(lon, lat, *home_cells(lon, lat))
    assert (metres < [55_600, 1200, 120]).all()
    assert (metres > [50_000, 900, 90]).all()
