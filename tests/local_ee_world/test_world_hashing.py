from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsbot_beam.local_ee.world.hashing import bell, draw, hash_of, mix, salt, unit

NUMBERS = np.arange(200_000)


def test_the_same_seed_and_purpose_give_the_same_salt_in_another_process():
    code = "from rsbot_beam.local_ee.world.hashing import salt; print(salt(3, 'clouds', 17))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(printed) == salt(3, "clouds", 17)


def test_salts_differ_by_seed_purpose_and_order():
    assert len({salt(0, "a"), salt(1, "a"), salt(0, "b"), salt(0, "a", 1), salt(0, 1, "a"), salt(0, "a1")}) == 6


@given(st.integers(-(2**62), 2**62), st.integers(-(2**62), 2**62))
def test_hashes_do_not_depend_on_company(i: int, j: int):
    alone = hash_of(7, np.array([i]), np.array([j]))
    crowd = hash_of(7, np.array([1, i, -5]), np.array([2, j, 9]))
    assert alone[0] == crowd[1]


def test_hashes_of_neighbours_differ_in_half_of_their_bits():
    hashes = hash_of(1, NUMBERS)
    flipped = np.bitwise_count(hashes[1:] ^ hashes[:-1]) if hasattr(np, "bitwise_count") else None
    if flipped is None:
        pytest.skip("numpy before 2 does not count bits")
    assert abs(flipped.mean() - 32) < 0.2


def test_mix_is_a_bijection():
    assert len(np.unique(mix(NUMBERS.astype(np.uint64)))) == NUMBERS.size


def test_hash_is_not_symmetric_in_its_coordinates():
    assert hash_of(0, np.array(3), np.array(5))[0] != hash_of(0, np.array(5), np.array(3))[0]


def test_hash_broadcasts():
    assert hash_of(0, np.arange(3)[:, None], np.arange(4)).shape == (3, 4)


def test_unit_is_uniform_and_below_one():
    values = unit(hash_of(2, NUMBERS))
    assert values.dtype == np.float32
    assert values.min() >= 0.0
    assert values.max() < 1.0
    counts = np.histogram(values, bins=20, range=(0, 1))[0]
    assert abs(counts / NUMBERS.size - 0.05).max() < 0.003
    assert unit(np.array([2**64 - 1], dtype=np.uint64))[0] < 1.0


def test_draws_for_different_purposes_are_independent():
    hashes = hash_of(2, NUMBERS)
    assert abs(np.corrcoef(draw(hashes, 1), draw(hashes, 2))[0, 1]) < 0.01
    assert abs(np.corrcoef(unit(hashes), draw(hashes, 1))[0, 1]) < 0.01


def test_bell_has_unit_variance_and_light_tails():
    values = bell(hash_of(2, NUMBERS), 4)
    assert abs(values.mean()) < 0.01
    assert abs(values.std() - 1.0) < 0.01
    assert np.abs(values).max() <= 2.5
