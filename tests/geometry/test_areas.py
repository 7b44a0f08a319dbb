"""Areas of pixels: against geodesic polygons, in all kinds of CRS, over the antimeridian and a pole."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Geod, Proj, Transformer

from rsbot_beam.errors import GridError
from rsbot_beam.geometry import TileBlock
from rsbot_beam.geometry.areas import (
    FLATTENING,
    SEMI_MAJOR,
    _authalic,
    _on_sphere,
    class_areas,
    pixel_areas,
    row_areas,
)

GEOD = Geod(a=SEMI_MAJOR, f=FLATTENING)
SIZE = 1024


def geobox(crs: str, resolution: float, left: float, top: float, size: int = SIZE) -> GeoBox:
    return GeoBox((size, size), Affine(resolution, 0, left, 0, -resolution, top), crs)


PLACES = {
    "EPSG:4326": geobox("EPSG:4326", 1e-4, 10.0, 52.0),
    "UTM south": geobox("EPSG:32719", 10.0, 250_000.0, 6_300_000.0),
    "UTM, edge of the zone": geobox("EPSG:32660", 10.0, 160_000.0, 200_000.0),
    "EPSG:5070": geobox("EPSG:5070", 30.0, 100_000.0, 2_000_000.0),
    "EPSG:6933": geobox("EPSG:6933", 100.0, -17_300_000.0, 5_000_000.0),
    "EPSG:3035": geobox("EPSG:3035", 10.0, 5_000_000.0, 2_000_000.0),
    "EPSG:3413": geobox("EPSG:3413", 10.0, 500_000.0, -1_000_000.0),
    "EPSG:3857, across the antimeridian": geobox("EPSG:3857", 100.0, 20_037_508.0 - 50_000.0, 8_000_000.0),
    "EPSG:3832, across the antimeridian": geobox("EPSG:3832", 100.0, 3_300_000.0, -2_000_000.0),
    "feet": geobox("EPSG:2264", 30.0, 1_500_000.0, 600_000.0),
}


def geodesic_area(box: GeoBox, row: float, col: float, rows: float = 1, cols: float = 1, pieces: int = 32) -> float:
    """Of a rectangle of pixels, its sides cut into pieces: a parallel is no geodesic."""
    t = np.arange(pieces) / pieces
    ones, zeros = np.ones(pieces), np.zeros(pieces)
    x = col + cols * np.concatenate([t, ones, 1 - t, zeros])
    y = row + rows * np.concatenate([zeros, t, ones, 1 - t])
    to = box.transform
    lonlat = Transformer.from_crs(str(box.crs), "EPSG:4326", always_xy=True).transform(to.a * x + to.c, to.e * y + to.f)
    return abs(GEOD.polygon_area_perimeter(*lonlat)[0])


@pytest.mark.parametrize("name", PLACES)
def test_pixels_have_the_area_of_their_geodesic_polygon(name: str) -> None:
    areas = pixel_areas(PLACES[name])
    assert areas.shape == (SIZE, SIZE)
    for row, col in ((0, 0), (0, SIZE - 1), (511, 512), (301, 777), (SIZE - 1, SIZE - 1)):
        assert areas[row, col] == pytest.approx(geodesic_area(PLACES[name], row, col), rel=1e-6), (row, col)


@pytest.mark.parametrize("name", PLACES)
def test_the_sum_is_the_area_of_the_block(name: str) -> None:
    whole = geodesic_area(PLACES[name], 0, 0, SIZE, SIZE, pieces=4096)
    assert pixel_areas(PLACES[name]).sum() == pytest.approx(whole, rel=1e-6)


def test_equal_area_projections_have_the_pixels_they_say() -> None:
    # EPSG:5070 is of NAD 83, whose ellipsoid differs from that of WGS 84 by 0.1 mm.
    for name, resolution in (("EPSG:6933", 100), ("EPSG:3035", 10), ("EPSG:5070", 30)):
        np.testing.assert_allclose(pixel_areas(PLACES[name]), resolution**2, rtol=1e-8)


def test_the_globe_has_the_area_of_the_ellipsoid() -> None:
    # 510,065,621.724 km2: NIMA TR8350.2, table 3.3, "surface area".
    globe = GeoBox((180, 360), Affine(1, 0, -180, 0, -1, 90), "EPSG:4326")
    assert row_areas(globe).sum() * 360 == pytest.approx(510_065_621.724e6, rel=1e-11)


def test_rows_beyond_a_pole_have_no_area() -> None:
    areas = row_areas(GeoBox((4, 4), Affine(1, 0, 0, 0, -1, 91.0), "EPSG:4326"))
    assert areas[0] == 0
    assert areas[1] > 0


def test_a_pixel_at_the_pole_of_a_polar_projection() -> None:
    box = geobox("EPSG:3413", 10.0, -5_120.0, 5_120.0)
    areas = pixel_areas(box)
    # A geodesic polygon around the pole is rounded to 0.01 m2; the projection's own scale is not.
    scale = Proj("EPSG:3413").get_factors(-45, 89.9999).areal_scale
    assert areas[512, 512] == pytest.approx(100 / scale, rel=1e-6)
    assert np.ptp(areas) / areas.mean() < 2e-6


def test_the_series_of_the_authalic_latitude() -> None:
    lat = np.linspace(-80, 80, 161)
    exact = np.arcsin(_authalic(np.sin(np.radians(lat))) / _authalic(np.array(1.0)))
    points = _on_sphere(np.zeros_like(lat), lat)
    np.testing.assert_allclose(np.arctan2(points[:, 2], points[:, 0]), exact, atol=2e-13)


@given(lat=st.floats(-89, 88), step=st.floats(1e-5, 0.5))
@settings(max_examples=50, deadline=None)
def test_rows_against_geodesic_cells(lat: float, step: float) -> None:
    box = GeoBox((1, 1), Affine(step, 0, 20, 0, -step, lat + step), "EPSG:4326")
    assert row_areas(box)[0] == pytest.approx(geodesic_area(box, 0, 0, pieces=200), rel=2e-6, abs=1e-4)


def test_rotated_degrees_are_not_rows() -> None:
    rotated = GeoBox((8, 8), Affine(1e-3, 1e-4, 10, 1e-4, -1e-3, 50), "EPSG:4326")
    with pytest.raises(GridError, match="pixel_areas"):
        row_areas(rotated)
    upright = row_areas(GeoBox((8, 8), Affine(1e-3, 0, 10, 0, -1e-3, 50), "EPSG:4326"))
    # The determinant of a rotation with shear: 1.01 times as large.
    assert pixel_areas(rotated).mean() == pytest.approx(1.01 * upright.mean(), rel=1e-4)


def test_rotated_and_south_up_pixels() -> None:
    upright = pixel_areas(PLACES["UTM, edge of the zone"])
    to = PLACES["UTM, edge of the zone"].transform
    turned = GeoBox((SIZE, SIZE), to * Affine.translation(0, SIZE) * Affine.scale(1, -1), "EPSG:32660")
    np.testing.assert_allclose(pixel_areas(turned), upright[::-1], rtol=1e-9)
    # The middle of a turn about the centre of a pixel stays where it is.
    centre = Affine.translation(512.5, 512.5)
    rotated = GeoBox((SIZE, SIZE), to * centre * Affine.rotation(30) * ~centre, "EPSG:32660")
    assert pixel_areas(rotated)[512, 512] == pytest.approx(upright[512, 512], rel=1e-7)


def test_projected_rows_are_refused() -> None:
    with pytest.raises(GridError, match="EPSG:32719"):
        row_areas(PLACES["UTM south"])


@pytest.mark.parametrize(
    ("crs", "left", "top"), [("EPSG:32633", 300_000.0, 6_000_000.0), ("EPSG:3035", 4e6, 3e6), ("EPSG:3857", 2e7, 8e6)]
)
def test_pixels_of_many_kilometres(crs: str, left: float, top: float) -> None:
    box = geobox(crs, 50_000.0, left, top, 6)
    areas = pixel_areas(box)
    for row, col in ((0, 0), (2, 3), (5, 5)):
        assert areas[row, col] == pytest.approx(geodesic_area(box, row, col, pieces=512), rel=2e-6), (row, col)


def test_a_place_off_the_globe_is_refused() -> None:
    with pytest.raises(GridError, match="EPSG:6933"):
        pixel_areas(geobox("EPSG:6933", 10.0, 0.0, 9_000_000.0, 64))


def test_the_edge_of_the_globe_does_not_spoil_its_neighbours() -> None:
    box = geobox("EPSG:6933", 1000.0, 0.0, 7_342_000.0 + 5_000, 64)  # the pole lies at 7,342,230 m
    np.testing.assert_allclose(pixel_areas(box)[20:], 1e6, rtol=1e-6)


def test_one_pixel() -> None:
    box = geobox("EPSG:32719", 10.0, 250_000.0, 6_300_000.0, 1)
    assert pixel_areas(box)[0, 0] == pytest.approx(geodesic_area(box, 0, 0), rel=1e-6)


@pytest.mark.parametrize("name", ["EPSG:4326", "UTM south", "EPSG:3413"])
def test_classes_share_the_area_of_the_block(name: str) -> None:
    codes = np.random.default_rng(3).choice(np.array([0, 10, 40, 255], np.uint8), size=(SIZE, SIZE))
    areas, found = pixel_areas(PLACES[name]), class_areas(codes, PLACES[name], nodata=255)
    assert list(found) == [0, 10, 40]
    for code, hectares in found.items():
        assert hectares == pytest.approx(areas[codes == code].sum() / 10_000, rel=1e-9)


def test_classes_of_16_bits_and_of_a_block() -> None:
    block = TileBlock("EPSG:32719", 10.0, 64, -630_016, 25_024, 2, 2)
    codes = np.full(block.shape, 1234, np.uint16)
    codes[:64] = 65535
    assert class_areas(codes, block.geobox, 65535) == {1234: pytest.approx(64 * 128 * 0.01, rel=2e-3)}
    assert class_areas(codes, block.geobox)[65535] > 0


def test_codes_of_another_shape_are_refused() -> None:
    with pytest.raises(GridError, match=r"\(3, 4\)"):
        class_areas(np.zeros((3, 4), np.uint8), PLACES["UTM south"])


@pytest.mark.parametrize("name", ["UTM south", "UTM, edge of the zone", "EPSG:3413", "feet"])
def test_the_area_of_a_pixel_is_that_of_its_place_to_the_last_bit(name: str) -> None:
    box = PLACES[name]
    whole = pixel_areas(box)
    for rows, cols in ((slice(0, 128), slice(0, 128)), (slice(300, 811), slice(17, 18)), (slice(1000, 1024),) * 2):
        np.testing.assert_array_equal(pixel_areas(box[rows, cols]), whole[rows, cols])


def test_areas_do_not_depend_on_the_tiling() -> None:
    whole = TileBlock("EPSG:32633", 10.0, 128, -527_104, 9_984, 4, 4)  # 400 km west of the central meridian
    codes = np.random.default_rng(0).integers(0, 3, whole.shape).astype(np.uint8)
    parts = [class_areas(pixels, key.geobox) for key, pixels in whole.cut(codes)]
    for code, hectares in class_areas(codes, whole.geobox).items():
        assert sum(part[code] for part in parts) == pytest.approx(hectares, rel=1e-7)
