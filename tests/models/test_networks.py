"""The built-in networks: shapes, what they are blind to, what they see, and that tiles join without seams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rsbot_beam.models.classes import ClassIndex
from rsbot_beam.models.definition import InputShape, ModelDefinition, build_model
from rsbot_beam.models.labels import model_inputs
from rsbot_beam.models.receptive_field import receptive_field, seam_difference
from rsbot_beam.models.registry import load_model_definition
from rsbot_beam.models.serving import serving_model

pytestmark = pytest.mark.slow

Batch = dict[str, np.ndarray]
# Small ones: what is tested does not depend on the width.
SMALL: dict[str, tuple[str, dict[str, str]]] = {
    "unet": ("unet", {"width": "4", "depth": "2"}),
    "unet mobilenetv2": ("unet", {"width": "4", "depth": "2", "encoder": "mobilenetv2"}),
    "deeplab": ("deeplab", {"width": "12", "depth": "3", "encoder": "plain", "rates": "1,2"}),
    "tempcnn": ("tempcnn", {"width": "4", "dense": "8"}),
    "utae": ("utae", {"width": "4", "depth": "2", "heads": "2"}),
    "centernet": ("centernet", {"width": "4", "depth": "2", "head": "8", "stride": "2"}),
}
PLAIN = sorted(set(SMALL) - {"unet mobilenetv2"})
TEMPORAL = ("tempcnn", "utae")


def small(name: str) -> ModelDefinition:
    return load_model_definition(*SMALL[name])


def built(name: str, batch: Batch, classes: int = 3) -> keras.Model:
    steps = batch["image"].shape[1] if batch["image"].ndim == 5 else 0
    shape = InputShape(batch["image"].shape[-1], steps, batch["static"].shape[-1] if "static" in batch else 0)
    return build_model(small(name), shape, classes)


def predicted(model: keras.Model, batch: Batch) -> list[np.ndarray]:
    """Computed step by step: compiling a model for one batch takes longer than the batch."""
    return [np.asarray(found) for found in tf.nest.flatten(model(model_inputs(batch), training=False))]


def batch_for(name: str, make_batch: Callable[..., Batch], **arguments: Any) -> Batch:
    return make_batch(**{"steps": 4 if name in TEMPORAL else 0, **arguments})


@pytest.fixture
def half_precision() -> Iterator[None]:
    keras.mixed_precision.set_global_policy("mixed_float16")
    yield
    keras.mixed_precision.set_global_policy("float32")


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [16, (13, 18)], ids=["even", "odd"])
def test_outputs_are_probabilities_of_each_pixel(name: str, size: Any, make_batch: Callable[..., Batch]) -> None:
    batch = batch_for(name, make_batch, size=size)
    found = built(name, batch).predict_on_batch(model_inputs(batch))
    height, width = batch["label"].shape[1:]
    if name == "centernet":
        cells = (2, -(-height // 2), -(-width // 2))
        assert {k: v.shape for k, v in found.items()} == {
            "heatmap": (*cells, 3), "size": (*cells, 2), "offset": (*cells, 2),
        }  # fmt: skip
        assert found["heatmap"].min() > 0 and found["heatmap"].max() < 1
    else:
        assert found.shape == (2, height, width, 3) and found.dtype == np.float32
        assert np.allclose(found.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["unet", "tempcnn", "utae", "centernet"])
def test_static_bands_beside_a_time_series(name: str, make_batch: Callable[..., Batch]) -> None:
    batch = make_batch(steps=3, static=2)
    model = built(name, batch)
    before = predicted(model, batch)
    after = predicted(model, {**batch, "static": batch["static"] + 3})
    assert all(np.isfinite(x).all() for x in before)
    assert any(not np.allclose(a, b) for a, b in zip(before, after, strict=True))
    hidden = {**batch, "static_valid": np.zeros_like(batch["static_valid"])}
    assert np.array_equal(
        predicted(model, {**hidden, "static": np.full_like(batch["static"], np.nan)})[0], predicted(model, hidden)[0]
    )


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_not_valid_changes_nothing_whatever_it_holds(name: str, make_batch: Callable[..., Batch]) -> None:
    batch = batch_for(name, make_batch, gaps=0.4)
    model = built(name, batch)
    garbage = {**batch, "image": np.where(np.isnan(batch["image"]), np.float32(1e6), batch["image"])}
    assert np.isnan(batch["image"]).any()
    for a, b in zip(predicted(model, batch), predicted(model, garbage), strict=True):
        assert np.isfinite(a).all() and np.array_equal(a, b)


@pytest.mark.parametrize("name", PLAIN)
def test_a_missing_pixel_is_not_a_zero(name: str, make_batch: Callable[..., Batch]) -> None:
    batch = batch_for(name, make_batch, gaps=0.4)
    model = built(name, batch)
    zeros = {**batch, "image": np.nan_to_num(batch["image"]), "valid": np.ones_like(batch["valid"])}
    assert any(not np.allclose(a, b) for a, b in zip(predicted(model, batch), predicted(model, zeros), strict=True))


@pytest.mark.parametrize("name", [*TEMPORAL, "unet"])
def test_the_order_of_the_dates_matters(name: str, make_batch: Callable[..., Batch]) -> None:
    batch = make_batch(steps=4, gaps=0)
    model = built(name, batch)
    turned = {**batch, "image": batch["image"][:, ::-1], "valid": batch["valid"][:, ::-1]}
    assert not np.allclose(predicted(model, batch)[0], predicted(model, turned)[0], atol=1e-4)


@pytest.mark.parametrize("name", TEMPORAL)
def test_a_series_without_a_single_step_is_predicted(name: str, make_batch: Callable[..., Batch]) -> None:
    batch = make_batch(steps=4, gaps=1)
    assert np.isfinite(predicted(built(name, batch), batch)[0]).all()


def test_attention_gives_missing_steps_no_weight() -> None:
    from rsbot_beam.models.attention import CollapseTime

    rng = np.random.default_rng(0)
    x, logits = rng.normal(size=(1, 3, 4, 4, 6)), rng.normal(size=(1, 3, 2, 2, 2))
    valid = (rng.random((1, 3, 4, 4, 1)) > 0.4).astype("f4")
    valid[0, :, 0, 0], valid[0, :, 1, 1] = 0, [[0], [1], [0]]
    found = np.asarray(CollapseTime()(*(tf.constant(a, tf.float32) for a in (x, logits, valid))))
    weights = np.exp(np.repeat(np.repeat(logits, 2, 2), 2, 3)) * valid
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-30)
    expected = (x.reshape(1, 3, 4, 4, 2, 3) * weights[..., None]).sum(1).reshape(1, 4, 4, 6)
    assert np.allclose(found, expected, atol=1e-5)
    assert (found[0, 0, 0] == 0).all() and np.allclose(found[0, 1, 1], x[0, 1, 1, 1])


@pytest.mark.parametrize("lead", [10.0, 1000.0])
def test_attention_to_a_step_that_is_missing_leaves_the_others_theirs(lead: float) -> None:
    from rsbot_beam.models.attention import CollapseTime

    x = tf.reshape(tf.constant([5.0, 2.0, 4.0]), [1, 3, 1, 1, 1])
    logits = tf.Variable(tf.reshape(tf.constant([lead, 0.0, 0.0]), [1, 3, 1, 1, 1]))
    valid = tf.reshape(tf.constant([0.0, 1.0, 1.0]), [1, 3, 1, 1, 1])
    with tf.GradientTape() as tape:
        found = CollapseTime()(x, logits, valid)
    assert found.numpy().ravel().tolist() == pytest.approx([3.0])
    gradient = tape.gradient(found, logits).numpy().ravel()
    assert np.isfinite(gradient).all() and gradient[0] == 0
    assert lead > 100 or gradient[1:].tolist() == pytest.approx([-0.5, 0.5])


@pytest.mark.parametrize("name", ["unet", "tempcnn", "utae", "centernet"])
def test_outputs_stay_float32_under_mixed_precision(
    name: str, make_batch: Callable[..., Batch], half_precision: None
) -> None:
    batch = batch_for(name, make_batch)
    model = built(name, batch)
    assert any(layer.compute_dtype == "float16" for layer in model.layers)
    assert all(x.dtype == np.float32 and np.isfinite(x).all() for x in predicted(model, batch))


@pytest.mark.parametrize("name", TEMPORAL)
def test_gradients_are_finite_where_all_steps_are_missing(
    name: str, make_batch: Callable[..., Batch], half_precision: None
) -> None:
    batch = make_batch(steps=3, gaps=0.7)
    assert (batch["valid"].sum(1) == 0).any()
    model = built(name, batch)
    with tf.GradientTape() as tape:
        inputs = {key: tf.constant(value) for key, value in model_inputs(batch).items()}
        loss = tf.reduce_sum(model(inputs, training=True)[..., 0])
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    assert all(np.isfinite(np.asarray(gradient)).all() for gradient in gradients)


@pytest.mark.parametrize("name", PLAIN)
def test_tiles_predict_what_the_whole_predicts(name: str, make_batch: Callable[..., Batch]) -> None:
    definition = small(name)
    steps = 3 if name in TEMPORAL else 0
    overlap = receptive_field(definition, InputShape(3, steps), 3).overlap
    assert overlap is not None
    batch = make_batch(count=1, size=2 * overlap + 32, steps=steps, gaps=0.05)
    model = built(name, batch)
    stride = getattr(definition, "stride", 1)
    seen = model_inputs(batch)
    assert seam_difference(model, seen, cut=8, overlap=overlap, stride=stride) < 1e-5
    if overlap:
        assert seam_difference(model, seen, cut=8, overlap=0, stride=stride) > 1e-3


@pytest.mark.parametrize("name", sorted(set(SMALL) - {"unet"}))
def test_exported_models_take_patches_of_any_size(name: str, make_batch: Callable[..., Batch], tmp_path: Path) -> None:
    small_batch, large = batch_for(name, make_batch), batch_for(name, make_batch, size=(24, 33), count=1)
    model = built(name, small_batch)
    served = serving_model(model, small(name), ClassIndex((3, 7, 200)))
    served.export(tmp_path / "served", verbose=False)
    signature = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    for batch in (small_batch, large):
        found = signature(**{k: tf.constant(v) for k, v in model_inputs(batch).items()})
        expected = served.predict_on_batch(model_inputs(batch))
        assert {k: v.shape for k, v in expected.items()} == {k: tuple(v.shape) for k, v in found.items()}
        assert all(np.allclose(expected[k], found[k], atol=1e-5) for k in expected)


@pytest.mark.parametrize("name", PLAIN)
def test_saved_models_come_back(name: str, make_batch: Callable[..., Batch], tmp_path: Path) -> None:
    batch = batch_for(name, make_batch)
    model = built(name, batch)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for a, b in zip(predicted(model, batch), predicted(loaded, batch), strict=True):
        assert np.array_equal(a, b)


def test_weights_of_one_size_serve_another(make_batch: Callable[..., Batch]) -> None:
    batch = make_batch(size=16)
    fixed = build_model(small("unet"), InputShape(3, size=16), 3)
    free = build_model(small("unet"), InputShape(3), 3)
    free.set_weights(fixed.get_weights())
    assert np.allclose(predicted(fixed, batch)[0], predicted(free, batch)[0], atol=1e-6)


def test_a_seed_gives_the_same_weights(make_batch: Callable[..., Batch]) -> None:
    batch = make_batch()
    first = predicted(built("unet", batch), batch)[0]
    keras.utils.set_random_seed(7)
    again = predicted(built("unet", batch), batch)[0]
    keras.utils.set_random_seed(8)
    other = predicted(built("unet", batch), batch)[0]
    assert np.array_equal(first, again) and not np.allclose(first, other)


def test_a_seam_needs_something_to_compare(make_batch: Callable[..., Batch]) -> None:
    batch = make_batch()
    with pytest.raises(ValueError, match="leave nothing of the patches to compare"):
        seam_difference(built("unet", batch), model_inputs(batch), cut=8, overlap=8)
