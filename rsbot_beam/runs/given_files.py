"""Regions and vector files that a user names, on this machine or in a bucket: what reads them opens local files only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rsbot_beam import storage
from rsbot_beam.errors import InputError, RegionError
from rsbot_beam.geometry import Region, read_region
from rsbot_beam.geometry.feature_files import read_features
from rsbot_beam.geometry.features import Features
from rsbot_beam.geometry.readers import RegionLike


def region_of(value: RegionLike, layer: str | None = None) -> Region:
    """As `read_region`; a path may be `gs://`.

    Raises:
        RegionError: As `read_region`.
        InputError: There is no such object, or it is denied.
    """
    if not (isinstance(value, str) and storage.is_gcs(value)):
        return read_region(value, layer)
    copy = _copied(value)
    try:
        region = read_region(Path(copy), layer)
    except RegionError as error:
        raise RegionError(str(error).replace(copy, value)) from error
    return Region(region.geometry, value, region.native_crs, region.native)


def features_of(
    path: str, layer: str | None = None, columns: Sequence[str] | None = None, id_column: str | None = None
) -> Iterator[Features]:
    """As `read_features`; a path may be `gs://`.

    Raises:
        InputError: As `read_features`, or there is no such object, or it is denied.
    """
    return read_features(_copied(path), layer, columns, id_column)


def _copied(path: str) -> str:
    try:
        return storage.local_file(path)
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}: correct the name, or copy the file there") from error
