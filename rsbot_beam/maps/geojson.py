"""Features as GeoJSON (RFC 7946), for few of them: every map on the web and every text editor reads it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from shapely.geometry.base import BaseGeometry

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.period import Period
from rsbot_beam.maps.geoparquet import class_names
from rsbot_beam.maps.vectors import MapFeatures

MOST_FEATURES = 10_000
"""Features that a GeoJSON file is written for: some 5 MB. Above, browsers and QGIS grow slow, and GeoParquet is there."""

_DIGITS = 7
"""Decimals of a degree: 1 cm. RFC 7946, 11.2, finds 6 enough."""


def encode_geojson(features: MapFeatures, classes: Sequence[LabelClass], period: Period, geometry: str = "box") -> str:
    """Serialises features as a FeatureCollection, one feature a line; equal ones make equal texts.

    Args:
        features: Any number.
        classes: Names of the codes.
        period: That the imagery is from.
        geometry: "box" for outlines, "point" for centres.
    """
    shapes = features.points if geometry == "point" else features.geometries
    lines = [
        json.dumps(feature_of(features, index, name, period, shape), ensure_ascii=False)
        for index, (name, shape) in enumerate(zip(class_names(features.codes, classes), shapes, strict=True))
    ]
    bbox = f'"bbox": {json.dumps(rounded(features.bbox))}, ' if len(features) else ""
    return f'{{"type": "FeatureCollection", {bbox}"features": [\n' + ",\n".join(lines) + "\n]}\n"


def feature_of(features: MapFeatures, index: int, name: str, period: Period, shape: BaseGeometry) -> dict[str, Any]:
    """One feature as GeoJSON.

    Args:
        features: Any number.
        index: Which of them.
        name: Of its class.
        period: That the imagery is from.
        shape: What it is drawn as.
    """
    score = float(features.scores[index])
    properties = {
        "class": name,
        "code": int(features.codes[index]),
        "score": None if math.isnan(score) else round(score, 4),
        "area_m2": round(float(features.area_m2[index]), 1),
        "lon": round(float(features.lon[index]), _DIGITS),
        "lat": round(float(features.lat[index]), _DIGITS),
        "width_m": round(float(features.width_m[index]), 2),
        "height_m": round(float(features.height_m[index]), 2),
        "tile": features.tile[index],
        "period_start": period.start.isoformat(),
        "period_end": period.end.isoformat(),
    }
    drawn = shape.__geo_interface__
    geometry = {"type": drawn["type"], "coordinates": rounded(drawn["coordinates"])}
    return {"type": "Feature", "id": features.ids[index], "geometry": geometry, "properties": properties}


def rounded(numbers: Any) -> Any:  # noqa: ANN401 - coordinates, however deeply nested
    """Degrees with as many decimals as a file needs, in lists."""
    if isinstance(numbers, float | int):
        return round(float(numbers), _DIGITS)
    return [rounded(part) for part in numbers]
