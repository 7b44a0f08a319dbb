"""Random numbers that are the same on every machine: from a seed, a purpose, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from rsbot_beam.errors import InputError

NUMBERS_PER_TEXT = 8
"""Numbers that one hash gives: the 64 bytes of a BLAKE2b digest (RFC 7693, the longest there is), 8 each."""


class UniformStream:
    """An endless stream of numbers in [0, 1), the same for the same seed and purpose.

    It reads the raw words of PCG64, which NumPy promises never to change; of the methods of `Generator` it promises
    that only within a version (NEP 19).

    Args:
        seed: A whole number, not negative.
        purpose: What the numbers are for; streams of different purposes are independent.

    Raises:
        InputError: The seed is negative or not whole.
    """

    def __init__(self, seed: int, purpose: str) -> None:
        words = np.frombuffer(hashlib.blake2b(purpose.encode(), digest_size=16).digest(), "<u4")
        self._bits = np.random.PCG64(np.random.SeedSequence([checked_seed(seed), *words.tolist()]))

    def take(self, rows: int, columns: int) -> np.ndarray:
        """Returns the next numbers as (rows, columns) float64; they do not depend on how many are taken at once."""
        return _unit(self._bits.random_raw(rows * columns)).reshape(rows, columns)


def checked_seed(seed: int) -> int:
    """Returns the seed as an int; raises InputError where it is negative or not a whole number."""
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"the seed {seed!r} must be a whole number, 0 or more, such as --seed 7")
    return int(seed)


def hashed_uniforms(seed: int, purpose: str, texts: Sequence[str]) -> np.ndarray:
    """Returns numbers that belong to texts, whatever other texts there are, as (n, 8) float64 in [0, 1)."""
    start = hashlib.blake2b(f"{checked_seed(seed)} {purpose} ".encode(), digest_size=64)
    digests = bytearray()
    for text in texts:
        draw = start.copy()
        draw.update(text.encode())
        digests += draw.digest()
    return _unit(np.frombuffer(bytes(digests), "<u8")).reshape(len(texts), NUMBERS_PER_TEXT)


def hashed_priority(seed: int, text: str) -> int:
    """Returns a whole number in [0, 2**64) that belongs to a text; those of different texts are as if drawn."""
    digest = hashlib.blake2b(f"{checked_seed(seed)} {text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _unit(words: np.ndarray) -> np.ndarray:
    # The 53 upper bits are what a float64 in [0, 1) can hold.
    return (words >> np.uint64(11)) * 2.0**-53
