"""What was too large is remembered, and forgotten slowly."""

from __future__ import annotations

from rsbot_beam.earthengine.sizes import SizeMemory

MB = 1 << 20


def test_everything_is_allowed_at_first() -> None:
    assert SizeMemory().allows("a", 48 * MB)


def test_a_refusal_blocks_that_size_and_larger_ones_of_that_source() -> None:
    sizes = SizeMemory()
    sizes.refused("a", 8 * MB)
    assert not sizes.allows("a", 8 * MB) and not sizes.allows("a", 40 * MB)
    assert sizes.allows("a", 4 * MB)
    assert sizes.allows("b", 48 * MB)


def test_a_heavy_place_among_light_ones_blocks_nothing() -> None:
    sizes = SizeMemory()
    for _ in range(3):
        sizes.answered("a", 8 * MB)
    sizes.refused("a", 8 * MB)
    assert sizes.allows("a", 8 * MB)


def test_when_most_are_refused_it_is_blocked_all_the_same() -> None:
    sizes = SizeMemory()
    for _ in range(50):
        sizes.answered("a", 8 * MB)
    refused = 0
    while sizes.allows("a", 8 * MB):
        sizes.refused("a", 8 * MB)
        refused += 1
    assert refused == 3


def test_it_is_tried_again_after_many_smaller_answers() -> None:
    sizes = SizeMemory()
    sizes.refused("a", 8 * MB)
    answers = 0
    while not sizes.allows("a", 8 * MB):
        sizes.answered("a", 4 * MB)
        answers += 1
    assert answers == 128
    sizes.refused("a", 8 * MB)
    assert not sizes.allows("a", 8 * MB)


def test_recovery_reaches_every_size() -> None:
    sizes = SizeMemory()
    for size in (32, 16, 8):
        sizes.refused("a", size * MB)
    for _ in range(5000):
        for size in (32, 16, 8, 4):
            if sizes.allows("a", size * MB):
                sizes.answered("a", size * MB)
                break
    assert sizes.allows("a", 32 * MB)


def test_an_answer_at_a_size_shows_that_smaller_ones_work() -> None:
    sizes = SizeMemory()
    sizes.refused("a", 2 * MB)
    sizes.answered("a", 2 * MB)
    assert sizes.allows("a", 2 * MB)
