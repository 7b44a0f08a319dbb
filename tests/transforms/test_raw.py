"""Storing shards behind the fetch, on a Beam runner."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.shards import FetchedShard, Shard, Tally
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.transforms import raw
from rsbot_beam.transforms.progress import PROGRESS
from rsbot_beam.transforms.raw import WriteRawShards
from rsbot_beam.transforms.write_behind import WriteBehind

pytestmark = pytest.mark.integration

SHARDS = 5
SPLIT = SpatialSplit((100, 0, 0), 5000, zoned=False)


@pytest.fixture
def shards(layout: Layout, make_patch: Callable[..., Patch]) -> list[FetchedShard]:
    """Shards of two patches; made in the worker's step they stay one bundle, as those of a fetch do."""
    pairs = [tuple(make_patch(layout, row, col) for col in range(2)) for row in range(SHARDS)]
    return [FetchedShard(Shard(f"s{row}", tuple(p.key for p in pair)), pair) for row, pair in enumerate(pairs)]


def written(store: RawStore, shards: list[FetchedShard], check: Callable[[Tally], Tally] = lambda tally: tally) -> None:
    """Store shards in one bundle; `check` is called with each tally that comes out."""
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        tallies = (
            pipeline
            | beam.Impulse()
            | beam.FlatMap(lambda _, made: iter(made), shards).with_output_types(FetchedShard)
            | WriteRawShards(store, SPLIT)
            | "Check" >> beam.Map(check).with_output_types(Tally)
        )
        assert_that(tallies, equal_to([Tally(1, stored=2, train=2)] * len(shards)))


class HeldFlush:
    """`os.fsync` that waits for the flush of another file."""

    def __init__(self) -> None:
        self.calls, self.lock, self.second = 0, threading.Lock(), threading.Event()
        self.real = os.fsync

    def __call__(self, descriptor: int) -> None:
        with self.lock:
            self.calls += 1
            turn = self.calls
        if turn == 1:
            assert self.second.wait(30), "nothing else is written while the first file is flushed"
        else:
            self.second.set()
        self.real(descriptor)


def test_a_slow_flush_does_not_hold_up_the_next_shard(
    tmp_path: Path, layout: Layout, shards: list[FetchedShard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", HeldFlush())
    store = RawStore(str(tmp_path), layout)
    written(store, shards)
    assert [store.header(shard.shard.name).stored for shard in shards] == [shard.shard.keys for shard in shards]  # type: ignore[union-attr]


def test_what_is_counted_is_stored(any_folder: str, layout: Layout, shards: list[FetchedShard]) -> None:
    store = RawStore(any_folder, layout)

    def check(tally: Tally) -> Tally:
        from rsbot_beam.transforms.progress import PROGRESS as COUNTS

        COUNTS.add(checked=1)
        assert len(store.files()) >= COUNTS.snapshot()["checked"], "a shard is counted before its file is there"
        return tally

    PROGRESS.reset()
    written(store, shards, check)
    counts = PROGRESS.snapshot()
    assert (counts["checked"], counts["shards"], counts["tiles"], len(store.files())) == (
        SHARDS,
        SHARDS,
        2 * SHARDS,
        SHARDS,
    )


@pytest.fixture
def small_bound(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(raw, "WRITE_BEHIND_BYTES", 1)
    yield


@pytest.mark.usefixtures("small_bound")
def test_shards_above_the_bound_are_stored_as_well(tmp_path: Path, layout: Layout, shards: list[FetchedShard]) -> None:
    store = RawStore(str(tmp_path), layout)
    written(store, shards)
    assert len(store.files()) == SHARDS


class DeadDisk:
    """`os.fsync` that fails for the first shard's file at once, and for others when the run is over."""

    def __init__(self) -> None:
        self.calls, self.lock, self.over = 0, threading.Lock(), threading.Event()

    def __call__(self, descriptor: int) -> None:
        with self.lock:
            self.calls += 1
        if "s0.arrow" not in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            self.over.wait(60)
        raise OSError(5, "Input/output error")


def test_what_is_queued_behind_a_failure_is_given_up(
    tmp_path: Path, layout: Layout, shards: list[FetchedShard], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = DeadDisk()
    monkeypatch.setattr(os, "fsync", disk)
    with pytest.raises(Exception, match="Input/output error"):
        written(RawStore(str(tmp_path), layout), shards)
    disk.over.set()
    # What was queued before this has begun when this is done.
    WriteBehind.shared(raw.WRITE_BEHIND_BYTES).submit(0, lambda: None).result(60)
    assert disk.calls <= 3, "the one that failed, and one in each of the two threads"


@pytest.mark.parametrize("failing", [0, SHARDS - 1])
def test_a_shard_that_cannot_be_stored_ends_the_run(
    tmp_path: Path, layout: Layout, shards: list[FetchedShard], failing: int
) -> None:
    """Also the last one of a bundle, whose error comes when nothing follows it."""
    store = RawStore(str(tmp_path), layout)
    Path(store.path(shards[failing].shard.name)).mkdir(parents=True)
    with pytest.raises(Exception, match="Is a directory"):
        written(store, shards)
