"""Backscatter at 5.4 GHz: the water cloud model over soil, constants for what is not farmed.

Attema and Ulaby 1978, Radio Science 13; its coefficients for C band after Bousbih et al. 2017, Sensors 17 (cereals), and
the seasons of crops in Veloso et al. 2017, RSE 199 (VV falls when cereals shoot, VH follows the biomass of broad leaves).
"""

from __future__ import annotations

import numpy as np

from rsbot_beam.local_ee.world.covers import Material
from rsbot_beam.local_ee.world.crops import Crop
from rsbot_beam.local_ee.world.hashing import Float32Array
from rsbot_beam.local_ee.world.phenology import Stand
from rsbot_beam.local_ee.world.spectra import Surroundings

_FARMED = (-99.0, -99.0)  # the model speaks
# VV and VH in dB at 38 degrees (Small 2011, IEEE TGRS 49; Torbick et al. 2017, Remote Sensing 9: class means).
_LEVELS: dict[Material, tuple[float, float]] = {
    Material.WATER: (-20.0, -27.5), Material.WETLAND: (-10.5, -17.0), Material.DECIDUOUS: (-9.2, -14.8),
    Material.EVERGREEN: (-9.8, -15.6), Material.MIXED: (-9.5, -15.2), Material.SHRUB: (-11.5, -18.0),
    Material.GRASS: _FARMED, Material.BARREN: (-13.0, -21.5), Material.SNOW: (-12.0, -20.0),
    Material.ASPHALT: (-13.5, -21.0), Material.DARK_ROOF: (-3.5, -11.0), Material.RED_ROOF: (-3.0, -10.5),
    Material.BRIGHT_ROOF: (-2.0, -11.5), Material.GRAVEL: (-12.0, -20.5), Material.PANEL: (-7.5, -15.5),
    Material.TOWER: (2.0, -6.0), Material.GREENHOUSE: (-6.0, -14.0), Material.CROP: _FARMED,
}  # fmt: skip
_LEVEL_TABLE = np.array([_LEVELS[material] for material in Material], dtype=np.float32).T

# Vegetation's own echo at full cover (linear power, VV and VH) and what it takes from the soil's for one unit of leaf area.
_CEREALS = (0.040, 0.0075, 0.17)
_TALL = (0.105, 0.024, 0.11)
_BROAD = (0.120, 0.028, 0.14)
_MEADOW = (0.060, 0.011, 0.12)
_CANOPIES: dict[Crop, tuple[float, float, float]] = {
    **dict.fromkeys((Crop.WINTER_WHEAT, Crop.SPRING_WHEAT, Crop.BARLEY, Crop.OATS, Crop.RYE), _CEREALS),
    **dict.fromkeys((Crop.MAIZE, Crop.SORGHUM), _TALL),
    **dict.fromkeys((Crop.SOYBEAN, Crop.SUNFLOWER, Crop.SUGAR_BEET, Crop.POTATO, Crop.DRY_BEAN, Crop.COTTON), _BROAD),
    **dict.fromkeys((Crop.ALFALFA, Crop.HAY, Crop.FALLOW), _MEADOW),
    Crop.RAPESEED: (0.130, 0.034, 0.13),
    Crop.RICE: (0.125, 0.020, 0.10),
    Crop.WHEAT_THEN_SOYBEAN: (0.075, 0.016, 0.15),
}
_CANOPY_TABLE = np.array([_CANOPIES[crop] for crop in Crop], dtype=np.float32).T
_DRY_SOIL = (0.055, 0.0075)  # linear power, VV and VH
_WET_GAIN = 1.6  # how much more a soaked soil returns
_FLOODED = (0.010, 0.0020)  # open water among seedlings


def backscatter(where: Surroundings, stands: Stand) -> Float32Array:
    """Backscatter of N units, dB at 38 degrees of incidence: float32 (2, N), VV then VH."""
    meadow = where.material == Material.GRASS
    canopy = np.where(meadow, np.array(_MEADOW, dtype=np.float32)[:, None], _CANOPY_TABLE[:, where.crop])
    plants, loss = canopy[:2], canopy[2]
    soil = np.array(_DRY_SOIL, dtype=np.float32)[:, None] * (1.0 + np.float32(_WET_GAIN) * where.wetness)
    soil = soil + (np.array(_FLOODED, dtype=np.float32)[:, None] - soil) * stands.flooded
    through = np.exp(-2.0 * loss * stands.leaf_area)
    power = plants * (1.0 - through) + soil * through
    model = np.float32(10.0) * np.log10(np.maximum(power, np.float32(1e-4)))
    level = _LEVEL_TABLE[:, where.material]
    return np.where(level < -90.0, model, level).astype(np.float32)
