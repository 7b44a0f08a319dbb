"""Which pixels of a tile lie in the zone of its CRS."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyproj
import pytest

from rsbot_beam.geometry import Grid, TileKey, near_zone_edge, pixels_in_zone, places_in_zone, zone_edges
from rsbot_beam.geometry.zones import zone_at

SIZE = 48
# Places on the border of zones, and all the CRSs that meet there.
BORDERS = [
    pytest.param(12.0, 50.0, {"EPSG:32632", "EPSG:32633"}, id="six degrees"),
    pytest.param(-90.0, 41.2, {"EPSG:32615", "EPSG:32616"}, id="west of Greenwich"),
    pytest.param(0.0, 51.5, {"EPSG:32630", "EPSG:32631"}, id="Greenwich"),
    pytest.param(18.0, -33.0, {"EPSG:32733", "EPSG:32734"}, id="south"),
    pytest.param(10.0, 0.0, {"EPSG:32632", "EPSG:32732"}, id="equator"),
    pytest.param(12.0, 0.0, {"EPSG:32632", "EPSG:32633", "EPSG:32732", "EPSG:32733"}, id="four corners"),
    pytest.param(180.0, -17.0, {"EPSG:32701", "EPSG:32760"}, id="antimeridian south"),
    pytest.param(180.0, 65.0, {"EPSG:32601", "EPSG:32660"}, id="antimeridian north"),
    pytest.param(20.0, 84.0, {"EPSG:32634", "EPSG:32661"}, id="UPS north"),
    pytest.param(20.0, -80.0, {"EPSG:32734", "EPSG:32761"}, id="UPS south"),
    # The exceptions of the military grid are none of the EPSG codes: 32V would begin at 3 degrees, 33X at 9.
    pytest.param(6.0, 60.0, {"EPSG:32631", "EPSG:32632"}, id="Norway"),
    pytest.param(12.0, 78.0, {"EPSG:32632", "EPSG:32633"}, id="Svalbard"),
]


def tiles_at(lon: float, lat: float, zones: set[str]) -> list[TileKey]:
    """The 3 x 3 tiles around a place in each of some zones, also those that lie beyond their zone."""
    grid, keys = Grid("utm", 10.0, SIZE), []
    for crs in sorted(zones):
        x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
        middle = grid.tile_of(x, y, crs)
        keys += [middle.shifted(rows * SIZE, cols * SIZE) for rows in (-1, 0, 1) for cols in (-1, 0, 1)]
    return keys


def centres(key: TileKey) -> tuple[np.ndarray, np.ndarray]:
    cols, rows = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
    x, y = key.transform * (cols, rows)
    lon, lat = pyproj.Transformer.from_crs(key.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return np.asarray(lon), np.asarray(lat)


@pytest.mark.parametrize(("lon", "lat", "zones"), BORDERS)
def test_a_pixel_belongs_to_the_zone_of_its_centre(lon: float, lat: float, zones: set[str]) -> None:
    kept = 0
    for key in tiles_at(lon, lat, zones):
        found = pixels_in_zone(key)
        places = zip(*(values.ravel() for values in centres(key)), strict=True)
        assert found.ravel().tolist() == [zone_at(*place).crs == key.crs for place in places], key
        kept += int(found.sum())
    assert 0 < kept < 9 * len(zones) * SIZE**2


@pytest.mark.parametrize(("lon", "lat", "zones"), BORDERS)
def test_each_place_has_one_pixel(lon: float, lat: float, zones: set[str]) -> None:
    """But within a pixel of the border, where the grids of two zones do not match."""
    rng = np.random.default_rng(3)
    first = pyproj.Transformer.from_crs("EPSG:4326", min(zones), always_xy=True)
    x, y = np.array(first.transform(lon, lat))[:, None] + rng.uniform(-300, 300, (2, 2000))
    place = first.transform(x, y, direction="INVERSE")
    owners = np.zeros(len(x), int)
    near = np.zeros(len(x), bool)
    for crs in zones:
        px, py = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(*place)
        # The centre of the pixel around each place decides.
        owners += places_in_zone(crs, (np.floor(px / 10) + 0.5) * 10, (np.floor(py / 10) + 0.5) * 10)
        corners = [places_in_zone(crs, px + dx, py + dy) for dx in (-10, 10) for dy in (-10, 10)]
        near |= np.any(corners, axis=0) != np.all(corners, axis=0)
    assert (owners[~near] == 1).all()
    assert (~near).sum() > 1500
    assert owners.mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("lon", "lat", "crs"),
    [
        (4.5, 60.5, "EPSG:32631"),  # Bergen's coast: 32V in the military grid
        (9.5, 78.0, "EPSG:32632"),  # 33X in the military grid
        (15.0, 46.0, "EPSG:32633"),
        (15.0, -46.0, "EPSG:32733"),
        (177.0, 10.0, "EPSG:32660"),
        (-177.0, 10.0, "EPSG:32601"),
    ],
)
def test_tiles_within_their_zone_are_not_projected(
    lon: float, lat: float, crs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Grid("utm", 10.0, SIZE).tile_at(lon, lat)

    def fail(*_: Any) -> None:
        raise AssertionError("projected")

    monkeypatch.setattr(zone_edges, "transformer", fail)
    assert key.crs == crs
    assert pixels_in_zone(key).shape == (SIZE, SIZE)
    assert pixels_in_zone(key).all()


def test_tiles_of_the_other_hemisphere_have_no_pixel() -> None:
    for crs, y in (("EPSG:32633", -500_000.0), ("EPSG:32733", 10_500_000.0)):
        key = Grid("utm", 10.0, SIZE).tile_of(500_000.0, y, crs)
        assert near_zone_edge(key)
        assert not pixels_in_zone(key).any()


@pytest.mark.parametrize("crs", ["EPSG:25832", "EPSG:4326", "EPSG:3857"])
def test_other_crss_have_all_pixels(crs: str) -> None:
    assert pixels_in_zone(TileKey(crs, 0.001, SIZE, 0, 0)).all()


def test_places_without_coordinates_are_in_no_zone() -> None:
    assert not places_in_zone("EPSG:32633", np.array([np.inf, np.nan]), np.zeros(2)).any()
