"""Writing raw shards in Beam, behind the fetch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

import apache_beam as beam

from rsbot_beam import storage
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.shards import FetchedShard, Tally
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.transforms.progress import PROGRESS


class WriteRawShards(beam.PTransform):
    """Writes fetched shards, each atomically to a file of its own.

    PCollection[FetchedShard] -> PCollection[Tally], one for each shard. Pixels end here.

    Args:
        store: Where to.
        split: Which partition a tile belongs to, for the tally.
    """

    def __init__(self, store: RawStore, split: SpatialSplit) -> None:
        super().__init__()
        self._store, self._split = store, split

    def expand(self, fetched: beam.PCollection) -> beam.PCollection:
        """Wire the one step; it is fused to the fetch."""
        return fetched | "WriteRawShard" >> beam.Map(write_raw_shard, self._store, self._split).with_output_types(Tally)


def write_raw_shard(fetched: FetchedShard, store: RawStore, split: SpatialSplit) -> Tally:
    """Store one shard and count it."""
    tally = Tally.of(store.write(fetched), split)
    PROGRESS.add(shards=1, tiles=tally.tiles, stored=tally.stored, empty=tally.empty, dead=tally.dead)
    return tally


class SumTallies(beam.CombineFn):
    """Adds up tallies."""

    def create_accumulator(self) -> Tally:
        """Nothing yet."""
        return Tally()

    def add_input(self, mutable_accumulator: Tally, element: Tally) -> Tally:
        """Add one."""
        return mutable_accumulator + element

    def merge_accumulators(self, accumulators: Iterable[Tally]) -> Tally:
        """Add sums."""
        return sum(accumulators, Tally())

    def extract_output(self, accumulator: Tally) -> Tally:
        """The sum."""
        return accumulator


class WriteTotals(beam.PTransform):
    """Sums the tallies of all shards into a small JSON file, for the main program to check.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def expand(self, tallies: beam.PCollection) -> beam.PCollection:
        """Wire sum and write."""
        return tallies | "Sum" >> beam.CombineGlobally(SumTallies()) | "Write" >> beam.Map(write_totals, self._path)


def write_totals(tally: Tally, path: str) -> None:
    """Write the totals of a run."""
    storage.write_bytes(path, json.dumps(asdict(tally)))


def read_totals(path: str) -> Tally:
    """Read what `write_totals` wrote."""
    return Tally(**json.loads(storage.read_text(path)))
