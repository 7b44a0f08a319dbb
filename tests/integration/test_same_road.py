"""A map's inputs are those that training saw: the same tile through export and through predict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsbot_beam import read_patches
from tests.integration.made_models import Models, mosaic

pytestmark = [pytest.mark.integration, pytest.mark.slow]
SIZE, RADIUS = 32, 3
REGION = "10.0,50.0,10.01,50.01"


def test_a_stored_patch_is_predicted_as_its_tile_on_the_map(
    models: Models,
    export: Callable[..., Any],
    predict: Callable[..., Any],
    tmp_path: Path,
) -> None:
    from rsbot_beam.learning.predictor import Predictor

    exported = export(
        tmp_path / "dataset", recipe=models.recipe, region=REGION, year=2024, patch_size=SIZE, steps="fetch"
    )
    assert exported.code == 0, exported.text
    mapped = predict(tmp_path / "map", model=models.blur, region=REGION, bands="probabilities")
    assert mapped.code == 0, mapped.text
    whole, (top, left) = mosaic(tmp_path / "map", "probabilities")
    patches = list(read_patches(str(tmp_path / "dataset")))
    assert len(patches) > 5
    inner = slice(RADIUS, -RADIUS)
    for patch, outputs in zip(patches, Predictor(f"{models.blur}/saved_model").predict(patches), strict=True):
        row, col = patch.key.row - top, patch.key.col - left
        on_map = whole[:, row : row + SIZE, col : col + SIZE]
        # Without its neighbours a patch does not know what lies beyond its edge; on the map it does.
        alone = np.moveaxis(outputs["probabilities"], -1, 0)
        np.testing.assert_allclose(on_map[:, inner, inner], alone[:, inner, inner], atol=1e-6)
        assert np.abs(on_map - alone).max() > 1e-4
