"""The picture of the input that comes with a map: of the same pixels, fetched once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from pipelines import rsbot
from tests.integration.made_models import MODULUS, Models, read_run, units
from tests.integration.made_models import centres as centres_of

pytestmark = pytest.mark.integration
# The first band in grey, black at 0 and white at the largest number.
BANDS = [{"name": "east", "statistics": {"quantiles": {"0.02": 0.0, "0.98": MODULUS}}}]


def pictures(folder: Path) -> list[Path]:
    return sorted((folder / "composite").glob("*.tif"))


def check_picture(path: Path) -> None:
    with rasterio.open(path) as file:
        found, there = file.read(), file.dataset_mask() > 0
        east, _ = units(*centres_of(file.transform, found.shape[1:], f"EPSG:{file.crs.to_epsg()}"))
    assert there.any() and (found[0] == found[1]).mean() > 0.99
    # JPEG errs where the number jumps from its largest to 0; elsewhere by a few shades.
    away = np.abs(found[0] - (1 + 254 * east / MODULUS))[there & (east > 1000) & (east < 9000)]
    assert np.median(away) < 2 and np.percentile(away, 95) < 8


def test_it_comes_with_a_map_of_classes_and_costs_no_request(
    predict: Callable[..., Any], earth: Any, models: Models, tmp_path: Path
) -> None:
    model = models.variant(models.place, "seen", bands=BANDS)
    requests = []
    for name, bands in (("plain", "class"), ("seen", None)):
        earth.faults()
        done = predict(tmp_path / name, model=model, **({"bands": bands} if bands else {}))
        assert done.code == 0, done.text
        requests.append(earth.settle()["requests"]["computePixels"]["200"])
    assert requests[1] == 2 * requests[0] > 0
    folder = tmp_path / "seen"
    assert {path.name for path in pictures(folder)} == {path.name for path in (folder / "class").glob("*.tif")}
    for path in pictures(folder):
        check_picture(path)
    assert (folder / "composite.vrt").exists() and (folder / "composite_overview.tif").exists()
    assert "composite" in json.loads((folder / "stac/collection.json").read_text())["item_assets"]
    files = [(tmp_path / name / "class.vrt").read_bytes() for name in ("plain", "seen")]
    assert files[0] == files[1]


def test_it_comes_with_detections_and_is_not_uploaded(
    predict: Callable[..., Any], models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sites = models.sites([(10.01, 50.01, 1, 0.9)], name="one_site")
    model = models.variant(sites, "seen_sites", bands=BANDS)
    assert predict(tmp_path, model=model).code == 0
    assert read_run(tmp_path)["folders"][0] == "composite"
    for path in pictures(tmp_path):
        check_picture(path)
    capsys.readouterr()
    code = rsbot.main(
        ["upload", "--map", str(tmp_path), "--asset", "projects/p/assets/a", "--cogs=gs://b/m", "--dry_run"]
    )
    assert code == 2 and "holds objects and no rasters" in capsys.readouterr().err
