"""What vector labels must be, read with pyogrio, projected with pyproj and painted with rasterio alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyogrio.raw
import pyproj
import shapely
from rasterio.features import rasterize

from rsbot_beam import TileKey


@dataclass(frozen=True)
class Shapes:
    """Features of a file, n of them.

    Attributes:
        crs: Of the file.
        geometries: (n,), 2-D, as they are, invalid ones too.
        values: (n,) of a property; whole numbers as texts without a decimal point.
        ids: (n,) as the file counts them.
    """

    crs: str
    geometries: np.ndarray
    values: list[str]
    ids: list[str]

    def within(self, places: np.ndarray) -> Shapes:
        """Some of them."""
        rows = np.flatnonzero(places).tolist()
        return Shapes(
            self.crs, self.geometries[rows], [self.values[row] for row in rows], [self.ids[row] for row in rows]
        )

    def moved(self, crs: str) -> np.ndarray:
        """The geometries in another CRS, vertex by vertex."""
        change = _transformer(self.crs, crs)
        return np.asarray(shapely.transform(self.geometries, lambda xy: np.column_stack(change.transform(*xy.T))))

    def painted(self, key: TileKey, codes: dict[str, int]) -> np.ndarray:
        """Codes at a tile, uint16, 0 where there is no feature; the last feature of the file is on top."""
        shapes = [(shape, codes[value]) for shape, value in zip(self.moved(key.crs), self.values, strict=True)]
        return np.asarray(rasterize(shapes, out_shape=key.shape, transform=key.transform, dtype="uint16"))


@lru_cache(maxsize=32)
def _transformer(source: str, destination: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source, destination, always_xy=True)


@lru_cache(maxsize=16)
def read_shapes(path: Path, column: str, layer: str | None = None) -> Shapes:
    """Features of a file with a property."""
    meta, ids, wkb, (values,) = pyogrio.raw.read(path, layer=layer, columns=[column], return_fids=True)
    texts = [str(int(value)) if isinstance(value, float) else str(value) for value in values.tolist()]
    geometries = np.asarray(shapely.force_2d(shapely.from_wkb(wkb)))
    return Shapes(meta["crs"], geometries, texts, [str(number) for number in ids.tolist()])


def footprint(key: TileKey, crs: str = "EPSG:4326") -> shapely.Geometry:
    """The ground of a tile in another CRS, its edges in 8 pieces each."""
    change = _transformer(key.crs, crs)
    box = shapely.segmentize(shapely.box(*key.bounds), key.size * key.resolution / 8)
    return shapely.transform(box, lambda xy: np.column_stack(change.transform(*xy.T)))


def holds(key: TileKey, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Which of some places in degrees lie in a tile."""
    x, y = _transformer("EPSG:4326", key.crs).transform(lon, lat)
    left, bottom, right, top = key.bounds
    return np.asarray((left <= x) & (x < right) & (bottom < y) & (y <= top))
