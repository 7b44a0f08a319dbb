"""From TFRecords to what `keras.Model.fit` takes: only the features that are needed, in the same order in every run."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from rsbot_beam import storage
from rsbot_beam.data.examples import Feature
from rsbot_beam.errors import DatasetError
from rsbot_beam.learning.examples import SUFFIX
from rsbot_beam.learning.features import decode_examples
from rsbot_beam.models.augment import augmented
from rsbot_beam.training.reasons import reason

# Files whose records are mixed while reading.
PARALLEL_FILES = 8
# Bytes of serialised examples that are put into a random order together: 130 time series of 7 steps of 8 bands, 128 x 128
# pixels. Larger splits are mixed by the order of their files beyond that.
SHUFFLE_BYTES = 500_000_000

Example = dict[str, tf.Tensor]
# From an example to inputs and labels.
Pair = Callable[[Example], tuple[Any, Any]]


@dataclass(frozen=True)
class Examples:
    """The examples of a partition.

    Attributes:
        split: Name of the partition.
        files: Its TFRecord files, local.
        count: Number of examples.
        nbytes: Bytes of the files.
        table: The features to decode.
    """

    split: str
    files: tuple[str, ...]
    count: int
    nbytes: int
    table: Mapping[str, Feature]

    def steps(self, batch_size: int) -> int:
        """Number of batches, the last of which may be smaller."""
        return math.ceil(self.count / batch_size)


def find_examples(root: str, split: str, content: Mapping[str, Any], features: Sequence[str]) -> Examples:
    """The examples of a partition; those of a bucket are copied here.

    Args:
        root: The dataset's folder, local or `gs://`.
        split: "train", "validation" or "test".
        content: Of `dataset.json`.
        features: Names of the features to decode; those that the dataset lacks are left out.

    Raises:
        DatasetError: Files are missing or cut off.
    """
    expected = content["splits"][split]
    folder = storage.local_folder(storage.join(root, split)) if expected["examples"] else ""
    files = list(storage.list_files(folder, SUFFIX)) if folder else []
    found = sum(file.size for file in files)
    if found != expected["nbytes"]:
        raise DatasetError(
            f"files of the {split} split of {root} are missing or cut off: {found:,} bytes in {len(files)} files, "
            f"{expected['nbytes']:,} were written. Start the same `rsbot export` again, which makes them anew"
        )
    known = content["features"]
    table = {
        name: Feature(**{**known[name], "shape": tuple(known[name]["shape"])}) for name in features if name in known
    }
    return Examples(split, tuple(file.path for file in files), expected["examples"], found, table)


def training_batches(
    examples: Examples, pair: Pair, batch_size: int, epochs: range, seed: int, augment: bool
) -> tf.data.Dataset:
    """Batches of several epochs, one after the other, each in an order of its own.

    Order and turns follow from seed, epoch and step alone: a training that starts again at an epoch sees what it would
    have seen without the interruption.

    Args:
        examples: What to read.
        pair: Makes inputs and labels.
        batch_size: Examples in a batch; the last of each epoch may be smaller.
        epochs: Which epochs, from 0.
        seed: Any number.
        augment: Whether examples are flipped, turned and moved in time.
    """
    window = max(1, min(examples.count, SHUFFLE_BYTES * examples.count // max(1, examples.nbytes)))

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        # Of this function alone: `shuffle` mixes in the process's seed, and cannot compare a tensor where that is 0.
        tf.random.set_seed(1)
        order = tf.random.stateless_uniform([], [seed, number], maxval=None, minval=None, dtype=tf.int64)
        files = tf.random.experimental.stateless_shuffle(tf.constant(examples.files), [seed, number])
        # Seeded by the epoch: by itself `shuffle` counts epochs from the start of the process.
        mixed = _records(tf.data.Dataset.from_tensor_slices(files)).shuffle(window, order, False)
        return mixed.batch(batch_size)

    steps = examples.steps(batch_size)
    batches = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(epoch)
    numbered = tf.data.Dataset.zip(batches, tf.data.Dataset.range(epochs.start * steps, epochs.stop * steps))

    def prepare(records: tf.Tensor, step: tf.Tensor) -> tuple[Any, Any]:
        example = decode_examples(records, examples.table)
        return pair(augmented(example, seed, step) if augment else example)

    total = steps * len(epochs)
    return _ahead(numbered.map(prepare, num_parallel_calls=tf.data.AUTOTUNE), total)


def ordered_batches(examples: Examples, pair: Pair, batch_size: int) -> tf.data.Dataset:
    """All batches once, in the order of the files."""
    decode = functools.partial(decode_examples, table=examples.table)
    files = tf.data.Dataset.from_tensor_slices(list(examples.files))
    batches = _records(files).batch(batch_size).map(lambda r: pair(decode(r)), num_parallel_calls=tf.data.AUTOTUNE)
    return _ahead(batches, examples.steps(batch_size))


def _ahead(batches: tf.data.Dataset, count: int) -> tf.data.Dataset:
    """Read ahead; Keras is told how many batches there are, or it takes the end for an accident."""
    return batches.apply(tf.data.experimental.assert_cardinality(count)).prefetch(tf.data.AUTOTUNE)


def _records(files: tf.data.Dataset) -> tf.data.Dataset:
    return files.interleave(
        tf.data.TFRecordDataset,
        cycle_length=PARALLEL_FILES,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def unreadable(examples: Examples) -> str | None:
    """The first file with a record that cannot be read and what is wrong with it; None where all can.

    TensorFlow says what is wrong with a record, but not in which file.
    """
    for path in examples.files:
        try:
            for batch in tf.data.TFRecordDataset(path).batch(64):
                tf.io.parse_example(batch, {name: tf.io.FixedLenFeature([], tf.string) for name in examples.table})
        except tf.errors.OpError as error:
            return f"{path}: {reason(error)}"
    return None
