"""A SavedModel on raw patches: batches, threads, and models that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.errors import InputError
from rsbot_beam.learning.predictor import Predictor
from rsbot_beam.learning.serving_inputs import BATCH_BYTES, MAX_BATCH, batch_size_for

LAYOUT = Layout((Band("a", "uint16"), Band("b", "float32")))


def save(folder: Path, bands: int = 2, signature: str = "serving_default") -> str:
    """A model that says the mean of the valid bands, and how many patches were in its batch."""
    spec = {
        "image": tf.TensorSpec((None, None, None, bands), tf.float32, "image"),
        "valid": tf.TensorSpec((None, None, None, bands), tf.uint8, "valid"),
    }
    module = tf.Module()

    def serve(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        kept = inputs["image"] * tf.cast(inputs["valid"], tf.float32)
        many = tf.fill(tf.shape(kept)[:1], tf.shape(kept)[0])
        return {"probabilities": tf.einsum("nhwb,bc->nhwc", kept, tf.ones((bands, 1)) / bands), "batch": many}

    module.serve = tf.function(serve, input_signature=[spec])
    tf.saved_model.save(module, str(folder), {signature: module.serve.get_concrete_function()})
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save(tmp_path_factory.mktemp("model"))


@pytest.fixture
def patches(make_patch: Callable[..., Patch]) -> list[Patch]:
    return [make_patch(LAYOUT, row, gaps=0.3) for row in range(7)]


def expected(patch: Patch) -> np.ndarray:
    return sum(np.where(patch.valid[name], patch.pixels[name], 0).astype(float) for name in ("a", "b")) / 2


@pytest.mark.parametrize(("batch", "sizes"), [(1, [1] * 7), (3, [3] * 6 + [1]), (0, [7] * 7), (100, [7] * 7)])
def test_patches_are_predicted_in_their_order(model: str, patches: list[Patch], batch: int, sizes: list[int]) -> None:
    found = list(Predictor(model, batch).predict(patches))
    assert [int(outputs["batch"]) for outputs in found] == sizes
    for patch, outputs in zip(patches, found, strict=True):
        np.testing.assert_allclose(outputs["probabilities"][..., 0], expected(patch), rtol=1e-5, atol=1e-4)


def test_patches_of_several_shapes_are_batched_each_with_its_like(model: str, make_patch: Callable[..., Patch]) -> None:
    sizes = [16, 16, 16, 8, 8, 8, 8, 8, 16]
    patches = [make_patch(LAYOUT, row, size=size) for row, size in enumerate(sizes)]
    found = list(Predictor(model).predict(patches, most_values=2 * 2 * 16 * 16))
    assert [int(outputs["batch"]) for outputs in found] == [2, 2, 1, 5, 5, 5, 5, 5, 1]
    for patch, outputs in zip(patches, found, strict=True):
        np.testing.assert_allclose(outputs["probabilities"][..., 0], expected(patch), rtol=1e-5, atol=1e-4)


def test_no_patches_are_no_predictions_and_no_model(tmp_path: Path) -> None:
    assert list(Predictor(str(tmp_path / "nothing")).predict([])) == []


def test_threads_share_a_model(model: str, patches: list[Patch]) -> None:
    predictor = Predictor(model, 2)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: list(predictor.predict(patches)), range(8)))
    for outputs in found:
        for one, other in zip(outputs, found[0], strict=True):
            assert np.array_equal(one["probabilities"], other["probabilities"])


def test_a_model_that_is_left_early_does_not_hang(model: str, patches: list[Patch]) -> None:
    predictor = Predictor(model, 1)
    found = predictor.predict(patches)
    first = next(found)
    found.close()  # type: ignore[attr-defined]
    again = list(predictor.predict(patches))
    assert len(again) == len(patches)
    assert np.array_equal(again[0]["probabilities"], first["probabilities"])


@pytest.mark.parametrize(
    ("values", "asked", "size"), [(10, 0, MAX_BATCH), (BATCH_BYTES, 0, 1), (BATCH_BYTES // 50, 0, 10), (10, 5, 5)]
)
def test_batches_are_as_large_as_memory_allows(values: int, asked: int, size: int) -> None:
    assert batch_size_for(values, asked) == size


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be loaded .*missing or damaged.*Copy the whole folder"):
        Predictor(str(tmp_path / "nothing")).load()


def test_a_damaged_graph(tmp_path: Path) -> None:
    folder = Path(save(tmp_path / "model"))
    (folder / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match="cannot be loaded"):
        Predictor(str(folder)).load()


def test_weights_that_are_cut_off(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    module = tf.Module()
    module.weight = tf.Variable(np.arange(1000.0))
    module.serve = tf.function(lambda x: {"y": x * module.weight}, input_signature=[tf.TensorSpec((1000,), tf.float64)])
    tf.saved_model.save(module, str(folder), {"serving_default": module.serve.get_concrete_function()})
    weights = next((folder / "variables").glob("*.data-*"))
    for size in (700, 0):
        weights.write_bytes(weights.read_bytes()[:size])
        with pytest.raises(InputError, match=r"cannot be loaded .*same `rsbot train` again"):
            Predictor(str(folder)).load()


def test_a_model_of_somebody_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no signature 'serving_default': it is not one of `rsbot train`"):
        Predictor(save(tmp_path / "model", signature="predict")).load()


def test_a_model_of_other_bands(tmp_path: Path, patches: list[Patch]) -> None:
    with pytest.raises(InputError, match=r"(?s)does not take image \(7, 8, 8, 2\).*not made for these bands"):
        list(Predictor(save(tmp_path / "model", bands=5)).predict(patches))
