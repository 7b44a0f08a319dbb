"""Real wind turbines, seen twice: as close together as they are built, and from the grids of two UTM zones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import Transformer

from rsbot_beam.data.detections import Detections
from rsbot_beam.data.duplicates import DuplicateRule, unique_detections

pytestmark = pytest.mark.real_data
# Metres: the box that the recipe `wind` gives a turbine, and how well a detector places it.
SIZE, NOISE = 130.0, 8.0


@pytest.fixture(scope="module")
def turbines(data: Path) -> np.ndarray:
    """(n, 2), metres in EPSG:3035."""
    path = data / "energy/vectors/de_brandenburg_pv_wind_2015.gpkg"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    _, _, geometries, _ = pyogrio.raw.read(path, layer="wind_turbines")
    return np.asarray(shapely.get_coordinates(shapely.from_wkb(geometries)))


def seen(turbines: np.ndarray, crs: str, seed: int) -> Detections:
    """Boxes around the turbines as a tile of a CRS sees them, not quite where they are."""
    rng = np.random.default_rng(seed)
    x, y = Transformer.from_crs("EPSG:3035", crs, always_xy=True).transform(*turbines.T)
    middle = np.column_stack([x, y]) + rng.normal(0, NOISE, turbines.shape)
    count = len(turbines)
    names = np.full(count, crs, object), np.full(count, crs, object)
    bounds = np.hstack([middle - SIZE / 2, middle + SIZE / 2])
    return Detections(*names, bounds, rng.random(count), np.ones(count), np.ones(count, bool))


def test_turbines_of_two_zones_are_counted_once(turbines: np.ndarray) -> None:
    views = [seen(turbines, crs, seed) for seed, crs in enumerate(("EPSG:32632", "EPSG:32633"))]
    left = unique_detections(Detections.concat(views), DuplicateRule())
    apart = np.linalg.norm(turbines[:, None] - turbines[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    # Those nearer than half a box are one by the rule; the noise may add a few that are not much further apart.
    crowded = np.count_nonzero(apart.min(axis=1) < SIZE / 2 + 4 * NOISE)
    assert len(turbines) - crowded <= len(left) <= len(turbines)
