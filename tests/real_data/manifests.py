"""Manifests that let the local Earth Engine serve the folder of real imagery from where it lies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rasterio

from .catalog import catalog_assets

# Where recipes find the assets; `recipes/*.py` name them in full, as a user would.
ROOT = "projects/real/assets"

PLACES = ("brazil_coast", "canada_snow", "denmark_crops", "tanzania_crops")
SLOVENIA_DATES = ("20150711", "20150731", "20150820", "20150830", "20150909")
# Path and row of the worldwide reference system; the satellite takes 24 s from one row to the next.
IGUAZU_TIMES = {"224077": "2020-05-18T13:28:03", "224078": "2020-05-18T13:28:27"}


def write_manifest(folder: Path, data: Path) -> None:
    """Write a manifest of all imagery of `data` into `folder`; files are named by their absolute paths."""
    assets = {**terramesh(data), **slovenia(data), **power_plants(data), **scenes(data)}
    named = {f"{ROOT}/{name}": asset for name, asset in assets.items()}
    content = {"version": 1, "assets": {**named, **catalog_assets(folder, data)}}
    (folder / "manifest.json").write_text(json.dumps(content, indent=1))


def terramesh(data: Path) -> dict[str, Any]:
    """Four Sentinel-2 scenes in four UTM zones, and their land cover, as two collections."""
    folder = data / "crops" / "terramesh_s2_lulc"
    scenes = [
        {"index": place, "file": _path(folder / place / "S2L2A.tif"), "time_start": _time(folder / place / "S2L2A.tif")}
        for place in PLACES
    ]
    labels = [{"index": place, "file": _path(folder / place / "LULC.tif")} for place in PLACES]
    return {"terramesh_s2": _collection(scenes), "terramesh_lulc": _collection(labels)}


def slovenia(data: Path) -> dict[str, Any]:
    """Five dates, each with the band of its cloud mask; elevation and land use."""
    folder = data / "crops" / "slovenia_s2l1c_lulc"
    images = []
    for date in SLOVENIA_DATES:
        scene = folder / f"S2_L1C_{date}.tif"
        clouds = {"file": _path(folder / "CLM_68dates.tif"), "bands": [{"name": "clouds", "source": _time(scene)}]}
        images.append({"index": date, "files": [_path(scene), clouds], "time_start": _time(scene)})
    return {
        "slovenia_s2": _collection(images),
        "slovenia_dem": {"type": "IMAGE", "file": _path(folder / "DEM.tif")},
        "slovenia_lulc": {"type": "IMAGE", "file": _path(folder / "LULC.tif")},
    }


def power_plants(data: Path) -> dict[str, Any]:
    """119 chips and their masks, with the plant's number and fuel."""
    folder = data / "energy" / "us_power_plants_l8"
    chips, masks = [], []
    for plant in read_plants(data):
        about = {"plant": int(plant["egrid_ID"]), "fuel": plant["primary_fuel"]}
        chips.append({"file": _path(folder / plant["image"]), "properties": about})
        masks.append({"file": _path(folder / plant["mask"]), "properties": about})
    return {"power_plants_l8": _collection(chips), "power_plants_masks": _collection(masks)}


def read_plants(data: Path) -> list[dict[str, Any]]:
    """Properties of the chips, in the order of their index."""
    index = json.loads((data / "energy" / "us_power_plants_l8" / "index.geojson").read_text())
    return [feature["properties"] for feature in index["features"]]


def scenes(data: Path) -> dict[str, Any]:
    """Whole scenes: Landsat of the Iguazu (two, the later one listed first) and the Amazon, Sentinel-2, NAIP."""
    folder = data / "scenes"
    iguazu = [
        {"index": row, "file": _path(folder / f"l8l1tp_iguazu_{row}_60m_20200518.tif"), "time_start": IGUAZU_TIMES[row]}
        for row in sorted(IGUAZU_TIMES, reverse=True)
    ]
    # Quality bits have no value that means "no data".
    amazon = [*(f"SR_B{number}" for number in range(1, 8)), {"name": "QA_PIXEL", "nodata": None}]
    return {
        "iguazu": _collection(iguazu),
        "amazon": {"type": "IMAGE", "file": _path(folder / "l8l2sp_amazon_001062_600m_20201031.tif"), "bands": amazon},
        "south_tyrol": {"type": "IMAGE", "file": _path(folder / "s2l2a_southtyrol_10m_20220612.tif")},
        "naip": {"type": "IMAGE", "file": _path(folder / "naip_northdakota_5m_20180716.tif")},
    }


def _collection(images: list[dict[str, Any]]) -> Mapping[str, Any]:
    return {"type": "IMAGE_COLLECTION", "images": images}


def _path(file: Path) -> str:
    return str(file.resolve())


def _time(file: Path) -> str:
    with rasterio.open(file) as source:
        return str(source.tags()["DATETIME_UTC"])
