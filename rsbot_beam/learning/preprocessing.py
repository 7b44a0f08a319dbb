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
    values = [p.above(origin) for p, origin in zip(pixels, tf.unstack(origins), strict=True)]
    histograms = _histograms(feature, pixels, values, bands, levels)
    sums = _moments(feature, values, pixels, bands, histograms)
    count = tf.maximum(sums[:, 0], 1.0)
    mean = sums[:, 1] / count
    square = sums[:, 2] / count
    variance = tf.where(square - mean**2 > VARIANCE_NOISE * square, square - mean**2, tf.zeros_like(square))
    wanted = (*REPORTED_QUANTILES, preprocessing.lower, preprocessing.upper)
    quantiles = _quantiles(histograms, wanted)
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


class _Histograms(NamedTuple):
    """How often values occur in each band: bin i counts those from start + i * width on.

    Attributes:
        counts: (bands, bins) int64.
        start: (bands,) float32, above the band's origin.
        width: (bands,) float32.
    """

    counts: tf.Tensor
    start: tf.Tensor
    width: tf.Tensor

    @property
    def bins(self) -> int:
        """Number of bins."""
        return int(self.counts.shape[1])


def _histograms(
    feature: str, pixels: list[_Pixels], values: list[tf.Tensor], bands: tuple[Band, ...], levels: tuple[tf.Tensor, ...]
) -> _Histograms:
    """Of all bands at once, as each analysis costs tf.Transform some passes of its own.

    Those of narrow types do not depend on the levels: where all bands are narrow, they need no pass before theirs.

    Args:
        feature: Name of the feature that the bands become.
        pixels: Of each band.
        values: Of each band, above its origin, float32.
        bands: In that order.
        levels: (bands,) each: origins float64; least and greatest value above them, float32.
    """
    origins, least, most = levels
    narrow = [_is_narrow(band) for band in bands]
    bins = max(_bins(band) for band in bands)
    widths = tf.maximum((most - least) / (WIDE_BINS - 1), tf.constant(np.finfo(np.float32).tiny))
    lowest = [float(np.iinfo(band.numpy).min) if _is_narrow(band) else 0.0 for band in bands]
    places = []
    for i, (least_of, width) in enumerate(zip(tf.unstack(least), tf.unstack(widths), strict=True)):
        x = pixels[i].plain - lowest[i] if narrow[i] else (values[i] - least_of) / width
        place = tf.cast(tf.boolean_mask(x, pixels[i].valid), tf.int32)
        places.append(tf.clip_by_value(place, 0, bins - 1) + i * bins)
    size = len(bands) * bins
    counts = tf.math.bincount(tf.concat(places, 0), minlength=size, maxlength=size, dtype=tf.int64)
    total = tft.sum(counts[tf.newaxis], reduce_instance_dims=False, name=f"{feature}_histograms")
    start = tf.cast(tf.constant(lowest, tf.float64) - origins, tf.float32)
    return _Histograms(
        tf.reshape(total, [len(bands), bins]),
        tf.where(narrow, start, least),
        tf.where(narrow, tf.ones_like(widths), widths),
    )


def _moments(
    feature: str, values: list[tf.Tensor], pixels: list[_Pixels], bands: tuple[Band, ...], histograms: _Histograms
) -> tf.Tensor:
    """(bands, 3) float64: number of valid pixels, their sum, and the sum of their squares.

    From the histogram where that is exact. Sums of wider types are rounded in float64, which the order of batches moves in
    the 16th digit: in the float32 that is kept, it shows once in many million bands.
    """
    counts = tf.cast(histograms.counts, tf.float64)
    starts = tf.cast(histograms.start, tf.float64)[:, tf.newaxis]
    found = tf.range(histograms.bins, dtype=tf.float64) + starts
    sums = tf.stack([tf.reduce_sum(counts * found**power, axis=1) for power in range(3)], axis=1)
    wide = [i for i, band in enumerate(bands) if not _is_narrow(band)]
    if not wide:
        return sums
    parts = tf.stack([_sums(values[i], pixels[i].valid) for i in wide], axis=1)
    exact = tft.sum(parts, reduce_instance_dims=False, name=f"{feature}_moments")
    return tf.tensor_scatter_nd_update(sums, [[i] for i in wide], exact)


def _sums(x: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """(batch, 3) float64: number of valid pixels of each patch, their sum, and the sum of their squares."""
    axes = list(range(1, x.shape.rank))
    good = tf.cast(tf.where(valid, x, tf.zeros_like(x)), tf.float64)
    parts = (tf.cast(valid, tf.float64), good, good * good)
    return tf.stack([tf.reduce_sum(part, axis=axes) for part in parts], axis=-1)


def _bins(band: Band) -> int:
    return 2 ** (8 * band.numpy.itemsize) if _is_narrow(band) else WIDE_BINS


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


def _quantiles(histograms: _Histograms, wanted: tuple[float, ...]) -> tf.Tensor:
    """(bands, quantiles) float32: the valid value of rank floor(q * (n - 1)), to the width of a bin."""
    cumulated = tf.cumsum(histograms.counts, axis=1)
    most = tf.cast(tf.maximum(cumulated[:, -1:] - 1, 0), tf.float64)
    ranks = tf.floor(tf.constant(wanted, tf.float64) * most)
    found = tf.searchsorted(cumulated, tf.cast(ranks, tf.int64), side="right")
    places = tf.cast(tf.minimum(found, histograms.bins - 1), tf.float32)
    values = places * histograms.width[:, tf.newaxis] + histograms.start[:, tf.newaxis]
    return tf.reshape(values, [-1, len(wanted)])  # searchsorted leaves even the rank open


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
