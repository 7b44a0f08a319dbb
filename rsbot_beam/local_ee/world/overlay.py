"""Structures and turbines laid over the land under some pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.world.calendar import Sun
from rsbot_beam.local_ee.world.covers import Cover, LandCover, Material
from rsbot_beam.local_ee.world.hashing import Float32Array, UInt64Array, mix
from rsbot_beam.local_ee.world.noise import FloatArray
from rsbot_beam.local_ee.world.structures import Structures
from rsbot_beam.local_ee.world.turbines import (
    PAD_HALF_LENGTH,
    PAD_HALF_WIDTH,
    TRACK_HALF_WIDTH,
    Turbines,
    WindParks,
)

NOTHING = 255  # material where no structure is
_SHADOW_STEP = 120.0  # metres between the points from which the caster of a shadow is looked for
_LONGEST_SHADOW = 700.0  # metres; longer ones, under a low sun, are cut
_TOWER_SHADOW_WIDTH = 9.0  # metres, with the penumbra
_TOWER_SHADOW = 0.45  # share of a 10 m pixel's light that a tower takes
_ROTOR_SHADOW = 0.18  # share of the light that a rotor's disc takes, on average over its turns


@dataclass(frozen=True, eq=False)
class Overlay:
    """What was built at N places.

    Attributes:
        material: `Material` numbers or `NOTHING`, uint8.
        cover: `Cover` numbers, uint8.
        entity: Hashes of the structures.
        year: Year from whose beginning on it stands, int64.
        turbines: The turbines near the places, with the park that each place looks at.
        shadowed: Which places a turbine's shadow may ever reach.
    """

    material: NDArray[np.uint8]
    cover: NDArray[np.uint8]
    entity: UInt64Array
    year: NDArray[np.int64]
    turbines: tuple[Turbines, NDArray[np.intp]] | None
    shadowed: NDArray[np.intp]

    def years(self) -> NDArray[np.int64]:
        """The years in which something was built here, in order."""
        years = [self.year[self.material != NOTHING]]
        if self.turbines:
            years.append(self.turbines[0].parks.year[self.turbines[0].park])
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
    overlay = Overlay(
        np.full(x.size, NOTHING, dtype=np.uint8),
        np.zeros(x.size, dtype=np.uint8),
        np.zeros(x.size, dtype=np.uint64),
        np.zeros(x.size, dtype=np.int64),
        near := parks.around(zone, x, y),
        np.flatnonzero(near[0].parks.reach(near[1], x, y, _LONGEST_SHADOW)) if near else np.zeros(0, dtype=np.intp),
    )
    found = structures.around(zone, x, y)
    solar = [pair for pair in found if pair[0].kind.material == Material.PANEL]
    for candidates, which in (pair for pair in found if pair[0].kind.material != Material.PANEL):
        _put(overlay, candidates.contain(which, x, y)[0], candidates.kind.material, candidates.kind.cover,
             candidates.hashes[which], candidates.year[which])  # fmt: skip
    if overlay.turbines:
        _put_turbines(overlay, *overlay.turbines, x, y)
    for candidates, which in solar:
        _put(overlay, candidates.contain(which, x, y)[0], candidates.kind.material, candidates.kind.cover,
             candidates.hashes[which], candidates.year[which])  # fmt: skip
    if overlay.turbines:
        _put_towers(overlay, *overlay.turbines, x, y)
    return overlay if (overlay.material != NOTHING).any() or overlay.shadowed.size else None


def turbine_shade(
    turbines: Turbines, which: NDArray[np.intp], x: FloatArray, y: FloatArray, sun: Sun, year: int
) -> Float32Array:
    """Factor of light that the shadows of towers and rotors leave at places, float32 (N,).

    Args:
        turbines: Of `WindParks.around`.
        which: The park that each place looks at.
        x: Easting, metres.
        y: Northing.
        sun: Where the sun stands.
        year: Turbines of later years throw no shadow.
    """
    east, north = sun.towards
    tallest = float(turbines.parks.hub.max() + turbines.parks.rotor.max() / 2)
    longest = min(tallest * sun.shadow_length, _LONGEST_SHADOW)
    darkest = np.zeros(x.size, dtype=np.float32)
    for distance in np.arange(0.0, longest + _SHADOW_STEP, _SHADOW_STEP):
        number = turbines.nearest(which, x + east * distance, y + north * distance)
        at = np.flatnonzero(number >= 0)
        shade = _shade(turbines, number[at], x[at], y[at], sun, year)
        darkest[at] = np.maximum(darkest[at], shade)
    return np.asarray(1.0 - darkest, dtype=np.float32)


def _shade(
    turbines: Turbines, number: NDArray[np.intp], x: FloatArray, y: FloatArray, sun: Sun, year: int
) -> Float32Array:
    """Share of light that one turbine takes from each place."""
    east, north = sun.towards
    park = turbines.park[number]
    dx, dy = x - turbines.x[number], y - turbines.y[number]
    away, aside = -(dx * east + dy * north), np.abs(dx * north - dy * east)
    length = turbines.parks.hub[park] * sun.shadow_length
    radius = turbines.parks.rotor[park] / 2.0
    tower = (away > 6.0) & (away < length) & (aside < _TOWER_SHADOW_WIDTH / 2.0 + 2.0)
    # A disc that faces the sun throws an ellipse, stretched by the sun's height.
    rotor = ((away - length) / (radius * max(sun.shadow_length, 0.3))) ** 2 + (aside / radius) ** 2 < 1.0
    taken = np.maximum(tower * np.float32(_TOWER_SHADOW), rotor * np.float32(_ROTOR_SHADOW))
    return np.asarray(taken * (turbines.parks.year[park] <= year), dtype=np.float32)


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
    _put(overlay, on_track, Material.GRAVEL, Cover.ROAD, entity, year)
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
