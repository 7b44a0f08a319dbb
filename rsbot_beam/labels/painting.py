"""What a tile sees of the features near it: a mask, and boxes."""

from __future__ import annotations

import numpy as np
import shapely
from rasterio.features import rasterize

from rsbot_beam.data.feature_records import FeatureRecords
from rsbot_beam.data.objects import Objects
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.tile import TileKey
from rsbot_beam.labels.boxes import boxes_in, in_pixels, seen
from rsbot_beam.labels.placing import place_features


def label_patch(
    key: TileKey, valid: np.ndarray, records: FeatureRecords, dtype: str = "uint8"
) -> tuple[np.ndarray, Objects]:
    """Paints features into a tile, and finds their boxes.

    A pixel belongs to a polygon when its centre does, as `rasterio.features.rasterize` has it; later features cover
    earlier ones. What a tile does not see is not in its objects: neither a feature that only touches its edge, nor one
    that has no valid pixel. The mask is painted whatever is valid.

    Args:
        key: The tile.
        valid: bool (height, width), which pixels have any imagery.
        records: Features near the tile, in the order of painting.
        dtype: Numpy name of the mask's type, an integer one.

    Returns:
        The mask, (height, width), 0 where there is no feature; and the objects, in the order of the records.

    Raises:
        InputError: A class code does not fit `dtype`, it is no integer type, or `valid` is not of the tile's shape.
        GridError: The tile's CRS has no coordinates for a feature.
    """
    if valid.shape != key.shape:
        raise InputError(f"validity of shape {valid.shape} does not fit the {key.shape} pixels of tile {key}")
    mask = np.zeros(key.shape, dtype)
    if not len(records):
        return mask, Objects.none()
    check_codes(records.codes, dtype)
    geometries = place_features(records, key)
    paint(geometries, records.codes, key, mask)
    found = boxes_in(geometries, key)
    kept = seen(geometries[found.rows], found.boxes, valid, key)
    rows = found.rows[kept]
    ids = tuple(records.ids[row] for row in rows.tolist())
    return mask, Objects(found.boxes[kept], records.codes[rows], found.truncated[kept], ids)


def check_codes(codes: np.ndarray, dtype: str) -> None:
    """Raises InputError for class codes that a label band's type cannot hold, or a type of fractions."""
    if np.dtype(dtype).kind not in "iu":
        raise InputError(f"a label band of type {dtype} cannot hold class codes: declare uint8 or uint16")
    limits = np.iinfo(dtype)
    wrong = np.unique(codes[(codes < limits.min) | (codes > limits.max)])
    if len(wrong):
        raise InputError(
            f"class codes {wrong[:8].tolist()} do not fit the label's type {dtype}, which ends at {limits.max}: declare a "
            "wider dtype for the label band, or give the classes smaller codes"
        )


def paint(geometries: np.ndarray, codes: np.ndarray, key: TileKey, mask: np.ndarray) -> None:
    """Paints features into a mask (height, width) of a tile, one after the other.

    Args:
        geometries: object (n,), in the tile's CRS; empty ones are passed over.
        codes: int (n,), what to paint.
        key: The tile.
        mask: Of an integer type that holds the codes; changed.
    """
    geometries = geometries.copy()
    points = shapely.get_type_id(geometries) == shapely.GeometryType.POINT
    geometries[points] = _pixel_centres(geometries[points], key)
    rows = np.flatnonzero(~shapely.is_empty(geometries)).tolist()
    if rows:
        rasterize([(geometries[row], int(codes[row])) for row in rows], out=mask, transform=key.transform)


def _pixel_centres(points: np.ndarray, key: TileKey) -> np.ndarray:
    """Points in the middle of the pixels that own them, where no rounding can give them to another."""
    pixels = in_pixels(points, key)
    columns, rows = np.floor(shapely.get_x(pixels)) + 0.5, np.floor(shapely.get_y(pixels)) + 0.5
    to_crs = key.transform
    return np.asarray(shapely.points(to_crs.a * columns + to_crs.c, to_crs.e * rows + to_crs.f))
