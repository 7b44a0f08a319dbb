"""Tables of Earth Engine as features: pages, places and errors, with the real client and a local Earth Engine."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import shapely
from shapely.geometry import Point, box

from rsbot_beam.data.feature_records import FeatureRecords
from rsbot_beam.data.label_features import LabelFeatures
from rsbot_beam.earth_process import local_earth
from rsbot_beam.earthengine import tables
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.session import initialize
from rsbot_beam.earthengine.tables import download_features
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.features import Features
from rsbot_beam.labels.records import label_records

TURBINES = "projects/test/assets/turbines"


def turbine_places() -> np.ndarray:
    return np.random.default_rng(0).uniform([-10, 40], [10, 60], (2500, 2))


@pytest.fixture(scope="module", autouse=True)
def earth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A local Earth Engine with tables of our own: many points, some across the antimeridian, and polygons in metres."""
    folder = tmp_path_factory.mktemp("assets")
    points = [Point(p) for p in turbine_places()]
    _write(folder / "turbines.gpkg", points, "EPSG:4326", [n * 10 for n in range(2500)])
    _write(folder / "islands.gpkg", [Point(179.5, -17), Point(-179.5, -17), Point(0, 0)], "EPSG:4326", [1, 2, 3])
    _write(folder / "fields.gpkg", [box(4e6, 3e6, 4.001e6, 3.001e6)], "EPSG:3035", [7])
    entries: dict[str, Any] = {
        f"projects/test/assets/{name}": {"type": "TABLE", "file": f"{name}.gpkg"}
        for name in ("turbines", "islands", "fields")
    }
    (folder / "manifest.json").write_text(json.dumps({"version": 1, "assets": entries}))
    with local_earth(assets=str(folder), world=True, max_qps=0) as url:
        initialize(Endpoint(url=url))
        yield


def _write(path: Path, geometries: list[Any], crs: str, numbers: list[int]) -> None:
    wkb = np.array([shapely.to_wkb(g) for g in geometries], object)
    kind = geometries[0].geom_type
    names = np.array([f"n{number}" for number in numbers], object)
    pyogrio.raw.write(
        path, wkb, [np.array(numbers), names], ["power", "name"], driver="GPKG", geometry_type=kind, crs=crs
    )


def joined(chunks: Iterator[Features]) -> tuple[np.ndarray, list[str], dict[str, list[Any]]]:
    parts = list(chunks)
    geometries = np.concatenate([part.geometries for part in parts]) if parts else np.empty(0, object)
    values = {name: [v for part in parts for v in part.values[name]] for name in (parts[0].values if parts else ())}
    return geometries, [name for part in parts for name in part.ids], values


def test_all_pages(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LOG_EVERY", 1000)
    with caplog.at_level(logging.INFO, "rsbot_beam"):
        geometries, ids, values = joined(download_features(TURBINES))
    np.testing.assert_allclose(shapely.get_coordinates(geometries), turbine_places(), atol=1e-9)
    assert len(set(ids)) == 2500
    assert values["power"] == [10 * n for n in range(2500)]
    assert set(values) == {"power", "name"}
    assert [r.getMessage().split(": ")[1] for r in caplog.records] == ["1,000 features so far", "2,000 features so far"]


def test_only_the_region_and_the_columns_asked_for() -> None:
    boxes = [(0.0, 50.0, 3.0, 55.0), (2.0, 50.0, 5.0, 55.0)]
    geometries, ids, values = joined(download_features(TURBINES, boxes, columns=["power"]))
    x, y = turbine_places().T
    inside = np.flatnonzero((x >= 0) & (x <= 5) & (y >= 50) & (y <= 55))
    assert sorted(values["power"]) == (inside * 10).tolist()
    assert len(ids) == len(set(ids)) == len(geometries), "features in both boxes come once"
    assert set(values) == {"power"}


def test_names_from_a_column() -> None:
    _, ids, values = joined(download_features(TURBINES, [(0, 50, 3, 53)], columns=[], id_column="name"))
    assert ids == values["name"]
    assert ids[0].startswith("n")


def test_a_box_across_the_antimeridian() -> None:
    _, _, values = joined(download_features("projects/test/assets/islands", [(179.0, -18.0, -179.0, -16.0)]))
    assert sorted(values["power"]) == [1, 2]


def test_coordinates_are_degrees() -> None:
    chunks = list(download_features("projects/test/assets/fields"))
    assert chunks[0].crs == "EPSG:4326"
    lon, lat = shapely.get_coordinates(shapely.centroid(chunks[0].geometries))[0]
    assert 5 < lon < 15 and 45 < lat < 55


def test_the_world_s_turbines_become_records() -> None:
    spec = LabelFeatures("projects/rsbot/assets/world/wind_turbines", code=2, size=120)
    chunks = download_features(spec.source, [(-93.7, 42.0, -93.3, 42.4)], columns=[])
    records = FeatureRecords.concatenate(list(label_records([(spec, chunks)])))
    assert set(records.codes.tolist()) <= {2}
    assert (records.points[:, 0] > -93.71).all()


def test_a_region_without_features_is_said() -> None:
    with pytest.warns(UserWarning, match="turbines has no feature in the region"):
        assert list(download_features(TURBINES, [(100, 0, 101, 1)])) == []


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"the table .*turbines has no column 'pwoer'"):
        list(download_features(TURBINES, columns=["pwoer"]))


def test_an_asset_that_is_not_there() -> None:
    with pytest.raises(
        InputError, match=r"Earth Engine has no table 'projects/test/assets/none' for you: .* Correct the id"
    ):
        download_features("projects/test/assets/none")


@pytest.mark.parametrize(
    ("asset", "kind"), [("COPERNICUS/S2_SR_HARMONIZED", "IMAGE_COLLECTION"), ("USGS/SRTMGL1_003", "IMAGE")]
)
def test_an_asset_that_is_no_table(asset: str, kind: str) -> None:
    with pytest.raises(InputError, match=f"{asset} is no table but of type {kind}: label features come from a table"):
        download_features(asset)
