"""tf.Transform run on made patches, and the same statistics computed with NumPy."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.recipes import Preprocessing

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

if TYPE_CHECKING:
    from rsbot_beam.learning.transform_fn import TransformFn

Analyze = Callable[..., "TransformFn"]


@pytest.fixture(scope="session")
def analyze(tmp_path_factory: pytest.TempPathFactory) -> Analyze:
    """Learns the transform_fn of patches, in batches of a size, on Beam's local runner."""

    def run(patches: Sequence[Patch], preprocessing: Preprocessing | None = None, batch: int = 4) -> TransformFn:
        import apache_beam as beam

        from rsbot_beam.learning.columns import adapter_config, record_batch
        from rsbot_beam.learning.preprocessing import make_preprocessing_fn
        from rsbot_beam.learning.transform_fn import TransformFn
        from rsbot_beam.transforms.analyze import AnalyzePatches

        layout, folder = patches[0].layout, tmp_path_factory.mktemp("transform")
        batches = [record_batch(list(patches[i : i + batch]), layout) for i in range(0, len(patches), batch)]
        fn = make_preprocessing_fn(layout, preprocessing or Preprocessing())
        config = adapter_config(layout, patches[0].key.size)
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            made = pipeline | beam.Create(batches, reshuffle=False)
            made | AnalyzePatches(fn, config, str(folder / "temp"), str(folder / "transform_fn"))
        return TransformFn(str(folder / "transform_fn"), layout)

    return run


def good_values(patches: Sequence[Patch], band: Band) -> np.ndarray:
    """All valid, finite values of a band, as the network sees them: float32."""
    values = np.concatenate([p.pixels[band.name][p.valid[band.name]].ravel() for p in patches]).astype(np.float32)
    return values[np.isfinite(values)]


@pytest.fixture(scope="session")
def numpy_statistics() -> Callable[[Sequence[Patch], Band], dict[str, Any]]:
    """Statistics of a band over the valid pixels of patches."""

    def statistics(patches: Sequence[Patch], band: Band) -> dict[str, Any]:
        values = good_values(patches, band)
        precise = values.astype(np.float64)
        if not values.size:
            return {"count": 0, "mean": 0.0, "std": 0.0, "min": 0.0, "max": 0.0, "values": values}
        numbers = {"mean": precise.mean(), "std": precise.std(), "min": values.min(), "max": values.max()}
        return {"count": values.size, **numbers, "values": values}

    return statistics


@pytest.fixture(scope="session")
def mixed_layout() -> Layout:
    """A band of each type, one that is constant, one that never is valid, and a label."""
    dtypes = ("uint8", "int16", "uint16", "float32", "int32")
    bands = [Band(f"b_{dtype}", dtype) for dtype in dtypes]
    return Layout(
        (*bands, Band("constant", "float32"), Band("nothing", "float32"), Band("nothing_16", "uint16")),
        label=Band("landcover", "uint8"),
    )


@pytest.fixture(scope="session")
def mixed_patches(mixed_layout: Layout, make_patch: Callable[..., Patch]) -> list[Patch]:
    """Eleven patches with gaps and NaN."""
    patches = [make_patch(mixed_layout, 0, col, gaps=0.3) for col in range(11)]
    for patch in patches:
        rng = np.random.default_rng(patch.key.col)
        shape = patch.valid["constant"].shape
        patch.pixels["b_int16"][...] = np.where(patch.valid["b_int16"], rng.integers(-9000, 9000, shape), 0)
        patch.pixels["b_uint16"][...] = np.where(patch.valid["b_uint16"], rng.integers(0, 65536, shape), 0)
        patch.pixels["b_int32"][...] = np.where(patch.valid["b_int32"], rng.integers(0, 10**6, shape), 0)
        patch.pixels["b_float32"][2, :] = np.nan
        patch.pixels["constant"][...] = np.where(patch.valid["constant"], np.float32(0.1), 0)
        for name in ("nothing", "nothing_16"):
            patch.pixels[name][...], patch.valid[name][...] = 0, False
    return patches


@pytest.fixture(scope="session")
def mixed_transform(analyze: Analyze, mixed_patches: list[Patch]) -> TransformFn:
    """What is learned from the mixed patches: the longest analysis, of which most tests only read."""
    return analyze(mixed_patches, Preprocessing("standard"))


@pytest.fixture(scope="session")
def series_patches(series_layout: Layout, make_patch: Callable[..., Patch]) -> list[Patch]:
    """Five patches of a time series with a static band."""
    return [make_patch(series_layout, 1, col, gaps=0.2) for col in range(5)]


@pytest.fixture(scope="session")
def series_transform(analyze: Analyze, series_patches: list[Patch]) -> TransformFn:
    return analyze(series_patches)


@pytest.fixture
def dataset_root(tmp_path: Path) -> str:
    return str(tmp_path / "dataset")
