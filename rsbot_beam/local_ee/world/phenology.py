"""How crops and wild plants grow through the year: leaf area from published dates.

Days are counted from the season's 1 January: in the southern hemisphere the calendar is moved by half a year, so that
day 196 is mid summer everywhere. Leaf area is a product of a rising and a falling logistic curve (Zhang et al. 2003,
Remote Sensing of Environment 84, "Monitoring vegetation phenology using MODIS"; the double logistic of Beck et al. 2006).

Dates are those of 42 degrees latitude and come from: USDA NASS, "Field crops: usual planting and harvesting dates"
(Agricultural Handbook 628, 2010), Iowa, Kansas, Nebraska, North Dakota; Sakamoto et al. 2010, RSE 114 (maize, soybean:
green-up and senescence in MODIS); Wardlow et al. 2007, RSE 108 (winter wheat, sorghum, alfalfa, fallow in Kansas); d'Andrimont
et al. 2020, RSE 239 (rapeseed flowering); Meier et al. 2018, BBCH monograph, with DWD's phenological means (beet,
potato, rye, barley, oats); Kuenzer and Knauer 2013, IJRS 34 (rice: flooding, transplanting). Leaf area indices: Asner et
al. 2003, Global Ecology and Biogeography 12 (crops 4.2 +- 3.3, worldwide).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.world.covers import Material
from rsbot_beam.local_ee.world.crops import Crop
from rsbot_beam.local_ee.world.hashing import Float32Array

CropArray: TypeAlias = NDArray[np.uint8]

REFERENCE_LATITUDE = 42.0  # degrees: the middle of the places that the dates are of
HALF_YEAR = 182.625  # days

_NEVER = 1000.0  # a day that does not come


@dataclass(frozen=True)
class Season:
    """A crop's year at 42 degrees latitude.

    Attributes:
        rise: Day of the year when half of the leaf area is there.
        rise_days: Steepness of the rise: days from 50 % to 73 % of the leaf area.
        fall: Day when half of it has withered.
        fall_days: Steepness of the fall.
        leaf_area: Greatest leaf area, m2 of leaves a m2 of ground.
        harvest: Day of the harvest.
        autumn: Leaf area that winter crops have before winter, from the autumn before on.
        sown: Day when that begins, negative: of the year before.
        flower: Middle day of the bloom that colours the field, or never.
        flood: First day under water, or never; until the plants close over it.
        shift: Days later for each degree of latitude away from the equator.
    """

    rise: float
    rise_days: float
    fall: float
    fall_days: float
    leaf_area: float
    harvest: float
    autumn: float = 0.0
    sown: float = -_NEVER
    flower: float = _NEVER
    flood: float = _NEVER
    shift: float = 1.8


SEASONS: dict[Crop, Season] = {
    Crop.MAIZE: Season(174, 8, 256, 9, 4.8, 290),
    Crop.SOYBEAN: Season(185, 9, 257, 6, 5.0, 278),
    Crop.WINTER_WHEAT: Season(104, 10, 171, 6, 4.8, 190, autumn=0.9, sown=-80, shift=3.2),
    Crop.SPRING_WHEAT: Season(150, 8, 203, 7, 4.2, 224, shift=2.0),
    Crop.BARLEY: Season(144, 8, 192, 6, 4.2, 212, shift=2.2),
    Crop.OATS: Season(140, 9, 194, 7, 3.8, 208, shift=2.2),
    Crop.RYE: Season(96, 10, 165, 7, 4.4, 192, autumn=1.1, sown=-90, shift=3.0),
    Crop.RAPESEED: Season(94, 9, 166, 7, 4.6, 192, autumn=1.8, sown=-105, flower=128, shift=2.4),
    Crop.SUNFLOWER: Season(178, 8, 241, 9, 3.8, 272, flower=206),
    Crop.SUGAR_BEET: Season(172, 10, 320, 14, 4.6, 292),
    Crop.POTATO: Season(166, 8, 238, 8, 4.2, 262),
    Crop.DRY_BEAN: Season(186, 8, 238, 5, 3.8, 254),
    Crop.SORGHUM: Season(187, 9, 268, 11, 4.0, 296),
    Crop.COTTON: Season(189, 12, 274, 11, 3.5, 300),
    Crop.RICE: Season(184, 9, 250, 8, 5.0, 270, flood=136),
    Crop.ALFALFA: Season(98, 10, 305, 12, 4.2, 400),
    Crop.HAY: Season(104, 11, 298, 15, 3.6, 400),
    Crop.WHEAT_THEN_SOYBEAN: Season(102, 10, 168, 6, 4.6, 184, autumn=0.9, sown=-80, shift=3.0),
    Crop.FALLOW: Season(170, 25, 265, 25, 0.7, 400),
}

# Soybeans after wheat: sown within days of the wheat's harvest (AH 628, Kentucky and Missouri).
_SECOND_CROP = Season(214, 9, 274, 7, 3.6, 298)
# Days of cuts and the share of leaf area that is left; alfalfa three to four times, hay twice (AH 628).
_CUTS = {Crop.ALFALFA: (148.0, 182.0, 217.0, 255.0), Crop.HAY: (160.0, 226.0)}
_AFTER_CUT = 0.22
_REGROWTH_DAYS = 9.0  # logistic; three weeks until the stand is closed again
_FLOWER_DAYS = 9.0  # half duration of a bloom
_DORMANT = {Crop.ALFALFA: 0.7, Crop.HAY: 1.1}  # leaf area of perennials in winter
_STUBBLE = 0.55  # share of the ground that straw covers after the harvest
_STUBBLE_DAYS = 35.0  # days in which it fades or is ploughed in

_COLUMNS = {
    name: np.array([getattr(SEASONS[crop], name) for crop in Crop], dtype=np.float32)
    for name in (field.name for field in fields(Season))
}
_WINTER_LEAVES = np.array([_DORMANT.get(crop, 0.0) for crop in Crop], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Stand:
    """What stands on N fields on one day, float32.

    Attributes:
        leaf_area: Green leaf area index.
        dry: Share of the ground that straw and withered leaves cover.
        flower: 0..1, how much of the canopy is in bloom.
        flooded: 0..1, share of the ground under water.
    """

    leaf_area: Float32Array
    dry: Float32Array
    flower: Float32Array
    flooded: Float32Array

    def where(self, there: NDArray[np.bool_]) -> Stand:
        """Nothing where it is not there."""
        return Stand(self.leaf_area * there, self.dry * there, self.flower * there, self.flooded * there)

    def merge(self, other: Stand) -> Stand:
        """Both at once: last summer's stubble and the crop that was sown into it."""
        return Stand(
            np.maximum(self.leaf_area, other.leaf_area),
            np.maximum(self.dry, other.dry),
            np.maximum(self.flower, other.flower),
            np.maximum(self.flooded, other.flooded),
        )


def latitude_shift(crop: CropArray, latitude: Float32Array) -> Float32Array:
    """Days by which crops are later than at 42 degrees.

    Hopkins' bioclimatic law (1918) gives 4 days a degree in spring; sowing dates follow it by about half in summer crops
    (AH 628: maize in Texas is planted 45 days before North Dakota's, 16 degrees), and the tropics not at all.
    """
    degrees = np.clip(np.abs(latitude) - np.float32(REFERENCE_LATITUDE), -18.0, 18.0)
    return np.asarray(_COLUMNS["shift"][crop] * degrees, dtype=np.float32)


def stand(crop: CropArray, day: Float32Array) -> Stand:
    """What stands on fields on a day of the season of their harvest.

    Args:
        crop: `Crop` numbers, (N,).
        day: Day of the year, each field's own: the calendar's, minus its shifts. Days before 1 January are negative.
    """
    column = {name: values[crop] for name, values in _COLUMNS.items()}
    rise = _logistic((day - column["rise"]) / column["rise_days"])
    green = rise * _logistic((column["fall"] - day) / column["fall_days"])
    before_harvest = day < column["harvest"]
    leaf_area = column["leaf_area"] * green * before_harvest
    young = column["autumn"] * _logistic((day - column["sown"] - np.float32(14.0)) / np.float32(6.0))
    young = young * before_harvest * _logistic((column["fall"] - day) / column["fall_days"])
    leaf_area = _cut(crop, day, np.maximum(np.maximum(leaf_area, young), _WINTER_LEAVES[crop]))
    flower = np.exp(-(((day - column["flower"]) / np.float32(_FLOWER_DAYS)) ** 2))
    flooded = (day > column["flood"]) * np.exp(-np.float32(0.7) * leaf_area) * before_harvest
    result = Stand(leaf_area, _straw(column, rise, green, day, before_harvest), flower, flooded.astype(np.float32))
    return _second_crop(crop, day, result)


def _straw(
    column: dict[str, Float32Array],
    rise: Float32Array,
    green: Float32Array,
    day: Float32Array,
    before_harvest: NDArray[np.bool_],
) -> Float32Array:
    ripe = (rise - green) * np.minimum(column["leaf_area"] / np.float32(4.0), np.float32(1.0)) * np.float32(0.85)
    since = np.maximum(day - column["harvest"], 0.0) / np.float32(_STUBBLE_DAYS)
    stubble = np.float32(_STUBBLE) * np.exp(-since) * (since < 6.0)
    return np.where(before_harvest, ripe, stubble).astype(np.float32)


def _second_crop(crop: CropArray, day: Float32Array, first: Stand) -> Stand:
    double = crop == Crop.WHEAT_THEN_SOYBEAN
    if not double.any():
        return first
    late = _SECOND_CROP
    rise = _logistic((day - np.float32(late.rise)) / np.float32(late.rise_days))
    green = rise * _logistic((np.float32(late.fall) - day) / np.float32(late.fall_days)) * (day < late.harvest)
    leaf_area = first.leaf_area + double * np.float32(late.leaf_area) * green
    dry = np.where(double, np.maximum(first.dry, (rise - green) * np.float32(0.6)), first.dry)
    return Stand(leaf_area, dry.astype(np.float32), first.flower, first.flooded)


def _cut(crop: CropArray, day: Float32Array, leaf_area: Float32Array) -> Float32Array:
    for mown, days in _CUTS.items():
        at = np.flatnonzero(crop == mown)
        if at.size == 0:
            continue
        share = np.ones(at.size, dtype=np.float32)
        for cut in days:
            since = day[at] - np.float32(cut)
            regrown = _AFTER_CUT + (1.0 - _AFTER_CUT) * _logistic((since - 17.0) / np.float32(_REGROWTH_DAYS / 2.0))
            share = np.where(since > 0, np.minimum(share, regrown), share).astype(np.float32)
        leaf_area[at] *= share
    return leaf_area


def _logistic(value: Float32Array) -> Float32Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(value, -30.0, 30.0))), dtype=np.float32)


def wild_leaf_area(material: NDArray[np.uint8], day: Float32Array, latitude: Float32Array) -> Float32Array:
    """Leaf area index of what nobody sows: woods, grass, reeds; 0 for water, stone and buildings.

    Leaf-out and leaf-fall of broad-leaved woods: Richardson et al. 2018, Scientific Data 5 (PhenoCam; 42 degrees: days 120 and
    290). In the tropics woods stay green.

    Args:
        material: `Material` numbers, (N,).
        day: Day of the season without latitude's shift, (N,).
        latitude: Degrees, (N,).
    """
    degrees = np.clip(np.abs(latitude) - np.float32(REFERENCE_LATITUDE), -18.0, 24.0)
    seasonal = np.clip((np.abs(latitude) - np.float32(8.0)) / np.float32(20.0), 0.0, 1.0)
    later = np.float32(1.6) * degrees

    def leafy(rise: float, rise_days: float, fall: float, fall_days: float) -> Float32Array:
        up = _logistic((day - later - np.float32(rise)) / np.float32(rise_days))
        down = _logistic((np.float32(fall) - np.float32(0.5) * degrees - day) / np.float32(fall_days))
        return np.asarray(1.0 - seasonal * (1.0 - up * down), dtype=np.float32)

    area = np.zeros(material.shape, dtype=np.float32)
    broadleaf = leafy(121, 6, 290, 8)
    for kind, winter, summer, leaves in (
        (Material.DECIDUOUS, 0.0, 4.6, broadleaf),
        (Material.EVERGREEN, 4.6, 0.4, broadleaf),
        (Material.MIXED, 2.3, 2.3, broadleaf),
        (Material.SHRUB, 0.45, 0.55, leafy(112, 12, 280, 14)),
        (Material.GRASS, 0.9, 1.9, leafy(102, 12, 285, 18)),
        (Material.WETLAND, 0.5, 2.4, leafy(132, 12, 278, 12)),
        (Material.PANEL, 0.2, 0.8, leafy(105, 12, 285, 18)),
    ):
        area = np.where(material == kind, np.float32(winter) + np.float32(summer) * leaves, area)
    return np.asarray(area, dtype=np.float32)
