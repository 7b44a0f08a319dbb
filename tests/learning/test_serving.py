"""The SavedModel's signature: raw pixels in, what the network says out, as if the examples had been read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.patch import Patch
from tests.learning.conftest import Analyze

ALONE = """
import sys
import numpy as np, tensorflow as tf
given = dict(np.load(sys.argv[2]))
signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
found = signature(**{name: tf.constant(array) for name, array in given.items()})
np.savez(sys.argv[3], **{name: tensor.numpy() for name, tensor in found.items()})
assert not {"rsbot_beam", "tensorflow_transform", "keras"} & set(sys.modules) - {"keras"}, sorted(sys.modules)
"""


@pytest.fixture(params=["plain", "series"])
def patches(
    request: pytest.FixtureRequest, mixed_patches: list[Patch], series_layout: Layout, make_patch: Callable[..., Patch]
) -> list[Patch]:
    if request.param == "plain":
        return mixed_patches
    return [make_patch(series_layout, 0, col, gaps=0.3) for col in range(5)]


def test_raw_pixels_give_what_examples_give(patches: list[Patch], analyze: Analyze, tmp_path: Path) -> None:
    import tensorflow as tf

    from rsbot_beam.learning.serving import ServingModule
    from rsbot_beam.learning.serving_inputs import serving_inputs

    transform = analyze(patches)
    layout = patches[0].layout
    weights = tf.Variable(np.linspace(-1, 1, len(layout.bands)), dtype=tf.float32)

    def network(features: dict[str, Any]) -> dict[str, Any]:
        scores = tf.reduce_sum(features["image"] * weights, axis=-1) + features["valid"]
        return {"probabilities": tf.nn.sigmoid(scores)}

    folder = transform_folder(transform)
    module = ServingModule(network, weights, folder, layout)
    tf.saved_model.save(module, str(tmp_path / "model"), signatures={"serving_default": module.signature()})

    np.savez(tmp_path / "given.npz", **serving_inputs(patches))  # type: ignore[arg-type]
    files = [str(tmp_path / name) for name in ("model", "given.npz", "found.npz")]
    # Elsewhere, so that neither this package nor tf.Transform can be found.
    subprocess.run([sys.executable, "-c", ALONE, *files], check=True, cwd=tmp_path, timeout=120, capture_output=True)
    found = np.load(tmp_path / "found.npz")["probabilities"]

    transformed = transform.apply(patches)
    expected = network({name: tf.constant(np.stack([t[name] for t in transformed])) for name in ("image", "valid")})
    assert np.abs(found - expected["probabilities"].numpy()).max() <= 1e-5
    assert found.std() > 0.01


def test_patches_of_another_size_are_served_alike(patches: list[Patch], analyze: Analyze) -> None:
    """A network that reads the size from the transform's declaration would cut larger patches down in silence."""
    import tensorflow as tf

    from rsbot_beam.learning.serving import ServingModule
    from rsbot_beam.learning.serving_inputs import serving_inputs

    sizes: list[Any] = []

    def network(features: dict[str, Any]) -> dict[str, Any]:
        sizes.append(features["image"].shape)
        return {"image": features["image"], "valid": features["valid"][..., tf.newaxis]}

    module = ServingModule(network, None, transform_folder(analyze(patches)), patches[0].layout)
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
