"""The progress of a run whose work is done by other processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rsbot_beam import storage
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.receipts import Receipt, ReceiptStore
from rsbot_beam.data.shards import FetchedShard, Shard
from rsbot_beam.runs import stored
from rsbot_beam.runs.stored import StoredTiles
from rsbot_beam.transforms.progress import PROGRESS


@pytest.fixture(autouse=True)
def from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "_EVERY", 0.01)
    PROGRESS.reset()


def tiles() -> int:
    return PROGRESS.snapshot()["tiles"]


def wait_for(count: int) -> None:
    deadline = time.monotonic() + 10
    while tiles() != count:
        assert time.monotonic() < deadline, f"{tiles()} tiles are told, not {count}"
        time.sleep(0.01)


def write(store: RawStore, name: str, patches: list[Patch], empty: Patch) -> None:
    shard = Shard(name, (*(patch.key for patch in patches), empty.key))
    store.write(FetchedShard(shard, tuple(patches), (empty.key,)))


def test_shards_are_counted_as_they_are_stored(
    tmp_path: Path, layout: Layout, make_patch: Callable[..., Patch]
) -> None:
    store = RawStore(str(tmp_path), layout)
    patches = [make_patch(layout, 0, col) for col in range(6)]
    write(store, "a", patches[:2], patches[2])
    with StoredTiles.of_shards(store).counting():
        wait_for(3)
        write(store, "b", patches[3:5], patches[5])
        wait_for(6)
        write(store, "b", patches[3:5], patches[5])
    assert tiles() == 6


def test_what_comes_last_is_counted_at_the_end(tmp_path: Path) -> None:
    store = ReceiptStore(str(tmp_path))
    with StoredTiles.of_receipts(store).counting():
        store.write(Receipt("b1", 3, 1, 2))
    assert tiles() == 6


def test_a_damaged_file_does_not_end_the_run(tmp_path: Path, layout: Layout) -> None:
    store = RawStore(str(tmp_path), layout)
    storage.write_bytes(store.path("a"), b"no shard")
    with StoredTiles.of_shards(store).counting():
        time.sleep(0.05)
    assert tiles() == 0
