"""Features: outlines in degrees, to the corner, and what is measured of them."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import Geod
from shapely.geometry import box

from rsbot_beam.data.detections import Detections, boxes_of
from rsbot_beam.geometry import TileKey
from rsbot_beam.geometry.crs import transformer
from rsbot_beam.maps.vectors import MapFeatures, features_of_detections, lonlat_geometries

GEOD = Geod(ellps="WGS84")


def one(bounds: tuple[float, ...], crs: str) -> Detections:
    return Detections(np.array(["tile"]), np.array([crs]), np.array([bounds]), [0.5], [1], [True])


def around(lon: float, lat: float, crs: str, size: float) -> Detections:
    x, y = transformer("EPSG:4326", crs).transform(lon, lat)
    return one((x - size / 2, y - size / 2, x + size / 2, y + size / 2), crs)


def geodesic_area(geometry: shapely.Geometry) -> float:
    dense = shapely.segmentize(geometry, 0.0005)
    return abs(GEOD.geometry_area_perimeter(dense)[0])


@pytest.mark.parametrize(
    ("lon", "lat", "crs", "size"),
    [
        (15.0, 50.0, "EPSG:32633", 500.0),
        (-54.4, -25.6, "EPSG:32721", 500.0),
        (-93.0, 42.0, "EPSG:5070", 300.0),
        (30.0, 10.0, "EPSG:6933", 1000.0),
        (11.0, 46.5, "EPSG:3035", 700.0),
        (-40.0, 72.0, "EPSG:3413", 700.0),
        (100.0, 62.0, "EPSG:4326", 0.01),
        (0.0, 0.0, "EPSG:4326", 0.01),
    ],
)
def test_corners_are_exact_and_areas_those_of_the_ellipsoid(lon: float, lat: float, crs: str, size: float) -> None:
    detections = around(lon, lat, crs, size)
    features = features_of_detections(detections)
    (outline,) = features.geometries
    left, bottom, right, top = detections.bounds[0]
    to_lonlat = transformer(crs, "EPSG:4326")
    corners = np.column_stack(to_lonlat.transform([left, right, right, left], [bottom, bottom, top, top]))
    for corner in corners:
        assert np.abs(shapely.get_coordinates(outline) - corner).max(axis=1).min() == 0
    assert shapely.is_ccw(outline.exterior)
    assert features.area_m2[0] == pytest.approx(geodesic_area(outline), rel=2e-6)
    assert (features.lon[0], features.lat[0]) == pytest.approx(
        (lon, lat), abs=2e-8
    )  # 2 mm: there and back through PROJ
    assert features.width_m[0] * features.height_m[0] == pytest.approx(features.area_m2[0], rel=1e-3)


def test_half_a_pixel_is_seen() -> None:
    """Boxes, degrees and metres agree to far less than half a pixel."""
    key = TileKey("EPSG:32733", 10.0, 256, -700_160, 50_176)
    features = features_of_detections(boxes_of(key, np.array([[100.0, 50.0, 120.0, 80.0]]), [0.5], [1]))
    left, _, _, top = key.bounds
    lon, lat = transformer("EPSG:32733", "EPSG:4326").transform(left + 650, top - 1100)
    assert GEOD.inv(lon, lat, features.lon[0], features.lat[0])[2] < 0.001
    assert features.width_m[0] == pytest.approx(300, rel=1e-3)
    assert features.height_m[0] == pytest.approx(200, rel=1e-3)


@pytest.mark.parametrize("crs", ["EPSG:32601", "EPSG:32660", "EPSG:3832", "EPSG:3413"])
def test_the_antimeridian_cuts(crs: str) -> None:
    features = features_of_detections(around(180.0, 65.0, crs, 2000))
    (outline,) = features.geometries
    assert outline.geom_type == "MultiPolygon"
    assert shapely.is_valid(outline)
    west, east = sorted(outline.geoms, key=lambda part: part.bounds[0], reverse=True)
    assert (west.bounds[2], east.bounds[0]) == (180.0, -180.0)
    assert all(shapely.is_ccw(part.exterior) for part in outline.geoms)
    assert features.area_m2[0] == pytest.approx(geodesic_area(west) + geodesic_area(east), rel=1e-5)
    assert features.bbox[0] > 179
    assert features.bbox[2] < -179


def test_what_only_touches_the_antimeridian_is_whole() -> None:
    features = features_of_detections(one((179.99, 10.0, 180.0, 10.01), "EPSG:4326"))
    assert features.geometries[0].geom_type == "Polygon"
    assert features.geometries[0].bounds == (179.99, 10.0, 180.0, 10.01)


def test_a_box_around_the_pole_holds_it() -> None:
    features = features_of_detections(one((-500.0, -500.0, 500.0, 500.0), "EPSG:3413"))
    (outline,) = features.geometries
    assert shapely.is_valid(outline)
    assert outline.bounds[3] == 90.0
    assert shapely.intersects(outline, shapely.points([-120, 0, 90], [89.999] * 3)).all()


def test_holes_wind_the_other_way() -> None:
    ring = box(5e5, 5e6, 5e5 + 100, 5e6 + 100).difference(box(5e5 + 20, 5e6 + 20, 5e5 + 50, 5e6 + 50))
    (outline,) = lonlat_geometries(np.array([ring], object), np.array(["EPSG:32633"], object))
    assert shapely.is_ccw(outline.exterior)
    assert not shapely.is_ccw(outline.interiors[0])


def test_the_input_is_left_alone() -> None:
    given = np.array([box(5e5, 5e6, 5e5 + 100, 5e6 + 100)], object)
    lonlat_geometries(given, np.array(["EPSG:32633"], object))
    assert given[0].bounds == (5e5, 5e6, 5e5 + 100, 5e6 + 100)


def test_names_follow_from_place_and_class() -> None:
    first, second = around(15, 50, "EPSG:32633", 100), around(15.1, 50, "EPSG:32633", 100)
    both = features_of_detections(Detections.concat([first, second]))
    again = features_of_detections(Detections.concat([second, first]))
    assert both.ids.tolist() == again.ids.tolist()
    assert len(set(both.ids)) == 2
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in both.ids)
    other = Detections(first.tile, first.crs, first.bounds, first.scores, first.codes + 1, first.core)
    assert features_of_detections(other).ids[0] not in both.ids


def test_features_go_from_north_to_south() -> None:
    parts = [around(15, lat, "EPSG:32633", 100) for lat in (48, 52, 50)]
    features = features_of_detections(Detections.concat(parts))
    assert features.lat == pytest.approx([52, 50, 48])
    assert MapFeatures.concat([features.take(np.array([n])) for n in range(3)]).ids.tolist() == features.ids.tolist()


def test_a_hemisphere_s_bbox_is_that_of_its_features() -> None:
    features = features_of_detections(
        Detections.concat([around(15, 50, "EPSG:32633", 100), around(16, -30, "EPSG:32733", 100)])
    )
    assert features.bbox == pytest.approx((15, -30, 16, 50), abs=1e-3)
