"""Training: labels, losses and metrics together learn, and what is not valid teaches nothing."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from rsbot_beam.errors import InputError
from rsbot_beam.models.classes import ClassIndex
from rsbot_beam.models.definition import InputShape, build_model
from rsbot_beam.models.registry import load_model_definition
from rsbot_beam.models.serving import serving_model
from rsbot_beam.models.training_parts import LabelledAccuracy, training_parts

pytestmark = pytest.mark.slow

Batch = dict[str, np.ndarray]
INDEX = ClassIndex((3, 7, 200))
COUNTS = {3: 100, 7: 90, 200: 80}
UNET = load_model_definition("unet", {"width": "4", "depth": "1"})


def gradients(batch: Batch) -> list[np.ndarray]:
    """Gradients of all weights for a batch, of a model that always starts alike."""
    keras.utils.set_random_seed(3)
    model = build_model(UNET, InputShape(3), 3)
    parts = training_parts(UNET, INDEX, COUNTS)
    inputs, labels = parts.prepare({name: tf.constant(array) for name, array in batch.items()})
    with tf.GradientTape() as tape:
        loss = parts.loss(labels, model(inputs, training=True))
    return [np.asarray(g) for g in tape.gradient(loss, [v.value for v in model.trainable_variables])]


def test_what_is_not_valid_or_not_labelled_changes_no_gradient(make_batch: Callable[..., Batch]) -> None:
    batch = make_batch(gaps=0.3)
    unlabelled = batch["label_valid"] == 0
    spoilt = {
        **batch,
        "image": np.where(batch["valid"][..., None] > 0, batch["image"], np.float32(-1e9)),
        "label": np.where(unlabelled | (batch["valid"] == 0), 99, batch["label"]).astype(np.uint8),
    }
    assert np.isnan(batch["image"]).any() and unlabelled.any()
    first, second = gradients(batch), gradients(spoilt)
    assert all(np.isfinite(a).all() and np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    other = {**batch, "label": np.where(batch["label"] == 3, 7, batch["label"]).astype(np.uint8)}
    assert any(not np.allclose(a, b) for a, b in zip(first, gradients(other), strict=True))


def learned(seed: int) -> tuple[keras.callbacks.History, keras.Model]:
    """Trains on patches whose class follows from the first band."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(16, 16, 16, 3)).astype(np.float32)
    label = np.select([image[..., 0] < -0.5, image[..., 0] < 0.5], [3, 7], 200).astype(np.uint8)
    ones = np.ones(label.shape, np.uint8)
    batch = {"image": image, "valid": ones, "label": label, "label_valid": ones}
    # Repeated: an epoch of four steps would mostly be Keras' own work between epochs.
    dataset = tf.data.Dataset.from_tensor_slices(batch).batch(4)
    keras.utils.set_random_seed(seed)
    model = build_model(UNET, InputShape(3), 3)
    parts = training_parts(UNET, INDEX, COUNTS)
    parts.compile(model, keras.optimizers.Adam(0.02))
    train, validation = parts.batches(dataset.repeat(20)), parts.batches(dataset)
    return model.fit(train, validation_data=validation, epochs=2, verbose=0, shuffle=False), model


def test_training_learns_and_repeats() -> None:
    first, model = learned(1)
    second, again = learned(1)
    assert first.history["loss"][-1] < 0.6 * first.history["loss"][0]
    assert first.history["val_accuracy"][-1] > 0.9
    assert first.history == second.history
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))


def test_accuracy_is_of_labelled_pixels() -> None:
    metric = LabelledAccuracy()
    assert float(metric.result()) == 0
    p = np.eye(3, dtype=np.float32)[np.array([[[0, 1], [2, 2]]])]
    metric.update_state(np.array([[[0, -1], [2, 1]]]), p)
    metric.update_state(np.array([[[-1, -1], [-1, 2]]]), p)
    assert float(metric.result()) == pytest.approx(3 / 4)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_a_detector_learns_where_objects_are() -> None:
    rng = np.random.default_rng(1)
    corner = rng.integers(0, 24, (24, 2)).astype(np.float32)
    boxes = np.concatenate([corner, corner + 8], axis=1)[:, None]
    image = rng.normal(0, 0.2, (24, 32, 32, 2)).astype(np.float32)
    for i, (y, x) in enumerate(corner.astype(int)):
        image[i, y : y + 8, x : x + 8] += 2
    batch = {
        "image": image,
        "valid": np.ones(image.shape[:3], np.uint8),
        "boxes": boxes,
        "box_classes": np.full((24, 1), 5, np.int32),
        "box_count": np.ones(24, np.int32),
    }
    definition = load_model_definition("centernet", {"width": "8", "depth": "2", "head": "8"})
    index = ClassIndex((5,))
    model = build_model(definition, InputShape(2), 1)
    parts = training_parts(definition, index, {})
    parts.compile(model, keras.optimizers.Adam(0.01))
    dataset = parts.batches(tf.data.Dataset.from_tensor_slices(batch).batch(8).repeat(20))
    history = model.fit(dataset, epochs=2, verbose=0, shuffle=False).history["loss"]
    found = serving_model(model, definition, index).predict_on_batch({n: batch[n] for n in ("image", "valid")})
    assert history[-1] < 0.5 * history[0]
    assert np.median(np.abs(found["boxes"][:, 0] - boxes[:, 0])) < 1.5
    assert (found["classes"][:, 0] == 5).all()


@pytest.mark.parametrize(
    ("name", "missing", "message"),
    [
        ("unet", "label", "no label: export with a recipe that gives a label band, or choose a model for detection"),
        ("centernet", "boxes", "no boxes, box_classes, box_count: export with a recipe that gives boxes of objects"),
    ],
)
def test_datasets_without_what_a_task_needs(
    name: str, missing: str, message: str, make_batch: Callable[..., Batch]
) -> None:
    batch = {key: value for key, value in make_batch().items() if key != missing}
    parts = training_parts(load_model_definition(name), INDEX, COUNTS)
    with pytest.raises(InputError) as caught:
        parts.batches(tf.data.Dataset.from_tensors(batch))
    assert message in str(caught.value)


def test_a_split_without_the_classes() -> None:
    with pytest.raises(InputError, match="none of the classes"):
        training_parts(UNET, INDEX, {5: 10})
