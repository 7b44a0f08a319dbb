"""Which patches a contact sheet shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from rsbot_beam.data.bands import Band, Layout
from rsbot_beam.data.objects import Objects
from rsbot_beam.data.patch import Patch
from rsbot_beam.geometry import TileKey
from rsbot_beam.views.choice import choose_patches, shows_something

BANDS = (Band("B4", "uint16"),)
DETECTION = Layout(BANDS, objects=True)
PAINTED = Layout(BANDS, label=Band("field", "uint8"), painted=True)
MAPPED = Layout(BANDS, label=Band("cover", "uint8"))
ONE = Objects(np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([1]), np.array([False]), ("a",))


def make_patch(number: int, layout: Layout = DETECTION, objects: Objects | None = None, code: int = 0) -> Patch:
    arrays = {b.name: np.full((2, 2), code if b is layout.label else 1, b.numpy) for b in layout.all_bands}
    key = TileKey("EPSG:32632", 10.0, 2, 0, 2 * number)
    return Patch(key, layout, arrays, {name: np.ones((2, 2), bool) for name in arrays}, objects)


def shards_of(rich: list[bool], per_shard: int = 10) -> list[list[Patch]]:
    patches = [make_patch(n, objects=ONE if has else Objects.none()) for n, has in enumerate(rich)]
    return [patches[start : start + per_shard] for start in range(0, len(patches), per_shard)]


def numbers(patches: list[Patch]) -> list[int]:
    return [patch.key.col // 2 for patch in patches]


def test_two_of_three_have_objects_where_there_are_enough() -> None:
    chosen = choose_patches(shards_of([n % 2 == 0 for n in range(100)]), 12)
    assert len(chosen) == 12
    assert sum(len(patch.objects or ()) > 0 for patch in chosen) == 8


def test_rare_objects_are_found_among_much_background() -> None:
    rich = [False] * 200
    for place in (3, 57, 158):
        rich[place] = True
    chosen = choose_patches(shards_of(rich), 12)
    assert len(chosen) == 12
    assert {3, 57, 158} <= set(numbers(chosen))


@pytest.mark.parametrize("has", [True, False])
def test_all_of_one_kind_fill_the_sheet(has: bool) -> None:
    assert len(choose_patches(shards_of([has] * 60), 12)) == 12


def test_few_shards_still_fill_the_sheet() -> None:
    assert len(choose_patches(shards_of([True] * 40, per_shard=40), 12)) == 12


def test_a_small_dataset_is_shown_whole_and_in_order() -> None:
    chosen = choose_patches(shards_of([n % 3 == 0 for n in range(7)], per_shard=2), 12)
    assert numbers(chosen) == list(range(7))


def test_patches_come_from_all_over_the_dataset_and_none_twice() -> None:
    chosen = numbers(choose_patches(shards_of([n % 2 == 0 for n in range(240)]), 12))
    assert chosen == sorted(set(chosen))
    assert min(chosen) < 40
    assert max(chosen) >= 200


def test_shards_are_read_one_after_the_other_and_not_kept() -> None:
    alive = []

    def shard(number: int) -> Iterator[Patch]:
        alive.append(number)
        for n in range(100):
            yield make_patch(100 * number + n, objects=ONE)
        alive.remove(number)

    assert len(choose_patches([shard(n) for n in range(6)], 6)) == 6
    assert alive == []


def test_nothing_is_chosen_from_nothing() -> None:
    assert choose_patches([], 12) == []
    assert choose_patches([[], []], 12) == []


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        (make_patch(0, objects=ONE), True),
        (make_patch(0, objects=Objects.none()), False),
        (make_patch(0, PAINTED, code=3), True),
        (make_patch(0, PAINTED, code=0), False),
        (make_patch(0, MAPPED, code=0), True),
    ],
)
def test_what_counts_as_something_to_see(patch: Patch, expected: bool) -> None:
    assert shows_something(patch) is expected
