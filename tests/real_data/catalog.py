"""Assets under the names of Earth Engine's data catalog, so that the built-in recipes find them.

The Cropland Data Layer and NAIP are real. No Sentinel-2 goes with the real labels: it is made, as is the land cover, of
pixels of half a degree all over the globe whose numbers say where and when they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin

from .oracle import Layer, layer, nothing_like, series

SENTINEL2 = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
# Date of each scene, and its Cloud Score+: nothing in June, and the second of July's is all cloud.
CLEAR = {"20160510": 0.9, "20160705": 0.7, "20160720": 0.2}
PERIOD = "2016-05-01,2016-08-01"
STEPS = ("20160510", None, "20160705")
# What the land cover has: trees, built-up, bare, water; the second and third look like plants.
LAND_COVER = (10, 50, 60, 80)
HARD = (50, 60)
DEGREES = 0.9
SHAPE = (200, 400)
FOLDER = "made"
CDL_SQUARES = ("train", "test")
NAIP_PLANTS = ("324_WND", "327_SUN")


def catalog_assets(folder: Path, data: Path) -> dict[str, Any]:
    """Entries of a manifest; what is made is written into `folder`."""
    (folder / FOLDER).mkdir()
    scenes, scores = [], []
    for number, (date, score) in enumerate(CLEAR.items()):
        dated = {"index": date, "time_start": f"{date[:4]}-{date[4:6]}-{date[6:]}T10:00:00"}
        scenes.append({**dated, "file": _write(scene(folder, date), SENTINEL2, _numbers(number))})
        score_band = np.full((1, *SHAPE), score, np.float32)
        scores.append({**dated, "file": _write(folder / FOLDER / f"CS_{date}.tif", ("cs_cdf",), score_band)})
    cover = np.asarray(LAND_COVER, np.uint8)[np.add.outer(*map(np.arange, SHAPE)) % len(LAND_COVER)]
    cover_file = _write(land_cover(folder), ("Map",), cover[None])
    return {
        "COPERNICUS/S2_SR_HARMONIZED": _collection(scenes),
        "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED": _collection(scores),
        "ESA/WorldCover/v200": _collection([{"index": "2021", "time_start": "2021-01-01", "file": cover_file}]),
        "USDA/NASS/CDL": _collection([_dated(cdl_file(data, square), "2016-01-01") for square in CDL_SQUARES]),
        "USDA/NAIP/DOQQ": _collection([_dated(naip_file(data, plant), "2014-06-01") for plant in NAIP_PLANTS]),
        "projects/real/assets/naip_masks": _collection(
            [{"file": str(naip_file(data, f"{plant}_mask").resolve())} for plant in NAIP_PLANTS]
        ),
    }


def cdl_file(data: Path, square: str) -> Path:
    """The Cropland Data Layer of 2016 of one of the two squares of Iowa."""
    return data / "crops" / "cdl_iowa_2016" / f"CDL_2016_{square}_30m.tif"


def naip_file(data: Path, name: str) -> Path:
    """An aerial image of a power plant, or its mask."""
    return data / "energy" / "us_power_plants_naip" / f"{name}.tif"


def scene(folder: Path, date: str) -> Path:
    """The made Sentinel-2 of a date."""
    return folder / FOLDER / f"S2_{date}.tif"


def land_cover(folder: Path) -> Path:
    """The made land cover."""
    return folder / FOLDER / "land_cover.tif"


def season(folder: Path, band: str, key: Any) -> Layer:
    """A band of the monthly composites of `PERIOD` at a tile."""
    first = layer(scene(folder, "20160510"), band, key)
    return series([layer(scene(folder, date), band, key) if date else nothing_like(first) for date in STEPS])


def _numbers(date: int) -> np.ndarray:
    """(bands, height, width) uint16, all of them different in place, band and date, and reflectances as they occur."""
    rows, cols = np.indices(SHAPE)
    bands = np.arange(len(SENTINEL2))[:, None, None]
    return ((rows * 97 + cols * 31) % 4000 + 100 * bands + 2000 * date + 1).astype(np.uint16)


def _write(path: Path, names: tuple[str, ...], pixels: np.ndarray) -> str:
    transform = from_origin(-180, 90, DEGREES, DEGREES)
    profile = {
        "driver": "GTiff",
        "crs": "EPSG:4326",
        "transform": transform,
        "compress": "deflate",
        "dtype": pixels.dtype,
    }
    count, height, width = pixels.shape
    with rasterio.open(path, "w", count=count, height=height, width=width, **profile) as file:
        file.write(pixels)
        file.descriptions = names
    return str(path.resolve())


def _dated(file: Path, start: str) -> dict[str, Any]:
    return {"file": str(file.resolve()), "time_start": start}


def _collection(images: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "IMAGE_COLLECTION", "images": images}
