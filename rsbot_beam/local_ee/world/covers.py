"""What covers the land: water, woods, towns, mountains, and parcels that are farmed or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.world.hashing import Float32Array, UInt64Array, draw, hash_of, mix
from rsbot_beam.local_ee.world.parcels import Parcels
from rsbot_beam.local_ee.world.relief import Climate, Ground, elevation_of


class Cover(IntEnum):
    """What a map calls a place."""

    WATER = 0
    WETLAND = 1
    DECIDUOUS = 2
    EVERGREEN = 3
    MIXED = 4
    SHRUB = 5
    GRASS = 6
    BARREN = 7
    SNOW = 8
    OPEN_SPACE = 9
    LOW_DENSITY = 10
    MEDIUM_DENSITY = 11
    HIGH_DENSITY = 12
    ROAD = 13
    CROP = 14


class Material(IntEnum):
    """What light meets at a place."""

    WATER = 0
    WETLAND = 1
    DECIDUOUS = 2
    EVERGREEN = 3
    MIXED = 4
    SHRUB = 5
    GRASS = 6
    BARREN = 7
    SNOW = 8
    ASPHALT = 9
    DARK_ROOF = 10
    RED_ROOF = 11
    BRIGHT_ROOF = 12
    GRAVEL = 13
    PANEL = 14
    TOWER = 15
    GREENHOUSE = 16
    CROP = 17


# Standardised noise above which a place is a lake, a town and so on; chosen so that the land is about 3 % water, 4 %
# settlement, 25 % forest and 50 % farmed, between the shares of Iowa and of Central Europe (Corine 2018, NLCD 2019).
_LAKE_LEVEL = 2.05
_SHORE_LEVEL = 1.93
_TOWN_LEVELS = (1.75, 1.95, 2.2, 2.5)
_FOREST_LEVEL = 1.2
_RIVER_HALF_WIDTH = 0.004  # standardised noise: 20 to 40 m at the usual slope of 2e-4 a metre
_ROAD_HALF_WIDTH = 5.0  # metres
_MARGIN_WIDTH = 6.0  # metres of grass along a field's border
_HEDGED = 0.35  # share of the fields that have such margins
# Tree line: 3900 m at the equator, 46 m lower each degree, about 1800 m in the Alps and sea level at 85 degrees
# (Koerner 1998, Oecologia 115, "A re-assessment of high elevation treeline positions").
_TREE_LINE, _TREE_LINE_SLOPE = 3900.0, 46.0
# Beyond the polar circles it falls to the sea: tundra from 68 degrees on, ice from 73.
_POLAR, _POLAR_SLOPE = 63.0, 150.0
_SNOW_ABOVE_TREE_LINE = 800.0  # metres
_ARID = 0.3  # moisture below which unfarmed land is shrub or bare
_STREET_ALONG, _STREET_ACROSS, _STREET_WIDTH = 130.0, 70.0, 9.0  # metres between streets, and their width
_LOT = 20.0  # metres: side of a building lot
_SUBURBS = (Cover.OPEN_SPACE, Cover.LOW_DENSITY, Cover.MEDIUM_DENSITY, Cover.HIGH_DENSITY)
_BUILT_SHARE = {Cover.OPEN_SPACE: 0.12, Cover.LOW_DENSITY: 0.35, Cover.MEDIUM_DENSITY: 0.6, Cover.HIGH_DENSITY: 0.85}


@dataclass(frozen=True, eq=False)
class LandCover:
    """Cover of N places.

    Attributes:
        cover: `Cover` numbers, uint8.
        material: `Material` numbers, uint8.
        entity: Hash of the thing that each place is part of: a field, a wood, a lot.
        elevation: Metres, float32.
        moisture: 0..1, float32.
        parcels: The fields and blocks.
    """

    cover: NDArray[np.uint8]
    material: NDArray[np.uint8]
    entity: UInt64Array
    elevation: Float32Array
    moisture: Float32Array
    parcels: Parcels

    @classmethod
    def joined(cls, parts: Sequence[LandCover]) -> LandCover:
        """Several places' covers, one after the other."""
        if len(parts) == 1:
            return parts[0]
        arrays = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("cover", "material", "entity", "elevation", "moisture")
        }
        return cls(**arrays, parcels=Parcels.joined([part.parcels for part in parts]))


def classify(climate: Climate, ground: Ground, parcels: Parcels, latitude: Float32Array) -> LandCover:
    """Decide on the cover of N places from their relief and parcels.

    Args:
        climate: Of the places.
        ground: Of the places.
        parcels: Of the places.
        latitude: Of the places, degrees: what decides on conifers, tree and snow line.
    """
    elevation = elevation_of(climate, ground)
    cover = _farmland(climate, parcels)
    _add_woods(cover, climate, ground, parcels, elevation, latitude)
    _add_heights(cover, ground, parcels, elevation, latitude)
    town = ground.town - np.where(climate.rough > 300.0, np.float32(0.6), np.float32(0.0))
    for level, suburb in zip(_TOWN_LEVELS, _SUBURBS, strict=True):
        cover[town > level] = suburb
    cover[(parcels.block_edge < _ROAD_HALF_WIDTH) & (elevation < 1500.0)] = Cover.ROAD
    _add_water(cover, climate, ground)
    material = _MATERIAL_OF[cover]
    entity = _entities(cover, ground, parcels)
    _build_towns(cover, material, entity, parcels)
    return LandCover(cover, material, entity, elevation, climate.moisture, parcels)


_MATERIAL_OF = np.array(
    [
        Material.WATER,
        Material.WETLAND,
        Material.DECIDUOUS,
        Material.EVERGREEN,
        Material.MIXED,
        Material.SHRUB,
        Material.GRASS,
        Material.BARREN,
        Material.SNOW,
        Material.GRASS,
        Material.GRASS,
        Material.GRASS,
        Material.GRASS,
        Material.ASPHALT,
        Material.CROP,
    ],
    dtype=np.uint8,
)


def _entities(cover: NDArray[np.uint8], ground: Ground, parcels: Parcels) -> UInt64Array:
    """Fields are things of their own, and pastures; woods and wilds are cut into stands along no straight line."""
    kind = cover.astype(np.uint64)
    stands = mix(
        kind + (np.floor(ground.stands * np.float32(1.3)).astype(np.int64) + 64).astype(np.uint64) * np.uint64(64)
    )
    parcelled = (cover >= Cover.CROP) | (cover == Cover.GRASS)
    # Water is one thing: a shade from lake to lake would show where blocks meet.
    return np.where(parcelled, parcels.field, np.where(cover == Cover.WATER, mix(kind), stands))


def _farmland(climate: Climate, parcels: Parcels) -> NDArray[np.uint8]:
    """Parcels: cropland, pasture, or, in dry country, the steppe that was left."""
    chance = draw(parcels.field, 20)
    gentle = np.clip(np.float32(1.15) - climate.rough / np.float32(350.0), 0.1, 1.0)
    watered = np.clip((climate.moisture - np.float32(0.05)) * np.float32(2.6), 0.25, 1.0)
    cropped = np.float32(0.8) * gentle * watered
    dry = climate.moisture < _ARID
    wild = np.where(dry, np.where(chance > 0.8, Cover.BARREN, Cover.SHRUB), Cover.GRASS)
    cover = np.where(chance < cropped, Cover.CROP, wild).astype(np.uint8)
    hedged = draw(parcels.field, 21) < _HEDGED
    cover[(parcels.edge < _MARGIN_WIDTH) & hedged & (cover == Cover.CROP)] = Cover.GRASS
    return cover


def _add_woods(
    cover: NDArray[np.uint8],
    climate: Climate,
    ground: Ground,
    parcels: Parcels,
    elevation: Float32Array,
    latitude: Float32Array,
) -> None:
    inclination = (
        ground.forest + np.float32(0.7) * climate.woods + np.float32(2.0) * (climate.moisture - np.float32(0.55))
    ) + np.minimum(climate.rough / np.float32(300.0), np.float32(1.2))
    wooded = inclination > _FOREST_LEVEL
    # Conifers take over with height and latitude, wood by wood.
    cold = elevation / np.float32(900.0) + (np.abs(latitude) - np.float32(50.0)) / np.float32(12.0)
    taste = cold + np.float32(0.7) * ground.stands
    kind = np.where(taste > 0.5, Cover.EVERGREEN, np.where(taste > 0.1, Cover.MIXED, Cover.DECIDUOUS))
    cover[wooded] = kind[wooded]
    thicket = (inclination > _FOREST_LEVEL - 0.08) & ~wooded
    cover[thicket] = Cover.SHRUB


def _add_heights(
    cover: NDArray[np.uint8], ground: Ground, parcels: Parcels, elevation: Float32Array, latitude: Float32Array
) -> None:
    polar = np.maximum(np.abs(latitude) - np.float32(_POLAR), 0.0) * np.float32(_POLAR_SLOPE)
    tree_line = np.float32(_TREE_LINE) - np.float32(_TREE_LINE_SLOPE) * np.abs(latitude) - polar + 150.0 * ground.forest
    high = elevation > tree_line
    meadow = high & (draw(parcels.block, 23) < 0.5) & (elevation < tree_line + 400.0)
    cover[high] = Cover.BARREN
    cover[meadow] = Cover.GRASS
    cover[elevation > tree_line + _SNOW_ABOVE_TREE_LINE] = Cover.SNOW


def _add_water(cover: NDArray[np.uint8], climate: Climate, ground: Ground) -> None:
    wet = climate.moisture > _ARID
    river = np.abs(ground.river)
    swamp = (river < 4.0 * _RIVER_HALF_WIDTH) & (ground.forest > 0.4)
    cover[(swamp | (ground.lake > _SHORE_LEVEL)) & wet] = Cover.WETLAND
    cover[(river < _RIVER_HALF_WIDTH) | ((ground.lake > _LAKE_LEVEL) & wet)] = Cover.WATER
    cover[climate.land <= 0.5] = Cover.WATER


def _build_towns(cover: NDArray[np.uint8], material: NDArray[np.uint8], entity: UInt64Array, parcels: Parcels) -> None:
    """Streets and houses: changes material and entity in place."""
    town = np.flatnonzero((cover >= Cover.OPEN_SPACE) & (cover <= Cover.HIGH_DENSITY))
    if town.size == 0:
        return
    along, across = parcels.along[town], parcels.across[town]
    block = parcels.block[town]
    street = (np.mod(along, _STREET_ALONG) < _STREET_WIDTH) | (np.mod(across, _STREET_ACROSS) < _STREET_WIDTH)
    lot = hash_of(block, np.floor(along / _LOT), np.floor(across / _LOT))
    share = np.array([_BUILT_SHARE[suburb] for suburb in _SUBURBS], dtype=np.float32)
    built = draw(lot, 24) < share[cover[town] - Cover.OPEN_SPACE]
    roofs = np.array([Material.RED_ROOF] * 5 + [Material.DARK_ROOF] * 4 + [Material.BRIGHT_ROOF], dtype=np.uint8)
    roof = roofs[(draw(lot, 25) * np.float32(roofs.size)).astype(np.int64)]
    found = np.where(street, np.uint8(Material.ASPHALT), np.where(built, roof, np.uint8(Material.GRASS)))
    material[town] = found
    # One entity for each material of a block: lots of their own would make every pixel an entity.
    entity[town] = mix(block + np.uint64(100) + found.astype(np.uint64))
