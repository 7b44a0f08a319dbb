"""tf.Transform's statistics and transform beside NumPy's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.recipes import Preprocessing

pytestmark = pytest.mark.slow

Analyze = Callable[..., Any]
Statistics = Callable[[Sequence[Patch], Band], dict[str, Any]]
WIDE_BINS = 65_536


def expected_image(
    patches: Sequence[Patch], layout: Layout, scale: Callable[[np.ndarray, Band], np.ndarray]
) -> np.ndarray:
    """(patches, height, width, bands) float64: the transform computed with NumPy."""
    bands = []
    for band in layout.bands:
        x = np.stack([patch.pixels[band.name] for patch in patches]).astype(np.float32)
        valid = np.stack([patch.valid[band.name] for patch in patches]) & np.isfinite(x)
        bands.append(np.where(valid, scale(np.where(valid, x, 0).astype(np.float64), band), 0))
    return np.stack(bands, axis=-1)


def with_bands(names: Sequence[str], layout: Layout, patches: Sequence[Patch]) -> tuple[Layout, list[Patch]]:
    """The same patches with some of their bands: each band makes an analysis longer."""
    fewer = Layout(tuple(band for band in layout.bands if band.name in names), label=layout.label)
    return fewer, [Patch(patch.key, fewer, patch.pixels, patch.valid) for patch in patches]


@pytest.fixture(scope="module")
def standard(mixed_transform: Any) -> Any:
    return mixed_transform


@pytest.fixture(scope="module")
def found(standard: Any) -> dict[str, Any]:
    return dict(standard.statistics(8))


def test_moments_are_numpy_s(
    found: dict[str, Any], mixed_patches: list[Patch], mixed_layout: Layout, numpy_statistics: Statistics
) -> None:
    assert list(found["bands"]) == [band.name for band in mixed_layout.bands]
    for band in mixed_layout.bands:
        wanted, got = numpy_statistics(mixed_patches, band), found["bands"][band.name]
        assert got["count"] == wanted["count"], band.name
        assert got["mean"] == pytest.approx(wanted["mean"], rel=1e-6), band.name
        assert got["std"] == pytest.approx(wanted["std"], rel=1e-6, abs=1e-7), band.name
        assert (got["min"], got["max"]) == (wanted["min"], wanted["max"]), band.name


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16"])
def test_quantiles_of_narrow_types_are_exact(
    found: dict[str, Any], mixed_patches: list[Patch], numpy_statistics: Statistics, dtype: str
) -> None:
    values = numpy_statistics(mixed_patches, Band(f"b_{dtype}", dtype))["values"]
    quantiles = found["bands"][f"b_{dtype}"]["quantiles"]
    assert len(quantiles) >= 5
    for q, got in quantiles.items():
        assert got == np.quantile(values, float(q), method="lower"), q


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_quantiles_of_wide_types_are_exact_to_a_bin(
    found: dict[str, Any], mixed_patches: list[Patch], numpy_statistics: Statistics, dtype: str
) -> None:
    values = numpy_statistics(mixed_patches, Band(f"b_{dtype}", dtype))["values"]
    width = (float(values.max()) - float(values.min())) / (WIDE_BINS - 1)
    for q, got in found["bands"][f"b_{dtype}"]["quantiles"].items():
        assert got == pytest.approx(np.quantile(values, float(q), method="lower"), abs=1.01 * width), q


@pytest.mark.parametrize("name", ["nothing", "nothing_16"])
def test_a_band_without_a_valid_pixel_has_plain_numbers(found: dict[str, Any], name: str) -> None:
    band = found["bands"][name]
    assert {band["count"], band["mean"], band["std"], band["min"], band["max"]} == {0}
    assert set(band["quantiles"].values()) == {0.0}


def test_class_counts_are_of_valid_pixels(found: dict[str, Any], mixed_patches: list[Patch]) -> None:
    labels = np.concatenate([patch.label[patch.label_valid] for patch in mixed_patches])  # type: ignore[index]
    codes, counts = np.unique(labels, return_counts=True)
    assert found["class_counts"] == dict(zip(codes.tolist(), counts.tolist(), strict=True))


def test_standardised_pixels(
    standard: Any, mixed_patches: list[Patch], mixed_layout: Layout, numpy_statistics: Statistics
) -> None:
    def scale(x: np.ndarray, band: Band) -> np.ndarray:
        numbers = numpy_statistics(mixed_patches, band)
        return (x - numbers["mean"]) / (numbers["std"] if numbers["std"] > 1e-7 else 1.0)

    image = np.stack([features["image"] for features in standard.apply(mixed_patches)])
    assert image.dtype == np.float32
    assert image.shape == (11, 8, 8, 8)
    np.testing.assert_allclose(image, expected_image(mixed_patches, mixed_layout, scale), atol=2e-6, rtol=2e-6)


def test_a_constant_band_becomes_zero(standard: Any, mixed_patches: list[Patch], mixed_layout: Layout) -> None:
    index = [band.name for band in mixed_layout.bands].index("constant")
    for features in standard.apply(mixed_patches):
        assert np.abs(features["image"][..., index]).max() < 1e-6


def test_valid_is_where_all_bands_are(analyze: Analyze, make_patch: Callable[..., Patch]) -> None:
    layout = Layout((Band("a", "float32"), Band("b", "uint8")))
    patches = [make_patch(layout, 0, col, gaps=0.3) for col in range(3)]
    patches[1].pixels["a"][0, 0], patches[1].valid["a"][0, 0], patches[1].valid["b"][0, 0] = np.nan, True, True
    for patch, features in zip(patches, analyze(patches).apply(patches), strict=True):
        wanted = patch.valid["a"] & patch.valid["b"] & np.isfinite(patch.pixels["a"])
        assert np.array_equal(features["valid"] == 1, wanted)
        assert set(np.unique(features["valid"])) <= {0.0, 1.0}
        assert np.isfinite(features["image"]).all()


def test_quantile_scaling(
    analyze: Analyze, mixed_patches: list[Patch], mixed_layout: Layout, numpy_statistics: Statistics
) -> None:
    layout, patches = with_bands(("b_int16", "b_uint16", "nothing_16"), mixed_layout, mixed_patches)

    def scale(x: np.ndarray, band: Band) -> np.ndarray:
        values = numpy_statistics(patches, band)["values"]
        if not values.size:
            return np.zeros_like(x)
        low, high = (float(np.quantile(values, q, method="lower")) for q in (0.1, 0.85))
        return np.clip((x - low) / (high - low), 0, 1)

    transform = analyze(patches, Preprocessing("quantile", 0.1, 0.85))
    image = np.stack([features["image"] for features in transform.apply(patches)])
    np.testing.assert_allclose(image, expected_image(patches, layout, scale), atol=1e-6)
    assert (image.min(), image.max()) == (0.0, 1.0)


def test_no_scaling_passes_the_numbers(analyze: Analyze, mixed_patches: list[Patch], mixed_layout: Layout) -> None:
    layout, patches = with_bands(("b_int16", "b_float32"), mixed_layout, mixed_patches)
    transform = analyze(patches, Preprocessing("none"))
    image = np.stack([features["image"] for features in transform.apply(patches)])
    assert np.array_equal(image, expected_image(patches, layout, lambda x, band: x))


def test_a_time_series_with_a_static_band(
    series_transform: Any, series_layout: Layout, series_patches: list[Patch], numpy_statistics: Statistics
) -> None:
    transform, patches = series_transform, series_patches
    found = transform.statistics(8)["bands"]
    for name in ("VV", "height"):
        band = next(band for band in series_layout.inputs if band.name == name)
        wanted = numpy_statistics(patches, band)
        assert found[name]["count"] == wanted["count"]
        assert found[name]["mean"] == pytest.approx(wanted["mean"], rel=1e-6)
        assert found[name]["std"] == pytest.approx(wanted["std"], rel=1e-6)
    for patch, features in zip(patches, transform.apply(patches), strict=True):
        assert features["image"].shape == (3, 8, 8, 1)
        assert features["static"].shape == (8, 8, 1)
        assert np.array_equal(features["valid"] == 1, patch.valid["VV"])
        assert np.array_equal(features["static_valid"] == 1, patch.valid["height"])
        for step in range(3):
            scaled = (patch.pixels["VV"][step].astype(np.float64) - found["VV"]["mean"]) / found["VV"]["std"]
            scaled = np.where(patch.valid["VV"][step], scaled, 0)
            np.testing.assert_allclose(features["image"][step, ..., 0], scaled, atol=2e-6)


FAR_FROM_ZERO = {
    "date": ("int32", 1_700_000_000, 3600),
    "time": ("float64", 1.7e12, 3.6e6),
    "kelvin": ("float32", 300.0, 0.01),
    "narrow": ("int16", 15_690, 9),
    "below": ("float64", -8.0e9, 5.0),
}


@pytest.mark.parametrize(("normalise", "names"), [("standard", tuple(FAR_FROM_ZERO)), ("quantile", ("date", "narrow"))])
def test_a_level_far_from_zero_hides_no_difference(
    analyze: Analyze, make_patch: Callable[..., Patch], normalise: str, names: tuple[str, ...]
) -> None:
    layout = Layout(tuple(Band(name, FAR_FROM_ZERO[name][0]) for name in names))
    patches = [make_patch(layout, 0, col, gaps=0.2) for col in range(4)]
    rng = np.random.default_rng(0)
    for patch in patches:
        for name in names:
            dtype, level, span = FAR_FROM_ZERO[name]
            drawn = (level + span * rng.random(patch.pixels[name].shape)).astype(dtype)
            patch.pixels[name][...] = np.where(patch.valid[name], drawn, 0)
    transform = analyze(patches, Preprocessing(normalise, 0.1, 0.9))
    image = np.stack([features["image"] for features in transform.apply(patches)])
    found = transform.statistics(8)["bands"]
    for index, name in enumerate(names):
        pixels = np.stack([patch.pixels[name] for patch in patches]).astype(np.float64)
        valid = np.stack([patch.valid[name] for patch in patches])
        values = pixels[valid]
        spread = float(np.ptp(values))
        assert (found[name]["min"], found[name]["max"]) == (values.min(), values.max())
        assert found[name]["mean"] == pytest.approx(values.mean(), abs=1e-6 * spread)
        assert found[name]["std"] == pytest.approx(values.std(), rel=1e-6)
        assert found[name]["quantiles"]["0.5"] == pytest.approx(
            np.quantile(values, 0.5, method="lower"), abs=2e-5 * spread
        )
        low, high = (np.quantile(values, q, method="lower") for q in (0.1, 0.9))
        standard = (pixels - values.mean()) / values.std()
        wanted = standard if normalise == "standard" else np.clip((pixels - low) / (high - low), 0, 1)
        tolerance = 3e-6 if normalise == "standard" else 5e-5
        np.testing.assert_allclose(image[..., index], np.where(valid, wanted, 0), atol=tolerance, err_msg=name)


def test_the_order_and_size_of_batches_does_not_matter(
    analyze: Analyze, mixed_patches: list[Patch], mixed_layout: Layout
) -> None:
    _, patches = with_bands(("b_int16", "b_float32"), mixed_layout, mixed_patches)
    shuffled = [patches[i] for i in np.random.default_rng(1).permutation(len(patches))]
    one, other = analyze(patches, batch=4), analyze(shuffled, batch=3)
    assert one.statistics(8) == other.statistics(8)
    for a, b in zip(one.apply(patches), other.apply(patches), strict=True):
        assert all(a[name].tobytes() == b[name].tobytes() for name in a)
        assert a.keys() == b.keys()


def test_a_patch_is_transformed_the_same_alone_and_in_company(standard: Any, mixed_patches: list[Patch]) -> None:
    """Batches of the transform depend on what a shard holds: they must not show in the examples."""
    together = standard.apply(mixed_patches * 2)
    for index, patch in enumerate(mixed_patches):
        alone = standard.apply([patch])[0]
        assert alone["image"].tobytes() == together[index]["image"].tobytes() == together[index + 11]["image"].tobytes()


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_a_label_with_negative_codes(analyze: Analyze, make_patch: Callable[..., Patch], dtype: str) -> None:
    layout = Layout((Band("a", "uint8"),), label=Band("y", dtype))
    patch = make_patch(layout)
    patch.pixels["y"][:2] = -1
    counts = analyze([patch]).statistics(8)["class_counts"]
    codes, wanted = np.unique(patch.pixels["y"], return_counts=True)
    assert {int(code): int(n) for code, n in counts.items()} == dict(zip(codes.tolist(), wanted.tolist(), strict=True))


def test_a_measured_label_has_no_classes(analyze: Analyze, make_patch: Callable[..., Patch]) -> None:
    layout = Layout((Band("a", "uint8"),), label=Band("yield_", "float32"))
    assert analyze([make_patch(layout)]).statistics(8)["class_counts"] == {}
