"""A local Earth Engine on a folder of small rasters, and the real `ee` client talking to it over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import ee
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from google.auth.credentials import AnonymousCredentials

from rsbot_beam.local_ee.rasters import RasterFolder
from rsbot_beam.local_ee.run import serving
from rsbot_beam.local_ee.server import LocalEarthEngine, Settings

UTM = ("EPSG:32633", Affine(10, 0, 500000, 0, -10, 5000000))
GEO = ("EPSG:4326", Affine(0.0002, 0, 15.001, 0, -0.0001, 45.152))
SOUTH = ("EPSG:32621", Affine(60, 0, 700000, 0, -30, -2800000))
DATES = ["2023-01-05", "2023-02-04", "2023-03-06", "2023-04-05", "2023-05-05", "2023-06-04", "2023-07-04"]


def write(path: Path, crs: str, transform: Affine, data: np.ndarray, names: list[str], nodata: float | None) -> None:
    profile = {"driver": "GTiff", "crs": crs, "transform": transform, "nodata": nodata, "dtype": data.dtype.name}
    with rasterio.open(path, "w", count=len(data), height=data.shape[1], width=data.shape[2], **profile) as target:
        target.write(data)
        for number, name in enumerate(names, 1):
            target.set_band_description(number, name)


@dataclass
class Samples:
    """What the folder holds, as arrays."""

    folder: Path
    utm: np.ndarray  # (6, 180, 200) uint16, 0 = nodata
    geo: np.ndarray  # (1, 150, 120) float32, NaN = nodata
    south: np.ndarray  # (2, 90, 100) int16, -9999 = nodata
    series: np.ndarray  # (7, 2, 60, 70) uint16, 65535 = nodata
    scores: np.ndarray  # (7, 1, 60, 70) float32


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> Samples:
    folder = tmp_path_factory.mktemp("assets")
    rng = np.random.default_rng(7)
    utm = rng.integers(1, 10000, (6, 180, 200)).astype(np.uint16)
    utm[:, 20:40, 30:60] = 0
    geo = rng.normal(size=(1, 150, 120)).astype(np.float32)
    geo[:, 5:9, 7:30] = np.nan
    south = rng.integers(-500, 4000, (2, 90, 100)).astype(np.int16)
    south[0, 10:20, 10:30] = -9999
    series = rng.integers(0, 5000, (7, 2, 60, 70)).astype(np.uint16)
    series[rng.random(series.shape) < 0.3] = 65535
    scores = rng.random((7, 1, 60, 70)).astype(np.float32)
    write(folder / "utm.tif", *UTM, utm, [f"B{n}" for n in range(1, 7)], 0)
    write(folder / "geo.tif", *GEO, geo, ["value"], float("nan"))
    write(folder / "south.tif", *SOUTH, south, ["", ""], -9999)
    for number, date in enumerate(DATES):
        write(folder / f"s_{date}.tif", *UTM, series[number], ["red", "nir"], 65535)
        write(folder / f"c_{date}.tif", *UTM, scores[number], ["cs"], None)
    write_tables(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest()))
    return Samples(folder, utm, geo, south, series, scores)


def manifest() -> dict:
    root = "projects/sample-project/assets/"
    return {
        "version": 1,
        "assets": {
            root + "utm": {
                "type": "IMAGE",
                "file": "utm.tif",
                "time_start": "2020-06-01",
                "properties": {"tile": "33"},
            },
            root + "geo": {"type": "IMAGE", "file": "geo.tif"},
            root + "south": {
                "type": "IMAGE",
                "file": "south.tif",
                "bands": ["height", {"name": "raw", "nodata": None}],
            },
            root + "mixed": {
                "type": "IMAGE",
                "files": [{"file": "utm.tif", "bands": [{"source": "B3", "name": "green"}]}, "geo.tif"],
            },
            "TEST/SERIES": {
                "type": "IMAGE_COLLECTION",
                "properties": {"title": "series"},
                "images": [
                    {"index": f"I{n}", "file": f"s_{date}.tif", "time_start": date, "properties": {"cloud": 10 * n}}
                    for n, date in enumerate(DATES)
                ],
            },
            "TEST/SCORES": {
                "type": "IMAGE_COLLECTION",
                "images": [
                    {"index": f"I{n}", "file": f"c_{date}.tif", "time_start": date}
                    for n, date in enumerate(DATES)
                    if n != 3
                ],
            },
            root + "fields": {"type": "TABLE", "file": "fields.geojson"},
            root + "points": {"type": "TABLE", "file": "points.gpkg"},
        },
    }


def lonlat_square(left: float, top: float, size: float) -> shapely.Polygon:
    from pyproj import Transformer

    change = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    corners = [(left, top), (left + size, top), (left + size, top - size), (left, top - size)]
    return shapely.Polygon([change.transform(*corner) for corner in corners])


def write_tables(folder: Path) -> None:
    squares = [
        (500100, 4999900, 200, 1, "maize"),
        (500400, 4999800, 300, 2, "wheat"),
        (500500, 4999700, 300, 3, "maize"),
    ]
    features = [
        {
            "type": "Feature",
            "geometry": shapely.geometry.mapping(lonlat_square(x, y, size)),
            "properties": {"code": code, "crop": crop},
        }
        for x, y, size, code, crop in squares
    ]
    (folder / "fields.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    places = shapely.to_wkb([shapely.Point(500105, 4999895), shapely.Point(501005, 4999105)])
    pyogrio.raw.write(
        folder / "points.gpkg",
        np.array(places, dtype=object),
        [np.array([5, 6]), np.array(["a", "b"], dtype=object)],
        ["height", "name"],
        geometry_type="Point",
        crs="EPSG:32633",
    )


@dataclass
class Earth:
    """The running server and the client's view of it."""

    engine: LocalEarthEngine
    url: str
    root: str = "projects/sample-project/assets/"
    UTM = UTM
    GEO = GEO
    SOUTH = SOUTH

    def image(self, name: str = "utm"):
        return ee.Image(self.root + name)

    def pixels(self, image, grid: dict | None = None, **more) -> np.ndarray:
        """Pixels of an image as the client gets them."""
        request = {"expression": image, "fileFormat": "NUMPY_NDARRAY", "grid": grid or utm_grid(), **more}
        return ee.data.computePixels(request)

    def make_grid(self, crs: str, transform: Affine, width: int, height: int) -> dict:
        """A request's grid."""
        return make_grid(crs, transform, width, height)

    def utm_grid(self, *window: int) -> dict:
        """A request's grid on the UTM raster: column, row, width, height."""
        return utm_grid(*window)

    def band(self, image, grid: dict | None = None) -> np.ndarray:
        """The first band's pixels."""
        found = self.pixels(image, grid)
        return found[found.dtype.names[0]]


def make_grid(crs: str, transform: Affine, width: int, height: int) -> dict:
    names = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
    return {
        "dimensions": {"width": width, "height": height},
        "affineTransform": dict(zip(names, tuple(transform)[:6], strict=True)),
        "crsCode": crs,
    }


def utm_grid(column: int = 0, row: int = 0, width: int = 70, height: int = 60) -> dict:
    return make_grid(UTM[0], UTM[1] * Affine.translation(column, row), width, height)


@pytest.fixture(scope="session")
def engine_url(samples):
    engine = LocalEarthEngine([RasterFolder(samples.folder)], Settings(max_qps=0, record=True))
    with serving(engine) as url:
        yield engine, url


@pytest.fixture(scope="module")
def earth(engine_url):
    """Connects the client anew for each module: its state is one global that other tests may have changed."""
    engine, url = engine_url
    ee.Reset()
    ee.Initialize(credentials=AnonymousCredentials(), project="local", url=url)
    yield Earth(engine, url)
    ee.Reset()
