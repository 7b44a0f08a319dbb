"""The features of a dataset's examples: what is written into TFRecords and how it is read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.period import Period


@dataclass(frozen=True)
class Feature:
    """One feature of an example. All are bytes lists of one value: other lists cost 20 times the time (see docs).

    Attributes:
        dtype: Numpy name of the array's type, little-endian, C order; "text" for UTF-8 text.
        shape: Shape of the array; () for text.
        description: One line for people.
    """

    dtype: str
    shape: tuple[int, ...]
    description: str

    def decode(self, values: tf.Tensor) -> tf.Tensor:
        """Bytes of a batch (batch,) to (batch, *shape)."""
        if self.dtype == "text":
            return values
        return tf.reshape(tf.io.decode_raw(values, tf.as_dtype(self.dtype)), (-1, *self.shape))


def feature_table(layout: Layout, size: int) -> dict[str, Feature]:
    """The features of the examples of a layout, by name, in the order in which they are written."""
    time = (layout.steps,) if layout.steps else ()
    axes = "[steps,] height, width" if layout.steps else "height, width"
    table = {
        "image": Feature("float32", (*time, size, size, len(layout.bands)), f"transformed inputs ({axes}, bands)"),
        "valid": Feature("uint8", (*time, size, size), "1 where all bands of image are valid"),
    }
    if layout.static:
        table["static"] = Feature("float32", (size, size, len(layout.static)), "transformed inputs without time axis")
        table["static_valid"] = Feature("uint8", (size, size), "1 where all bands of static are valid")
    if layout.label:
        table["label"] = Feature(layout.label.dtype, (size, size), "label as fetched; 0 where not valid")
        table["label_valid"] = Feature("uint8", (size, size), "1 where the label is valid")
    return table | {
        "tile": Feature("text", (), "key of the tile"),
        "crs": Feature("text", (), "coordinate reference system"),
        "transform": Feature("float64", (6,), "affine a, b, c, d, e, f from pixel corners (column, row) to (x, y)"),
        "bounds": Feature("float64", (4,), "left, bottom, right, top in units of the CRS"),
        "period": Feature("text", (), "start/end, days; the end is the day after the last one"),
    }


def feature_spec(table: Mapping[str, Feature]) -> dict[str, tf.io.FixedLenFeature]:
    """What `tf.io.parse_example` takes."""
    return {name: tf.io.FixedLenFeature([], tf.string) for name in table}


def encode_example(
    patch: Patch, transformed: Mapping[str, np.ndarray], period: Period, table: Mapping[str, Feature]
) -> bytes:
    """One example.

    Args:
        patch: The raw patch.
        transformed: What the transform_fn gives for it: `image`, `valid` and the like, without a batch axis.
        period: The period of the run.
        table: The features to write.

    Returns:
        A serialised `tf.train.Example`.
    """
    bounds = np.array(patch.key.bounds, np.float64)
    transform = np.array(tuple(patch.key.transform)[:6], np.float64)
    values: dict[str, np.ndarray | str] = {
        **transformed,
        "tile": str(patch.key),
        "crs": patch.key.crs,
        "transform": transform,
        "bounds": bounds,
        "period": str(period),
    }
    if patch.label is not None and patch.label_valid is not None:
        values |= {"label": patch.label, "label_valid": patch.label_valid}
    example = tf.train.Example()
    for name, feature in table.items():
        example.features.feature[name].bytes_list.value.append(_to_bytes(values[name], feature))
    return bytes(example.SerializeToString(deterministic=True))


def _to_bytes(value: np.ndarray | str, feature: Feature) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8")
    return np.ascontiguousarray(value).astype(np.dtype(feature.dtype).newbyteorder("<"), copy=False).tobytes()


def decode_examples(serialised: tf.Tensor, table: Mapping[str, Feature]) -> dict[str, tf.Tensor]:
    """Parse a batch of serialised examples into arrays by feature name."""
    parsed = tf.io.parse_example(serialised, feature_spec(table))
    return {name: feature.decode(parsed[name]) for name, feature in table.items()}
