"""The SavedModel's signature: raw pixels in, what the network says out, as if the examples had been read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.patch import Patch

if TYPE_CHECKING:
    from rsbot_beam.learning.transform_fn import TransformFn

# Elsewhere, so that neither this package nor tf.Transform can be found; one process for all models, as it loads TensorFlow.
ALONE = """
import sys
import numpy as np, tensorflow as tf
for folder in sys.argv[1:]:
    given = dict(np.load(f"{folder}/given.npz"))
    signature = tf.saved_model.load(f"{folder}/model").signatures["serving_default"]
    found = signature(**{name: tf.constant(array) for name, array in given.items()})
    np.savez(f"{folder}/found.npz", **{name: tensor.numpy() for name, tensor in found.items()})
assert not {"rsbot_beam", "tensorflow_transform", "keras"} & set(sys.modules) - {"keras"}, sorted(sys.modules)
"""
KINDS = ("plain", "series", "far")
Known = dict[str, tuple[list[Patch], "TransformFn"]]


@pytest.fixture(scope="module")
def known(
    mixed_patches: list[Patch],
    mixed_transform: TransformFn,
    series_patches: list[Patch],
    series_transform: TransformFn,
    analyze: Callable[..., TransformFn],
    make_patch: Callable[..., Patch],
) -> Known:
    far = far_from_zero(make_patch)
    return {
        "plain": (mixed_patches, mixed_transform),
        "series": (series_patches, series_transform),
        "far": (far, analyze(far)),
    }


def far_from_zero(make_patch: Callable[..., Patch]) -> list[Patch]:
    """Patches with seconds since 1970, of which float32 keeps every 128th, beside small numbers."""
    layout = Layout((Band("seconds", "int32"), Band("a", "uint8")))
    patches = [make_patch(layout, 2, col, gaps=0.2) for col in range(4)]
    for patch in patches:
        pixels = patch.pixels["seconds"]
        pixels[...] = np.where(patch.valid["seconds"], 1_700_000_000 + pixels, 0)
    return patches


def weighted(patches: list[Patch]) -> tuple[Any, Callable[[dict[str, Any]], dict[str, Any]]]:
    """A network that looks at all bands and at their validity, and its weights."""
    import tensorflow as tf

    weights = tf.Variable(np.linspace(-1, 1, len(patches[0].layout.bands)), dtype=tf.float32)

    def network(features: dict[str, Any]) -> dict[str, Any]:
        scores = tf.reduce_sum(features["image"] * weights, axis=-1) + features["valid"]
        return {"probabilities": tf.nn.sigmoid(scores)}

    return weights, network


@pytest.fixture(scope="module")
def served_alone(known: Known, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Probabilities of raw patches, by models that were saved here and loaded where there is only TensorFlow."""
    import tensorflow as tf

    from rsbot_beam.learning.serving import ServingModule
    from rsbot_beam.learning.serving_inputs import serving_inputs

    root = tmp_path_factory.mktemp("served")
    for name, (patches, transform) in known.items():
        weights, network = weighted(patches)
        module = ServingModule(network, weights, transform_folder(transform), patches[0].layout)
        tf.saved_model.save(module, str(root / name / "model"), signatures={"serving_default": module.signature()})
        np.savez(root / name / "given.npz", **serving_inputs(patches))  # type: ignore[arg-type]
    folders = [str(root / name) for name in known]
    subprocess.run([sys.executable, "-c", ALONE, *folders], check=True, cwd=root, timeout=120, capture_output=True)
    return {name: np.load(root / name / "found.npz")["probabilities"] for name in known}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_raw_pixels_give_what_examples_give(kind: str, known: Known, served_alone: dict[str, np.ndarray]) -> None:
    import tensorflow as tf

    patches, transform = known[kind]
    transformed, found = transform.apply(patches), served_alone[kind]
    _, network = weighted(patches)
    expected = network({name: tf.constant(np.stack([t[name] for t in transformed])) for name in ("image", "valid")})
    assert np.abs(found - expected["probabilities"].numpy()).max() <= 1e-5
    assert found.std() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_patches_of_another_size_are_served_alike(kind: str, known: Known) -> None:
    """A network that reads the size from the transform's declaration would cut larger patches down in silence."""
    import tensorflow as tf

    from rsbot_beam.learning.serving import ServingModule
    from rsbot_beam.learning.serving_inputs import serving_inputs

    patches, transform = known[kind]
    sizes: list[Any] = []

    def network(features: dict[str, Any]) -> dict[str, Any]:
        sizes.append(features["image"].shape)
        return {"image": features["image"], "valid": features["valid"][..., tf.newaxis]}

    module = ServingModule(network, None, transform_folder(transform), patches[0].layout)
    small = serving_inputs(patches[:4])
    large = {name: tiled(array) for name, array in small.items()}
    signature = module.signature()
    apart = signature(**{name: tf.constant(array) for name, array in small.items()})
    together = signature(**{name: tf.constant(array) for name, array in large.items()})
    assert sizes[0][-3:-1] == (None, None)
    for name, found in together.items():
        np.testing.assert_array_equal(found.numpy(), tiled(apart[name].numpy()), strict=True)


def tiled(array: np.ndarray) -> np.ndarray:
    """Four patches (4, ..., height, width, bands) side by side as one, (1, ..., 2 height, 2 width, bands)."""
    rows = [np.concatenate(array[i : i + 2], axis=-2) for i in (0, 2)]
    return np.concatenate(rows, axis=-3)[np.newaxis]


def transform_folder(transform: Any) -> str:
    """The folder that a TransformFn was loaded from."""
    return str(transform.folder)
