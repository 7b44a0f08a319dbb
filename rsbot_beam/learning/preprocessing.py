"""The preprocessing_fn of tf.Transform: statistics of the train split, and what a network is fed.

Statistics are sums and histograms, which do not depend on the order in which a runner brings the patches: an
interrupted run gives the same transform as an undisturbed one. (tft.quantiles and tft.var merge approximate summaries, in
whatever order they come.)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.learning.columns import valid_name
from rsbot_beam.recipes.recipe import Preprocessing

Tensors = Mapping[str, tf.Tensor]
# Quantiles that every dataset reports of every input band.
REPORTED_QUANTILES = (0.01, 0.02, 0.05, 0.25, 0.5, 0.75, 0.95, 0.98, 0.99)
# Bins of a histogram: exact for types of 8 and 16 bits; for wider ones 1/65536 of the range of the values.
WIDE_BINS = 65_536
# Below this share of the mean square, the difference of two float64 sums is rounding: the band is constant. Squares are of
# what is above the band's origin, so that a level far from 0 hides no difference.
VARIANCE_NOISE = 1e-12
# Values are far from 0 where they are so many times their range: float32, of 24 bits, keeps 20 of the range below that.
FAR = 16.0
# Outputs of the transform that describe the train split and are no features of an example.
STATISTICS_PREFIX = "statistics/"


def make_preprocessing_fn(layout: Layout, preprocessing: Preprocessing) -> Callable[[Tensors], dict[str, tf.Tensor]]:
    """The preprocessing_fn for a layout.

    Returns:
        Function from the tensors of `columns.adapter_config` to `image` float32 (batch, [steps,] height, width, bands),
        `valid` float32 (batch, [steps,] height, width), 1 where all bands are valid and 0 elsewhere (tf.Transform knows no
        smaller type), and `static` and `static_valid` beside a time series. Invalid input pixels are 0 after
        normalisation. Names under `statistics/` repeat the statistics for each row of the batch. The label passes
        unchanged: only its classes are counted.
    """

    def preprocessing_fn(inputs: Tensors) -> dict[str, tf.Tensor]:
        outputs: dict[str, tf.Tensor] = {}
        for feature, bands in (("image", layout.bands), ("static", layout.static)):
            if bands:
                outputs |= _normalised(inputs, feature, bands, preprocessing)
        if layout.label:
            outputs |= _class_counts(inputs, layout.label)
        return outputs

    return preprocessing_fn


class _Pixels(NamedTuple):
    """One band of a batch.

    Attributes:
        plain: Values, float32.
        exact: Values in which none is rounded: float64 for types wider than 16 bits, else float32.
        valid: Valid, and a number.
    """

    plain: tf.Tensor
    exact: tf.Tensor
    valid: tf.Tensor

    def above(self, origin: tf.Tensor) -> tf.Tensor:
        """Values above the band's origin, float32: of a level far from 0 float32 alone would keep no digits below."""
        return tf.cast(self.exact - tf.cast(origin, self.exact.dtype), tf.float32)


def _normalised(
    inputs: Tensors, feature: str, bands: tuple[Band, ...], preprocessing: Preprocessing
) -> dict[str, tf.Tensor]:
    pixels = [_pixels(inputs, band) for band in bands]
    origins, values, statistics = _statistics(feature, pixels, bands, preprocessing)
    plain = preprocessing.normalise == "none"
    scaled = [p.plain for p in pixels] if plain else _scaled(values, statistics, preprocessing)
    image = _stacked([tf.where(p.valid, x, tf.zeros_like(x)) for x, p in zip(scaled, pixels, strict=True)])
    batch = tf.shape(pixels[0].plain)[0]
    outputs = {
        feature: image,
        "valid" if feature == "image" else f"{feature}_valid": tf.cast(
            functools.reduce(tf.logical_and, [p.valid for p in pixels]), tf.float32
        ),
    }
    for name, value in _reported(origins, statistics).items():
        size = len(bands) * (len(REPORTED_QUANTILES) if name == "quantiles" else 1)
        outputs[f"{STATISTICS_PREFIX}{feature}/{name}"] = _repeat(value, size, batch)
    return outputs


def _pixels(inputs: Tensors, band: Band) -> _Pixels:
    plain = tf.cast(inputs[band.name], tf.float32)
    exact = plain if _is_narrow(band) else tf.cast(inputs[band.name], tf.float64)
    return _Pixels(plain, exact, _usable(inputs, band, plain))


def _reported(origins: tf.Tensor, statistics: Tensors) -> dict[str, tf.Tensor]:
    """What is read back of the statistics: float64, in the bits of int64, as tf.Transform knows no such type."""
    levels = {name: origins + tf.cast(statistics[name], tf.float64) for name in ("mean", "min", "max")}
    quantiles = origins[:, tf.newaxis] + tf.cast(statistics["quantiles"], tf.float64)
    numbers = {**levels, "std": tf.cast(statistics["std"], tf.float64), "quantiles": quantiles}
    return {"count": statistics["count"], **{name: tf.bitcast(value, tf.int64) for name, value in numbers.items()}}


def _usable(inputs: Tensors, band: Band, x: tf.Tensor) -> tf.Tensor:
    """Valid, and a number; whole numbers always are one."""
    valid = tf.equal(inputs[valid_name(band)], 1)
    return valid if band.numpy.kind in "iu" else valid & tf.math.is_finite(x)


def _stacked(bands: list[tf.Tensor]) -> tf.Tensor:
    """Bands along a new last axis: stacking in front of the pixels and turning takes a third of the time of tf.stack."""
    stacked = tf.stack(bands, axis=1)
    return tf.transpose(stacked, [0, *range(2, stacked.shape.rank), 1])


def _scaled(values: list[tf.Tensor], statistics: Tensors, preprocessing: Preprocessing) -> list[tf.Tensor]:
    """Bands above their origins, normalised."""
    if preprocessing.normalise == "standard":
        levels = zip(values, *map(tf.unstack, (statistics["mean"], _not_zero(statistics["std"]))), strict=True)
        return [(x - mean) / spread for x, mean, spread in levels]
    low, high = statistics["lower"], statistics["upper"]
    levels = zip(values, *map(tf.unstack, (low, _not_zero(high - low))), strict=True)
    return [tf.clip_by_value((x - least) / spread, 0.0, 1.0) for x, least, spread in levels]


def _not_zero(spread: tf.Tensor) -> tf.Tensor:
    # A band that is constant over the train split carries nothing: it becomes 0 instead of infinity.
    return tf.where(spread > 0, spread, tf.ones_like(spread))


def _statistics(
    feature: str, pixels: list[_Pixels], bands: tuple[Band, ...], preprocessing: Preprocessing
) -> tuple[tf.Tensor, list[tf.Tensor], dict[str, tf.Tensor]]:
    """Statistics per band, over the valid pixels of the train split.

    Returns:
        Origins (bands,) float64; the pixels above them, float32; and statistics of these, each of shape (bands,), quantiles
        (bands, quantiles).
    """
    low = tft.min(_extreme(pixels, tf.reduce_min, np.inf), reduce_instance_dims=False, name=f"{feature}_min")
    high = tft.max(_extreme(pixels, tf.reduce_max, -np.inf), reduce_instance_dims=False, name=f"{feature}_max")
    origins = _origins(low, high)
    # One operation for all bands: a slice for each would be half of the graph, which tf.Transform traces five times.
    levels = (origins, tf.cast(low - origins, tf.float32), tf.cast(high - origins, tf.float32))
    of_band = list(zip(*map(tf.unstack, levels), strict=True))
    values = [p.above(origin) for p, (origin, _, _) in zip(pixels, of_band, strict=True)]
    histograms = [_histogram(*items, *level) for *items, level in zip(pixels, values, bands, of_band, strict=True)]
    valid = [p.valid for p in pixels]
    sums = tf.stack([_moments(*items) for items in zip(values, valid, bands, histograms, strict=True)])
    count = tf.maximum(sums[:, 0], 1.0)
    mean = sums[:, 1] / count
    square = sums[:, 2] / count
    variance = tf.where(square - mean**2 > VARIANCE_NOISE * square, square - mean**2, tf.zeros_like(square))
    wanted = (*REPORTED_QUANTILES, preprocessing.lower, preprocessing.upper)
    quantiles = tf.stack([_quantiles(histogram, wanted) for histogram in histograms])
    return (
        origins,
        values,
        {
            "count": tf.cast(sums[:, 0], tf.int64),
            "mean": tf.cast(mean, tf.float32),
            "std": tf.cast(tf.sqrt(variance), tf.float32),
            "min": low - origins,
            "max": high - origins,
            "quantiles": quantiles[:, :-2],
            "lower": quantiles[:, -2],
            "upper": quantiles[:, -1],
        },
    )


def _origins(low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    """(bands,) float64: the least value where values lie far from 0, such as dates or identifiers, elsewhere 0."""
    far = tf.maximum(tf.abs(low), tf.abs(high)) > FAR * (high - low)
    return tf.where(far & tf.math.is_finite(low), low, tf.zeros_like(low))


class _Histogram(NamedTuple):
    """How often values occur: bin i counts those from start + i * width on."""

    counts: tf.Tensor
    start: tf.Tensor
    width: tf.Tensor

    @property
    def bins(self) -> int:
        """Number of bins."""
        return int(self.counts.shape[0])


def _histogram(
    pixels: _Pixels, above: tf.Tensor, band: Band, origin: tf.Tensor, least: tf.Tensor, most: tf.Tensor
) -> _Histogram:
    """Of the values above the origin. The counts of narrow types do not depend on it: they need no pass before theirs."""
    x, first, width, bins = _bins(pixels, above, band, least, most)
    index = tf.cast((tf.boolean_mask(x, pixels.valid) - first) / width, tf.int32)
    counts = tf.math.bincount(tf.clip_by_value(index, 0, bins - 1), minlength=bins, maxlength=bins, dtype=tf.int64)
    total = tft.sum(counts[tf.newaxis], reduce_instance_dims=False, name=f"{band.name}_histogram")
    start = tf.cast(tf.cast(first, tf.float64) - origin, tf.float32) if _is_narrow(band) else first
    return _Histogram(tf.reshape(total, [bins]), start, width)


def _moments(x: tf.Tensor, valid: tf.Tensor, band: Band, histogram: _Histogram) -> tf.Tensor:
    """(3,) float64: number of valid pixels, their sum, and the sum of their squares.

    From the histogram where that is exact. Sums of wider types are rounded in float64, which the order of batches moves in
    the 16th digit: in the float32 that is kept, it shows once in many million bands.
    """
    if _is_narrow(band):
        counts = tf.cast(histogram.counts, tf.float64)
        values = tf.range(histogram.bins, dtype=tf.float64) + tf.cast(histogram.start, tf.float64)
        return tf.stack([tf.reduce_sum(counts * values**power) for power in range(3)])
    axes = list(range(1, x.shape.rank))
    good = tf.cast(tf.where(valid, x, tf.zeros_like(x)), tf.float64)
    parts = [tf.reduce_sum(part, axis=axes) for part in (tf.cast(valid, tf.float64), good, good * good)]
    return tft.sum(tf.stack(parts, axis=-1), reduce_instance_dims=False, name=f"{band.name}_moments")


def _is_narrow(band: Band) -> bool:
    """Whether a histogram has a bin for each value of the type."""
    return band.numpy.kind in "iu" and band.numpy.itemsize <= 2


def _extreme(pixels: list[_Pixels], reduce: Callable[..., tf.Tensor], neutral: float) -> tf.Tensor:
    """(batch, bands) float64: least or greatest valid pixel of each patch."""
    found = [
        reduce(
            tf.where(p.valid, p.exact, tf.fill(tf.shape(p.exact), tf.constant(neutral, p.exact.dtype))),
            axis=list(range(1, p.exact.shape.rank)),
        )
        for p in pixels
    ]
    return tf.stack([tf.cast(value, tf.float64) for value in found], axis=1)


def _quantiles(histogram: _Histogram, wanted: tuple[float, ...]) -> tf.Tensor:
    """(quantiles,) float32: the valid value of rank floor(q * (n - 1)), to the width of a bin."""
    cumulated = tf.cumsum(histogram.counts)
    ranks = tf.floor(tf.constant(wanted, tf.float64) * tf.cast(tf.maximum(cumulated[-1] - 1, 0), tf.float64))
    found = tf.searchsorted(cumulated, tf.cast(ranks, tf.int64), side="right")
    values = tf.cast(tf.minimum(found, histogram.bins - 1), tf.float32) * histogram.width + histogram.start
    return tf.reshape(values, [len(wanted)])  # searchsorted leaves even the rank open


def _bins(
    pixels: _Pixels, above: tf.Tensor, band: Band, least: tf.Tensor, most: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, int]:
    """What is counted, start of the first bin, width of a bin, number of bins."""
    if _is_narrow(band):
        first = tf.constant(float(np.iinfo(band.numpy).min))
        return pixels.plain, first, tf.constant(1.0), 2 ** (8 * band.numpy.itemsize)
    width = tf.maximum((most - least) / (WIDE_BINS - 1), tf.constant(np.finfo(np.float32).tiny))
    return above, least, width, WIDE_BINS


def _class_counts(inputs: Tensors, band: Band) -> dict[str, tf.Tensor]:
    """Number of valid pixels of each code of the train split, (batch, codes) int64; nothing for wider types.

    Codes are counted from the least that the type can hold.
    """
    if not _is_narrow(band):
        return {}
    label, valid = inputs[band.name], tf.equal(inputs[valid_name(band)], 1)
    least, bins = int(np.iinfo(band.numpy).min), 2 ** (8 * band.numpy.itemsize)
    codes = tf.cast(tf.boolean_mask(label, valid), tf.int32) - least
    counts = tf.math.bincount(codes, minlength=bins, maxlength=bins, dtype=tf.int64)
    total = tft.sum(counts[tf.newaxis], reduce_instance_dims=False, name="class_counts")
    return {f"{STATISTICS_PREFIX}label/counts": _repeat(total, bins, tf.shape(label)[0])}


def _repeat(value: tf.Tensor, size: int, batch: tf.Tensor) -> tf.Tensor:
    """Flatten to `size` numbers, one row for each example: tf.Transform has no outputs without a batch axis."""
    return tf.tile(tf.reshape(value, [1, size]), [batch, 1])
