"""Classes that the train split lacks: probability 0 wherever a model speaks, and as good as if they did not exist."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from rsbot_beam.models.all_classes import PlaceClasses, with_all_classes
from rsbot_beam.models.classes import ClassIndex
from rsbot_beam.models.definition import InputShape, build_model
from rsbot_beam.models.labels import centre_labels
from rsbot_beam.models.registry import load_model_definition
from rsbot_beam.models.serving import serving_model
from rsbot_beam.models.training_parts import training_parts

pytestmark = pytest.mark.slow

Batch = dict[str, np.ndarray]
UNET = load_model_definition("unet", {"width": "4", "depth": "1"})
CENTERNET = load_model_definition("centernet", {"width": "4", "depth": "2", "head": "4", "stride": "4"})


@pytest.mark.parametrize(
    "learned", [(True, False, True), (False, True, True, False), (False, False, True), (True, True, False, False, True)]
)
def test_channels_go_to_their_places(learned: tuple[bool, ...]) -> None:
    x = np.random.default_rng(1).uniform(size=(2, 3, 5, sum(learned))).astype(np.float32)
    found = np.asarray(PlaceClasses(learned)(tf.constant(x)))
    assert found.shape == (2, 3, 5, len(learned))
    assert np.array_equal(found[..., np.array(learned)], x)
    assert not found[..., ~np.array(learned)].any()


def test_a_model_whose_classes_are_all_learned_stays_as_it_is() -> None:
    model = build_model(UNET, InputShape(3), 3)
    assert with_all_classes(model, (True, True, True)) is model


def test_probabilities_of_the_learned_classes_sum_to_one(make_batch: Callable[..., Batch]) -> None:
    model = with_all_classes(build_model(UNET, InputShape(3), 2), (True, False, True, False))
    assert model.output.shape == (None, None, None, 4)
    batch = make_batch(size=(12, 20))
    found = model.predict_on_batch({name: batch[name] for name in ("image", "valid")})
    assert not found[..., [1, 3]].any()
    assert np.allclose(found.sum(axis=-1), 1, atol=1e-6)


def test_it_is_saved_and_loaded(make_batch: Callable[..., Batch], tmp_path: Path) -> None:
    model = with_all_classes(build_model(UNET, InputShape(3), 2), (False, True, True))
    model.save(tmp_path / "model.keras")
    batch = {name: make_batch()[name] for name in ("image", "valid")}
    again = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(again.predict_on_batch(batch), model.predict_on_batch(batch))


def test_training_is_that_of_the_learned_classes_alone(make_batch: Callable[..., Batch]) -> None:
    """The same loss, the same accuracy, the same weights after a few steps, whether class 9 is in the list or not."""
    batch = make_batch(4)
    counts = {3: 400, 7: 300, 200: 300}
    results = []
    for codes in ((3, 7, 200), (3, 9, 7, 200)):
        keras.utils.set_random_seed(5)
        index = ClassIndex(codes, frozenset({9}) & set(codes))
        model = with_all_classes(build_model(UNET, InputShape(3), 3), index.learned)
        parts = training_parts(UNET, index, counts)
        parts.compile(model, keras.optimizers.SGD(0.1), jit_compile=False)
        inputs, labels = parts.prepare({name: tf.constant(array) for name, array in batch.items()})
        logs = [model.train_on_batch(inputs, labels, return_dict=True) for _ in range(3)]
        results.append((logs, model.get_weights()))
    assert results[0][0][-1]["loss"] < results[0][0][0]["loss"]
    for one, other in zip(results[0][0], results[1][0], strict=True):
        assert one == pytest.approx(other, rel=1e-6)
    for one, other in zip(results[0][1], results[1][1], strict=True):
        assert np.allclose(one, other, atol=1e-6)


def boxes_of(codes: list[int]) -> dict[str, tf.Tensor]:
    places = np.array([[4, 4, 12, 12], [16, 16, 28, 28]], np.float32)[: len(codes)]
    return {
        "image": tf.zeros((1, 32, 32, 3)),
        "valid": tf.ones((1, 32, 32), tf.uint8),
        "boxes": tf.constant(places[None]),
        "box_classes": tf.constant([codes], tf.int32),
        "box_count": tf.constant([len(codes)]),
    }


def test_objects_of_classes_that_are_not_learned_are_background() -> None:
    index = ClassIndex((7, 3), frozenset({3}))
    found, alone = centre_labels(boxes_of([7, 3]), index, 4), centre_labels(boxes_of([7]), index, 4)
    for name in ("heatmap", "size", "offset"):
        assert np.array_equal(found[name], alone[name]), name
    assert (found["heatmap"].numpy()[..., 1] == -1).all()
    assert found["heatmap"].numpy()[..., 0].max() == 1


def test_a_detector_never_finds_them() -> None:
    index = ClassIndex((7, 3), frozenset({7}))
    model = with_all_classes(build_model(CENTERNET, InputShape(3), 1), index.learned)
    model.get_layer("heatmap_map").bias.assign([9.0])
    served = serving_model(model, CENTERNET, index)
    found = served.predict_on_batch({"image": np.ones((2, 32, 32, 3), "f4"), "valid": np.ones((2, 32, 32), "u1")})
    assert found["count"].min() > 0
    assert set(np.unique(found["classes"][found["scores"] > 0])) == {3}


def test_the_loss_of_a_detector_passes_over_them() -> None:
    losses = []
    for codes in ((7,), (7, 3)):
        keras.utils.set_random_seed(5)
        index = ClassIndex(codes, frozenset({3}) & set(codes))
        model = with_all_classes(build_model(CENTERNET, InputShape(3), 1), index.learned)
        parts = training_parts(CENTERNET, index, {})
        parts.compile(model, keras.optimizers.SGD(0.01), jit_compile=False)
        inputs, labels = parts.prepare(boxes_of([7, 3]))
        losses.append(model.test_on_batch(inputs, labels, return_dict=True))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
