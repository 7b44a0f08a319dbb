"""Clouds: where they are on a day, how thick, and where their shadows fall.

One field of noise, from weather systems of a thousand kilometres down to cloudlets of some hundred metres, is cut at a
level that the climate sets: wet places have clouds on 60 % of the days, dry ones on 25 % (MODIS cloud fraction over land, King
et al. 2013, IEEE TGRS 51).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rsbot_beam.local_ee.world.calendar import Sun
from rsbot_beam.local_ee.world.hashing import Float32Array, salt
from rsbot_beam.local_ee.world.noise import FloatArray, NodeMesh, plane_noise, weighted_sum
from rsbot_beam.local_ee.world.relief import Relief
from rsbot_beam.local_ee.world.zones import Cell, Sites, lonlat, plane

NODE_SPACING = 160.0  # metres
_MARGIN = 8  # nodes: shadows fall at most so far
_WAVELENGTHS = (1200e3, 350e3, 110e3, 35e3, 10e3, 3500.0, 1400.0, 600.0)
_WEIGHTS = (0.75, 0.5, 0.35, 0.28, 0.22, 0.18, 0.14, 0.10)
_SPELL_DAYS, _SPELL_WAVELENGTH, _SPELL_WEIGHT = 30, 700e3, 0.6  # bright and dull months of a region
_CIRRUS_WAVELENGTHS = (500e3, 60e3, 9e3)
_CIRRUS_WEIGHTS = (0.8, 0.5, 0.25)
_CIRRUS_LEVEL = 0.9  # standardised noise: veils on a sixth of the days
_CIRRUS_OPACITY = 0.22  # a standard deviation above that level
_CLOUD_HEIGHT = 1000.0  # metres: low water clouds, the ones that throw shadows
_OPAQUE = 3.0  # opacity for one standard deviation above the level
_RAGGED = 0.02  # standardised: how much the grain of some pixels frays the edges
_MOST_OPAQUE = 0.985
_SAMPLES = 9  # places along each side of a cell at which its cloud cover is estimated


@dataclass(frozen=True, eq=False)
class Sky:
    """What is between the sun, the pixels and the satellite, float32 (N,).

    Attributes:
        opacity: Share of the light that comes from clouds, 0..1.
        cirrus: Share that comes from high thin clouds, 0..1.
        shadow: Share of the direct light that clouds take away from the ground, 0..1.
    """

    opacity: Float32Array
    cirrus: Float32Array
    shadow: Float32Array


@dataclass(frozen=True, eq=False)
class CloudMesh:
    """The nodes of the cloud field around some pixels, and what the climate adds there.

    Attributes:
        sites: The pixels.
        mesh: The nodes.
        level: Inclination to clouds at the nodes, standardised.
        detail: Fine grain of cloud edges at the pixels.
    """

    sites: Sites
    mesh: NodeMesh
    level: Float32Array
    detail: Float32Array


class Clouds:
    """The skies of one world.

    Args:
        seed: The world's seed.
        relief: Its climate.
    """

    def __init__(self, seed: int, relief: Relief) -> None:
        self._seed = seed
        self._relief = relief

    def mesh(self, sites: Sites, detail: Float32Array) -> CloudMesh:
        """Prepare for the skies over some pixels, once for all days."""
        mesh = NodeMesh(sites.x, sites.y, NODE_SPACING, margin=_MARGIN)
        return CloudMesh(sites, mesh, self._level(sites.cell, *mesh.nodes), detail)

    def field(self, cell: Cell, x: FloatArray, y: FloatArray, level: Float32Array, number: int) -> Float32Array:
        """Cloudiness (row 0) and cirrus (row 1) on a day at places in a cell, float32 (2, N): above 0 there are some."""
        keys = [salt(self._seed, "clouds", cell.zone, number, k) for k in range(len(_WAVELENGTHS))]
        veils = [salt(self._seed, "cirrus", cell.zone, number, k) for k in range(len(_CIRRUS_WAVELENGTHS))]
        noise = plane_noise(keys + veils, _WAVELENGTHS + _CIRRUS_WAVELENGTHS, x, y)
        spell = salt(self._seed, "spell", cell.zone, number // _SPELL_DAYS)
        level = level + np.float32(_SPELL_WEIGHT) * plane_noise([spell], [_SPELL_WAVELENGTH], x, y)[0]
        low = weighted_sum(noise[: len(_WEIGHTS)], _WEIGHTS) + level + _seasonal(cell, number)
        high = weighted_sum(noise[len(_WEIGHTS) :], _CIRRUS_WEIGHTS) - np.float32(_CIRRUS_LEVEL)
        return np.stack([low, high]).astype(np.float32)

    def sky(self, prepared: CloudMesh, nodes: Float32Array, number: int, sun: Sun) -> Sky | None:
        """The sky over the prepared pixels on a day, or None where it is quite clear.

        Args:
            prepared: Of `mesh`.
            nodes: Of `field` at the mesh's nodes.
            number: The day since 1970.
            sun: Where the sun stands.
        """
        if prepared.mesh.dense and not (nodes > -0.15).any():
            return None
        low, high = prepared.mesh.interpolate(nodes)
        edge = np.float32(_RAGGED) * prepared.detail
        opacity = np.clip(np.float32(_OPAQUE) * (low + edge), 0.0, _MOST_OPAQUE).astype(np.float32)
        cirrus = np.clip(np.float32(_CIRRUS_OPACITY) * high, 0.0, 0.4).astype(np.float32)
        caster = self._casting(prepared, nodes, number, sun)
        shadow = np.clip(np.float32(_OPAQUE) * (caster + edge), 0.0, 0.85).astype(np.float32)
        return Sky(opacity, cirrus, shadow)

    def cover(self, cell: Cell, number: int) -> float:
        """Share of a cell that clouds cover on a day, per cent."""
        west, south, east, north = cell.bounds
        steps = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
        lon, lat = np.meshgrid(west + (east - west) * steps, south + (north - south) * steps)
        x, y = plane(cell.zone, lon.ravel(), lat.ravel())
        low, high = self.field(cell, x, y, self._level(cell, x, y), number)
        return float(((low > 0.1) | (high > 1.0)).mean() * 100.0)

    def _casting(self, prepared: CloudMesh, nodes: Float32Array, number: int, sun: Sun) -> Float32Array:
        """Cloudiness of the place that the sun is seen through, whole nodes away towards the sun."""
        reach = min(sun.shadow_length * _CLOUD_HEIGHT / NODE_SPACING, _MARGIN)
        east, north = sun.towards
        columns, rows = round(east * reach), round(north * reach)
        if prepared.mesh.dense:
            return prepared.mesh.interpolate(nodes[0], columns, rows)
        cell = prepared.sites.cell
        x, y = prepared.mesh.shifted_nodes(columns, rows)
        shifted = self.field(cell, x, y, self._level(cell, x, y), number)
        return prepared.mesh.interpolate(shifted[0], columns, rows)

    def _level(self, cell: Cell, x: FloatArray, y: FloatArray) -> Float32Array:
        moisture = self._relief.climate_at(*lonlat(cell.zone, x, y))[3]
        # Cover c is where standard noise exceeds -level; the logistic approximation of the normal's quantile.
        cover = np.float32(0.22) + np.float32(0.42) * moisture
        return np.asarray(np.log(cover / (1.0 - cover)) * np.float32(0.6), dtype=np.float32)


def _seasonal(cell: Cell, number: int) -> np.float32:
    """Half a standard deviation more clouds in the cloudy season: winter outside the tropics, summer within."""
    latitude = cell.centre[1]
    warm = np.cos(2.0 * np.pi * (number % 365.25 - 196.0) / 365.25) * (1.0 if latitude >= 0 else -1.0)
    return np.float32(0.3 * warm * (1.0 if abs(latitude) < 23.4 else -1.0))
