"""What requests ask for, evaluated: values, pixels, features and assets. No HTTP here."""

from __future__ import annotations

import json
import marshal
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.blocks import blocks
from rsbot_beam.local_ee.catalog import Catalog, asset_id_of
from rsbot_beam.local_ee.collection import Collection, Element, Feature, as_feature, list_collection
from rsbot_beam.local_ee.encode_pixels import encode_npy, encode_tiff, npy_dtype
from rsbot_beam.local_ee.encode_values import encode_value
from rsbot_beam.local_ee.environment import Environment
from rsbot_beam.local_ee.filters import Filter
from rsbot_beam.local_ee.functions.bands import band_indices, refuse_duplicates, unique_names
from rsbot_beam.local_ee.geometries import Geometry, bbox_of, geometry_from_json
from rsbot_beam.local_ee.graph import Graph
from rsbot_beam.local_ee.image import Image, PixelContext
from rsbot_beam.local_ee.limits import Limits
from rsbot_beam.local_ee.profiles import Profiles
from rsbot_beam.local_ee.provider import PixelGrid
from rsbot_beam.local_ee.request_grids import request_grid
from rsbot_beam.local_ee.values import Value

# Expressions whose evaluated graph is kept: patches of one export differ in their grid only.
KEPT_GRAPHS = 64


# Features of one page of a listing unless asked otherwise, and at most.
PAGE_SIZE = 1000

Inspect = Callable[[PixelGrid], None]


@dataclass(frozen=True)
class PixelAnswer:
    """Encoded pixels.

    Attributes:
        parts: Pieces of the body in order.
        media_type: Of the body.
        pixels: How many pixels, bands not counted.
        seconds: CPU time that another process has taken for them.
    """

    parts: Sequence[bytes | memoryview]
    media_type: str
    pixels: int
    seconds: float = 0.0

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return sum(len(part) for part in self.parts)


class Evaluator:
    """Answers requests from the assets of a catalog. Used from many threads at once.

    Args:
        catalog: The assets.
        limits: Sizes that are refused.
        profiles: What earlier requests cost.
    """

    def __init__(self, catalog: Catalog, limits: Limits, profiles: Profiles | None = None) -> None:
        self.catalog = catalog
        self._limits = limits
        self._environment = Environment(catalog, profiles or Profiles())
        self._graphs: OrderedDict[bytes, Any] = OrderedDict()
        self._lock = threading.Lock()

    def evaluate(self, expression: Value) -> Value:
        """The value of an expression; evaluated before, it is the same one (images are lazy and hold no pixels).

        Raises:
            RequestError: For whatever is wrong with it.
        """
        key = blake2b(marshal.dumps(expression, 2), digest_size=16).digest()
        with self._lock:
            if key in self._graphs:
                self._graphs.move_to_end(key)
                return self._graphs[key]
        value = Graph(expression, self._environment).evaluate()
        with self._lock:
            self._graphs[key] = value
            while len(self._graphs) > KEPT_GRAPHS:
                self._graphs.popitem(last=False)
        return value

    def compute_value(self, body: Mapping[str, Any]) -> Value:
        """The answer to `value:compute`: `{"result": ...}`."""
        return {"result": encode_value(self.evaluate(body.get("expression")))}

    def compute_pixels(self, body: Mapping[str, Any], inspect: Inspect) -> PixelAnswer:
        """The answer to `image:computePixels`; `inspect` sees the grid first and may refuse it."""
        return self._answer(self._image(body), body, inspect)

    def check_pixels(self, body: Mapping[str, Any], inspect: Inspect) -> None:
        """Refuses what `compute_pixels` would refuse before it computes any pixel."""
        self._prepared(self._image(body), body, inspect)

    def _image(self, body: Mapping[str, Any]) -> Image:
        image = self.evaluate(body.get("expression"))
        if not isinstance(image, Image):
            raise RequestError(f"The expression must evaluate to an Image, not a {type(image).__name__}.")
        return image

    def get_pixels(self, name: str, body: Mapping[str, Any], inspect: Inspect) -> PixelAnswer:
        """The answer to `:getPixels` of an asset; 404 when there is no such asset."""
        self.catalog.info(asset_id_of(name))
        return self._answer(self.catalog.image(asset_id_of(name)), body, inspect)

    def compute_features(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to `table:computeFeatures`: a page of GeoJSON features."""
        value = self.evaluate(body.get("expression"))
        if isinstance(value, Feature):
            value = list_collection([value], of_images=False)
        if not isinstance(value, Collection):
            raise RequestError(f"The expression must evaluate to a FeatureCollection, not a {type(value).__name__}.")
        return feature_page(value, body)

    def list_features(self, name: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to `:listFeatures` of a table; 404 when there is no such asset."""
        self.catalog.info(asset_id_of(name))
        table = self.catalog.table(asset_id_of(name))
        region = query.get("region")
        if region:
            area = geometry_from_json(json.loads(region))
            table = table.filter(Filter(lambda e: _touches(e, area), bbox=bbox_of(area.lonlat)))
        return feature_page(table, query)

    def _prepared(self, image: Image, body: Mapping[str, Any], inspect: Inspect) -> tuple[Image, PixelGrid, str]:
        """The image with the bands asked for, the grid, and the file format."""
        wanted = body.get("bandIds")
        if wanted:
            if not isinstance(wanted, list):
                raise RequestError(f"Invalid value at 'bandIds': a list of texts is expected, got {wanted!r}.")
            chosen = band_indices(image, wanted)
            image = image.pick(chosen, unique_names([image.names[index] for index in chosen]))
        file_format = body.get("fileFormat", "AUTO_JPEG_PNG")
        if file_format not in ("NPY", "GEO_TIFF"):
            raise RequestError(f"The local Earth Engine sends the file formats NPY and GEO_TIFF, not {file_format}.")
        bands = image.bands
        if not bands:
            raise RequestError("Image has no bands.")
        refuse_duplicates(image.names, "Image")
        grid = request_grid(body.get("grid"), image)
        inspect(grid)
        self._limits.check_pixels(grid.shape, bands)
        return image, grid, file_format

    def _answer(self, image: Image, body: Mapping[str, Any], inspect: Inspect) -> PixelAnswer:
        image, grid, file_format = self._prepared(image, body, inspect)
        pixels, valid = compute_grid(image, grid, with_valid=file_format == "GEO_TIFF")
        count = grid.shape[0] * grid.shape[1]
        if file_format == "NPY":
            return PixelAnswer(encode_npy(pixels), "application/octet-stream", count)
        return PixelAnswer([encode_tiff(pixels, valid, grid)], "image/tiff", count)


def feature_page(collection: Collection, query: Mapping[str, Any]) -> dict[str, Any]:
    """A page of a collection's features; `pageToken` is the number of the first."""
    size = min(int(query.get("pageSize") or PAGE_SIZE), PAGE_SIZE)
    token = str(query.get("pageToken") or 0)
    if size < 1 or not token.isdigit():
        raise RequestError(f"Invalid page: size {size}, token '{token}'.")
    start = int(token)
    listed = list(islice(collection.features(), start, start + size + 1))
    found: dict[str, Any] = {
        "type": "FeatureCollection",
        "features": [encode_value(feature) for feature in listed[:size]],
    }
    if len(listed) > size:
        found["nextPageToken"] = str(start + size)
    return found


def _touches(element: Element, area: Geometry) -> bool:
    geometry = as_feature(element).geometry
    return geometry is not None and bool(geometry.lonlat.intersects(area.lonlat))


def compute_grid(
    image: Image, grid: PixelGrid, with_valid: bool = False
) -> tuple[NDArray[Any], dict[str, NDArray[np.bool_]]]:
    """All bands of an image on a grid.

    Args:
        image: Lazy image.
        grid: Where.
        with_valid: Whether masks are wanted as well.

    Returns:
        Structured (H, W) pixels, masked ones 0, and by band (H, W) bool, True = valid (empty unless asked for).
    """
    bands = image.bands
    pixels = np.empty(grid.shape, npy_dtype(bands))
    valid = {band.name: np.empty(grid.shape, bool) for band in bands} if with_valid else {}
    with np.errstate(all="ignore"):
        for rows, columns, block in blocks(grid):
            context = PixelContext(block)
            for band, raster in zip(bands, context.rasters(image, range(len(bands))), strict=True):
                target = pixels[band.name][rows, columns]
                target[...] = raster.values
                if raster.mask is not context.all_valid:
                    target[~raster.valid] = 0
                if with_valid:
                    valid[band.name][rows, columns] = raster.valid
    return pixels, valid
