"""All tiles of a dataset and what became of them, from the headers of its raw shards."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.raw_shard import SUFFIX, ShardHeader
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.splits import SPLITS, SpatialSplit
from rsbot_beam.errors import DatasetError
from rsbot_beam.geometry import TileKey

# What a tile became: its split, or why nothing is stored.
GROUPS = (*SPLITS, "empty", "dead")
# Headers that are read at the same time: each is a request where the dataset lies in a bucket.
_READERS = 16


@dataclass(frozen=True)
class Tiles:
    """The tiles of a dataset.

    Attributes:
        keys: Those stored, then the empty, then the dead ones of each shard.
        groups: For each an index in `GROUPS`.
        shards: For each the index of its shard's file.
        files: The shards' files.
    """

    keys: list[TileKey]
    groups: list[int]
    shards: list[int]
    files: list[storage.StoredFile]


def split_of_dataset(content: dict[str, Any]) -> SpatialSplit:
    """The split that a dataset's description tells of."""
    split, grid = content["split"], content["grid"]
    train, validation, test = split["shares"]
    return SpatialSplit((train, validation, test), split["block"], grid["crs"] == "utm")


def read_tiles(store: RawStore, split: SpatialSplit) -> Tiles:
    """Read the header of each shard.

    Raises:
        DatasetError: A shard is damaged, or there is none.
    """
    files = store.files()
    if not files:
        raise DatasetError(f"the dataset {store.root} has no raw shards: they were removed; export it again")
    names = [storage.name_of(file.path).removesuffix(SUFFIX) for file in files]
    with ThreadPoolExecutor(_READERS) as pool:
        headers = list(pool.map(store.header, names))
    keys: list[TileKey] = []
    groups: list[int] = []
    shards: list[int] = []
    for index, header in enumerate(headers):
        for key, group in _of_header(header, split) if header else ():
            keys.append(key)
            groups.append(group)
            shards.append(index)
    return Tiles(keys, groups, shards, files)


def _of_header(header: ShardHeader, split: SpatialSplit) -> Sequence[tuple[TileKey, int]]:
    stored = [(key, SPLITS.index(split.split_of(key, group))) for key, group in header.grouped()]
    empty, dead = GROUPS.index("empty"), GROUPS.index("dead")
    return [*stored, *((key, empty) for key in header.empty), *((key, dead) for key in header.dead)]
