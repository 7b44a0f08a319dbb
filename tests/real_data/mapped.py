"""Maps of real imagery: the model, the places, and what rasterio alone says that a map must hold."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from pipelines import rsbot
from rsbot_beam import TileKey
from rsbot_beam.data.bands import Band, LabelClass, Layout
from rsbot_beam.data.manifest import layout_to_dict
from rsbot_beam.data.model_file import SAVED_MODEL, write_model_file

from .exports import RECIPES
from .manifests import IGUAZU_TIMES, PLACES, ROOT
from .oracle import Layer, layer, mosaic

BANDS = ("B2", "B3", "B4")
# The classes of recipes/anywhere.py.
CODES = {1: "water", 2: "trees", 4: "crops", 5: "built area", 7: "snow/ice", 8: "bare ground", 9: "rangeland"}
COLOURS = {1: "#419bdf", 2: "#397d49", 4: "#e49635", 5: "#c4281b", 7: "#a8ebff", 8: "#a59b8f", 9: "#e3e2c3"}
CLASSES = tuple(LabelClass(code, name, COLOURS[code]) for code, name in CODES.items())
# Pixels that the model looks to each side.
RADIUS = 2
NODATA = 255


@dataclass(frozen=True)
class Place:
    """A scene to be mapped.

    Attributes:
        name: Of the test.
        files: GeoTIFFs, later ones on top.
        crs: Of the map.
        resolution: Of the map, in units of the CRS.
        zone: The CRS that the map must be in, of each tile.
        landsat: Whether the files hold digital numbers of Landsat's level 1.
    """

    name: str
    files: tuple[str, ...]
    crs: str
    resolution: float
    zone: str
    landsat: bool = False


IGUAZU = tuple(f"scenes/l8l1tp_iguazu_{row}_60m_20200518.tif" for row in sorted(IGUAZU_TIMES))
SAHARA = "scenes/s2l2a_29RKH_westsahara_100m_20200219.tif"
MAPPED = (
    Place("south tyrol", ("scenes/s2l2a_southtyrol_10m_20220612.tif",), "auto", 10.0, "EPSG:32632"),
    Place("west sahara", (SAHARA,), "EPSG:32629", 100.0, "EPSG:32629"),
    Place("iguazu, southern zone", IGUAZU, "utm", 60.0, "EPSG:32721", landsat=True),
    Place("iguazu, negative northings", IGUAZU, "EPSG:32621", 60.0, "EPSG:32621", landsat=True),
    Place("denmark", (f"crops/terramesh_s2_lulc/{PLACES[2]}/S2L2A.tif",), "utm", 10.0, "EPSG:32632"),
)


@dataclass
class Mapped:
    """A finished map.

    Attributes:
        folder: Where it is.
        place: What it shows.
        classes: (codes, key) of each COG; the key is the square of its pixels.
    """

    folder: Path
    place: Place
    classes: list[tuple[np.ndarray, TileKey]] = field(default_factory=list, repr=False)


def add_west_sahara(folder: Path, data: Path) -> None:
    """Add the tile 29RKH to a manifest."""
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["assets"][f"{ROOT}/west_sahara"] = {"type": "IMAGE", "file": str((data / SAHARA).resolve())}
    path.write_text(json.dumps(content))


def write_model(folder: Path) -> None:
    """A model by hand: the class whose line through the spectrum is nearest to the mean of 5 x 5 valid pixels."""
    import tensorflow as tf

    weights = np.random.default_rng(3).normal(0, 1, (len(BANDS), len(CLASSES))).astype(np.float32)
    module = tf.Module()
    module.weights = tf.Variable(weights)
    signature = {"image": tf.TensorSpec((None, None, None, 3), tf.float32, "image")}
    signature["valid"] = tf.TensorSpec((None, None, None, 3), tf.uint8, "valid")

    def serve(inputs: dict[str, Any]) -> dict[str, Any]:
        seen, side = tf.cast(inputs["valid"], tf.float32), 2 * RADIUS + 1
        total = tf.nn.avg_pool2d(inputs["image"] * seen, side, 1, "SAME")
        # TensorFlow's mean leaves out what lies beyond the edge, in both alike.
        mean = total / tf.maximum(tf.nn.avg_pool2d(seen, side, 1, "SAME"), 1e-3)
        spectrum = tf.stack([mean[..., 0] - 800, mean[..., 1] - mean[..., 0], mean[..., 2] - mean[..., 1]], -1) / 300
        return {"probabilities": tf.nn.softmax(tf.einsum("nhwb,bc->nhwc", spectrum, module.weights))}

    module.serve = tf.function(serve, input_signature=[signature])
    tf.saved_model.save(module, str(folder / SAVED_MODEL), {"serving_default": module.serve.get_concrete_function()})
    write_model_file(str(folder), _description())


def _description() -> dict[str, Any]:
    reflectances = tuple(Band(name, "uint16", "reflectance * 10000") for name in BANDS)
    return {
        "task": "segmentation",
        "model": {"name": "nearest", "source": "nearest", "parameters": {}},
        "recipe": {"name": "anywhere", "parameters": {}},
        "layout": layout_to_dict(Layout(reflectances, label=Band("LULC", "uint8"), classes=CLASSES)),
        "classes": [dataclasses.asdict(item) for item in CLASSES],
        "grid": {"crs": "utm", "resolution": 10.0, "patch_size": 64, "origin": [0.0, 0.0], "rule": "intersects"},
        "period": {"start": "2020-01-01", "end": "2021-01-01"},
        "receptive_field": {"radius": RADIUS, "multiple": 1},
        "overlap": RADIUS,
    }


def run_predict(folder: Path, url: str, place: Place, **flags: object) -> Mapped:
    """Run `rsbot predict` in this process and read the map's classes."""
    given = {
        "output": folder,
        "recipe": RECIPES / "anywhere.py",
        "ee_url": url,
        "ee_project": "real",
        "max_qps": 1000,
        "crs": place.crs,
        "resolution": place.resolution,
        **flags,
    }
    printed = io.StringIO()
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = rsbot.main(["predict", *(f"--{name}={value}" for name, value in given.items())])
    finally:
        root.handlers = before
    assert code == 0, printed.getvalue()
    return Mapped(folder, place, [_read(path) for path in sorted((folder / "class").glob("*.tif"))])


def _read(path: Path) -> tuple[np.ndarray, TileKey]:
    with rasterio.open(path) as file:
        assert file.nodata == NODATA
        assert file.transform.b == file.transform.d == 0
        codes, transform, crs = file.read(1), file.transform, f"EPSG:{file.crs.to_epsg()}"
    row, col = -transform.f / transform.a, transform.c / transform.a
    assert row == round(row), "the grid begins at 0, 0"
    assert col == round(col), "the grid begins at 0, 0"
    return codes, TileKey(crs, float(transform.a), max(codes.shape), round(row), round(col))


def source(data: Path, place: Place, key: TileKey) -> list[Layer]:
    """The model's bands at a square of pixels, read from the files."""
    layers = [mosaic([layer(data / file, band, key) for file in place.files]) for band in BANDS]
    return [_reflectance(one) for one in layers] if place.landsat else layers


def _reflectance(one: Layer) -> Layer:
    numbers = np.trunc(one.values * 0.2 - 1000).clip(0, 65_535)
    return Layer(np.where(one.valid, numbers, 0).astype(np.uint16), one.valid)


def apply_by_hand(model: Path, squares: Sequence[list[Layer]]) -> np.ndarray:
    """What the SavedModel says of the middles of squares, (squares, classes)."""
    import tensorflow as tf

    served = tf.saved_model.load(str(model / SAVED_MODEL)).signatures["serving_default"]
    image = np.stack([np.stack([one.values for one in square], -1) for square in squares]).astype(np.float32)
    valid = np.stack([np.stack([one.valid for one in square], -1) for square in squares]).astype(np.uint8)
    said = served(image=tf.constant(image), valid=tf.constant(valid))["probabilities"].numpy()
    middle = image.shape[1] // 2
    return np.asarray(said[:, middle, middle])
