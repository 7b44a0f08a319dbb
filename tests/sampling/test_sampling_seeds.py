"""Random numbers: written down once, so that no version of anything may change what a seed draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsbot_beam.errors import InputError
from rsbot_beam.sampling.seeds import UniformStream, hashed_priority, hashed_uniforms

# Written down once: these may never change, or a run that is continued would draw other tiles.
KNOWN_STREAM = [0.47592111727283637, 0.39915871669838465, 0.7100770833161503]
KNOWN_HASH = [0.9914274980312898, 0.8979096267538228]
KNOWN_PRIORITY = 15923553082752745028


def test_streams_stay_what_they_are() -> None:
    assert UniformStream(7, "random tiles").take(1, 3).tolist() == [KNOWN_STREAM]


def test_hashes_stay_what_they_are() -> None:
    assert hashed_uniforms(7, "feature", ["a"])[0, :2].tolist() == KNOWN_HASH
    assert hashed_priority(7, "EPSG32633_10_128_r0_c0") == KNOWN_PRIORITY


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_a_stream_does_not_depend_on_how_much_is_taken_at_once(sizes: list[int]) -> None:
    pieces, whole = UniformStream(1, "x"), UniformStream(1, "x")
    taken = np.concatenate([pieces.take(size, 2) for size in sizes])
    assert np.array_equal(taken, whole.take(sum(sizes), 2))


def test_seeds_and_purposes_have_streams_of_their_own() -> None:
    streams = {UniformStream(seed, purpose).take(1, 1)[0, 0] for seed in range(50) for purpose in "abc"}
    assert len(streams) == 150


@given(st.lists(st.text(max_size=5), min_size=1, max_size=20), st.randoms())
def test_a_text_s_numbers_do_not_depend_on_other_texts(texts: list[str], random: object) -> None:
    alone = {text: hashed_uniforms(3, "x", [text])[0] for text in texts}
    random.shuffle(texts)  # type: ignore[attr-defined]
    for text, row in zip(texts, hashed_uniforms(3, "x", texts), strict=True):
        assert np.array_equal(row, alone[text])


def test_numbers_are_uniform() -> None:
    hashed = hashed_uniforms(0, "x", [str(n) for n in range(2000)]).ravel()
    drawn = UniformStream(0, "x").take(16_000, 1).ravel()
    for numbers in (hashed, drawn, np.array([hashed_priority(0, str(n)) for n in range(16_000)]) / 2**64):
        assert numbers.min() >= 0 and numbers.max() < 1
        found = np.histogram(numbers, 20, (0, 1))[0]
        # The 99.9 % quantile of chi-square with 19 degrees of freedom is 43.8.
        assert ((found - 800) ** 2 / 800).sum() < 43.8


def test_no_texts_have_no_numbers() -> None:
    assert hashed_uniforms(0, "x", []).shape == (0, 8)


@pytest.mark.parametrize("seed", [-1, 1.5, "7", None])
def test_what_is_no_seed(seed: object) -> None:
    for draw in (lambda: UniformStream(seed, "x"), lambda: hashed_priority(seed, "x")):  # type: ignore[arg-type]
        with pytest.raises(InputError, match="must be a whole number, 0 or more, such as --seed 7"):
            draw()
