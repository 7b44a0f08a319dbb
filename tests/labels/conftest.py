"""Made features, tiles of many CRSs, and records without files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from rsbot_beam.data.feature_records import FeatureRecords
from rsbot_beam.data.label_features import LabelFeatures
from rsbot_beam.geometry.features import Features
from rsbot_beam.geometry.tile import TileKey
from rsbot_beam.labels.records import label_records

RecordsOf = Callable[..., FeatureRecords]


def made_features(
    geometries: Sequence[BaseGeometry | None], crs: str = "EPSG:4326", ids: Sequence[str] = (), **values: Sequence[Any]
) -> Features:
    array = np.empty(len(geometries), object)
    array[:] = geometries
    names = list(ids) or [str(number) for number in range(len(geometries))]
    return Features("made.gpkg", crs, array, names, values)


@pytest.fixture
def features_of() -> Callable[..., Features]:
    return made_features


@pytest.fixture
def records_of() -> RecordsOf:
    """Records of geometries of one CRS; all of class `code`, or of classes `codes`."""

    def make(
        geometries: Sequence[BaseGeometry],
        crs: str = "EPSG:4326",
        *,
        size: float = 0.0,
        code: int = 1,
        codes: Sequence[int] | None = None,
    ) -> FeatureRecords:
        if codes is None:
            chunks = [made_features(geometries, crs)]
            return FeatureRecords.concatenate(
                list(label_records([(LabelFeatures("made.gpkg", code=code, size=size), chunks)]))
            )
        spec = LabelFeatures("made.gpkg", code=None, column="c", size=size)
        return FeatureRecords.concatenate(
            list(label_records([(spec, [made_features(geometries, crs, c=list(codes))])]))
        )

    return make


@pytest.fixture
def tile_at() -> Callable[..., TileKey]:
    """The tile of a grid that holds a place."""

    def make(crs: str, lon: float, lat: float, resolution: float = 10.0, size: int = 64) -> TileKey:
        x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
        side = resolution * size
        return TileKey(crs, resolution, size, int(np.floor(-y / side)) * size, int(np.floor(x / side)) * size)

    return make
