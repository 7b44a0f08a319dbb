"""Reading the train split of raw shards in Beam, for tf.Transform."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import apache_beam as beam
import pyarrow as pa

from rsbot_beam.data.patch import Patch
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.learning.columns import batch_size, record_batch
from rsbot_beam.transforms.progress import PROGRESS


class ReadTrainBatches(beam.PTransform):
    """Reads the patches of the train split as Arrow record batches for tf.Transform.

    PCollection[str], paths of raw shards, -> PCollection[pa.RecordBatch].

    Args:
        store: Where the shards are.
        split: Which partition a tile belongs to.
    """

    def __init__(self, store: RawStore, split: SpatialSplit) -> None:
        super().__init__()
        self._read = partial(train_batches, store=store, split=split)

    def expand(self, paths: beam.PCollection) -> beam.PCollection:
        """Wire the one step."""
        return paths | "ReadTrain" >> beam.FlatMap(self._read).with_output_types(pa.RecordBatch)


def train_batches(path: str, store: RawStore, split: SpatialSplit) -> Iterator[pa.RecordBatch]:
    """The train patches of one raw shard, in batches."""
    patches: list[Patch] = []
    for patch in store.patches(path):
        PROGRESS.add(patches=1)
        if split.split_of(patch.key, patch.group) == "train":
            patches.append(patch)
        if patches and len(patches) == batch_size(store.layout, patch.key.size):
            yield record_batch(patches, store.layout)
            patches = []
    if patches:
        yield record_batch(patches, store.layout)
