"""Stratified sampling: the same tiles in any order and any parts, and as many of each class as there are."""

from __future__ import annotations

import json
import pickle
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.geometry import Grid, TileKey
from rsbot_beam.sampling import StrataAccumulator, choose_stratified
from rsbot_beam.sampling.seeds import hashed_priority
from rsbot_beam.sampling.strata import SPARE

Counted = tuple[str, dict[int, int]]
TILES = st.integers(0, 60).map(lambda n: str(TileKey("EPSG:32633", 10.0, 64, 0, 64 * n)))


def counts_of(tile: str) -> dict[int, int]:
    """Counts that follow from the tile, so that a tile added twice is the same tile."""
    draw = hashed_priority(99, tile)
    return {code: (draw >> (8 * code)) % 100 for code in range(1, 5)}


COUNTED = st.lists(TILES, max_size=60).map(lambda tiles: [(tile, counts_of(tile)) for tile in tiles])


def counted(tiles: list[Counted], per_class: int = 3, min_share: float = 0.2, seed: int = 1) -> StrataAccumulator:
    found = StrataAccumulator(per_class, min_share, seed)
    for tile, counts in tiles:
        found.add(tile, counts)
    return found


def many(number: int, start: int = 0) -> list[str]:
    return [
        str(TileKey("EPSG:32633", 10.0, 64, 64 * (n // 1000), 64 * (n % 1000))) for n in range(start, start + number)
    ]


@given(COUNTED, st.randoms())
def test_order_does_not_matter(tiles: list[Counted], random: object) -> None:
    wanted = counted(tiles).to_dict()
    random.shuffle(tiles)  # type: ignore[attr-defined]
    assert counted(tiles).to_dict() == wanted


@given(COUNTED, COUNTED, COUNTED)
def test_merging_is_associative_and_commutative(a: list[Counted], b: list[Counted], c: list[Counted]) -> None:
    x, y, z = counted(a), counted(b), counted(c)
    whole = counted(a + b + c)
    assert x.merge(y).merge(z) == x.merge(y.merge(z)) == z.merge(x).merge(y) == whole
    assert x.merge(x) == x
    assert StrataAccumulator(3, 0.2, 1).merge(x) == x


@given(COUNTED, st.integers(1, 5))
@settings(max_examples=50)
def test_the_smallest_priorities_of_each_class_are_kept(tiles: list[Counted], per_class: int) -> None:
    found = counted(tiles, per_class)
    found.to_dict()  # lets go of what is not needed
    for code in range(1, 5):
        holding = {t for t, c in tiles if c[code] > 0 and c[code] >= 0.2 * sum(c.values())}
        ordered = sorted(holding, key=lambda tile: (hashed_priority(1, tile), tile))
        assert found.tiles_of(code) == ordered[: SPARE * per_class]


def test_pruning_loses_nothing() -> None:
    """Thousands of tiles, merged in pieces of any size, against all of them sorted at once."""
    tiles = [(tile, counts_of(tile)) for tile in many(20_000)]
    whole = counted(tiles, 50)
    pieces = StrataAccumulator(50, 0.2, 1)
    for start in range(0, len(tiles), 1700):
        pieces = pieces.merge(counted(tiles[start : start + 1700], 50))
    assert pieces == whole
    for code in range(1, 5):
        holding = [t for t, c in tiles if c[code] > 0 and c[code] >= 0.2 * sum(c.values())]
        assert whole.tiles_of(code) == sorted(holding, key=lambda t: hashed_priority(1, t))[:100]
        assert whole.estimated_tiles(code) == pytest.approx(len(holding), rel=0.35)
    assert len(whole.to_dict()["tiles"]) <= 400


@given(COUNTED)
def test_it_survives_json_and_pickle(tiles: list[Counted]) -> None:
    found = counted(tiles)
    found.skip()
    assert StrataAccumulator.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert pickle.loads(pickle.dumps(found)) == found


def test_min_share_is_of_all_pixels_where_they_are_told() -> None:
    found = StrataAccumulator(3, 0.1, 1)
    first, second, third = many(3)
    found.add(first, {5: 3, 6: 0})
    found.add(second, {5: 3}, pixels=256)
    found.add(third, {5: 26, 7: 25}, pixels=256)
    assert set(found.tiles_of(5)) == {first, third}
    assert (found.tiles_of(6), found.tiles_of(7), found.classes()) == ([], [], [5])
    assert found.held_by(third) == (5,)


def test_each_class_has_exactly_as_many_as_asked_where_tiles_hold_one() -> None:
    tiles = [(tile, {n % 3 + 1: 10}) for n, tile in enumerate(many(300))]
    found, short = choose_stratified(counted(tiles, 20), {1: "a", 2: "b", 3: "c"})
    assert Counter(sample.kind for sample in found) == {"class 1": 20, "class 2": 20, "class 3": 20}
    assert not short


def test_rare_classes_come_first_and_their_tiles_count_for_others() -> None:
    """All tiles hold maize; ten of a thousand hold hops as well."""
    tiles = [(tile, {1: 90, **({8: 10} if n % 100 == 0 else {})}) for n, tile in enumerate(many(1000))]
    found, short = choose_stratified(counted(tiles, 20, 0.05), {1: "maize", 8: "hops"})
    assert Counter(sample.kind for sample in found) == {"class 8": 10, "class 1": 10}
    assert [(s.what, s.wanted, s.found) for s in short] == [("class 8 (hops)", 20, 10)]
    assert "no more than 10 tiles of the region have it in 5% or more" in short[0].why


def test_classes_that_are_nowhere_and_classes_that_are_not_wanted() -> None:
    found, short = choose_stratified(counted([(tile, {1: 5, 2: 5}) for tile in many(50)], 10), {1: "a", 9: "z"})
    assert {sample.kind for sample in found} == {"class 1"}
    assert [(s.what, s.found) for s in short] == [("class 9 (z)", 0)]


def test_classes_that_are_nowhere_share_one_message() -> None:
    tiles = [(tile, {1: 5, 2: 5}) for tile in many(50)]
    _, short = choose_stratified(counted(tiles, 10), {1: "a", 3: "c", 2: "b", 4: "d", 255: "z"})
    (only,) = short
    assert str(only).startswith(
        "each of the 3 classes 3 (c), 4 (d), 255 (z): 10 asked, 0 found: no tile of the region has"
    )


def test_tiles_of_two_zones_do_not_overlap() -> None:
    grid = Grid("utm", 10.0, 64)
    keys = {grid.tile_at(lon, lat) for lon in (11.9999, 12.0001) for lat in (45 + n * 0.01 for n in range(60))}
    tiles = [(str(key), {1: 10}) for key in sorted(keys)]
    found, short = choose_stratified(counted(tiles, 100), {1: "a"})
    assert 60 <= len(found) < len(tiles)
    assert short[0].found == len(found) and "would overlap others" in short[0].why
    few, short = choose_stratified(counted(tiles, 200), {1: "a"})
    assert len(few) == len(found)
    assert "no more than 120 tiles" in short[0].why and "60 of them would overlap others" in short[0].why
    found, _ = choose_stratified(counted(tiles, 200), {1: "a"}, overlap=True)
    assert len(found) == len(tiles)


def test_overlapping_tiles_are_said_to_be_the_reason() -> None:
    tiles = [(str(TileKey("EPSG:32633", 10.0, 64, 0, n)), {1: 10}) for n in range(40)]
    found, short = choose_stratified(counted(tiles, 20), {1: "a"})
    assert len(found) == 1
    assert "40 tiles with it were looked at, and 39 of them would overlap others" in short[0].why


def test_seeds_choose_other_tiles() -> None:
    tiles = [(tile, {1: 1}) for tile in many(1000)]
    chosen = [{s.key for s in choose_stratified(counted(tiles, 20, seed=seed), {1: "a"}).samples} for seed in (1, 1, 2)]
    assert chosen[0] == chosen[1]
    assert len(chosen[0] & chosen[2]) < 5


def test_tiles_that_could_not_be_looked_at_are_counted() -> None:
    a, b = StrataAccumulator(3, 0.2, 1), StrataAccumulator(3, 0.2, 1)
    a.skip(), a.skip(), b.skip()
    assert a.merge(b).unseen == 3


@pytest.mark.parametrize(("per_class", "min_share"), [(0, 0.1), (5, 0.0), (5, 1.5), (5, float("nan"))])
def test_numbers_that_cannot_be(per_class: int, min_share: float) -> None:
    with pytest.raises(InputError, match="give 1 tile or more, and a share above 0"):
        StrataAccumulator(per_class, min_share, 1)


def test_others_do_not_merge() -> None:
    with pytest.raises(InputError, match="do not go together"):
        StrataAccumulator(3, 0.2, 1).merge(StrataAccumulator(3, 0.2, 2))


@pytest.mark.parametrize(
    "content", [{}, {"per_class": 0}, {"per_class": 1, "min_share": 0.1, "seed": 1, "unseen": 0, "tiles": 5}]
)
def test_what_are_no_strata(content: dict) -> None:
    with pytest.raises(DatasetError, match="no counted strata"):
        StrataAccumulator.from_dict(content)
