"""The unit of work of an export: some tiles that are fetched, and stored in one raw shard, together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from typing import Any

from rsbot_beam.data.patch import Patch
from rsbot_beam.data.raw_shard import ShardHeader
from rsbot_beam.data.samples import Sample
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.geometry import TileKey


@dataclass(frozen=True)
class Shard:
    """Tiles to fetch and store together; the same tiles have the same name in every run.

    Attributes:
        name: Unique in the dataset, fit for a file name.
        keys: In the order in which they are stored.
        samples: Where the tiles were sampled: what is known of each key; otherwise empty.
    """

    name: str
    keys: tuple[TileKey, ...]
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class DeadLetter:
    """A tile that failed for good.

    Attributes:
        tile: Text of the tile's key.
        kind: Kind of the failure, as the errors of `rsbot_beam.errors` name it.
        message: What Earth Engine answered.
        attempts: How often it was asked.
        request: The grid that was asked for: CRS, transform, dimensions, bands.
    """

    tile: str
    kind: str
    message: str
    attempts: int
    request: Mapping[str, Any]

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, line: str) -> DeadLetter:
        """Inverse of `to_json`."""
        return cls(**json.loads(line))


@dataclass(frozen=True, eq=False)
class FetchedShard:
    """What became of a shard's tiles: each of its keys is in exactly one of the three groups, or in `stored`.

    Attributes:
        shard: What was asked for.
        patches: Newly fetched, any order.
        empty: Newly fetched, without a valid pixel.
        dead: Failed for good.
        stored: The header of the shard's file from an earlier run, or None where there is none.
    """

    shard: Shard
    patches: tuple[Patch, ...] = ()
    empty: tuple[TileKey, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    stored: ShardHeader | None = None

    @property
    def is_done_before(self) -> bool:
        """Whether an earlier run finished the shard, and nothing was fetched now."""
        return self.stored is not None and not (self.patches or self.empty or self.dead)


@dataclass(frozen=True)
class Tally:
    """Numbers of tiles, summed over shards.

    Attributes:
        shards: Number of shards.
        stored: Tiles with a patch in a raw shard.
        empty: Tiles without a valid pixel.
        dead: Tiles that failed for good.
        train: Stored tiles of the train split.
        validation: Stored tiles of the validation split.
        test: Stored tiles of the test split.
    """

    shards: int = 0
    stored: int = 0
    empty: int = 0
    dead: int = 0
    train: int = 0
    validation: int = 0
    test: int = 0

    @property
    def tiles(self) -> int:
        """All tiles accounted for."""
        return self.stored + self.empty + self.dead

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @classmethod
    def of(cls, header: ShardHeader, split: SpatialSplit) -> Tally:
        """The tally of one shard."""
        splits = Counter(split.split_of(key, group) for key, group in header.grouped())
        return cls(1, len(header.stored), len(header.empty), len(header.dead), **splits)
