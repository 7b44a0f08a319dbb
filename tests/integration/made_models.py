"""Models whose maps can be computed by hand, and the recipe that they are for; and how maps are read without our code."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio

from rsbot_beam.data.bands import Band, LabelClass, Layout
from rsbot_beam.data.manifest import layout_to_dict
from rsbot_beam.data.model_file import SAVED_MODEL, write_model_file
from rsbot_beam.data.period import Period

# East and north are longitude and latitude in units of 1/50,000 of a degree, modulo 10,000: a pixel of 10 m has 4.5 units
# along the meridian. 4,000 units are added so that no number wraps around near a round degree.
UNITS, MODULUS, ADDED = 50_000.0, 10_000.0, 4_000.0
# Units of the bands in a radian of what the model `place` says: a wave of some 100 pixels, and a step of 0.02 from pixel to
# pixel.
WAVE = 100.0
RECIPE = f"""
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import ee

from rsbot_beam import Band, LabelClass, Recipe


@dataclass(frozen=True, kw_only=True)
class Place(Recipe):
    name: ClassVar[str] = "place"
    bands: ClassVar[tuple[Band, ...]] = (Band("east", "float32"), Band("north", "float32"))
    label_band: ClassVar[Band] = Band("kind", "uint8")
    classes: ClassVar[tuple[LabelClass, ...]] = (
        LabelClass(1, "first", "#ff0000"), LabelClass(2, "second", "#00ff00"), LabelClass(7, "third", "#0000ff"),
    )

    hole: float = 0.0

    def inputs(self, region, period):
        place = ee.Image.pixelLonLat()
        lon, lat = place.select("longitude"), place.select("latitude")
        # Remainders of negative numbers differ between languages: there are none.
        east = lon.add(720).multiply({UNITS}).add({ADDED}).mod({MODULUS}).rename("east")
        north = lat.add(720).multiply({UNITS}).add({ADDED}).mod({MODULUS}).rename("north")
        image = ee.Image.cat([east, north])
        # West of `hole` there is nothing at all.
        return image.updateMask(lon.gte(self.hole)) if self.hole else image

    def label(self, region, period):
        lon = ee.Image.pixelLonLat().select("longitude")
        return lon.multiply(500).floor().mod(2).add(1).rename("kind").toByte()


recipe = Place()
"""
CLASSES = (LabelClass(1, "first", "#ff0000"), LabelClass(2, "second", "#00ff00"), LabelClass(7, "third", "#0000ff"))
CODES = np.array([item.code for item in CLASSES], np.uint8)
LAYOUT = Layout((Band("east", "float32"), Band("north", "float32")), label=Band("kind", "uint8"), classes=CLASSES)
PERIOD = Period.parse("2023-01-01,2024-01-01")


def units(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The recipe's bands at places in degrees, float64."""
    return ((lon + 720) * UNITS + ADDED) % MODULUS, ((lat + 720) * UNITS + ADDED) % MODULUS


def place_probabilities(east: np.ndarray, north: np.ndarray) -> np.ndarray:
    """What the model `place` says of pixels with these bands, (..., 3)."""
    u, v = 0.5 + 0.5 * np.sin(east / WAVE), 0.5 + 0.5 * np.sin(north / WAVE)
    return np.stack([u * (1 - v), v, (1 - u) * (1 - v)], axis=-1)


def centres(transform: Any, shape: tuple[int, int], crs: str) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude of pixel centres, by pyproj alone."""
    columns, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    x, y = transform.c + columns * transform.a, transform.f + rows * transform.e
    lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    return np.asarray(lon), np.asarray(lat)


@dataclasses.dataclass(frozen=True)
class Raster:
    """A file of a map, as any program reads it."""

    name: str
    pixels: np.ndarray
    crs: str
    transform: Any
    nodata: float
    tags: dict[str, str]
    colours: dict[int, tuple[int, ...]]

    @property
    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Longitude and latitude of its pixels."""
        return centres(self.transform, self.pixels.shape[1:], self.crs)


def read_rasters(output: object, kind: str = "class") -> list[Raster]:
    """The files of one kind of a map, by name."""
    found = []
    for path in sorted(Path(str(output), kind).glob("*.tif")):
        with rasterio.open(path) as file:
            colours = file.colormap(1) if file.dtypes[0] == "uint8" else {}
            crs = f"EPSG:{file.crs.to_epsg()}"
            found.append(Raster(path.stem, file.read(), crs, file.transform, file.nodata, file.tags(1), colours))
    return found


def mosaic(output: object, kind: str = "class", resolution: float = 10.0) -> tuple[np.ndarray, tuple[int, int]]:
    """All blocks of a map in one CRS put together, (bands, height, width); and the row and column of its corner."""
    rasters = read_rasters(output, kind)
    assert len({raster.crs for raster in rasters}) == 1
    corners = [(round(-r.transform.f / resolution), round(r.transform.c / resolution)) for r in rasters]
    top, left = (min(values) for values in zip(*corners, strict=True))
    bottom = max(row + r.pixels.shape[1] for (row, _), r in zip(corners, rasters, strict=True))
    right = max(col + r.pixels.shape[2] for (_, col), r in zip(corners, rasters, strict=True))
    first = rasters[0]
    whole = np.full((len(first.pixels), bottom - top, right - left), first.nodata, first.pixels.dtype)
    for (row, col), raster in zip(corners, rasters, strict=True):
        height, width = raster.pixels.shape[1:]
        whole[:, row - top : row - top + height, col - left : col - left + width] = raster.pixels
    return whole, (top, left)


def read_run(output: object) -> dict[str, Any]:
    """The content of `run.json`."""
    content: dict[str, Any] = json.loads(Path(str(output), "run.json").read_text())
    return content


class Models:
    """Folders of models that are made by hand, below a root.

    Attributes:
        root: Where they are.
        recipe: File of the recipe that they are for.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.recipe = str(root / "place.py")
        Path(self.recipe).write_text(RECIPE)

    @cached_property
    def place(self) -> str:
        """Says where a pixel is: probabilities that follow from the bands alone."""
        import tensorflow as tf

        def network(image: tf.Tensor, valid: tf.Tensor) -> dict[str, tf.Tensor]:
            u, v = 0.5 + 0.5 * tf.sin(image[..., 0] / WAVE), 0.5 + 0.5 * tf.sin(image[..., 1] / WAVE)
            return {"probabilities": tf.stack([u * (1 - v), v, (1 - u) * (1 - v)], axis=-1)}

        return self.write("place", network, radius=0)

    @cached_property
    def hole(self) -> str:
        """The same, where there is nothing west of 10.01 degrees."""
        return self.variant(self.place, "hole", recipe={"name": "place", "parameters": {"hole": 10.01}})

    @cached_property
    def blur(self) -> str:
        """A convolution of 7 x 7 pixels, radius 3, that sees zeros beyond the edge of a patch."""
        return self.write("blur", blur_network(3), radius=3)

    @cached_property
    def looks_far(self) -> str:
        """A lopsided mean of 31 x 31 pixels, radius 15, of a smooth function of the place."""
        return self.write("far", blur_network(15, 2000.0, slope_kernel(15)), radius=15)

    def sites(self, places: Sequence[tuple[float, float, int, float]], half: float = 3.0, name: str = "sites") -> str:
        """A detector that knows where objects are: boxes of `half` pixels on each side of their centres.

        Args:
            places: Longitude, latitude, class code and score of each.
            half: Pixels.
            name: Of the folder.
        """
        return self.write(name, sites_network(places, half), radius=8, task="detection", multiple=4)

    def variant(self, model: str, name: str, **changes: Any) -> str:
        """A copy of a model with another description."""
        import shutil

        folder = self.root / name
        shutil.copytree(model, folder)
        content = json.loads((folder / "model.json").read_text())
        (folder / "model.json").write_text(json.dumps({**content, **changes}))
        return str(folder)

    def write(
        self,
        name: str,
        network: Callable[..., Any],
        radius: int | None,
        task: str = "segmentation",
        multiple: int = 1,
    ) -> str:
        """Write a model as `rsbot train` does: SavedModel and description."""
        import tensorflow as tf

        signature = {"image": tf.TensorSpec((None, None, None, 2), tf.float32, "image")}
        signature["valid"] = tf.TensorSpec((None, None, None, 2), tf.uint8, "valid")
        module = tf.Module()
        module.weight = tf.Variable(1.0)
        module.serve = tf.function(
            lambda inputs: network(inputs["image"] * module.weight, inputs["valid"]), input_signature=[signature]
        )
        folder = self.root / name
        tf.saved_model.save(
            module, str(folder / SAVED_MODEL), {"serving_default": module.serve.get_concrete_function()}
        )
        write_model_file(str(folder), description(name, radius, task, multiple))
        return str(folder)


def description(name: str, radius: int | None, task: str = "segmentation", multiple: int = 1) -> dict[str, Any]:
    """What `model.json` says of a model made by hand."""
    return {
        "task": task,
        "model": {"name": name, "source": name, "parameters": {}},
        "recipe": {"name": "place", "parameters": {"hole": 0.0}},
        "layout": layout_to_dict(LAYOUT),
        "classes": [dataclasses.asdict(item) for item in CLASSES],
        "grid": {"crs": "utm", "resolution": 10.0, "patch_size": 32, "origin": [0.0, 0.0], "rule": "intersects"},
        "period": {"start": "2023-01-01", "end": "2024-01-01"},
        "receptive_field": {"radius": radius, "multiple": multiple},
        "overlap": 16 if radius is None else -(-radius // multiple) * multiple,
    }


def blur_kernel(radius: int) -> np.ndarray:
    """Weights of a convolution, (2 radius + 1, 2 radius + 1), neither symmetric nor smooth; they sum to 1."""
    kernel = np.random.default_rng(5).uniform(0, 1, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(kernel / kernel.sum(), np.float32)


def slope_kernel(radius: int) -> np.ndarray:
    """Weights that grow from left to right: what is cut off on either side counts differently; they sum to 1."""
    kernel = np.broadcast_to(np.arange(2 * radius + 1) / (2 * radius), (2 * radius + 1, 2 * radius + 1))
    return np.asarray(kernel / kernel.sum(), np.float32)


def blur_network(radius: int, scale: float = 7.0, weights: np.ndarray | None = None) -> Callable[..., Any]:
    """Mean of a function of the place around each pixel: three probabilities of it.

    Args:
        radius: Pixels.
        scale: Of the function, in units of the bands; small ones are rough.
        weights: Of the convolution; `blur_kernel` by default.
    """
    kernel_of = blur_kernel(radius) if weights is None else weights

    def network(image: Any, valid: Any) -> dict[str, Any]:
        import tensorflow as tf

        rough = 0.5 + 0.5 * tf.sin(image / scale)
        kernel = tf.constant(kernel_of)[:, :, None, None]
        mean = [tf.nn.conv2d(rough[..., band : band + 1], kernel, 1, "SAME")[..., 0] for band in (0, 1)]
        return {"probabilities": tf.nn.softmax(tf.stack([8 * mean[0], 8 * mean[1], 4 + 0 * mean[0]], -1))}

    return network


def sites_network(places: Sequence[tuple[float, float, int, float]], half: float) -> Callable[..., Any]:
    """Boxes where known places are, by what the pixels of a patch say of where the patch is."""
    lon, lat, codes, scores = (np.array(column) for column in zip(*places, strict=True))
    east, north = units(lon, lat)
    target = np.stack([east, north], -1).astype(np.float32)

    def network(image: Any, valid: Any) -> dict[str, Any]:
        import tensorflow as tf

        side = tf.shape(image)[1]
        steps = tf.cast(side - 1, tf.float32)
        # Within a patch the bands are linear in row and column to a thousandth of a pixel.
        corner, down, across = image[:, 0, 0], image[:, -1, 0], image[:, 0, -1]
        jacobian = tf.stack([(down - corner) / steps, (across - corner) / steps], axis=-1)
        offset = tf.constant(target)[None] - corner[:, None]
        place = tf.einsum("nij,nkj->nki", tf.linalg.inv(jacobian), offset) + 0.5
        edge = tf.cast(side, tf.float32)
        inside = tf.reduce_all((place >= 0) & (place < edge), axis=-1)
        order = tf.argsort(tf.cast(inside, tf.int32), direction="DESCENDING", stable=True, axis=-1)
        place = tf.gather(place, order, batch_dims=1)
        there = tf.gather(inside, order, batch_dims=1)
        boxes = tf.clip_by_value(tf.concat([place - half, place + half], -1), 0.0, edge)
        flags = tf.cast(there, tf.float32)
        return {
            "boxes": boxes * flags[..., None],
            "scores": tf.gather(tf.constant(scores, tf.float32), order) * flags,
            "classes": tf.gather(tf.constant(codes, tf.float32), order) * flags,
            "count": tf.reduce_sum(flags, axis=-1),
        }

    return network


def lines(text: str) -> Iterator[dict[str, Any]]:
    """JSON, one object a line."""
    return (json.loads(line) for line in text.splitlines())
