"""Models trained on real data, scored where they have not been, beside the baselines; `pytest -s` prints the figures.

The data are small, and so are the figures: what is tested is that something was learnt that a constant answer does not know.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest

from pipelines.evaluate import table
from rsbot_beam import Patch, TileKey
from rsbot_beam.data.bands import Band, LabelClass, Layout
from tests.training.conftest import write_dataset

from .manifests import PLACES, read_plants
from .regions import around

pytestmark = [pytest.mark.real_data, pytest.mark.integration, pytest.mark.slow]

HELD_OUT_SCENE = "denmark_crops"
TERRAMESH_PERIOD = "2017-01-01,2024-01-01"
DEGREES_15M = 0.0001347472926179282
SOLAR = [
    "imagery=projects/real/assets/power_plants_l8",
    "optical=B4,B3,B2",
    "dtype=uint8",
    "reducer=mosaic",
    "mask=projects/real/assets/power_plants_masks",
]
# Chips of the same cluster overlap: every third cluster is held out as a whole.
HELD_OUT_CLUSTERS = 3

STEPS = 12
MISSING = 65_535
OPTICAL = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
RADAR = ("VV", "VH")
# Labels of which there are enough pixels to learn and to test; all others are one class.
CROPS = ("sorghum", "maize", "other_oilseeds", "trees_mixed")
# Metres: side of the squares of ground that fall in one split, some ten fields.
BLOCK = 20_000.0


def train(dataset: Path, output: Path, **config: Any) -> Path:
    """Train a model; returns its folder."""
    from rsbot_beam.training.config import TrainConfig
    from rsbot_beam.training.train import run_training

    run_training(TrainConfig(dataset=str(dataset), output=str(output), **config))
    return output


def score(model: Path, dataset: Path, split: str) -> dict[str, Any]:
    """Evaluate a model and print the table; returns `scores` of metrics.json."""
    from rsbot_beam.training.evaluate import EvaluateConfig, run_evaluation

    found = run_evaluation(EvaluateConfig(model=str(model), dataset=str(dataset), split=split))
    print(f"\n{table(found.metrics)}")
    assert (Path(found.folder) / "examples.png").stat().st_size > 1000
    return dict(found.metrics["scores"])


@pytest.mark.long
def test_land_cover_of_a_scene_that_was_held_out(export, region_file, data, tmp_path):
    """Three scenes of three continents: good on other ground of the same scenes, and of little use on the fourth."""
    others = [place for place in PLACES if place != HELD_OUT_SCENE]
    datasets = []
    for places in (others, [HELD_OUT_SCENE]):
        scenes = [data / "crops" / "terramesh_s2_lulc" / place / "S2L2A.tif" for place in places]
        flags = {"region": region_file(around(scene, 1500) for scene in scenes), "period": TERRAMESH_PERIOD}
        datasets.append(
            export("terramesh", crs="utm", patch_size=64, split="70,10,20", split_block=700, **flags).folder
        )
    known, unknown = datasets
    settings = {"width": "8", "depth": "2"}
    model = train(known, tmp_path / "model", model="unet", settings=settings, epochs=20, batch_size=8)
    near, far = score(model, known, "test"), score(model, unknown, "all")
    assert near["model"]["accuracy"] > near["majority class"]["accuracy"] + 0.2
    assert far["model"]["accuracy"] < near["model"]["accuracy"]
    assert set(near) == set(far) == {"model", "majority class", "random forest"}


@pytest.mark.long
def test_crops_from_series_of_single_pixels(data, tmp_path):
    """500 fields in East Africa: a temporal network on pixels without neighbours, tested on squares of other ground."""
    root = tmp_path / "pixels"
    write_dataset(root, worldcereal(data), shares=(60, 20, 20), block=BLOCK)
    model = train(root, tmp_path / "model", model="tempcnn", epochs=40)
    scores = score(model, root, "test")
    assert scores["model"]["mean_f1"] > scores["majority class"]["mean_f1"]
    assert scores["random forest"]["mean_f1"] > scores["majority class"]["mean_f1"]


def worldcereal(data: Path) -> list[Patch]:
    """Patches of one pixel with a year of monthly composites; one for each pixel of the grid of 10 m."""
    pandas = pytest.importorskip("pandas")
    rows = pandas.read_parquet(data / "crops" / "worldcereal_pixel_timeseries_2017.parquet")
    names = (*OPTICAL, *RADAR)
    columns = [f"OPTICAL-{name}-ts{{}}-{10 if name in ('B02', 'B03', 'B04', 'B08') else 20}m" for name in OPTICAL]
    columns += [f"SAR-{name}-ts{{}}-20m" for name in RADAR]
    classes = (*(LabelClass(i, name) for i, name in enumerate(CROPS, 1)), LabelClass(9, "other"))
    layout = Layout(tuple(Band(name, "uint16") for name in names), STEPS, label=Band("crop", "uint8"), classes=classes)
    east, north = pyproj.Transformer.from_crs(4326, 32636, always_xy=True).transform(rows.lon, rows.lat)
    found = {}
    for number, (x, y) in enumerate(zip(east, north, strict=True)):
        key = TileKey("EPSG:32636", 10.0, 1, int(-y // 10), int(x // 10))
        row = rows.iloc[number]
        label = row.sampling_label
        code = CROPS.index(label) + 1 if label in CROPS else 9
        pixels, valid = {"crop": np.full((1, 1), code, np.uint8)}, {"crop": np.ones((1, 1), bool)}
        for name, column in zip(names, columns, strict=True):
            values = row[[column.format(step) for step in range(STEPS)]].to_numpy(np.uint16).reshape(STEPS, 1, 1)
            valid[name] = values != MISSING
            pixels[name] = np.where(valid[name], values, 0).astype(np.uint16)
        found[key] = Patch(key, layout, pixels, valid)
    assert len(found) > 400, "most pixels have a place of their own"
    return list(found.values())


def test_the_missing_months_stay_missing(data):
    patches = worldcereal(data)
    missing = np.mean([~patch.valid["B08"] for patch in patches])
    assert 0.03 < missing < 0.12
    assert all((patch.pixels["B08"][~patch.valid["B08"]] == 0).all() for patch in patches)


@pytest.mark.long
def test_solar_plants_of_clusters_that_were_held_out(export, region_file, data, tmp_path):
    """44 plants in stretched Landsat of three bands: better than a box in the middle, and far from good."""
    plants = [plant for plant in read_plants(data) if plant["primary_fuel"] == "SUN"]
    datasets = []
    for held_out in (False, True):
        chosen = [plant for plant in plants if (plant["cluster"] % HELD_OUT_CLUSTERS == 0) == held_out]
        chips = [data / "energy" / "us_power_plants_l8" / plant["image"] for plant in chosen]
        flags = {"region": region_file(around(chip, 0) for chip in chips), "year": 2014, "crs": "EPSG:4326"}
        found = export(
            "built-in solar",
            set=SOLAR,
            resolution=DEGREES_15M,
            patch_size=64,
            split="85,15,0",
            split_block=3000,
            **flags,
        )
        datasets.append(found.folder)
    known, unknown = datasets
    scores = score(train(known, tmp_path / "model", model="centernet", epochs=25, batch_size=8), unknown, "all")
    best = scores["model"]["mean"]["IoU 0.3"]
    assert best > scores["box in the centre"]["mean"]["IoU 0.3"]
    assert best > 0.05
