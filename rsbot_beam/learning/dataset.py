"""A finished dataset as a `tf.data.Dataset`."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

import tensorflow as tf

from rsbot_beam import storage
from rsbot_beam.data.dataset_file import require_dataset_file
from rsbot_beam.data.examples import Feature
from rsbot_beam.data.splits import SPLITS
from rsbot_beam.errors import DatasetError
from rsbot_beam.learning.examples import SUFFIX
from rsbot_beam.learning.features import decode_examples

# Files read at the same time: enough to hide the latency of a disk or bucket, few enough for a laptop's memory.
PARALLEL_FILES = 8
# Examples drawn from when shuffling beyond the order of the files: 512 of 128 x 128 x 6 take 200 MB.
SHUFFLE_BUFFER = 512


def load_dataset(
    path: str | os.PathLike[str],
    split: str = "train",
    batch_size: int = 16,
    *,
    shuffle: bool = False,
    seed: int | None = None,
    repeat: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
) -> tf.data.Dataset:
    """The examples of one partition, read in parallel and ahead.

    Args:
        path: The dataset's folder, local or `gs://`.
        split: "train", "validation" or "test".
        batch_size: Examples in a batch; the last batch may be smaller.
        shuffle: Whether to shuffle files, and examples within a buffer, anew in each epoch.
        seed: Makes the shuffling repeatable.
        repeat: Whether to start again at the end, for ever.
        cache_dir: Where files of a `gs://` dataset are kept; None takes a temporary folder.

    Returns:
        Dictionaries by feature name: `image` float32 (batch, [steps,] height, width, bands), `valid` uint8, `label`,
        `label_valid`, `tile`, `crs`, `transform` float64 (batch, 6), `bounds` float64 (batch, 4), `period`.

    Raises:
        DatasetError: There is no such dataset or partition, it is half-written, or files of it are missing.
    """
    root = os.fspath(path)
    content = require_dataset_file(root)
    if split not in SPLITS:
        raise DatasetError(f"there is no split {split!r}: choose one of {', '.join(SPLITS)}")
    files = _files(root, split, content["splits"][split])
    table = {name: Feature(**{**f, "shape": tuple(f["shape"])}) for name, f in content["features"].items()}
    dataset = _records(files, shuffle, seed, cache_dir)
    if shuffle:
        dataset = dataset.shuffle(SHUFFLE_BUFFER, seed=seed)
    if repeat:
        dataset = dataset.repeat()
    decode = functools.partial(decode_examples, table=table)
    return dataset.batch(batch_size).map(decode, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _files(root: str, split: str, expected: dict[str, int]) -> list[str]:
    files = list(storage.list_files(storage.join(root, split), SUFFIX))
    if not expected["examples"]:
        raise DatasetError(
            f"the {split} split of {root} is empty: export with a smaller --split_block or a larger region"
        )
    if sum(file.size for file in files) != expected["nbytes"]:
        raise DatasetError(
            f"files of the {split} split of {root} are missing or cut off: {sum(f.size for f in files):,} bytes in "
            f"{len(files)} files, {expected['nbytes']:,} were written. Remove {root}/dataset.json and export again"
        )
    return [file.path for file in files]


def _records(
    files: list[str], shuffle: bool, seed: int | None, cache_dir: str | os.PathLike[str] | None
) -> tf.data.Dataset:
    paths = tf.data.Dataset.from_tensor_slices(files)
    if shuffle:
        paths = paths.shuffle(len(files), seed=seed)
    if storage.is_gcs(files[0]):
        folder = os.fspath(cache_dir) if cache_dir else tempfile.mkdtemp(prefix="rsbot-dataset-")
        fetch = functools.partial(_fetch, folder=folder)
        paths = paths.map(lambda path: _fetched(path, fetch), num_parallel_calls=PARALLEL_FILES)
    return paths.interleave(
        tf.data.TFRecordDataset,
        cycle_length=PARALLEL_FILES,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=seed is not None or not shuffle,
    )


def _fetched(path: tf.Tensor, fetch: functools.partial[bytes]) -> tf.Tensor:
    local = tf.numpy_function(fetch, [path], tf.string)
    local.set_shape(())
    return local


def _fetch(path: bytes, folder: str) -> bytes:
    """Copy a file of a bucket into the cache; one that is there is not copied again."""
    source = path.decode()
    target = Path(folder) / source[len(storage.GCS_SCHEME) :]
    if not target.is_file():
        storage.write_bytes(target, storage.read_bytes(source))
    return str(target).encode()
