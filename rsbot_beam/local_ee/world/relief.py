"""Continents, mountains, rivers and lakes, and the slow gradients of climate.

`Climate` varies over kilometres and is computed on the globe; `Ground` adds what varies over hundreds of metres, in the
plane of a zone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.world.land_mask import land_share
from rsbot_beam.local_ee.world.noise import (
    Float32Array,
    FloatArray,
    NodeMesh,
    globe_noise,
    octaves,
    plane_noise,
    weighted_sum,
)
from rsbot_beam.local_ee.world.zones import lonlat

CLIMATE_SPACING = 1280.0  # metres between the nodes of `Climate`: a fifth of its shortest wavelength
GROUND_SPACING = 80.0  # metres between the nodes of `Ground`: a quarter of its shortest wavelength

# Wavelengths (metres) and weights, coarse to fine. Each octave has about half the weight at half the length, the
# fractal spectrum of real relief (B. Mandelbrot, "The fractal geometry of nature", 1982).
_COAST = ((160e3, 80e3, 40e3, 20e3, 8e3), (0.16, 0.10, 0.06, 0.035, 0.02))
_MOUNTAINS = ((1800e3, 700e3), (0.8, 0.6))
_UPLANDS = ((120e3, 50e3, 22e3, 10e3), (0.65, 0.5, 0.35, 0.25))
_MOISTURE = ((1500e3, 400e3, 100e3), (0.75, 0.55, 0.3))
_WOODS = ((60e3, 16e3), (0.7, 0.5))
_CLIMATE_STACKS = {
    "coast": _COAST,
    "mountains": _MOUNTAINS,
    "uplands": _UPLANDS,
    "moisture": _MOISTURE,
    "woods": _WOODS,
}

_HILLS = ((4800.0, 2200.0, 1000.0, 450.0), (0.75, 0.5, 0.28, 0.13))
_RIVER = ((14e3, 4e3, 1100.0), (1.0, 0.25, 0.06))
_LAKE = ((7e3, 2200.0, 700.0), (0.85, 0.5, 0.2))
_FOREST = ((4200.0, 1400.0, 500.0), (0.7, 0.6, 0.4))
_TOWN = ((9e3, 2500.0, 800.0), (0.85, 0.45, 0.25))
_STANDS = ((650.0, 330.0), (0.8, 0.5))
_BEND_X = ((900.0, 330.0), (0.8, 0.5))
_BEND_Y = ((900.0, 330.0), (0.8, 0.5))
_GROUND_STACKS = {
    "hills": _HILLS,
    "river": _RIVER,
    "lake": _LAKE,
    "forest": _FOREST,
    "town": _TOWN,
    "stands": _STANDS,
    "bend_x": _BEND_X,
    "bend_y": _BEND_Y,
}

_COAST_LEVEL = 0.5  # share of land where the coast is
_COAST_GAIN = 0.45  # how far the noise bends the coast, in shares of land for one standard deviation
_COAST_LARGEST = sum(_COAST[1]) * 2.2  # standardised value noise stays within +-2.2
_PLATEAU_HEIGHT = 500.0  # metres of mean height deep inland, beyond what the coast's rise gives
_COAST_HEIGHT = 60.0  # metres that the land rises from the coast inland
_PLAIN_RELIEF = 40.0  # metres of standard relief in the plains
_MOUNTAIN_RELIEF = 900.0  # metres of standard relief where mountains are highest
_MOUNTAIN_LEVEL = 1500.0  # metres that the highest mountains' feet are raised


@dataclass(frozen=True, eq=False)
class Climate:
    """What varies over kilometres, at N places, float32.

    Attributes:
        land: 0 (open sea) to 1 (inland); 0.5 is the coast.
        height: Elevation without hills, metres.
        rough: Metres of standard relief that hills have here.
        moisture: 0 (arid) to 1 (wet).
        woods: Standardised inclination to forest.
    """

    land: Float32Array
    height: Float32Array
    rough: Float32Array
    moisture: Float32Array
    woods: Float32Array


@dataclass(frozen=True, eq=False)
class Ground:
    """What varies over hundreds of metres, at N places, float32, standardised unless said otherwise.

    Attributes:
        hills: Height of the hills.
        river: Rivers run where it is 0.
        lake: Lakes lie where it is high.
        forest: Woods stand where it is high.
        town: Towns stand where it is high.
        stands: Cuts woods into stands of one age and kind.
        bend_x: How far the fields' pattern is bent east.
        bend_y: How far the fields' pattern is bent north.
        slope_east: Rise of `hills` eastwards, per metre.
        slope_north: Rise of `hills` northwards, per metre.
    """

    hills: Float32Array
    river: Float32Array
    lake: Float32Array
    forest: Float32Array
    town: Float32Array
    stands: Float32Array
    bend_x: Float32Array
    bend_y: Float32Array
    slope_east: Float32Array
    slope_north: Float32Array


class Relief:
    """The lie of the land of one world.

    Args:
        seed: The world's seed.
    """

    def __init__(self, seed: int) -> None:
        self._climate_keys, self._climate_lengths = _stack(seed, _CLIMATE_STACKS)
        self._ground_keys, self._ground_lengths = _stack(seed, _GROUND_STACKS)

    def climate(self, zone: int, x: FloatArray, y: FloatArray) -> Climate:
        """Climate at places of a zone (metres, shape (N,))."""
        mesh = NodeMesh(x, y, CLIMATE_SPACING)
        return Climate(*mesh.interpolate(self.climate_at(*lonlat(zone, *mesh.nodes))))

    def climate_at(self, lon: FloatArray, lat: FloatArray) -> Float32Array:
        """The five fields of `Climate` as (5, N), exactly at places in degrees."""
        noise = globe_noise(self._climate_keys, self._climate_lengths, lon, lat)
        coast, mountains, uplands, moisture, woods = _weigh(noise, _CLIMATE_STACKS)
        land = land_share(lon, lat) + coast * np.float32(_COAST_GAIN)
        inland = np.clip((land - _COAST_LEVEL) * 2.0, 0.0, 1.0)
        # Most of the land is plain: only the upper part of the noise makes mountains.
        steep = np.clip((mountains - 0.7) * 0.9, 0.0, 1.0) * inland
        plateau = (
            np.maximum(1.0 + 0.5 * mountains + 0.3 * uplands, 0.0) * _PLATEAU_HEIGHT * np.clip(land - 0.9, 0.0, 1.0)
        )
        height = inland * _COAST_HEIGHT + plateau + steep * _MOUNTAIN_LEVEL + uplands * (30.0 * inland + 500.0 * steep)
        rough = (_PLAIN_RELIEF + _MOUNTAIN_RELIEF * steep) * np.clip(inland * 4.0, 0.1, 1.0)
        # Deserts lie under the horse latitudes, 15 to 32 degrees (Koeppen's BW and BS climates).
        dry_belt = np.exp(-(((np.abs(lat) - 24.0) / 8.0) ** 2))
        wetness = np.clip(0.6 - 0.24 * dry_belt + 0.2 * moisture, 0.0, 1.0)
        return np.stack([land, height, rough, wetness, woods]).astype(np.float32)

    def ground(self, x: FloatArray, y: FloatArray) -> Ground:
        """Ground at places of a zone (metres, shape (N,))."""
        mesh = NodeMesh(x, y, GROUND_SPACING, margin=1)
        values = self._ground_at(*mesh.nodes)

        def hills(columns: int, rows: int) -> Float32Array:
            shifted = values if mesh.dense else self._ground_at(*mesh.shifted_nodes(columns, rows))
            return mesh.interpolate(shifted[0], columns, rows)

        run = np.float32(2.0 * GROUND_SPACING)
        east, north = (hills(1, 0) - hills(-1, 0)) / run, (hills(0, 1) - hills(0, -1)) / run
        return Ground(*[*mesh.interpolate(values), east, north])

    def _ground_at(self, x: FloatArray, y: FloatArray) -> Float32Array:
        return _weigh(plane_noise(self._ground_keys, self._ground_lengths, x, y), _GROUND_STACKS)

    def elevation(self, zone: int, x: FloatArray, y: FloatArray) -> Float32Array:
        """Elevation of places of a zone, metres above the sea, float32 (N,); 0 on the sea."""
        return elevation_of(self.climate(zone, x, y), self.ground(x, y))


def surely_sea(lon: FloatArray, lat: FloatArray) -> NDArray[np.bool_]:
    """Whether places are so far from the continents that no bend of the coast makes them land; cheap."""
    return np.asarray(land_share(lon, lat) < _COAST_LEVEL - _COAST_GAIN * _COAST_LARGEST)


def elevation_of(climate: Climate, ground: Ground) -> Float32Array:
    """Elevation from its parts, metres, float32 (N,); 0 on the sea."""
    # Valleys are flatter than crests: the hills' noise is bent upwards.
    hills = ground.hills + np.float32(0.25) * ground.hills * ground.hills
    height = climate.height + climate.rough * hills + np.float32(1.0)
    # Rivers cut in: a valley about a kilometre wide.
    valley = np.exp(-np.square(ground.river * np.float32(6.0)))
    height = height - valley * climate.rough * np.float32(0.6)
    return np.where(climate.land > _COAST_LEVEL, np.maximum(height, 1.0), 0.0).astype(np.float32)


def _stack(seed: int, stacks: dict[str, tuple[tuple[float, ...], tuple[float, ...]]]) -> tuple[list[int], list[float]]:
    keys: list[int] = []
    lengths: list[float] = []
    for name, (wavelengths, _) in stacks.items():
        more_keys, more_lengths = octaves(seed, name, wavelengths)
        keys += more_keys
        lengths += more_lengths
    return keys, lengths


def _weigh(noise: Float32Array, stacks: dict[str, tuple[tuple[float, ...], tuple[float, ...]]]) -> Float32Array:
    fields = []
    start = 0
    for _, weights in stacks.values():
        fields.append(weighted_sum(noise[start : start + len(weights)], weights))
        start += len(weights)
    return np.stack(fields)
