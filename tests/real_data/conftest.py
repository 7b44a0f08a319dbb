"""The folder of real imagery, a local Earth Engine that serves it, and exports of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import shapely

from rsbot_beam.earth_process import local_earth

from .exports import Exported, run_export
from .manifests import write_manifest

SHARED = Path(os.environ.get("RSBOT_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real imagery; tests that need it are skipped without it."""
    if not (SHARED / "scenes").is_dir():
        pytest.skip(f"no real imagery in {SHARED}: set RSBOT_SHARED_DATA")
    return SHARED


@pytest.fixture(scope="session")
def assets(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the manifest of what Earth Engine serves, and with the rasters that are made."""
    folder = tmp_path_factory.mktemp("real_assets")
    write_manifest(folder, data)
    return folder


@pytest.fixture(scope="session")
def earth(assets: Path) -> Iterator[str]:
    """URL of a local Earth Engine that has the real imagery, and what `catalog.py` makes to go with real labels."""
    with local_earth(assets=assets, world=False, max_qps=0) as url:
        yield url


@pytest.fixture(scope="session")
def export(earth: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Exported]:
    """Runs an export of a recipe of `recipes/`, or of a built-in one, with any flags into a folder of its own."""

    def run(recipe: str, **flags: Any) -> Exported:
        return run_export(tmp_path_factory.mktemp("export") / "out", earth, recipe, max_qps=1000, **flags)

    return run


@pytest.fixture(scope="session")
def region_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Iterable[shapely.Geometry]], Path]:
    """Writes geometries in degrees as a GeoJSON file."""

    def write(geometries: Iterable[shapely.Geometry]) -> Path:
        path = tmp_path_factory.mktemp("region") / "region.geojson"
        path.write_text(json.dumps(shapely.geometry.mapping(shapely.union_all(list(geometries)))))
        return path

    return write
