from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from rsbot_beam.local_ee.provider import PixelGrid
from rsbot_beam.local_ee.world.land_mask import land_cells, land_share
from rsbot_beam.local_ee.world.zones import (
    Cell,
    CellMap,
    band_numbers,
    cells_in,
    lonlat,
    plane,
    zone_numbers,
)


@pytest.mark.parametrize(
    ("lon", "lat", "name"),
    [(16.4, 48.2, "33U"), (-93.5, 42.0, "15T"), (-61.5, -34.0, "20H"), (36.8, -1.3, "37M"), (179.9, 70.0, "60W")],
)
def test_cells_have_the_military_grid_s_names(lon: float, lat: float, name: str):
    (cell,) = cells_in((lon, lat, lon, lat))
    assert cell.name == name
    assert Cell.parse(name) == cell
    west, south, east, north = cell.bounds
    assert west <= lon < east
    assert south <= lat < north


@given(st.floats(-180, 179.999), st.floats(-90, 90))
def test_every_place_is_in_one_cell(lon: float, lat: float):
    cell = Cell(int(zone_numbers(np.array([lon]))[0]), int(band_numbers(np.array([lat]))[0]))
    west, south, east, north = cell.bounds
    assert west - 1e-9 <= lon <= east + 1e-9
    assert south - 1e-9 <= lat <= north + 1e-9


def test_hemispheres_and_crs():
    assert Cell.parse("33U").crs == "EPSG:32633"
    assert Cell.parse("20H").crs == "EPSG:32720"
    assert Cell.parse("37M").southern
    assert not Cell.parse("37N").southern


@pytest.mark.parametrize("name", ["00U", "61U", "33I", "U", ""])
def test_wrong_names_are_refused(name: str):
    with pytest.raises(ValueError, match=r".*"):
        Cell.parse(name)


def test_all_cells_cover_the_globe_once():
    cells = list(cells_in(None))
    assert len(cells) == len(set(cells)) == 1200
    area = sum((c.bounds[2] - c.bounds[0]) * (c.bounds[3] - c.bounds[1]) for c in cells)
    assert area == pytest.approx(360 * 180)


def test_a_bbox_across_the_antimeridian():
    names = {cell.name for cell in cells_in((178.0, -18.0, -178.0, -17.0))}
    assert names == {"60K", "01K"}


def test_cells_in_a_bbox_are_those_it_touches():
    assert {c.name for c in cells_in((11.0, 47.0, 13.0, 49.0))} == {"32T", "32U", "33T", "33U"}


@given(st.integers(1, 60), st.floats(-2.9, 2.9), st.floats(-79, 83))
def test_plane_and_degrees_are_inverse(zone: int, offset: float, lat: float):
    lon = -183.0 + 6 * zone + offset
    x, y = plane(zone, np.array([lon]), np.array([lat]))
    back_lon, back_lat = lonlat(zone, x, y)
    assert back_lon[0] == pytest.approx(lon, abs=1e-7)
    assert back_lat[0] == pytest.approx(lat, abs=1e-7)


def test_a_request_within_a_cell_is_not_split():
    grid = PixelGrid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_400_000), (8, 6))
    found = CellMap.of(grid)
    assert [cell.name for cell in found.cells] == ["33U"]
    sites = found.sites(found.cells[0])
    assert sites.index is None
    assert sites.valid.all()
    np.testing.assert_array_equal(sites.x[:6], 500_005 + 10 * np.arange(6))
    np.testing.assert_array_equal(sites.y[::6], 5_399_995 - 10 * np.arange(8))
    np.testing.assert_array_equal(sites.columns[:6], 50_000 + np.arange(6))


def test_southern_northings_are_counted_from_the_equator():
    grid = PixelGrid("EPSG:32720", Affine(10, 0, 500_000, 0, -10, 6_200_000), (2, 2))
    sites = CellMap.of(grid).sites(Cell.parse("20H"))
    np.testing.assert_array_equal(np.unique(sites.y), [-3_800_015, -3_800_005])


def test_a_request_over_several_cells_is_split_without_loss():
    grid = PixelGrid("EPSG:4326", Affine(0.01, 0, 11.7, 0, -0.01, 48.3), (60, 60))
    found = CellMap.of(grid)
    assert {cell.name for cell in found.cells} == {"32T", "32U", "33T", "33U"}
    total = np.zeros(grid.shape, dtype=int)
    for cell in found.cells:
        total += found.sites(cell).valid
    np.testing.assert_array_equal(total, 1)


def test_values_are_spread_to_their_pixels():
    grid = PixelGrid("EPSG:4326", Affine(0.5, 0, 11.0, 0, -0.5, 51.0), (2, 4))
    found = CellMap.of(grid)
    sites = found.sites(Cell.parse("33U"))
    whole = sites.spread(np.arange(1, sites.x.size + 1))
    np.testing.assert_array_equal(whole, [[0, 0, 1, 2], [0, 0, 3, 4]])


def test_pixels_off_the_globe_are_in_no_cell():
    grid = PixelGrid("EPSG:3031", Affine(4e6, 0, -2e7, 0, -4e6, 2e7), (10, 10))
    found = CellMap.of(grid)
    assert found.codes is not None
    assert found.codes.max() < len(found.cells)


def test_land_mask_knows_the_continents():
    lon = np.array([-93.5, 25.0, 134.0, -30.0, -150.0, 80.0])
    lat = np.array([42.0, 0.0, -25.0, 30.0, 0.0, -20.0])
    np.testing.assert_array_equal(land_share(lon, lat) > 0.5, [True, True, True, False, False, False])
    weights = np.cos(np.radians(89.75 - 0.5 * np.arange(360)))[:, None]
    assert 0.26 < (land_cells() * weights).sum() / (720 * weights.sum()) < 0.31


def test_land_mask_wraps_and_ends_at_the_poles():
    edge = land_share(np.array([180.0, -180.0, 0.0, 0.0]), np.array([66.0, 66.0, 90.0, -90.0]))
    assert edge[0] == edge[1]
    assert edge[2] < 0.5 < edge[3]
