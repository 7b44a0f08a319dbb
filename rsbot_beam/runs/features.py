"""The vector files and tables of a run, read in the main program: label features, and the user's own points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import shapely

from rsbot_beam.data.bands import Attribute
from rsbot_beam.data.feature_records import FeatureRecords
from rsbot_beam.data.label_features import LabelFeatures
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import Bbox, Region
from rsbot_beam.geometry.crs import LONLAT, transformer
from rsbot_beam.geometry.feature_files import is_vector_file
from rsbot_beam.geometry.features import Features
from rsbot_beam.geometry.units import METRES_PER_DEGREE
from rsbot_beam.labels import label_records
from rsbot_beam.runs.given_files import features_of
from rsbot_beam.sampling import Points


def read_label_features(specs: Sequence[LabelFeatures], region: Region, margin: float) -> FeatureRecords | None:
    """All features that a recipe learns from, around a region.

    Args:
        specs: What to read; none for a recipe without.
        region: Where. Files are read as a whole, tables of Earth Engine around it.
        margin: Metres that tiles may stick out of the region.

    Raises:
        InputError: A source cannot be read, has unknown classes, or no feature meets the region.
        EarthEngineError: Earth Engine did not answer.
    """
    if not specs:
        return None
    records = FeatureRecords.concatenate(
        list(label_records([(spec, _features(spec, region, margin)) for spec in specs]))
    )
    boxes = np.array([box for bbox in region.bboxes for box in _turns(bbox)])
    west, south, east, north = records.bboxes.T[:, :, None] if len(records) else np.empty((4, 0, 1))
    meets = (west <= boxes[:, 2]) & (east >= boxes[:, 0]) & (south <= boxes[:, 3]) & (north >= boxes[:, 1])
    if not meets.any():
        names = ", ".join(spec.source for spec in specs)
        raise InputError(
            f"none of the {len(records)} features of {names} lies in the region {region.source!r} (bbox "
            f"{_listed(region.bbox)}){_where(records)}: check the region, and the CRS of the features"
        )
    return records


def _turns(bbox: Bbox) -> Iterator[Bbox]:
    west, south, east, north = bbox
    yield from ((west + turn, south, east + turn, north) for turn in (0, 360))


def _where(records: FeatureRecords) -> str:
    if not len(records):
        return ""
    low, high = records.bboxes[:, :2].min(axis=0), records.bboxes[:, 2:].max(axis=0)
    return f"; they lie in {_listed((*low, *high))}"


def _listed(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:.6g}" for number in numbers)


def _features(spec: LabelFeatures, region: Region, margin: float) -> Iterator[Features]:
    columns = [spec.column] if spec.column else []
    if is_vector_file(spec.source):
        return features_of(spec.source, spec.layer, columns, spec.id_column)
    from rsbot_beam.earthengine.tables import download_features

    return download_features(spec.source, [_widened(box, margin) for box in region.bboxes], columns, spec.id_column)


def _widened(bbox: Bbox, margin: float) -> Bbox:
    west, south, east, north = bbox
    high = margin / METRES_PER_DEGREE
    # Towards the poles a degree of longitude shrinks; nearer than a degree to one, all of them are near.
    wide = high / max(math.cos(math.radians(min(max(abs(south), abs(north)) + high, 89.0))), 1e-3)
    return max(west - wide, -180.0), max(south - high, -90.0), min(east + wide, 180.0), min(north + high, 90.0)


def read_points(path: str) -> Points:
    """The user's own points with what they carry.

    Raises:
        InputError: The file cannot be read, or has something else than points in it.
    """
    lon: list[float] = []
    lat: list[float] = []
    values: dict[str, list] = {}
    for chunk in features_of(path):
        others = set(shapely.get_type_id(chunk.geometries).tolist()) - {int(shapely.GeometryType.POINT)}
        if others:
            kinds = ", ".join(sorted(shapely.GeometryType(kind).name.lower() for kind in others))
            raise InputError(
                f"{path} has {kinds} geometries: --sampling points needs points; for polygons take their centroids, or use "
                "a recipe with labels from vector features and --sampling features"
            )
        x, y = transformer(chunk.crs, LONLAT).transform(
            shapely.get_x(chunk.geometries), shapely.get_y(chunk.geometries)
        )
        for name in chunk.values:
            values.setdefault(name, [None] * len(lon))
        lon += x.tolist()
        lat += y.tolist()
        for name, column in values.items():
            column += list(chunk.values.get(name, [None] * len(chunk)))
    return Points(np.array(lon), np.array(lat), values)


def point_attributes(points: Points) -> tuple[Attribute, ...]:
    """What the points carry into the examples, with types."""
    return tuple(
        Attribute(name, "text" if any(isinstance(value, str) for value in values) else "float64")
        for name, values in sorted(points.attributes.items())
    )
