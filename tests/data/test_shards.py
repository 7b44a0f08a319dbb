"""Dead letters and tallies."""

from __future__ import annotations

from collections.abc import Callable

from rsbot_beam.data.raw_shard import ShardHeader
from rsbot_beam.data.shards import DeadLetter, FetchedShard, Shard, Tally
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.geometry import TileKey


def test_dead_letters_are_lines_of_json() -> None:
    request = {"crsCode": "EPSG:4326", "affineTransform": {"scaleX": 0.1}, "bands": ["a", "b"]}
    letter = DeadLetter("EPSG4326_0.1_8_r0_c0", "permanent", 'no band "x"\nin ü', 4, request)
    line = letter.to_json()
    assert "\n" not in line
    assert DeadLetter.from_json(line) == letter


def test_done_before(make_key: Callable[..., TileKey]) -> None:
    shard = Shard("s", (make_key(),))
    header = ShardHeader("s", (make_key(),))
    assert FetchedShard(shard, stored=header).is_done_before
    assert not FetchedShard(shard).is_done_before
    assert not FetchedShard(shard, empty=(make_key(),), stored=header).is_done_before


def test_a_tally_counts_tiles_by_fate_and_stored_ones_by_split(make_key: Callable[..., TileKey]) -> None:
    split = SpatialSplit((50, 25, 25), block=80)
    keys = tuple(make_key(0, col) for col in range(100))
    tally = Tally.of(ShardHeader("s", keys[:90], keys[90:97], keys[97:]), split)
    assert (tally.shards, tally.stored, tally.empty, tally.dead, tally.tiles) == (1, 90, 7, 3, 100)
    assert tally.train == sum(split.split_of(key) == "train" for key in keys[:90])
    assert tally.train + tally.validation + tally.test == 90
    assert min(tally.train, tally.validation, tally.test) > 0


def test_tallies_add_up() -> None:
    parts = [Tally(1, 2, 3, 4, 1, 1, 0), Tally(1, 5, 0, 1, 2, 2, 1)]
    assert sum(parts, Tally()) == Tally(2, 7, 3, 5, 3, 3, 1)
