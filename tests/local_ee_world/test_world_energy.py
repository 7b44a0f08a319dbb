from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import shapely
from affine import Affine

from rsbot_beam.local_ee.provider import PixelGrid, transformer
from rsbot_beam.local_ee.world import World
from rsbot_beam.local_ee.world.calendar import Sun
from rsbot_beam.local_ee.world.covers import Material
from rsbot_beam.local_ee.world.overlay import lay

IOWA = (-93.5, 42.0)
S2 = "COPERNICUS/S2_SR_HARMONIZED"

SOLAR = "projects/rsbot/assets/world/solar_plants"
WIND = "projects/rsbot/assets/world/wind_turbines"
PLACES = [IOWA, (11.6, 48.9), (-61.5, -34.0), (36.0, -1.0), (78.5, 24.0), (2.0, 48.0), (149.0, -32.0)]


def around(place: tuple[float, float], kilometres: float = 25.0) -> tuple[float, float, float, float]:
    lon, lat = place
    dy = kilometres / 2 / 111.2
    dx = dy / np.cos(np.radians(lat))
    return lon - dx, lat - dy, lon + dx, lat + dy


def grid_over(geometry: shapely.Geometry, size: int = 128, resolution: float = 10.0) -> PixelGrid:
    lon, lat = geometry.centroid.x, geometry.centroid.y
    crs = f"EPSG:326{int((lon + 180) // 6) + 1:02d}"
    x, y = transformer("EPSG:4326", crs).transform(lon, lat)
    left, top = np.floor(x / 10) * 10 - size * resolution / 2, np.floor(y / 10) * 10 + size * resolution / 2
    return PixelGrid(crs, Affine(resolution, 0, left, 0, -resolution, top), (size, size))


def materials(world: World, grid: PixelGrid, year: int) -> np.ndarray:
    landscape = world._sources[S2]._landscape
    kept = landscape.kept(grid, landscape.cells(grid).cells[0], year)
    return kept.surface.land.material.reshape(grid.shape)


def test_there_are_plants_about_everywhere(world: World):
    solar = [len(list(world.features(SOLAR, around(place)))) for place in PLACES]
    wind = [len(list(world.features(WIND, around(place)))) for place in PLACES]
    assert 3 <= np.median(solar) <= 20
    assert max(solar) <= 30
    assert 15 <= np.median(wind) <= 120


def test_properties_are_plausible(world: World):
    plants = [feature for place in PLACES for feature in world.features(SOLAR, around(place))]
    for name, polygon, properties in plants:
        assert polygon.is_valid
        assert polygon.geom_type == "Polygon"
        assert name.startswith("s")
        assert properties["class"] == "solar"
        assert 5e3 <= properties["area_m2"] <= 1.05e6
        assert properties["capacity_mw"] == pytest.approx(properties["area_m2"] / 25_000, abs=0.01)
        assert 2008 <= properties["year_built"] <= 2023
    areas = [properties["area_m2"] for _, _, properties in plants]
    assert 1e4 < np.median(areas) < 2e5
    turbines = [feature for place in PLACES for feature in world.features(WIND, around(place))]
    for _, point, properties in turbines:
        assert point.geom_type == "Point"
        assert 80 <= properties["hub_height"] <= 135
        assert properties["rotor_diameter"] > properties["hub_height"]
        assert 1 < properties["capacity_mw"] < 8
        assert 2004 <= properties["year_built"] <= 2022


def test_names_are_unique(world: World):
    for asset in (SOLAR, WIND):
        names = [feature[0] for feature in world.features(asset, around(IOWA, 150))]
        assert len(set(names)) == len(names) > 50


def test_areas_are_those_of_the_polygons(world: World):
    for _, polygon, properties in world.features(SOLAR, around(IOWA, 60)):
        crs = f"EPSG:326{int((polygon.centroid.x + 180) // 6) + 1:02d}"
        plane = shapely.transform(
            polygon, lambda xy, crs=crs: np.column_stack(transformer("EPSG:4326", crs).transform(xy[:, 0], xy[:, 1]))
        )
        assert plane.area == pytest.approx(properties["area_m2"], rel=1e-5)


def test_a_part_of_a_bbox_finds_a_part_of_the_features(world: World):
    west, south, east, north = around(IOWA, 60)
    middle = (west + east) / 2
    for asset in (SOLAR, WIND):
        whole = {name: geometry for name, geometry, _ in world.features(asset, (west, south, east, north))}
        left = {name for name, _, _ in world.features(asset, (west, south, middle, north))}
        right = {name for name, _, _ in world.features(asset, (middle, south, east, north))}
        assert left | right == set(whole)
        assert all(whole[name].intersects(shapely.box(west, south, middle + 1e-9, north)) for name in left)


def test_features_across_the_antimeridian_and_a_zone_s_edge(world: World):
    over_edge = [name for name, _, _ in world.features(WIND, (-96.5, 41.5, -95.5, 42.5))]
    assert {name[:3] for name in over_edge} == {"w14", "w15"}
    siberia = list(world.features(WIND, (178.0, 66.0, -176.0, 68.0)))
    assert all(abs(point.x) > 175 for _, point, _ in siberia)


def test_panels_are_exactly_where_the_polygons_are(world: World):
    checked = 0
    for _, polygon, properties in list(world.features(SOLAR, around(IOWA, 70)))[:25]:
        grid = grid_over(polygon, 200)
        seen = materials(world, grid, 2026)
        others = [shape for _, shape, _ in world.features(SOLAR, around((polygon.centroid.x, polygon.centroid.y), 6))]
        inside = np.zeros(grid.shape, dtype=bool)
        for shape in others:
            inside |= shapely.contains_xy(shape, grid.lon.ravel(), grid.lat.ravel()).reshape(grid.shape)
        np.testing.assert_array_equal((seen == Material.PANEL) | ((seen == Material.TOWER) & inside), inside)
        assert (
            abs((seen == Material.PANEL).sum() * 100 - properties["area_m2"]) < 0.2 * properties["area_m2"] + 3e4
            or len(others) > 1
        )
        checked += inside.any()
    assert checked > 10


def test_towers_are_exactly_where_the_points_are(world: World):
    points = list(world.features(WIND, around(IOWA, 40)))[:40]
    for _, point, _ in points:
        grid = grid_over(point, 32)
        seen = materials(world, grid, 2026)
        x, y = transformer("EPSG:4326", grid.crs).transform(point.x, point.y)
        column, row = (int(np.floor(value)) for value in ~grid.transform @ (x, y))
        assert seen[row, column] == Material.TOWER
        assert (seen == Material.TOWER).sum() <= 2
        assert (seen[row - 3 : row + 4, column - 3 : column + 4] == Material.GRAVEL).sum() > 5


def test_plants_are_not_there_before_they_are_built(world: World):
    solar = next(f for f in world.features(SOLAR, around(IOWA, 150)) if 2018 < f[2]["year_built"] < 2023)
    wind = next(f for f in world.features(WIND, around(IOWA, 150)) if 2018 < f[2]["year_built"] < 2022)
    for (_, geometry, properties), material in ((solar, Material.PANEL), (wind, Material.TOWER)):
        grid, year = grid_over(geometry, 24), properties["year_built"]
        assert (materials(world, grid, year) == material).any()
        assert not (materials(world, grid, year - 1) == material).any()


def test_images_show_the_plant_from_its_year_on(world: World, ms: Callable):
    _, polygon, properties = next(
        f
        for f in world.features(SOLAR, around(IOWA, 200))
        if 2018 < f[2]["year_built"] < 2023 and f[2]["area_m2"] > 1e5
    )
    grid = grid_over(polygon, 16)
    inside = shapely.contains_xy(polygon, grid.lon.ravel(), grid.lat.ravel()).reshape(grid.shape)
    lon, lat = polygon.centroid.x, polygon.centroid.y
    levels = []
    for year in (properties["year_built"] - 1, properties["year_built"]):
        found = world.images(S2, ms(year, 7, 1), ms(year, 9, 1), (lon, lat, lon, lat))
        near = [world.pixels(image.id, ["B8"], grid)["B8"][0][inside] for image in found]
        levels.append(np.median(near))
    assert levels[1] < 0.8 * levels[0]


def test_a_turbine_throws_its_shadow_away_from_the_sun(world: World):
    surfaces = world._sources[S2]._landscape.surfaces
    _, point, properties = next(iter(world.features(WIND, around(IOWA, 60))))
    grid = grid_over(point, 81)
    x, y = transformer("EPSG:4326", grid.crs).transform(point.x, point.y)
    overlay = lay(surfaces.structures, surfaces.parks, int(grid.crs[-2:]), grid.x.ravel(), grid.y.ravel())
    light = np.ones(grid.x.size, dtype=np.float32)
    overlay.shadows.darken(light, Sun(45.0, 135.0), 2026)
    light = light.reshape(grid.shape)
    distance = np.hypot(grid.x - x, grid.y - y)
    along = ((grid.x - x) * -1 + (grid.y - y) * 1) / np.sqrt(2)  # to the north-west
    hub = properties["hub_height"]
    tower = (np.abs(distance - along) < 1.0) & (along > 15) & (along < hub - 10)
    assert light[tower].max() < 0.9
    opposite = (np.abs(distance + along) < 1.0) & (along < -15) & (along > -150)
    assert light[opposite].min() == 1.0
    none = np.ones(grid.x.size, dtype=np.float32)
    overlay.shadows.darken(none, Sun(45.0, 135.0), properties["year_built"] - 1)
    assert none.reshape(grid.shape)[tower].min() == 1.0


def test_there_are_things_that_look_alike(world: World):
    """Roofs, greenhouses, pads and ponds: a detector must not fire at every rectangle."""
    surfaces = world._sources[S2]._landscape.surfaces
    x, y = np.meshgrid(400_000 + 40.0 * np.arange(700), 4_600_000 + 40.0 * np.arange(700))
    found = surfaces.structures.at(15, x.ravel(), y.ravel())
    names = {item.candidates.kind.name for item in found}
    assert {"solar", "greenhouses", "warehouse", "pond", "pad"} <= names


def test_wind_turbines_keep_their_distance(world: World):
    points = np.array([[p.x, p.y] for _, p, _ in world.features(WIND, around(IOWA, 40))])
    x, y = transformer("EPSG:4326", "EPSG:32615").transform(points[:, 0], points[:, 1])
    gaps = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(gaps, np.inf)
    assert gaps.min() > 280
    assert np.median(gaps.min(axis=1)) < 900
