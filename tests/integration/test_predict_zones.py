"""Maps of several zones: their tiles overlap, but each place has a class, and an object is there, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pyproj
import pytest
import rasterio
import shapely

from rsbot_beam.data.detections import read_detections
from rsbot_beam.geometry import Cover, read_region, resolve_grid
from rsbot_beam.geometry.zones import Zone, zone_of
from tests.integration.made_models import MODULUS, Models, Raster, read_rasters, read_run

pytestmark = [pytest.mark.integration, pytest.mark.slow]
WGS84 = pyproj.Geod(ellps="WGS84")
PLACES = [
    pytest.param("11.98,50.0,12.02,50.02", {"EPSG:32632", "EPSG:32633"}, id="north"),
    pytest.param("17.98,-33.02,18.02,-33.0", {"EPSG:32733", "EPSG:32734"}, id="south"),
    pytest.param("11.99,-0.01,12.01,0.01", {"EPSG:32632", "EPSG:32633", "EPSG:32732", "EPSG:32733"}, id="equator"),
    pytest.param("179.99,-17.02,-179.99,-17.0", {"EPSG:32701", "EPSG:32760"}, id="antimeridian"),
]


@pytest.fixture(scope="module")
def model(models: Models) -> str:
    """Says where a pixel is, and has a picture of its input."""
    bands = [{"name": "east", "statistics": {"quantiles": {"0.02": 0.0, "0.98": MODULUS}}}]
    return models.variant(models.place, "place_of_zones", bands=bands)


def bbox_of(text: str) -> tuple[float, float, float, float]:
    """West, south, east, north; the east is not wrapped."""
    west, south, east, north = map(float, text.split(","))
    return west, south, east + 360 * (east < west), north


def classes_at(raster: Raster, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """The class of the pixels that places lie in; `nodata` beyond the raster."""
    x, y = pyproj.Transformer.from_crs("EPSG:4326", raster.crs, always_xy=True).transform(lon, lat)
    cols, rows = (np.floor(values).astype(int) for values in ~raster.transform * (x, y))
    height, width = raster.pixels.shape[1:]
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    found = np.full(len(lon), int(raster.nodata))
    found[inside] = raster.pixels[0, rows[inside], cols[inside]]
    return found


def metres_from_border(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """How far places are from the nearest meridian, or the equator, between zones."""
    meridian = 6 * np.round(lon / 6)
    return np.minimum(WGS84.inv(lon, lat, meridian, lat)[2], WGS84.inv(lon, lat, lon, 0 * lat)[2])


def ground(region: str) -> float:
    """Square metres of the tiles of a map, each as far as it lies in its zone."""
    where = read_region(region)
    return sum(
        abs(WGS84.geometry_area_perimeter(shapely.intersection(outline, box))[0])
        for outline, box in outlines(Cover(where, resolve_grid(where, crs="utm", resolution=10.0, patch_size=32)))
    )


def outlines(cover: Cover) -> Iterator[tuple[shapely.Polygon, shapely.Polygon]]:
    """Tiles in degrees, with the zone of each."""
    for key in cover.tiles():
        zone = zone_of(key.crs)
        assert isinstance(zone, Zone)
        square = shapely.get_coordinates(shapely.segmentize(shapely.box(*key.bounds), 20))
        lon, lat = pyproj.Transformer.from_crs(key.crs, "EPSG:4326", always_xy=True).transform(*square.T)
        middle = (zone.west + zone.east) / 2
        ring = np.column_stack([(lon - middle + 180) % 360 - 180 + middle, lat])
        yield shapely.Polygon(ring), shapely.box(zone.west, zone.south, zone.east, zone.north)


def objects_of(output: Path) -> list[dict[str, Any]]:
    files = sorted((output / "detections").glob("*.parquet"))
    return [row for path in files for row in pq.read_table(path).to_pylist()]


@pytest.mark.parametrize(("region", "zones"), PLACES)
def test_each_place_has_one_class(
    predict: Callable[..., Any], model: str, earth: Any, tmp_path: Path, region: str, zones: set[str]
) -> None:
    flags = {"bands": "class,probability,composite", "polygons": "first,second,third", "min_pixels": 1}
    done = predict(tmp_path, model=model, region=region, crs="utm", overlap=4, **flags)
    assert done.code == 0, done.text
    rasters = read_rasters(tmp_path)
    assert {raster.crs for raster in rasters} == zones
    west, south, east, north = bbox_of(region)
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(west, east, 50_000), rng.uniform(south, north, 50_000)
    there = np.sum([classes_at(raster, lon, lat) != raster.nodata for raster in rasters], axis=0)
    # Half a pixel's diagonal, within which the pixels of the two zones do not match.
    far = metres_from_border(lon, lat) > 7.1
    assert (there[far] == 1).all()
    assert there.mean() == pytest.approx(1, abs=2e-3)
    for raster, probability in zip(rasters, read_rasters(tmp_path, "probability"), strict=True):
        mapped = raster.pixels[0] != raster.nodata
        np.testing.assert_array_equal(np.isfinite(probability.pixels[0]), mapped)
        with rasterio.open(tmp_path / "composite" / f"{raster.name}.tif") as file:
            np.testing.assert_array_equal(file.dataset_mask() > 0, mapped)
    run = read_run(tmp_path)
    assert run["tiles"]["predicted"] == run["tiles"]["asked"]
    square_metres = sum(item["hectares"] for item in run["classes"]) * 10_000
    assert square_metres == pytest.approx(ground(region), rel=2e-3)
    assert sum(row["area_m2"] for row in objects_of(tmp_path)) == pytest.approx(square_metres, rel=1e-4)


@pytest.mark.parametrize(("crs", "tiles"), [("EPSG:32633", "intersects"), ("utm", "centre")])
def test_tiles_stay_whole_where_no_others_have_all_of_the_ground_beyond(
    predict: Callable[..., Any], earth: Any, tmp_path: Path, crs: str, tiles: str
) -> None:
    done = predict(tmp_path, region="11.98,50.0,12.02,50.02", crs=crs, tiles=tiles, bands="class")
    assert done.code == 0, done.text
    pixels = sum(int((raster.pixels != raster.nodata).sum()) for raster in read_rasters(tmp_path))
    assert pixels == 32 * 32 * read_run(tmp_path)["tiles"]["asked"]


def test_an_object_belongs_to_the_zone_of_its_centre(
    predict: Callable[..., Any], models: Models, earth: Any, tmp_path: Path
) -> None:
    """Objects of 60 m across the border and on both sides of it, within the reach of tiles of both zones."""
    # 0.0014 degrees are 100 m.
    planted = [(12 + 0.0014 * (i - 5) + 1e-5, 50.002 + 0.0015 * i, 1, 0.9) for i in range(11)]
    model = models.sites(planted, name="zones")
    done = predict(tmp_path, model=model, region="11.98,50.0,12.02,50.02", crs="utm", tile_size=64)
    assert done.code == 0, done.text
    found = sorted((row["lat"], row["lon"]) for row in objects_of(tmp_path))
    np.testing.assert_allclose(found, [(lat, lon) for lon, lat, _, _ in planted], atol=1e-4)
    handed_in = [read_detections(str(path)) for path in sorted((tmp_path / "candidates").glob("*.arrow"))]
    owned = [crs for block in handed_in for crs in block.crs[block.core]]
    assert sorted(owned) == ["EPSG:32632"] * 5 + ["EPSG:32633"] * 6


def test_a_tile_without_a_pixel_in_its_zone_is_counted_and_says_nothing(
    predict: Callable[..., Any], model: str, earth: Any, tmp_path: Path
) -> None:
    """The region meets two metres of a corner that reaches beyond the border."""
    flags = {"bands": "class,probability,composite", "polygons": "first,second,third", "block_side": 1}
    done = predict(tmp_path, model=model, region="11.9998,50.59388,12.00002,50.59391", crs="utm", **flags)
    assert done.code == 0, done.text
    rasters = {raster.name: raster for raster in read_rasters(tmp_path)}
    assert (rasters["EPSG32633_10_32_r-560928_c28736_1x1"].pixels == 255).all()
    tiles = read_run(tmp_path)["tiles"]
    assert tiles == {"asked": len(rasters), "predicted": len(rasters), "empty": 0, "dead": 0}
