"""How the features of a dataset's examples are read with TensorFlow; `data.examples` writes them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from rsbot_beam.data.examples import Feature


def feature_spec(table: Mapping[str, Feature]) -> dict[str, tf.io.FixedLenFeature]:
    """What `tf.io.parse_example` takes."""
    return {name: tf.io.FixedLenFeature([], tf.string) for name in table}


def decode_examples(serialised: tf.Tensor, table: Mapping[str, Feature]) -> dict[str, tf.Tensor]:
    """Parse a batch of serialised examples into arrays by feature name."""
    parsed = tf.io.parse_example(serialised, feature_spec(table))
    return {name: _decode(feature, parsed[name]) for name, feature in table.items()}


def _decode(feature: Feature, values: tf.Tensor) -> tf.Tensor:
    """Bytes of a batch (batch,) to (batch, *shape)."""
    if feature.dtype == "text":
        return values
    fixed = math.prod(n or 0 for n in feature.shape) * np.dtype(feature.dtype).itemsize if feature.varies else None
    return tf.reshape(tf.io.decode_raw(values, tf.as_dtype(feature.dtype), fixed_length=fixed), (-1, *feature.shape))
