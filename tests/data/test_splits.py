"""The spatial split: stable, in the asked shares, and never through a block of ground."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsbot_beam.data.splits import SPLITS, SpatialSplit
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileKey, near_zone_edge

# Written down once: these may never change, or continued exports would mix partitions.
KNOWN = {
    "EPSG32633_10_128_r-527104_c39168": "train",
    "EPSG32633_10_128_r-520960_c49920": "train",
    "EPSG3857_30_256_r0_c0": "validation",
    "EPSG4326_0.0001_64_r-6400_c128000": "train",
    "EPSG32718_10_128_r-900096_c30080_o15x15": "test",
    "EPSG3031_10_256_r256_c-512": "train",
}


KNOWN_GROUPS = ["validation", "validation", "train", "train"]


@pytest.mark.parametrize("text", KNOWN)
def test_known_tiles_stay_where_they_are(text: str) -> None:
    assert SpatialSplit((1, 1, 1)).split_of(TileKey.parse(text)) == KNOWN[text]


def test_a_row_of_tiles_stays_as_it_is(make_key: Callable[..., TileKey]) -> None:
    split = SpatialSplit((60, 20, 20), block=1)
    letters = {"train": "T", "validation": "V", "test": "E"}
    row = "".join(letters[split.split_of(make_key(7, col, 128))] for col in range(48))
    assert row == "EVTEVETTVTEVTEVTETVTTTTETVTTTEETTEVETTVTTVTTTVTV"


@pytest.mark.parametrize("shares", [(80, 10, 10), (1, 1, 1), (0.5, 0, 0.5), (0, 0, 3)])
def test_shares_are_met_on_many_blocks(make_key: Callable[..., TileKey], shares: tuple[float, ...]) -> None:
    split = SpatialSplit(shares, block=1)  # type: ignore[arg-type]
    counts = Counter(split.split_of(make_key(row, col)) for row in range(100) for col in range(100))
    for name, share in zip(SPLITS, shares, strict=True):
        wanted = share / sum(shares)
        # Four standard deviations of a share of 10,000 draws.
        assert abs(counts[name] / 10_000 - wanted) <= 4 * (wanted * (1 - wanted) / 10_000) ** 0.5


@given(st.integers(-2000, 2000), st.integers(-2000, 2000), st.sampled_from([500.0, 2560.0, 5000.0, 20_000.0]))
def test_a_block_stays_together(row: int, col: int, block: float) -> None:
    split = SpatialSplit((1, 1, 1), block)
    side = split.block_tiles(TileKey("EPSG:32633", 10.0, 128, 0, 0))
    corner = (row // side * side, col // side * side)
    found = {
        split.split_of(TileKey("EPSG:32633", 10.0, 128, r * 128, c * 128))
        for r in (corner[0], row, corner[0] + side - 1)
        for c in (corner[1], col, corner[1] + side - 1)
    }
    assert len(found) == 1


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_every_tile_is_in_one_partition(row: int, col: int) -> None:
    key = TileKey("EPSG:3857", 30.0, 64, row, col)
    assert SpatialSplit().split_of(key) in SPLITS


@pytest.mark.parametrize(
    ("key", "block", "tiles"),
    [
        (TileKey("EPSG:32633", 10.0, 128, 0, 0), 5000.0, 4),
        (TileKey("EPSG:32633", 10.0, 128, 0, 0), 1.0, 1),
        (TileKey("EPSG:32633", 30.0, 256, 0, 0), 20_000.0, 3),
        (TileKey("EPSG:4326", 0.0001, 100, 0, 0), 5000.0, 4),
    ],
)
def test_blocks_are_whole_tiles(key: TileKey, block: float, tiles: int) -> None:
    assert SpatialSplit(block=block).block_tiles(key) == tiles


@pytest.mark.parametrize("shares", [(1, 1, 1), (0, 1, 9), (0, 0, 1)])
def test_tiles_at_a_zone_s_edge_go_to_the_first_partition(shares: tuple[float, float, float]) -> None:
    """A row of tiles of zone 33 at 52 degrees north, from its western border to its middle."""
    row = [TileKey("EPSG:32633", 10.0, 128, -576_000, col * 128) for col in range(225, 391)]
    edge = [key for key in row if near_zone_edge(key)]
    assert 2 <= len(edge) < 20
    assert edge == row[: len(edge)]
    first = next(name for name, share in zip(SPLITS, shares, strict=True) if share)
    zoned, plain = SpatialSplit(shares, zoned=True), SpatialSplit(shares)
    assert {zoned.split_of(key) for key in edge} == {first}
    assert all(zoned.split_of(key) == plain.split_of(key) for key in row[len(edge) :])


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.text(min_size=1))
def test_a_group_stays_together_wherever_its_tiles_are(row: int, col: int, group: str) -> None:
    split = SpatialSplit((1, 1, 1), zoned=True)
    other = TileKey("EPSG:32718", 30.0, 256, 5, 5)
    assert split.split_of(TileKey("EPSG:32633", 10.0, 64, row, col), group) == split.split_of(other, group)


def test_shares_are_met_on_many_groups(make_key: Callable[..., TileKey]) -> None:
    split = SpatialSplit((60, 20, 20), zoned=True)
    counts = Counter(split.split_of(make_key(), f"group {n}") for n in range(10_000))
    assert abs(counts["train"] - 6000) < 200 and abs(counts["test"] - 2000) < 160


def test_known_groups_stay_where_they_are(make_key: Callable[..., TileKey]) -> None:
    split = SpatialSplit((1, 1, 1))
    found = [split.split_of(make_key(), group) for group in ("EPSG32633_10_128_r-527104_c39168", "a", "b", "c")]
    assert found == KNOWN_GROUPS


@pytest.mark.parametrize("text", ["80,10", "80,10,10,0", "a,b,c", "", "80;10;10"])
def test_what_is_no_split(text: str) -> None:
    with pytest.raises(InputError, match="not three numbers like 80,10,10"):
        SpatialSplit.parse(text, 5000.0, zoned=False)


@pytest.mark.parametrize("text", ["0,0,0", "-1,1,1", "nan,1,1", "1,1,nan", "inf,1,1"])
def test_shares_that_cannot_be(text: str) -> None:
    with pytest.raises(InputError, match="needs three shares"):
        SpatialSplit.parse(text, 5000.0, zoned=False)


@pytest.mark.parametrize("block", [0.0, -5.0, float("nan"), float("inf")])
def test_blocks_that_cannot_be(block: float) -> None:
    with pytest.raises(InputError, match="must be positive"):
        SpatialSplit(block=block)


def test_parsed_shares() -> None:
    assert SpatialSplit.parse(" 80, 10,10", 1000.0, zoned=True) == SpatialSplit((80.0, 10.0, 10.0), 1000.0, True)
