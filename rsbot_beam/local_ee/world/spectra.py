"""Reflectance of soils, plants and buildings in Sentinel-2's bands, and how they mix.

End members are broad-band values read off published spectra: the USGS Spectral Library 7 (Kokaly et al. 2017, USGS Data
Series 1035: soils, asphalt, roofs, snow, dry grass), PROSAIL runs for canopies (Jacquemoud et al. 2009, RSE 113), the solar
panels of Czirjak 2017 (J. Applied Remote Sensing 11, "Detecting photovoltaic solar panels using hyperspectral imagery").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.world.covers import Material
from rsbot_beam.local_ee.world.crops import Crop
from rsbot_beam.local_ee.world.hashing import Float32Array
from rsbot_beam.local_ee.world.phenology import Stand

# Bands of Sentinel-2 at the surface, in Earth Engine's order; B10 (cirrus) has no surface reflectance.
BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
DN_PER_REFLECTANCE = 10_000.0  # Sentinel-2 product specification 14.9, QUANTIFICATION_VALUE

# Reflectance by band: 443, 490, 560, 665, 705, 740, 783, 842, 865, 945, 1610, 2190 nm.
_DARK_SOIL = (0.035, 0.042, 0.055, 0.070, 0.080, 0.090, 0.098, 0.107, 0.112, 0.118, 0.160, 0.135)
_BRIGHT_SOIL = (0.095, 0.120, 0.165, 0.220, 0.245, 0.260, 0.275, 0.290, 0.300, 0.310, 0.410, 0.360)
_GREEN_CROP = (0.018, 0.021, 0.052, 0.026, 0.088, 0.310, 0.410, 0.440, 0.455, 0.460, 0.205, 0.095)
_STRAW = (0.070, 0.090, 0.130, 0.175, 0.200, 0.225, 0.245, 0.265, 0.280, 0.290, 0.330, 0.235)
_BLOOM = (0.025, 0.030, 0.165, 0.130, 0.210, 0.340, 0.410, 0.440, 0.450, 0.460, 0.210, 0.100)
_WATER = (0.035, 0.032, 0.030, 0.018, 0.014, 0.009, 0.008, 0.007, 0.006, 0.005, 0.003, 0.002)
_BROADLEAF = (0.016, 0.018, 0.040, 0.020, 0.068, 0.265, 0.355, 0.385, 0.395, 0.400, 0.170, 0.072)
_CONIFER = (0.014, 0.016, 0.030, 0.018, 0.048, 0.145, 0.182, 0.200, 0.208, 0.215, 0.095, 0.045)
_BARE_WOOD = (0.035, 0.042, 0.058, 0.072, 0.090, 0.115, 0.135, 0.150, 0.160, 0.170, 0.190, 0.120)
_ROCK = (0.110, 0.130, 0.170, 0.205, 0.220, 0.232, 0.244, 0.255, 0.262, 0.270, 0.330, 0.300)
_SNOW = (0.900, 0.910, 0.900, 0.880, 0.870, 0.850, 0.830, 0.800, 0.780, 0.650, 0.120, 0.080)
_ASPHALT = (0.075, 0.085, 0.098, 0.110, 0.116, 0.121, 0.127, 0.133, 0.137, 0.141, 0.160, 0.145)
_DARK_ROOF = (0.060, 0.068, 0.076, 0.084, 0.090, 0.096, 0.102, 0.108, 0.112, 0.116, 0.140, 0.130)
_RED_ROOF = (0.065, 0.075, 0.100, 0.185, 0.205, 0.220, 0.235, 0.250, 0.258, 0.265, 0.300, 0.260)
_BRIGHT_ROOF = (0.300, 0.330, 0.350, 0.365, 0.370, 0.375, 0.378, 0.380, 0.380, 0.378, 0.350, 0.310)
_GRAVEL = (0.180, 0.205, 0.240, 0.270, 0.282, 0.292, 0.302, 0.312, 0.318, 0.322, 0.350, 0.315)
_PANEL = (0.052, 0.056, 0.056, 0.058, 0.064, 0.080, 0.092, 0.100, 0.106, 0.112, 0.130, 0.105)
_TOWER = (0.480, 0.520, 0.540, 0.550, 0.550, 0.545, 0.540, 0.535, 0.530, 0.520, 0.420, 0.360)
_GREENHOUSE = (0.230, 0.260, 0.290, 0.300, 0.320, 0.370, 0.390, 0.400, 0.400, 0.395, 0.270, 0.200)


def _spectrum(values: tuple[float, ...]) -> Float32Array:
    return np.array(values, dtype=np.float32)[:, None]


_LEAFLESS = np.array(
    [
        _WATER,
        _WATER,
        _BARE_WOOD,
        _CONIFER,
        _BARE_WOOD,
        _STRAW,
        _STRAW,
        _ROCK,
        _SNOW,
        _ASPHALT,
        _DARK_ROOF,
        _RED_ROOF,
        _BRIGHT_ROOF,
        _GRAVEL,
        _PANEL,
        _TOWER,
        _GREENHOUSE,
        _STRAW,
    ],
    dtype=np.float32,
).T
_LEAFY = np.repeat(_spectrum(_GREEN_CROP), len(Material), axis=1)
_LEAFY[:, Material.DECIDUOUS] = _BROADLEAF
_LEAFY[:, Material.MIXED] = [(a + b) / 2 for a, b in zip(_BROADLEAF, _CONIFER, strict=True)]
_LEAFY[:, Material.EVERGREEN] = _CONIFER
_SOILED = np.zeros(len(Material), dtype=np.bool_)
_SOILED[[Material.CROP, Material.GRASS, Material.SHRUB]] = True

_NEAR_INFRARED = np.array([0, 0, 0, 0, 0.3, 0.8, 1, 1, 1, 1, 0, 0], dtype=np.float32)[:, None]
_SHORT_WAVE = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1], dtype=np.float32)[:, None]
_VISIBLE = np.array([1, 1, 1, 1, 0.7, 0.2, 0, 0, 0, 0, 0, 0], dtype=np.float32)[:, None]

# How canopies differ, relative to the mean crop: (near infrared, short-wave infrared, visible). Broad-leaved crops
# scatter more in the near infrared, succulent and flooded ones absorb more in the short-wave infrared (Asner 1998, RSE
# 64; Cai et al. 2018, RSE 210, maize against soybean). The differences are smaller than those between two fields.
_CANOPIES: dict[Crop, tuple[float, float, float]] = {
    Crop.MAIZE: (0.95, 1.00, 0.95),
    Crop.SOYBEAN: (1.10, 1.08, 1.00),
    Crop.WINTER_WHEAT: (0.98, 0.96, 0.98),
    Crop.SPRING_WHEAT: (0.97, 0.98, 1.00),
    Crop.BARLEY: (0.96, 1.02, 1.04),
    Crop.OATS: (0.98, 1.02, 1.02),
    Crop.RYE: (0.96, 1.00, 0.97),
    Crop.RAPESEED: (1.05, 0.95, 1.05),
    Crop.SUNFLOWER: (1.04, 1.05, 1.06),
    Crop.SUGAR_BEET: (1.12, 0.86, 1.02),
    Crop.POTATO: (1.07, 0.92, 1.03),
    Crop.DRY_BEAN: (1.06, 1.05, 1.05),
    Crop.SORGHUM: (0.93, 1.04, 1.00),
    Crop.COTTON: (1.00, 1.08, 1.05),
    Crop.RICE: (0.92, 0.82, 0.98),
    Crop.ALFALFA: (1.08, 0.94, 0.98),
    Crop.HAY: (0.95, 1.02, 1.04),
    Crop.WHEAT_THEN_SOYBEAN: (1.03, 1.02, 0.99),
    Crop.FALLOW: (0.85, 1.12, 1.12),
}
_CANOPY = np.array([_CANOPIES[crop] for crop in Crop], dtype=np.float32).T
# Beer-Lambert extinction of a canopy with spherical leaves seen from above (Campbell and Norman 1998, chapter 15).
_EXTINCTION = np.float32(0.55)


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What of N units matters to their colour besides the plants, float32.

    Attributes:
        material: `Material` numbers, uint8.
        crop: `Crop` numbers, uint8; read where the material is a crop.
        brightness: Of the soil, 0 (dark) to 1 (bright).
        wetness: Of the soil, 0 (dry) to 1 (soaked).
        turbidity: Of the water, 0..1.
        variety: What else differs from thing to thing of one kind, 0..1.
    """

    material: NDArray[np.uint8]
    crop: NDArray[np.uint8]
    brightness: Float32Array
    wetness: Float32Array
    turbidity: Float32Array
    variety: Float32Array


def reflectance(where: Surroundings, stands: Stand) -> Float32Array:
    """Reflectance of N units.

    Args:
        where: Their soils and materials.
        stands: Their plants.

    Returns:
        float32 (12, N), bands as in `BANDS`, 0..1.
    """
    cover = 1.0 - np.exp(-_EXTINCTION * stands.leaf_area)
    ground = _ground(where, stands)
    mixed = ground + (_leaves(where, stands, cover) - ground) * cover
    return np.asarray(np.maximum(mixed, np.float32(0.001)), dtype=np.float32)


def _soil(where: Surroundings) -> Float32Array:
    dark, bright = _spectrum(_DARK_SOIL), _spectrum(_BRIGHT_SOIL)
    dry = dark + (bright - dark) * where.brightness
    # Wet soil is darker, most in the short-wave infrared (Lobell and Asner 2002, Soil Sci. Soc. Am. J. 66).
    return np.asarray(dry * (1.0 - (np.float32(0.3) + np.float32(0.2) * _SHORT_WAVE) * where.wetness), dtype=np.float32)


def _ground(where: Surroundings, stands: Stand) -> Float32Array:
    soil = _soil(where)
    straw = _spectrum(_STRAW)
    littered = soil + (straw - soil) * stands.dry
    plain = _LEAFLESS[:, where.material]
    # Rows of panels leave a third to two thirds of a plant's ground open (Ong et al. 2013: ground cover ratio).
    between = np.where(where.material == Material.PANEL, np.float32(0.7) - np.float32(0.35) * where.variety, 0.0)
    plain = plain + (littered - plain) * between
    ground = np.where(_SOILED[where.material], littered, plain)
    ground = ground + (_spectrum(_WATER) * np.float32(1.6) - ground) * stands.flooded
    # Suspended matter brightens water, most in the green and red (Doxaran et al. 2002, RSE 81).
    muddy = (_VISIBLE + np.float32(0.3) * _NEAR_INFRARED) * np.float32(0.06) * where.turbidity
    return np.asarray(ground + muddy * (where.material == Material.WATER), dtype=np.float32)


def _leaves(where: Surroundings, stands: Stand, cover: Float32Array) -> Float32Array:
    leaves = _LEAFY[:, where.material]
    near, short, visible = _CANOPY[:, where.crop]
    # Sparse canopies scatter less in the near infrared than dense ones, at the same cover.
    near = near * (np.float32(0.82) + np.float32(0.18) * cover)
    gain = 1.0 + (near - 1.0) * _NEAR_INFRARED + (short - 1.0) * _SHORT_WAVE + (visible - 1.0) * _VISIBLE
    leaves = np.where(where.material == Material.CROP, leaves * gain, leaves)
    bloom = _spectrum(_BLOOM)
    yellow = np.where(where.crop == Crop.RAPESEED, np.float32(0.75), np.float32(0.35)) * stands.flower
    return np.asarray(leaves + (bloom - leaves) * yellow, dtype=np.float32)
