"""Fixtures of the tests of sampling: covers of any grid, features as the index lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest

from rsbot_beam.data.feature_index import Places
from rsbot_beam.geometry import Cover, TileKey, read_region, resolve_grid
from rsbot_beam.sampling.ground import Ground, gaps


@pytest.fixture(scope="session")
def make_cover() -> Callable[..., Cover]:
    """Makes the cover of a region by a grid of 10 m, or of about that in degrees."""

    def make(region: str, crs: str = "utm", size: int = 64, resolution: float | None = None) -> Cover:
        found = read_region(region)
        resolution = resolution or (1e-4 if crs == "EPSG:4326" else 10.0)
        return Cover(found, resolve_grid(found, crs=crs, resolution=resolution, patch_size=size))

    return make


@pytest.fixture(scope="session")
def make_places() -> Callable[..., Places]:
    """Makes features around points: squares of `side` degrees."""

    def make(lonlat: Iterable[Sequence[float]], side: float = 0.001, ids: Sequence[str] | None = None) -> Places:
        points = np.array(list(lonlat), float).reshape(-1, 2)
        bboxes = np.column_stack([points - side / 2, points + side / 2])
        names = ids or [f"feature {n}" for n in range(len(points))]
        lon, lat = points.T
        return Places(np.arange(len(points)), lon, lat, bboxes, np.ones(len(points), np.int32), names)

    return make


@pytest.fixture(scope="session")
def pairs_sharing_ground() -> Callable[[Sequence[TileKey]], list[tuple[TileKey, TileKey]]]:
    """Finds the pairs of tiles that see the same ground, by comparing each with each."""

    def find(keys: Sequence[TileKey]) -> list[tuple[TileKey, TileKey]]:
        i, j = np.triu_indices(len(keys), 1)
        ground = Ground.of(keys)
        near = np.linalg.norm(ground.centres[i] - ground.centres[j], axis=1) <= ground.outer[i] + ground.outer[j]
        i, j = i[near], j[near]
        apart = gaps(ground, i, ground, j)
        return [(keys[a], keys[b]) for a, b, gap in zip(i, j, apart, strict=True) if gap == 0]

    return find
