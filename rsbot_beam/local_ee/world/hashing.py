"""Integer hashing: the only source of randomness in the world.

There is no generator with a state: every random number is a hash of a seed and of integer coordinates, so that it is the
same whichever request asks for it, in whichever order, on whichever thread.
"""

from __future__ import annotations

import hashlib
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

UInt64Array: TypeAlias = NDArray[np.uint64]
Float32Array: TypeAlias = NDArray[np.float32]

# Odd multiplier of Steele et al. 2014, "Fast splittable pseudorandom number generators" (2**64 / golden ratio).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# Multiplier and shifts of the "moremur" finaliser's family (P. Evensen 2019), which passes PractRand on counters.
_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9)
_SHIFT_A = np.uint64(30)
_SHIFT_B = np.uint64(27)

# A float32 holds 24 bits of mantissa: more would round up to 1.0.
_MANTISSA_SHIFT = np.uint64(40)
_MANTISSA_SCALE = np.float32(2.0**-24)


def salt(seed: int, *names: object) -> int:
    """A 64-bit number that stands for a seed and a purpose.

    Args:
        seed: The world's seed.
        *names: What the random numbers are for, such as `"clouds", 17712`.

    Returns:
        0..2**64-1, the same in every process.
    """
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def mix(values: UInt64Array) -> UInt64Array:
    """Scramble 64-bit integers; a bijection, so different values stay different."""
    mixed = values ^ (values >> _SHIFT_A)
    mixed *= _MULTIPLIER
    mixed ^= mixed >> _SHIFT_B
    return mixed


def hash_of(key: int | UInt64Array, *coordinates: NDArray[Any]) -> UInt64Array:
    """Hash integer coordinates, elementwise with broadcasting.

    Args:
        key: A `salt`, or hashes to start from.
        *coordinates: Integer arrays; negative values are fine.

    Returns:
        uint64 of the broadcast shape, at least 1-D.
    """
    hashed = np.atleast_1d(np.asarray(key, dtype=np.uint64))
    for coordinate in coordinates:
        integers = np.atleast_1d(np.asarray(coordinate)).astype(np.int64).view(np.uint64)
        hashed = mix((hashed ^ integers) * _GOLDEN)
    return hashed


def unit(hashed: UInt64Array) -> Float32Array:
    """Uniform float32 in [0, 1) from the high bits of hashes."""
    return np.asarray((hashed >> _MANTISSA_SHIFT).astype(np.float32) * _MANTISSA_SCALE, dtype=np.float32)


def draw(hashed: UInt64Array, purpose: int) -> Float32Array:
    """One more uniform float32 in [0, 1) of things that have a hash already.

    Args:
        hashed: One hash for each thing.
        purpose: Small integer: which of the thing's many random numbers. Modules have tens of their own, so that no two
            decisions share a number: parcels 0, covers 20, crops 30, surface 40, cloud_score 50, cropland 60, structures
            70, turbines 80 and 90, naip 95.
    """
    return unit(mix(mix(hashed + np.uint64(purpose * int(_GOLDEN) % 2**64))))


def bell(hashed: UInt64Array, purpose: int) -> Float32Array:
    """Bell-shaped float32 with mean 0 and standard deviation 1, within +-2.5.

    The sum of two uniforms, widened: light tails are wanted, since a sowing date is never 60 days off.
    """
    total = draw(hashed, purpose) + draw(hashed, purpose + 1000)
    return np.asarray((total - np.float32(1.0)) * np.float32(6.0**0.5), dtype=np.float32)
