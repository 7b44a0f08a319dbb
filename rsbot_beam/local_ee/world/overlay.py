"""Structures and turbines laid over the land under some pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.world.calendar import Sun
from rsbot_beam.local_ee.world.covers import Cover, LandCover, Material
from rsbot_beam.local_ee.world.hashing import Float32Array, UInt64Array, mix
from rsbot_beam.local_ee.world.noise import FloatArray
from rsbot_beam.local_ee.world.structures import SOLAR, Found, Structures
from rsbot_beam.local_ee.world.turbines import (
    PAD_HALF_LENGTH,
    PAD_HALF_WIDTH,
    TRACK_HALF_WIDTH,
    Turbines,
    WindParks,
    neighbours,
)

NOTHING = 255  # material where no structure is
_LONGEST_SHADOW = 330.0  # metres; longer ones, under a low sun, are cut
_TOWER_SHADOW_WIDTH = 6.5  # metres to each side, with the penumbra
_TOWER_SHADOW = 0.45  # share of a 10 m pixel's light that a tower takes
_ROTOR_SHADOW = 0.18  # share of the light that a rotor's disc takes, on average over its turns


@dataclass(frozen=True, eq=False)
class ShadowPairs:
    """P pairs of a place and a turbine that may throw its shadow there; arrays of shape (P,).

    Attributes:
        place: Number of the place.
        dx: How far east of the turbine it is, metres, float32.
        dy: How far north.
        hub: Height of the hub, metres.
        radius: Of the rotor, metres.
        year: Year from whose beginning on the turbine stands.
    """

    place: NDArray[np.intp]
    dx: Float32Array
    dy: Float32Array
    hub: Float32Array
    radius: Float32Array
    year: NDArray[np.int64]

    def darken(self, light: Float32Array, sun: Sun, year: int) -> None:
        """Take the shadows of a year's turbines away from factors of light (N,), in place."""
        east, north = (np.float32(part) for part in sun.towards)
        stretch = np.float32(sun.shadow_length)
        away, aside = -(self.dx * east + self.dy * north), np.abs(self.dx * north - self.dy * east)
        length = self.hub * stretch
        tower = (away > 6.0) & (away < length) & (aside < _TOWER_SHADOW_WIDTH)
        # A disc that faces the sun throws an ellipse, stretched by the sun's height.
        rotor = ((away - length) / (self.radius * max(stretch, np.float32(0.3)))) ** 2 + (
            aside / self.radius
        ) ** 2 < 1.0
        at = np.flatnonzero((tower | rotor) & (self.year <= year))
        left = np.where(tower[at], np.float32(1.0 - _TOWER_SHADOW), np.float32(1.0 - _ROTOR_SHADOW))
        np.minimum.at(light, self.place[at], left * light[self.place[at]])


@dataclass(frozen=True, eq=False)
class Overlay:
    """What was built at N places.

    Attributes:
        material: `Material` numbers or `NOTHING`, uint8.
        cover: `Cover` numbers, uint8.
        entity: Hashes of the structures.
        year: Year from whose beginning on it stands, int64.
        turbines: The turbines near the places, or None.
        shadows: The places that a turbine's shadow may ever reach.
    """

    material: NDArray[np.uint8]
    cover: NDArray[np.uint8]
    entity: UInt64Array
    year: NDArray[np.int64]
    turbines: Turbines | None
    shadows: ShadowPairs | None

    def years(self) -> NDArray[np.int64]:
        """The years in which something was built here, in order."""
        years = [self.year[self.material != NOTHING]]
        if self.turbines:
            years.append(self.turbines.parks.year[self.turbines.park])
        return np.unique(np.concatenate(years))

    def applied(self, land: LandCover, year: int) -> LandCover:
        """The land with what stands in a year."""
        there = (self.material != NOTHING) & (self.year <= year)
        return LandCover(
            cover=np.where(there, self.cover, land.cover),
            material=np.where(there, self.material, land.material),
            entity=np.where(there, self.entity, land.entity),
            elevation=land.elevation,
            moisture=land.moisture,
            parcels=land.parcels,
        )


def lay(structures: Structures, parks: WindParks, zone: int, x: FloatArray, y: FloatArray) -> Overlay | None:
    """Everything built at places of a zone (metres, shape (N,)), or None where nothing is near."""
    found = structures.at(zone, x, y)
    near = parks.around(zone, x, y, _LONGEST_SHADOW)
    if not found and near is None:
        return None
    overlay = Overlay(
        np.full(x.size, NOTHING, dtype=np.uint8),
        np.zeros(x.size, dtype=np.uint8),
        np.zeros(x.size, dtype=np.uint64),
        np.zeros(x.size, dtype=np.int64),
        near[0] if near else None,
        _pairs(*near, x, y) if near else None,
    )
    for item in found:
        if item.candidates.kind is not SOLAR:
            _put_structures(overlay, item)
    if near:
        _put_turbines(overlay, *near, x, y)
    for item in found:
        if item.candidates.kind is SOLAR:
            _put_structures(overlay, item)
    if near:
        _put_towers(overlay, *near, x, y)
    return overlay


def _pairs(turbines: Turbines, which: NDArray[np.intp], x: FloatArray, y: FloatArray) -> ShadowPairs:
    """Places and the turbines around them, from the nine nodes of the park's grid that are nearest to each place."""
    near = np.flatnonzero(turbines.parks.reach(which, x, y, _LONGEST_SHADOW))
    x, y, which = x[near], y[near], which[near]
    found: list[tuple[NDArray[Any], ...]] = []
    for a, b in neighbours(turbines.parks, which, x, y):
        number = turbines.at(which, a, b)
        at = np.flatnonzero(number >= 0)
        dx, dy = x[at] - turbines.x[number[at]], y[at] - turbines.y[number[at]]
        close = np.flatnonzero(np.hypot(dx, dy) < _LONGEST_SHADOW)
        found.append((near[at[close]], number[at[close]], dx[close], dy[close]))
    place, number, dx, dy = (np.concatenate([part[k] for part in found]) for k in range(4))
    park = turbines.park[number]
    parks = turbines.parks
    return ShadowPairs(
        place.astype(np.intp),
        dx.astype(np.float32),
        dy.astype(np.float32),
        parks.hub[park].astype(np.float32),
        (parks.rotor[park] / 2.0).astype(np.float32),
        parks.year[park],
    )


def _put(
    overlay: Overlay,
    where: NDArray[np.bool_],
    material: Material,
    cover: Cover,
    entity: UInt64Array,
    year: NDArray[np.int64],
) -> None:
    overlay.material[where] = material
    overlay.cover[where] = cover
    overlay.entity[where] = entity[where]
    overlay.year[where] = year[where]


def _put_structures(overlay: Overlay, found: Found) -> None:
    kind, at = found.candidates.kind, found.places
    overlay.material[at] = kind.material
    overlay.cover[at] = kind.cover
    overlay.entity[at] = found.candidates.hashes[found.which]
    overlay.year[at] = found.candidates.year[found.which]


def _put_turbines(overlay: Overlay, turbines: Turbines, which: NDArray[np.intp], x: FloatArray, y: FloatArray) -> None:
    """Tracks along the rows, and pads."""
    parks = turbines.parks
    u, v = parks.frame(which, x, y)
    row = np.rint(v / parks.across[which]).astype(np.int64)
    column = np.rint(u / parks.along[which]).astype(np.int64)
    number = turbines.at(which, column, row)
    inside = (row >= 0) & (row < parks.rows[which]) & parks.built[which]
    length = (parks.per_row[which] - 1) * parks.along[which]
    on_track = inside & (u > -30.0) & (u < length + 30.0)
    on_track &= np.abs(v - row * parks.across[which] + 22.0) < TRACK_HALF_WIDTH
    entity, year = mix(parks.hashes[which]), parks.year[which]
    _put(overlay, on_track, Material.ASPHALT, Cover.ROAD, entity, year)
    stands = number >= 0
    dx, dy = _offset(turbines, number, x, y)
    along = dx * parks.cos[which] + dy * parks.sin[which]
    across = dy * parks.cos[which] - dx * parks.sin[which]
    pad = stands & (np.abs(along) < PAD_HALF_LENGTH) & (np.abs(across + 8.0) < PAD_HALF_WIDTH)
    _put(overlay, pad, Material.GRAVEL, Cover.BARREN, entity, year)


def _put_towers(overlay: Overlay, turbines: Turbines, which: NDArray[np.intp], x: FloatArray, y: FloatArray) -> None:
    """The towers themselves: the world's cell that the turbine's point lies in."""
    number = turbines.nearest(which, x, y)
    dx, dy = _offset(turbines, number, x, y)
    tower = (number >= 0) & (np.maximum(np.abs(dx), np.abs(dy)) <= 5.0)
    entity = mix(turbines.hashes[number])
    year = turbines.parks.year[which]
    _put(overlay, tower, Material.TOWER, Cover.LOW_DENSITY, entity, year)


def _offset(
    turbines: Turbines, number: NDArray[np.intp], x: FloatArray, y: FloatArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return x - turbines.x[number], y - turbines.y[number]
