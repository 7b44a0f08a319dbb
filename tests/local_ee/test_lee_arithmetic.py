"""Arithmetic against NumPy: values, dtypes, matching of bands."""

from __future__ import annotations

import ee
import numpy as np
import pytest


def bands(samples):
    a = samples.utm[0, :60, :70].astype(np.float64)
    b = samples.utm[1, :60, :70].astype(np.float64)
    return a, b, a > 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add", lambda a, b: a + b),
        ("subtract", lambda a, b: a - b),
        ("multiply", lambda a, b: a * b),
        ("divide", lambda a, b: a / b),
        ("mod", np.fmod),
        ("min", np.minimum),
        ("max", np.maximum),
        ("hypot", np.hypot),
        ("atan2", np.arctan2),
        ("eq", lambda a, b: a == b),
        ("neq", lambda a, b: a != b),
        ("gt", lambda a, b: a > b),
        ("gte", lambda a, b: a >= b),
        ("lt", lambda a, b: a < b),
        ("lte", lambda a, b: a <= b),
        ("bitwiseAnd", lambda a, b: a.astype(int) & b.astype(int)),
        ("bitwiseOr", lambda a, b: a.astype(int) | b.astype(int)),
        ("bitwiseXor", lambda a, b: a.astype(int) ^ b.astype(int)),
    ],
)
def test_binary(earth, samples, name, expected):
    a, b, valid = bands(samples)
    image = earth.image().select("B1")
    found = earth.band(getattr(image, name)(earth.image().select("B2")))
    with np.errstate(all="ignore"):
        wanted = np.where(valid, expected(a, b), 0)
    np.testing.assert_allclose(found.astype(np.float64), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sqrt", np.sqrt),
        ("log", np.log),
        ("log10", np.log10),
        ("exp", np.exp),
        ("sin", np.sin),
        ("cos", np.cos),
        ("tan", np.tan),
        ("atan", np.arctan),
        ("cbrt", np.cbrt),
        ("abs", np.abs),
        ("floor", np.floor),
        ("ceil", np.ceil),
        ("signum", np.sign),
    ],
)
def test_unary(earth, samples, name, expected):
    a, _, valid = bands(samples)
    image = earth.image().select("B1").divide(3000).subtract(1)
    if name in ("log", "log10", "sqrt"):
        image, scaled = earth.image().select("B1"), a
    else:
        scaled = (a.astype(np.float32) / np.float32(3000)).astype(np.float32) - np.float32(1)
    with np.errstate(all="ignore"):
        wanted = np.where(valid, expected(scaled.astype(np.float64)), 0)
    np.testing.assert_allclose(earth.band(getattr(image, name)()).astype(np.float64), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("build", "dtype"),
    [
        (lambda image: image.add(image), np.uint32),
        (lambda image: image.subtract(image), np.int32),
        (lambda image: image.toUint8().add(1), np.uint16),
        (lambda image: image.divide(10000), np.float32),
        (lambda image: image.multiply(0.0001), np.float64),
        (lambda image: image.multiply(0.0001).toFloat(), np.float32),
        (lambda image: image.gt(5), np.uint8),
        (lambda image: image.toInt16(), np.int16),
        (lambda image: image.byte(), np.uint8),
        (lambda image: image.toDouble(), np.float64),
        (lambda image: image.bitwiseAnd(15), np.uint8),
        (lambda image: image.rightShift(4), np.uint16),
        (lambda image: image.normalizedDifference(["B1", "B2"]), np.float32),
    ],
)
def test_dtypes(earth, build, dtype):
    assert earth.band(build(earth.image().select(["B1", "B2"]))).dtype == dtype


def test_sums_do_not_wrap(earth, samples):
    found = earth.band(earth.image().select("B1").toUint8().add(ee.Image(255)))
    assert found.max() == 510


def test_casts_clamp(earth, samples):
    a, _, valid = bands(samples)
    np.testing.assert_array_equal(
        earth.band(earth.image().select("B1").toUint8()), np.where(valid, np.minimum(a, 255), 0)
    )
    negative = earth.image().select("B1").subtract(5000)
    np.testing.assert_array_equal(earth.band(negative.toUint16()), np.where(valid, np.maximum(a - 5000, 0), 0))
    np.testing.assert_array_equal(
        earth.band(negative.divide(3).toInt16()),
        np.where(valid, ((a - 5000).astype(np.float32) / 3).astype(np.int16), 0),
    )


def test_division_by_zero_gives_zero(earth):
    assert (earth.band(ee.Image(5).divide(0)) == 0).all()


def test_round_goes_half_up(earth):
    assert earth.band(ee.Image(2.5).round())[0, 0] == 3
    assert ee.Number(-2.5).round().getInfo() == -2


@pytest.mark.parametrize("count", [2, 3])
def test_one_band_is_used_against_all(earth, samples, count):
    image = earth.image().select([f"B{n}" for n in range(1, count + 1)])
    found = earth.pixels(image.add(ee.Image(1)))
    assert found.dtype.names == tuple(f"B{n}" for n in range(1, count + 1))
    other = earth.pixels(ee.Image(1).add(image))
    assert other.dtype.names == found.dtype.names


def test_same_names_are_matched_by_name(earth, samples):
    image = earth.image()
    found = earth.pixels(image.select(["B1", "B2"]).subtract(image.select(["B2", "B1"])))
    assert (found["B1"] == 0).all()
    assert (found["B2"] == 0).all()


def test_other_names_are_matched_in_order(earth, samples):
    found = earth.pixels(earth.image().select(["B1", "B2"]).add(earth.image().select(["B3", "B4"])))
    assert found.dtype.names == ("B1", "B2")
    np.testing.assert_array_equal(found["B2"], samples.utm[1, :60, :70].astype(int) + samples.utm[3, :60, :70])


def test_clamp_and_unit_scale(earth, samples):
    a, _, valid = bands(samples)
    image = earth.image().select("B1")
    np.testing.assert_array_equal(earth.band(image.clamp(100, 2000)), np.where(valid, np.clip(a, 100, 2000), 0))
    np.testing.assert_allclose(earth.band(image.unitScale(0, 4000)), np.where(valid, a / 4000, 0), rtol=1e-6)


def test_pow_and_polynomial(earth, samples):
    a, _, valid = bands(samples)
    image = earth.image().select("B1")
    np.testing.assert_allclose(earth.band(image.pow(2)), np.where(valid, a**2, 0), rtol=1e-6)
    np.testing.assert_allclose(earth.band(image.polynomial([1, 2, 0.5])), np.where(valid, 1 + 2 * a + 0.5 * a * a, 0))


def test_logic(earth, samples):
    a, b, valid = bands(samples)
    one, two = earth.image().select("B1").gt(5000), earth.image().select("B2").gt(5000)
    for name, wanted in {"And": (a > 5000) & (b > 5000), "Or": (a > 5000) | (b > 5000)}.items():
        np.testing.assert_array_equal(earth.band(getattr(one, name)(two)), wanted & valid)
    np.testing.assert_array_equal(earth.band(one.Not()), ~(a > 5000) & valid)


def test_expression(earth, samples):
    image = earth.image()
    found = earth.band(
        image.expression(
            "2.5 * ((NIR - RED) / (NIR + 6 * RED - 7.5 * b('B1') + 1e4))",
            {"NIR": image.select("B4"), "RED": image.select("B3")},
        )
    )
    nir, red, blue = (samples.utm[n, :60, :70].astype(np.float64) for n in (3, 2, 0))
    wanted = np.where(blue > 0, 2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 1e4), 0)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b('B1') > 5000 ? 1 : 2", lambda a, b: np.where(a > 5000, 1, 2)),
        ("(b(0) > 100 && b(1) < 5000) || b(0) == 7", lambda a, b: ((a > 100) & (b < 5000)) | (a == 7)),
        ("-B1 ** 2 + 3", lambda a, b: -(a**2) + 3),
        ("max(B1, B2, 300) % 7", lambda a, b: np.fmod(np.maximum(np.maximum(a, b), 300), 7)),
        ("B1 >> 2 & 3", lambda a, b: (a.astype(int) >> 2) & 3),
        ("!(B1 < B2)", lambda a, b: ~(a < b)),
        ("sqrt(abs(B1 - B2))", lambda a, b: np.sqrt(np.abs(a - b))),
        ("b('B1', 'B2') * 2", lambda a, b: a * 2),
    ],
)
def test_expression_syntax(earth, samples, text, expected):
    a, b, valid = bands(samples)
    found = earth.band(earth.image().select(["B1", "B2"]).expression(text))
    np.testing.assert_allclose(found.astype(np.float64), np.where(valid, expected(a, b), 0), rtol=1e-6)


@pytest.mark.parametrize("text", ["b('B1') +", "b('B1') $ 2", "(1", "nothing(1)", "missing + 1"])
def test_broken_expressions_are_refused(earth, text):
    with pytest.raises(ee.EEException):
        earth.pixels(earth.image().select(["B1"]).expression(text))


def test_numbers(earth):
    number = ee.Number(7)
    assert number.divide(2).getInfo() == 3.5
    assert number.multiply(6).getInfo() == 42
    assert number.pow(2).sqrt().getInfo() == 7
    assert number.mod(4).add(0.5).floor().getInfo() == 3
    assert number.gt(3).And(number.lt(5)).getInfo() == 0
    assert ee.Number(-3).abs().bitwiseAnd(1).getInfo() == 1
    assert ee.Number.expression("x * 2 > 5 ? x : 0", {"x": 3}).getInfo() == 3
    assert number.clamp(1, 5).getInfo() == 5
    assert number.toByte().getInfo() == 7
