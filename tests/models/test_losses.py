"""Losses, beside the same computed with NumPy; and what must not change them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from rsbot_beam.models.losses import CentreL1, HeatmapFocalLoss, WeightedCrossEntropy

RNG = np.random.default_rng(3)
WEIGHTS = (0.5, 1.0, 4.0)


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype(np.float32)


def loss_and_gradient(loss: keras.losses.Loss, labels: np.ndarray, logits: np.ndarray) -> tuple[float, np.ndarray]:
    x = tf.constant(logits, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(labels, tf.nn.softmax(x))
    return float(value), np.asarray(tape.gradient(value, x))


def test_cross_entropy_is_the_weighted_mean() -> None:
    logits = RNG.normal(size=(2, 4, 5, 3))
    labels = RNG.integers(0, 3, (2, 4, 5))
    value, gradient = loss_and_gradient(WeightedCrossEntropy(WEIGHTS), labels, logits)
    p, w = softmax(logits), np.array(WEIGHTS)[labels]
    chosen = np.take_along_axis(p, labels[..., None], -1)[..., 0]
    assert value == pytest.approx(-(w * np.log(chosen)).sum() / w.sum(), rel=1e-5)
    expected = w[..., None] * (p - np.eye(3)[labels]) / w.sum()
    assert np.allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -1.0, 1e30])
def test_pixels_without_label_change_neither_loss_nor_gradient(garbage: float) -> None:
    loss = WeightedCrossEntropy(WEIGHTS)
    labels = RNG.integers(-1, 3, (1, 6, 6))
    p = softmax(RNG.normal(size=(1, 6, 6, 3)))
    spoilt = np.where((labels < 0)[..., None], garbage, p).astype(np.float32)
    values, gradients = [], []
    for probabilities in (p, spoilt):
        x = tf.constant(probabilities)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(labels, x)
        values.append(float(value))
        gradients.append(np.asarray(tape.gradient(value, x)))
    assert np.isfinite(values[1]) and values[0] == values[1]
    assert np.array_equal(gradients[0], gradients[1]) and (gradients[1][labels < 0] == 0).all()


def test_a_batch_without_labels_costs_nothing() -> None:
    value, gradient = loss_and_gradient(
        WeightedCrossEntropy(WEIGHTS), np.full((1, 2, 2), -1), RNG.normal(size=(1, 2, 2, 3))
    )
    assert value == 0 and (gradient == 0).all()


def test_a_surely_wrong_pixel_is_still_pulled_back() -> None:
    logits = np.array([[[[40.0, 0.0, 0.0]]]])
    value, gradient = loss_and_gradient(WeightedCrossEntropy(WEIGHTS), np.array([[[1]]]), logits)
    assert value == pytest.approx(40, rel=1e-3) and gradient[0, 0, 0, 1] == pytest.approx(-1, rel=1e-3)


def test_focal_loss_as_in_the_paper() -> None:
    y = np.array([[[[1.0], [0.6]], [[0.0], [-1.0]]]], np.float32)
    p = np.array([[[[0.7], [0.4]], [[0.2], [0.9]]]], np.float32)
    expected = -(0.3**2 * np.log(0.7) + 0.4**4 * 0.4**2 * np.log(0.6) + 0.2**2 * np.log(0.8))
    assert float(HeatmapFocalLoss()(y, p)) == pytest.approx(expected, rel=1e-5)
    p[0, 1, 1] = np.nan
    assert float(HeatmapFocalLoss()(y, p)) == pytest.approx(expected, rel=1e-5)


def test_focal_loss_is_divided_by_the_centres_and_finite_where_sure() -> None:
    y = np.zeros((1, 2, 2, 1), np.float32)
    assert 0 < float(HeatmapFocalLoss()(y, np.ones_like(y))) < 4 * 10
    y[0, 0] = 1
    two = float(HeatmapFocalLoss()(y, np.full_like(y, 0.5)))
    y[0, 0, 0] = -1
    y[0, 1] = -1
    assert float(HeatmapFocalLoss()(y, np.full_like(y, 0.5))) == pytest.approx(0.25 * np.log(2), rel=1e-5)
    assert two == pytest.approx(0.25 * np.log(2) * 2, rel=1e-5)


def test_differences_count_at_centres_only() -> None:
    y = np.zeros((1, 2, 2, 3), np.float32)
    y[0, 0, 1] = [1.0, -2.0, 1.0]
    y[0, 1, 1] = [0.5, 0.5, 1.0]
    found = np.full((1, 2, 2, 2), np.nan, np.float32)
    found[0, 0, 1], found[0, 1, 1] = [0.0, 0.0], [0.5, 1.5]
    assert float(CentreL1()(y, found)) == pytest.approx((3 + 1) / 2)
    assert float(CentreL1()(np.zeros_like(y), found)) == 0


@pytest.mark.parametrize("loss", [WeightedCrossEntropy(WEIGHTS), HeatmapFocalLoss(), CentreL1()])
def test_losses_are_saved_with_models(loss: keras.losses.Loss) -> None:
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
