"""Writing raw shards in Beam, behind the fetch."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import asdict
from functools import partial

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from rsbot_beam import storage
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.shards import FetchedShard, Tally
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.transforms.progress import PROGRESS
from rsbot_beam.transforms.write_behind import WriteBehind, result_of

# What one process may have handed to its writers and not yet stored, in bytes. Counts to the 64 MB that a kill may cost,
# beside what is received (`fetch.RECEIVE_BYTES`).
WRITE_BEHIND_BYTES = 16_000_000


class WriteRawShards(beam.PTransform):
    """Writes fetched shards, each atomically to a file of its own.

    PCollection[FetchedShard] -> PCollection[Tally], one for each shard whose file is safely stored. Pixels end here.

    Args:
        store: Where to.
        split: Which partition a tile belongs to, for the tally.
    """

    def __init__(self, store: RawStore, split: SpatialSplit) -> None:
        super().__init__()
        self._store, self._split = store, split

    def expand(self, fetched: beam.PCollection) -> beam.PCollection:
        """Wire the one step; it is fused to the fetch."""
        return fetched | "WriteRawShard" >> beam.ParDo(_WriteRawShards(self._store, self._split)).with_output_types(
            Tally
        )


class _WriteRawShards(beam.DoFn):
    """Stores shards behind the fetch: a shard is flushed to the disk, or sent to the bucket, while the next one comes."""

    def __init__(self, store: RawStore, split: SpatialSplit) -> None:
        self._store, self._split = store, split

    def setup(self) -> None:
        """Once per worker thread: the process's writers."""
        self._writers = WriteBehind.shared(WRITE_BEHIND_BYTES)

    def start_bundle(self) -> None:
        """Forget what a failed bundle left."""
        self._written: deque[Future[Tally]] = deque()

    def process(self, element: FetchedShard) -> Iterator[Tally]:
        """Begin to store a shard; yields the tallies of those that are stored by now. Raises what storing them raised."""
        nbytes = sum(patch.nbytes for patch in element.patches)
        self._written.append(self._writers.submit(nbytes, partial(write_raw_shard, element, self._store, self._split)))
        while self._written and self._written[0].done():
            yield self._next()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Yield the rest when it is stored: a bundle that Beam takes for done has all its files."""
        while self._written:
            yield WindowedValue(self._next(), MIN_TIMESTAMP, (GlobalWindow(),))

    def _next(self) -> Tally:
        try:
            return result_of(self._written.popleft())
        except BaseException:
            for future in self._written:
                future.cancel()  # where one file is refused, so may be the others, after minutes of retries each
            raise


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
