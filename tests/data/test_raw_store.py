"""The folder of raw shards: writing, merging with an earlier run, dead letters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rsbot_beam import storage
from rsbot_beam.data import raw_store
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.manifest import claim, layout_to_dict
from rsbot_beam.data.patch import Patch
from rsbot_beam.data.raw_shard import ShardHeader
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.read_patches import read_patches
from rsbot_beam.data.shards import DeadLetter, FetchedShard, Shard
from rsbot_beam.errors import DatasetError
from rsbot_beam.geometry import TileKey

Make = Callable[..., Patch]


@pytest.fixture
def store(any_folder: str, layout: Layout) -> RawStore:
    return RawStore(any_folder, layout)


@pytest.fixture
def shard(make_key: Callable[..., TileKey]) -> Shard:
    return Shard("block_1", tuple(make_key(0, col) for col in range(4)))


def dead(key: TileKey, kind: str = "permanent") -> DeadLetter:
    return DeadLetter(str(key), kind, "no such band", 3, {"crsCode": key.crs})


def names(folder: str) -> list[str]:
    return [file.path[len(folder) + 1 :] for file in storage.walk(folder)]


def test_write_and_read(store: RawStore, shard: Shard, make_patch: Make, same_patch: Callable) -> None:
    patches = tuple(make_patch(store.layout, 0, col, 0.2) for col in (3, 0))
    header = store.write(FetchedShard(shard, patches, (shard.keys[1],), (dead(shard.keys[2]),)))
    assert header == ShardHeader("block_1", (shard.keys[0], shard.keys[3]), (shard.keys[1],), (shard.keys[2],))
    assert store.header("block_1") == header
    found = list(store.patches(store.path("block_1")))
    assert all(same_patch(a, b) for a, b in zip(reversed(patches), found, strict=True))
    assert list(store.dead_letters()) == [dead(shard.keys[2])]
    assert names(store.root) == ["dead_letters/block_1.jsonl", "raw/block_1.arrow"]


def test_the_order_of_arrival_does_not_matter(tmp_path: Path, shard: Shard, layout: Layout, make_patch: Make) -> None:
    patches = [make_patch(layout, 0, col, 0.2) for col in range(4)]
    contents = []
    for turn, order in enumerate((patches, patches[::-1])):
        store = RawStore(str(tmp_path / str(turn)), layout)
        store.write(FetchedShard(shard, tuple(order)))
        contents.append(storage.read_bytes(store.path("block_1")))
    assert contents[0] == contents[1]


def test_dead_tiles_are_fetched_again_and_merged(
    tmp_path: Path, store: RawStore, shard: Shard, make_patch: Make
) -> None:
    patches = [make_patch(store.layout, 0, col) for col in range(4)]
    first = store.write(
        FetchedShard(shard, (patches[0],), (shard.keys[1],), (dead(shard.keys[2]), dead(shard.keys[3])))
    )
    second = store.write(FetchedShard(shard, (patches[2],), (), (dead(shard.keys[3], "transient"),), first))
    assert second == ShardHeader("block_1", (shard.keys[0], shard.keys[2]), (shard.keys[1],), (shard.keys[3],))
    assert [letter.kind for letter in store.dead_letters()] == ["transient"]
    third = store.write(FetchedShard(shard, (patches[3],), stored=second))
    assert third.dead == ()
    assert list(store.dead_letters()) == []
    assert names(store.root) == ["raw/block_1.arrow"]
    at_once = RawStore(str(tmp_path / "other"), store.layout)
    at_once.write(FetchedShard(shard, (patches[3], patches[0], patches[2]), (shard.keys[1],)))
    assert storage.read_bytes(at_once.path("block_1")) == storage.read_bytes(store.path("block_1"))


def test_a_finished_shard_is_not_written_again(store: RawStore, shard: Shard, make_patch: Make) -> None:
    patches = tuple(make_patch(store.layout, 0, col) for col in range(4))
    header = store.write(FetchedShard(shard, patches))
    storage.remove(store.path("block_1"))
    assert store.write(FetchedShard(shard, stored=header)) == header
    assert store.files() == []


def test_a_lost_tile_is_an_error(store: RawStore, shard: Shard, make_patch: Make) -> None:
    with pytest.raises(DatasetError, match="block_1: 4 tiles asked"):
        store.write(FetchedShard(shard, (make_patch(store.layout),)))
    assert names(store.root) == []


def test_a_tile_in_two_groups_is_an_error(store: RawStore, shard: Shard, make_patch: Make) -> None:
    patches = tuple(make_patch(store.layout, 0, col) for col in range(4))
    with pytest.raises(DatasetError, match="4 tiles asked"):
        store.write(FetchedShard(shard, patches, (shard.keys[0],)))


def test_a_missing_shard(store: RawStore) -> None:
    assert store.header("nowhere") is None
    assert store.files() == []
    assert list(store.dead_letters()) == []
    with pytest.raises(DatasetError, match=r"nowhere.arrow is gone; start the export again"):
        list(store.patches(store.path("nowhere")))


def test_a_header_longer_than_what_is_read_first(
    store: RawStore, make_key: Callable[..., TileKey], make_patch: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tuple(make_key(row, col) for row in range(50) for col in range(50))
    header = store.write(FetchedShard(Shard("long", keys), (make_patch(store.layout),), keys[1:]))
    assert len(storage.read_bytes(store.path("long"))) > raw_store.HEAD_BYTES
    assert store.header("long") == header
    monkeypatch.setattr(raw_store, "HEAD_BYTES", 100)
    assert store.header("long") == header


def test_a_shard_that_is_cut_off_within_its_header(store: RawStore, shard: Shard, make_patch: Make) -> None:
    store.write(FetchedShard(shard, tuple(make_patch(store.layout, 0, col) for col in range(4))))
    path = store.path("block_1")
    storage.write_bytes(path, storage.read_bytes(path)[:200])
    with pytest.raises(DatasetError, match=r"block_1.arrow is cut off; remove it"):
        store.header("block_1")


def test_files_are_sorted_and_only_shards(store: RawStore, make_key: Callable[..., TileKey], make_patch: Make) -> None:
    for name in ("b", "a"):
        store.write(FetchedShard(Shard(name, (make_key(),)), (make_patch(store.layout),)))
    storage.write_bytes(storage.join(store.root, "raw", "notes.txt"), b"x")
    assert [storage.name_of(file.path) for file in store.files()] == ["a.arrow", "b.arrow"]


def test_read_patches_of_an_export(any_folder: str, layout: Layout, make_key: Callable, make_patch: Make) -> None:
    claim(any_folder, {"layout": layout_to_dict(layout)})
    store = RawStore(any_folder, layout)
    for col in (1, 0):
        shard = Shard(f"s{col}", (make_key(0, col), make_key(1, col)))
        store.write(FetchedShard(shard, tuple(make_patch(layout, row, col) for row in (0, 1))))
    found = [patch.key for patch in read_patches(any_folder)]
    assert found == [make_key(0, 0), make_key(1, 0), make_key(0, 1), make_key(1, 1)]


def test_read_patches_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"there is no export in .*rsbot export"):
        next(read_patches(tmp_path))
