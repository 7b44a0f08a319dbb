"""Variation from pixel to pixel: what stays (soil, crowns, gaps) and what is new on every image (sensor noise).

Both are read from small periodic tables by the number of the world's cell. The period of 256 cells is invisible, and a
look-up costs a tenth of hashing every pixel of every image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.world.covers import Material
from rsbot_beam.local_ee.world.hashing import Float32Array, hash_of, salt, unit
from rsbot_beam.local_ee.world.spectra import BANDS
from rsbot_beam.local_ee.world.zones import Sites

_PERIOD = 256  # cells; a power of two
_MASK = _PERIOD - 1
_LONG_PERIOD = 241  # cells; a prime, so that the two tables' sum repeats after 256 * 241 cells only

# Standard deviation of brightness within a thing, relative. Woods: crowns and their shade; towns: houses and streets of
# less than a pixel; fields: after Schmedtmann and Campagnolo 2015, Remote Sensing 7 (within-parcel variation, 5 to 15 %).
_ROUGHNESS = dict.fromkeys(Material, 0.08) | {
    Material.WATER: 0.02,
    Material.DECIDUOUS: 0.10,
    Material.EVERGREEN: 0.13,
    Material.MIXED: 0.13,
    Material.SHRUB: 0.13,
    Material.BARREN: 0.10,
    Material.SNOW: 0.03,
    Material.ASPHALT: 0.10,
    Material.DARK_ROOF: 0.15,
    Material.RED_ROOF: 0.15,
    Material.BRIGHT_ROOF: 0.15,
    Material.GRASS: 0.11,
    Material.PANEL: 0.07,
    Material.CROP: 0.11,
}
_ROUGHNESS_TABLE = np.array([_ROUGHNESS[material] for material in Material], dtype=np.float32)
# How patches of weaker plants change each band, relative to the roughness: visible up, near infrared down.
_WEAKNESS = np.array([0.5, 0.6, 0.5, 0.9, 0.5, -0.5, -0.7, -0.7, -0.7, -0.7, 0.5, 0.7], dtype=np.float32)
_WEAK_MATERIALS = np.zeros(len(Material), dtype=np.float32)
_WEAK_MATERIALS[[Material.CROP, Material.GRASS, Material.SHRUB, Material.WETLAND]] = 1.1

# Sensor noise: signal to noise of 100 to 170 at reference radiance (Sentinel-2 user handbook, ESA 2015, table 1), plus
# misregistration of up to a third of a pixel and what atmospheric correction adds, which dominate: 5 % together.
_RELATIVE_NOISE = 0.05
_NOISE_FLOOR = 0.10  # reflectance that is added before the relative noise, which makes its absolute part 0.005


class Grain:
    """The noise tables of one world.

    Args:
        seed: The world's seed.
    """

    def __init__(self, seed: int) -> None:
        rows, columns = np.meshgrid(np.arange(_PERIOD), np.arange(_PERIOD), indexing="ij")
        planes = [_gauss(hash_of(salt(seed, "noise", band), rows, columns)) for band in BANDS]
        self._noise = np.stack([1.0 + np.float32(_RELATIVE_NOISE) * plane.ravel() for plane in planes]).astype(
            np.float32
        )
        rows, columns = np.meshgrid(np.arange(_LONG_PERIOD), np.arange(_LONG_PERIOD), indexing="ij")
        self._fine = _gauss(hash_of(salt(seed, "fine"), rows, columns)).ravel()
        self._coarse = _blurred(_gauss(hash_of(salt(seed, "coarse"), rows, columns))).ravel()
        self._salt = salt(seed, "grain")

    def lasting(self, sites: Sites, material: NDArray[np.uint8]) -> Float32Array:
        """Factors of reflectance that stay as they are, float32 (12, N), around 1."""
        index = np.mod(sites.rows, _LONG_PERIOD) * _LONG_PERIOD + np.mod(sites.columns, _LONG_PERIOD)
        rough = _ROUGHNESS_TABLE[material]
        bright = self._fine[index] * rough
        weak = self._coarse[index] * rough * _WEAK_MATERIALS[material]
        return np.maximum(1.0 + bright + weak * _WEAKNESS[:, None], np.float32(0.3)).astype(np.float32)

    def index(self, sites: Sites, number: int) -> NDArray[np.int32]:
        """Where the pixels' noise of a day is in the tables, int32 (N,)."""
        moved = int(hash_of(self._salt, np.array(number))[0] & np.uint64(0xFFFF))
        rows = (sites.rows + (moved >> 8)) & _MASK
        return np.asarray((rows << 8) | ((sites.columns + (moved & _MASK)) & _MASK), dtype=np.int32)

    def add_noise(self, values: Float32Array, bands: list[int], index: NDArray[np.int32]) -> None:
        """Add a day's sensor noise to reflectances (bands, N), in place."""
        floor = np.float32(_NOISE_FLOOR)
        values += floor
        for row, band in enumerate(bands):
            values[row] *= np.take(self._noise[band], index)
        values -= floor

    def speckle(self, sites: Sites, number: int, plane: int) -> Float32Array:
        """Standardised noise of a day that is new in every pixel and plane (0..11), float32 (N,)."""
        noise = np.take(self._noise[plane], self.index(sites, number))
        return np.asarray((noise - np.float32(1.0)) / np.float32(_RELATIVE_NOISE), dtype=np.float32)

    def detail(self, sites: Sites) -> Float32Array:
        """Standardised grain of a few pixels' size for things in the sky, float32 (N,)."""
        index = np.mod(sites.rows, _LONG_PERIOD) * _LONG_PERIOD + np.mod(sites.columns, _LONG_PERIOD)
        return np.asarray(self._coarse[index], dtype=np.float32)


def _gauss(hashed: NDArray[np.uint64]) -> Float32Array:
    """About normal, standard deviation 1: the sum of four uniforms from the bits of one hash."""
    parts = [unit(hashed << np.uint64(shift)) for shift in (0, 10, 20, 30)]
    return np.asarray((sum(parts) - np.float32(2.0)) * np.float32(3.0**0.5), dtype=np.float32)


def _blurred(plane: Float32Array) -> Float32Array:
    """A periodic plane with patches of about three cells, standard deviation 1."""
    total = np.zeros_like(plane)
    for down in (-2, -1, 0, 1, 2):
        for right in (-2, -1, 0, 1, 2):
            weight = np.float32(np.exp(-(down * down + right * right) / 2.5))
            total += weight * np.roll(plane, (down, right), axis=(0, 1))
    return np.asarray(total / total.std(), dtype=np.float32)
