"""Who owns which part of the globe."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from rsbot_beam.geometry.zones import ZONES, holds, wrap_longitude, zone_at, zone_of, zones_within

longitudes = st.one_of(st.floats(-180, 180), st.integers(-30, 30).map(lambda number: 6.0 * number))
latitudes = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, -80.0, 0.0, 84.0, 90.0]))


@given(longitudes, latitudes)
def test_every_point_has_exactly_one_zone(lon, lat):
    wrapped = wrap_longitude(lon)
    owners = [
        zone
        for zone in ZONES
        if zone.west <= wrapped < zone.east and (zone.south < lat or zone.south == lat == -90) and lat <= zone.north
    ]
    assert owners == [zone_at(lon, lat)]
    assert [zone for zone in ZONES if holds(zone, np.array([lon]), np.array([lat]))[0]] == owners


@pytest.mark.parametrize(
    ("lon", "lat", "crs"),
    [
        (14.5, 46.0, "EPSG:32633"),
        (12.0, 46.0, "EPSG:32633"),
        (11.999999, 46.0, "EPSG:32632"),
        (14.5, 1e-9, "EPSG:32633"),
        (14.5, 0.0, "EPSG:32733"),
        (-180.0, 10.0, "EPSG:32601"),
        (180.0, 10.0, "EPSG:32601"),
        (179.9999, 10.0, "EPSG:32660"),
        (540.0, 10.0, "EPSG:32601"),
        (5.0, 60.0, "EPSG:32631"),  # Bergen: MGRS would say 32
        (20.0, 84.01, "EPSG:32661"),
        (20.0, 84.0, "EPSG:32634"),
        (20.0, -79.99, "EPSG:32734"),
        (20.0, -80.0, "EPSG:32761"),
        (0.0, 90.0, "EPSG:32661"),
    ],
)
def test_zone_of_known_places(lon, lat, crs):
    assert zone_at(lon, lat).crs == crs


def test_zones_cover_the_globe_and_agree_with_proj_on_the_central_meridian():
    area = sum((zone.east - zone.west) * (zone.north - zone.south) for zone in ZONES)
    assert area == 360 * 180
    assert len({zone.crs for zone in ZONES}) == len(ZONES) == 122
    for zone in ZONES:
        assert zone_of(zone.crs) == zone
        if zone.east - zone.west == 6:
            longitude = CRS(zone.crs).coordinate_operation.params[1].value
            assert longitude == (zone.west + zone.east) / 2


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32600", "EPSG:32663", "EPSG:25833", "EPSG:3031"])
def test_other_crss_are_no_zones(crs):
    assert zone_of(crs) is None


def test_zones_within_a_bbox():
    assert [zone.crs for zone in zones_within(13, 45, 16, 47)] == ["EPSG:32633"]
    assert [zone.crs for zone in zones_within(11, -1, 13, 1)] == [
        "EPSG:32632",
        "EPSG:32633",
        "EPSG:32732",
        "EPSG:32733",
    ]
    assert len(zones_within(-180, -90, 180, 90)) == 122


@pytest.mark.parametrize(("lon", "wrapped"), [(0.1, 0.1), (180, -180), (-180, -180), (190, -170), (-541, 179)])
def test_wrapping(lon, wrapped):
    assert wrap_longitude(lon) == wrapped
