"""Real outlines: countries across the antimeridian, over the pole, with holes and hundreds of parts."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import pytest
import shapely
from pyproj import Geod

from rsbot_beam.geometry import Cover, Grid, Region, read_region, resolve_grid

SHARED = Path(os.environ.get("RSBOT_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
REGIONS = SHARED / "regions"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.slow,
    pytest.mark.skipif(not REGIONS.is_dir(), reason=f"no real outlines in {REGIONS}: set RSBOT_SHARED_DATA"),
]

NASTY = (
    *("antarctica", "chile", "fiji", "france", "indonesia", "kiribati", "lesotho", "maldives", "new_zealand", "russia"),
    *("south_africa_hole", "usa", "vatican"),
)


def nasty(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return read_region(REGIONS / "nasty" / f"{name}.geojson")


@pytest.mark.parametrize("name", NASTY)
def test_countries_are_read_whole(name):
    region = nasty(name)
    assert shapely.is_valid(region.geometry)
    geodesic = sum(
        abs(Geod(ellps="WGS84").geometry_area_perimeter(shapely.segmentize(part, 0.05))[0])
        for part in shapely.get_parts(shapely.orient_polygons(region.geometry))
    )
    assert region.area_m2 == pytest.approx(geodesic, rel=2e-4)


@pytest.mark.parametrize("name", NASTY)
def test_countries_are_covered_without_gaps_in_the_grid_they_get(name):
    region = nasty(name)
    side = 100 if name in ("vatican", "maldives") else 1000
    cover = Cover(region, resolve_grid(region, resolution=side, patch_size=16))
    tiles = set(cover.tiles())
    assert len(tiles) == cover.count() == sum(len(list(cover.tiles(block))) for block in cover.blocks(8))
    for part in shapely.get_parts(region.geometry)[:40]:
        inner = part.representative_point()
        assert cover.grid.tile_at(inner.x, inner.y) in tiles


@pytest.mark.parametrize(
    ("name", "crs"),
    [
        ("antarctica", "EPSG:3031"),
        ("fiji", "utm"),
        ("russia", "utm"),
        ("lesotho", "EPSG:32735"),
        ("vatican", "EPSG:32633"),
        ("maldives", "EPSG:32643"),
    ],
)
def test_auto_for_countries(name, crs):
    assert resolve_grid(nasty(name), resolution=10, patch_size=128).crs == crs


@pytest.mark.parametrize("name", ["fiji", "kiribati", "new_zealand", "russia", "usa"])
def test_countries_across_the_antimeridian_have_two_boxes(name):
    west_side, east_side = nasty(name).bboxes
    assert west_side[0] > 0 > east_side[2]
    assert west_side[2] <= 180
    assert east_side[0] >= -180


def test_a_hole_belongs_to_the_neighbour():
    around, inside = nasty("south_africa_hole"), nasty("lesotho")
    grid = Grid("EPSG:6933", 100.0, 16)
    rule = "centre"
    assert not set(Cover(around, grid, rule).tiles()) & set(Cover(inside, grid, rule).tiles())


def test_antarctica_has_no_seam():
    plane = nasty("antarctica").to_crs("EPSG:3031")
    line = shapely.LineString([(-5000.0, -300_000.0), (5000.0, -300_000.0)])  # across longitude 180 at 87 S
    assert plane.contains(line)


def test_fiji_is_in_one_piece_where_the_crs_has_no_edge():
    bounds = nasty("fiji").to_crs("EPSG:3460").bounds  # Fiji Map Grid
    assert bounds[2] - bounds[0] < 1_000_000


def test_the_crs_member_of_the_slovenian_border():
    region = read_region(REGIONS / "svn_border.geojson")
    assert region.native_crs == "EPSG:32633"
    assert region.bbox == pytest.approx((13.365, 45.424, 16.515, 46.864), abs=1e-3)
    assert region.area_m2 / 1e6 == pytest.approx(20_273, rel=0.01)
    assert resolve_grid(region, resolution=10, patch_size=128).crs == "EPSG:32633"


@pytest.mark.parametrize("crs", ["EPSG:6933", "utm"])
@pytest.mark.filterwarnings("ignore:.*repaired")
def test_africa_at_10_metres(crs):
    countries = json.loads((REGIONS / "ne_110m_admin_0_countries.geojson").read_text())["features"]
    africa = [
        each
        for each in countries
        if "Africa" in (each["properties"].get("CONTINENT"), each["properties"].get("continent"))
    ]
    region = read_region({"type": "FeatureCollection", "features": africa})
    cover = Cover(region, resolve_grid(region, crs=crs, resolution=10, patch_size=256))
    assert cover.count() == pytest.approx(4.58e6, rel=0.01)
    assert cover.count() * 2560**2 > region.area_m2


@pytest.mark.parametrize(
    "path",
    [
        "crops/field_polygons/nl_brp2023.gpkg",
        "crops/field_polygons/us_csb_cdl2017_2024.gpkg",
        "crops/field_polygons/fr_rpg.gpkg",
        "energy/vectors/india_solar_farms_2021.geojson",
    ],
)
@pytest.mark.filterwarnings("ignore:.*repaired")
def test_vector_files_of_fields_and_plants(path):
    if path.endswith("gpkg"):
        pytest.importorskip("pyogrio", reason="pyogrio (extra `vectors`) is not installed")
    region = read_region(SHARED / path)
    assert isinstance(region, Region)
    cover = Cover(region, resolve_grid(region, resolution=10, patch_size=64))
    assert sum(1 for _ in cover.tiles()) == cover.count() > 0
