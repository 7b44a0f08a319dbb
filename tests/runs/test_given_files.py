"""Regions and vector files in a bucket: an emulator on loopback holds what a folder would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyogrio.raw
import pytest
import shapely

from rsbot_beam import storage
from rsbot_beam.errors import InputError, RegionError
from rsbot_beam.geometry import read_region
from rsbot_beam.runs.given_files import features_of, region_of

pytestmark = pytest.mark.integration
SQUARE = shapely.box(14, 45, 15, 46)


def write(path: Path, layer: str | None = None) -> Path:
    pyogrio.raw.write(
        path,
        geometry=np.array([shapely.to_wkb(SQUARE)]),
        field_data=[np.array([7])],
        fields=["crop"],
        crs="EPSG:4326",
        geometry_type="Polygon",
        layer=layer,
    )
    return path


@pytest.mark.parametrize("name", ["region.geojson", "region.gpkg", "region.shp", "region.fgb"])
def test_a_region_in_a_bucket(name: str, tmp_path: Path, gcs: str) -> None:
    write(tmp_path / name)
    storage.copy_folder(str(tmp_path), gcs)
    found = region_of(f"{gcs}/{name}")
    assert found == read_region(tmp_path / name)
    assert found.geometry.equals(SQUARE)
    assert found.source == f"{gcs}/{name}"


def test_a_layer_of_a_file_in_a_bucket(tmp_path: Path, gcs: str) -> None:
    write(tmp_path / "a.gpkg", "fields")
    storage.copy_folder(str(tmp_path), gcs)
    assert region_of(f"{gcs}/a.gpkg", "fields") == read_region(SQUARE)
    with pytest.raises(RegionError, match=f"^{gcs}/a.gpkg has no layer 'roads'"):
        region_of(f"{gcs}/a.gpkg", "roads")


def test_a_shapefile_of_features_in_a_bucket(tmp_path: Path, gcs: str) -> None:
    write(tmp_path / "plants.shp")
    storage.copy_folder(str(tmp_path), gcs)
    (chunk,) = features_of(f"{gcs}/plants.shp", columns=["crop"])
    assert chunk.values["crop"] == [7]
    assert shapely.equals(chunk.geometries[0], SQUARE)


@pytest.mark.parametrize("read", [region_of, features_of])
def test_an_object_that_is_not_there(read: object, gcs: str) -> None:
    with pytest.raises(InputError, match=rf"there is no file {gcs}/none\.geojson: correct the name"):
        read(f"{gcs}/none.geojson")  # type: ignore[operator]


def test_what_is_no_bucket_is_read_as_ever(tmp_path: Path) -> None:
    assert region_of("14,45,15,46") == region_of(str(write(tmp_path / "a.gpkg"))) == read_region(SQUARE)
