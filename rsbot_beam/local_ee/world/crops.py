"""The crops of the world, how they follow each other, and where they are grown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.world.hashing import Float32Array, UInt64Array, draw, hash_of, salt
from rsbot_beam.local_ee.world.noise import FloatArray, globe_noise


class Crop(IntEnum):
    """Crops by their own small numbers; maps translate them (`legends`)."""

    MAIZE = 0
    SOYBEAN = 1
    WINTER_WHEAT = 2
    SPRING_WHEAT = 3
    BARLEY = 4
    OATS = 5
    RYE = 6
    RAPESEED = 7
    SUNFLOWER = 8
    SUGAR_BEET = 9
    POTATO = 10
    DRY_BEAN = 11
    SORGHUM = 12
    COTTON = 13
    RICE = 14
    ALFALFA = 15
    HAY = 16
    WHEAT_THEN_SOYBEAN = 17
    FALLOW = 18


@dataclass(frozen=True)
class Rotation:
    """A sequence of crops that repeats, and where farmers follow it.

    Attributes:
        crops: One for each year.
        weight: How common it is where it suits best.
        latitude: Degrees from the equator where it suits best.
        spread: Degrees over which it fades away.
        moisture: Moisture where it suits best, 0 (arid) to 1 (wet).
    """

    crops: tuple[Crop, ...]
    weight: float
    latitude: float
    spread: float
    moisture: float


# Common rotations: USDA ERS, "Crop rotation patterns" (Padgitt et al. 2000, Ag. Information Bulletin 700-40) for the
# Americas; Kollas et al. 2015, Eur. J. Agronomy 70, for Europe. Latitudes and moistures are read off crop calendars
# (Sacks et al. 2010, Global Ecology and Biogeography 19).
ROTATIONS = (
    Rotation((Crop.MAIZE, Crop.SOYBEAN), 3.2, 41.0, 12.0, 0.6),
    Rotation((Crop.MAIZE, Crop.MAIZE), 1.6, 38.0, 22.0, 0.55),
    Rotation((Crop.MAIZE, Crop.SOYBEAN, Crop.WINTER_WHEAT), 1.6, 40.0, 12.0, 0.6),
    Rotation((Crop.WINTER_WHEAT, Crop.SORGHUM, Crop.FALLOW), 1.4, 36.0, 12.0, 0.35),
    Rotation((Crop.WINTER_WHEAT, Crop.WINTER_WHEAT, Crop.RAPESEED), 1.5, 47.0, 10.0, 0.5),
    Rotation((Crop.RAPESEED, Crop.WINTER_WHEAT, Crop.BARLEY), 1.9, 52.0, 8.0, 0.65),
    Rotation((Crop.SUGAR_BEET, Crop.WINTER_WHEAT, Crop.POTATO, Crop.WINTER_WHEAT), 1.3, 50.0, 8.0, 0.65),
    Rotation((Crop.WINTER_WHEAT, Crop.SUNFLOWER, Crop.MAIZE), 1.5, 45.0, 8.0, 0.5),
    Rotation((Crop.SPRING_WHEAT, Crop.RAPESEED, Crop.DRY_BEAN), 1.4, 52.0, 9.0, 0.45),
    Rotation((Crop.BARLEY, Crop.OATS, Crop.HAY, Crop.HAY), 1.4, 58.0, 9.0, 0.55),
    Rotation((Crop.RYE, Crop.POTATO, Crop.OATS), 0.8, 54.0, 7.0, 0.6),
    Rotation((Crop.COTTON, Crop.COTTON, Crop.SORGHUM), 2.0, 30.0, 6.0, 0.4),
    Rotation((Crop.COTTON, Crop.SOYBEAN, Crop.MAIZE), 1.1, 30.0, 6.0, 0.6),
    Rotation((Crop.RICE, Crop.RICE, Crop.SOYBEAN), 2.2, 24.0, 11.0, 0.75),
    Rotation((Crop.ALFALFA, Crop.ALFALFA, Crop.ALFALFA, Crop.MAIZE), 1.1, 42.0, 14.0, 0.5),
    Rotation((Crop.WHEAT_THEN_SOYBEAN, Crop.MAIZE), 1.1, 35.0, 8.0, 0.65),
    Rotation((Crop.DRY_BEAN, Crop.MAIZE, Crop.SORGHUM), 1.5, 12.0, 16.0, 0.5),
    Rotation((Crop.HAY, Crop.HAY), 0.9, 48.0, 20.0, 0.6),
)

_REGION_WAVELENGTHS = (500e3, 150e3)  # metres: rotations are customs of regions of this size
_REGION_STRENGTH = 1.2  # logarithm of weight for one standard deviation of taste
_OFF_ROTATION = 0.06  # share of fields that a year sows something else of the region than the rotation says
_MOISTURE_SPREAD = 0.3
_LONGEST = max(len(rotation.crops) for rotation in ROTATIONS)
_SEQUENCES = np.array([(rotation.crops * _LONGEST)[:_LONGEST] for rotation in ROTATIONS], dtype=np.uint8)
_LENGTHS = np.array([len(rotation.crops) for rotation in ROTATIONS])


class Rotations:
    """Which crop grows where and when in one world.

    Args:
        seed: The world's seed.
    """

    def __init__(self, seed: int) -> None:
        self._year_key = salt(seed, "off rotation")
        self._keys = [salt(seed, "region", k, w) for k in range(len(ROTATIONS)) for w in _REGION_WAVELENGTHS]
        self._lengths = list(_REGION_WAVELENGTHS) * len(ROTATIONS)

    def shares(self, lon: FloatArray, lat: FloatArray, moisture: Float32Array) -> Float32Array:
        """Cumulative shares of the rotations at places in degrees: float32 (rotations, N), the last row is 1."""
        noise = globe_noise(self._keys, self._lengths, lon, lat).reshape(len(ROTATIONS), len(_REGION_WAVELENGTHS), -1)
        taste = noise[:, 0] * np.float32(0.8) + noise[:, 1] * np.float32(0.6)
        columns = np.array([(r.weight, r.latitude, r.spread, r.moisture) for r in ROTATIONS], dtype=np.float32)
        weight, latitude, spread, wetness = columns.T[:, :, None]
        fit = ((np.abs(lat).astype(np.float32) - latitude) / spread) ** 2 + (
            (moisture - wetness) / _MOISTURE_SPREAD
        ) ** 2
        logits = np.log(weight) + np.float32(_REGION_STRENGTH) * taste - np.float32(0.5) * fit
        likely = np.exp(logits - logits.max(axis=0))
        total = np.cumsum(likely, axis=0)
        return np.asarray(total / total[-1], dtype=np.float32)

    def crops(self, field: UInt64Array, shares: Float32Array, year: int) -> NDArray[np.uint8]:
        """The crop that each field is harvested of in a year.

        Args:
            field: Hashes of the fields, shape (N,).
            shares: Of `shares`, (rotations, N).
            year: Year of the harvest, as maps of crops name it.

        Returns:
            `Crop` numbers, uint8 (N,).
        """
        rotation = _pick(shares, draw(field, 30))
        phase = (draw(field, 31) * np.float32(_LONGEST)).astype(np.int64)
        crop = _SEQUENCES[rotation, (year + phase) % _LENGTHS[rotation]]
        this_year = hash_of(field, np.array(self._year_key % 2**62 + year))
        odd = draw(this_year, 32) < _OFF_ROTATION
        other = _SEQUENCES[_pick(shares, draw(this_year, 33)), phase % 2]
        return np.where(odd, other, crop).astype(np.uint8)


def _pick(shares: Float32Array, chance: Float32Array) -> NDArray[np.int64]:
    return np.asarray(np.minimum((shares < chance).sum(axis=0), shares.shape[0] - 1))
