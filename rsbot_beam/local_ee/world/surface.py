"""The surface under a request's pixels: what is there, and how bright it is on a day.

A surface is computed once for a request and kept; a day then costs a table of colours for its units (fields, woods, lots)
and one look-up a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.world.calendar import SeasonDay, Sun
from rsbot_beam.local_ee.world.covers import LandCover, Material, classify
from rsbot_beam.local_ee.world.crops import Rotations
from rsbot_beam.local_ee.world.hashing import Float32Array, UInt64Array, bell, draw, hash_of, mix, salt
from rsbot_beam.local_ee.world.noise import FloatArray, globe_noise
from rsbot_beam.local_ee.world.overlay import Overlay, lay
from rsbot_beam.local_ee.world.parcels import Tessellation
from rsbot_beam.local_ee.world.phenology import Stand, latitude_shift, stand, wild_leaf_area
from rsbot_beam.local_ee.world.radar import backscatter
from rsbot_beam.local_ee.world.relief import Relief
from rsbot_beam.local_ee.world.spectra import Surroundings, reflectance
from rsbot_beam.local_ee.world.structures import Structures
from rsbot_beam.local_ee.world.texture import Grain
from rsbot_beam.local_ee.world.turbines import WindParks
from rsbot_beam.local_ee.world.zones import Cell, Sites, lonlat

_CHUNK = 1 << 16  # places computed at once: bounds the memory of the noise's octaves
_SOWING_DAYS = 7.0  # standard deviation of sowing dates between fields: 15 days on both sides cover nearly all
_WEATHER_DAYS = 5.0  # standard deviation of a year's and region's lead or lag (Menzel et al. 2006, GCB 12)
_WEATHER_WAVELENGTH = 600e3  # metres: size of the regions that share a year's weather
_DAYS_IN_YEAR = 365.25
_FIRST_SOWING = 200.0  # day of the season before which nothing of the next one is sown
_FLAT = 0.012  # metres a metre: gentler slopes change brightness by less than 1 % and are left out
_METRES_PER_DEGREE = 111_000.0  # of latitude; for tree lines, within 0.3 degrees everywhere


@dataclass(frozen=True, eq=False)
class Units:
    """The things that a surface is made of, each of one colour a day; arrays of shape (U,).

    Attributes:
        material: `Material` numbers, uint8.
        entity: Hash of the thing.
        latitude: Of its block's seed, degrees, float32.
        longitude: Of its block's seed, degrees, float32.
        block: Hash of its block.
        brightness: Of its soil, 0..1.
        vigour: Factor of its leaf area.
        shares: Shares of the rotations where it lies, (rotations, U).
    """

    material: NDArray[np.uint8]
    entity: UInt64Array
    latitude: Float32Array
    longitude: Float32Array
    block: UInt64Array
    brightness: Float32Array
    vigour: Float32Array
    shares: Float32Array

    def repeated(self, times: int) -> Units:
        """The same units several times over, for several days; without shares."""
        columns = {
            field.name: np.tile(getattr(self, field.name), times) for field in fields(self) if field.name != "shares"
        }
        return Units(**columns, shares=self.shares)


@dataclass(frozen=True, eq=False)
class Season:
    """What grows on the units of a surface in one season.

    Attributes:
        crop: `Crop` numbers harvested in the season's year, uint8 (U,).
        late: Days by which each unit is later than at the reference latitude, float32 (U,).
        southern: Whether the units lie south of the equator.
    """

    crop: NDArray[np.uint8]
    late: Float32Array
    southern: bool

    def repeated(self, times: int) -> Season:
        """The same season several times over, for several days."""
        return Season(np.tile(self.crop, times), np.tile(self.late, times), self.southern)


@dataclass(frozen=True, eq=False)
class Bare:
    """The land under some pixels of one cell, whatever the year.

    Attributes:
        sites: The N pixels.
        land: Their cover before anything was built on open land.
        slope_east: Rise eastwards, metres a metre, float32 (N,).
        slope_north: Rise northwards.
        overlay: What was ever built, or None where nothing is near.
    """

    sites: Sites
    land: LandCover
    slope_east: Float32Array
    slope_north: Float32Array
    overlay: Overlay | None

    @cached_property
    def steep(self) -> bool:
        """Whether slopes matter to brightness anywhere; where they are gentle they are 0."""
        return bool(self.slope_east.any() or self.slope_north.any())

    @cached_property
    def years(self) -> NDArray[np.int64]:
        """Years in which something was built: from one to the next the surface stays as it is."""
        return self.overlay.years() if self.overlay else np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Surface:
    """The land under some pixels of one cell in one year.

    Attributes:
        bare: The N pixels, and what does not change.
        land: Their cover.
        year: The calendar year.
        units: What they are made of.
        unit: Each pixel's unit, (N,).
    """

    bare: Bare
    land: LandCover
    year: int
    units: Units
    unit: NDArray[np.intp]

    @property
    def sites(self) -> Sites:
        """The pixels."""
        return self.bare.sites


class Surfaces:
    """Makes surfaces of one world.

    Args:
        seed: The world's seed.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.relief = Relief(seed)
        self.rotations = Rotations(seed)
        self.grain = Grain(seed)
        self._tessellation = Tessellation(seed)
        self.structures = Structures(seed, self.land)
        self.parks = WindParks(seed, self.land)
        self._day_key = salt(seed, "day")
        self._soil_key = salt(seed, "soil")

    def land(self, zone: int, x: FloatArray, y: FloatArray) -> LandCover:
        """Cover of places of a zone (metres, shape (N,)), without what was built on open land."""
        return self._terrain(zone, x, y)[0]

    def bare(self, sites: Sites) -> Bare:
        """The land under some pixels, and what was ever built there."""
        x, y, zone = sites.x, sites.y, sites.cell.zone
        parts = [self._terrain(zone, x[k : k + _CHUNK], y[k : k + _CHUNK]) for k in range(0, x.size, _CHUNK)]
        land = LandCover.joined([part[0] for part in parts])
        east, north = (np.concatenate([part[k] for part in parts]) for k in (1, 2))
        return Bare(sites, land, east, north, lay(self.structures, self.parks, zone, x, y))

    def surface(self, bare: Bare, year: int) -> Surface:
        """The surface under some pixels in a calendar year."""
        land = bare.overlay.applied(bare.land, year) if bare.overlay else bare.land
        # Units must not reach over blocks: a block's climate stands for them all.
        key = mix(land.entity ^ (land.material.astype(np.uint64) << np.uint64(56))) ^ land.parcels.block
        _, first, unit = np.unique(key, return_index=True, return_inverse=True)
        return Surface(bare, land, year, self._units(bare.sites.cell, land, first), unit.ravel())

    def _terrain(self, zone: int, x: FloatArray, y: FloatArray) -> tuple[LandCover, Float32Array, Float32Array]:
        climate = self.relief.climate(zone, x, y)
        ground = self.relief.ground(x, y)
        parcels = self._tessellation.parcels(zone, x, y, ground)
        latitude = (y / _METRES_PER_DEGREE).astype(np.float32)
        cover = classify(climate, ground, parcels, latitude)
        east, north = ground.slope_east * climate.rough, ground.slope_north * climate.rough
        flat = np.abs(east) + np.abs(north) < _FLAT
        return cover, np.where(flat, np.float32(0.0), east), np.where(flat, np.float32(0.0), north)

    def _units(self, cell: Cell, land: LandCover, first: NDArray[np.intp]) -> Units:
        blocks, example, block = np.unique(land.parcels.block[first], return_index=True, return_inverse=True)
        at = first[example]
        lon, lat = lonlat(cell.zone, land.parcels.seed_x[at], land.parcels.seed_y[at])
        moisture = self.relief.climate_at(lon, lat)[3]
        shares = self.rotations.shares(lon, lat, moisture)
        soil = globe_noise([self._soil_key, self._soil_key + 1], [90e3, 8e3], lon, lat)
        brightness = np.float32(0.45) + np.float32(0.12) * (soil[0] + soil[1]) + np.float32(0.5) * (0.5 - moisture)
        entity = land.entity[first]
        return Units(
            material=land.material[first],
            entity=entity,
            latitude=lat.astype(np.float32)[block],
            longitude=lon.astype(np.float32)[block],
            block=blocks[block],
            brightness=np.clip(brightness[block] + np.float32(0.10) * bell(entity, 40), 0.0, 1.0).astype(np.float32),
            vigour=(np.float32(0.62) + np.float32(0.5) * draw(entity, 41)).astype(np.float32),
            shares=shares[:, block],
        )

    def season(self, units: Units, year: int, southern: bool) -> Season:
        """Crops and delays of units in the season of a harvest year."""
        crop = self.rotations.crops(units.entity, units.shares, year)
        _, example, block = np.unique(units.block, return_index=True, return_inverse=True)
        where = units.longitude[example], units.latitude[example]
        weather = globe_noise([salt(self._seed, "weather", year)], [_WEATHER_WAVELENGTH], *where)[0]
        this_year = hash_of(units.entity, np.array(year))
        late = np.float32(_WEATHER_DAYS) * weather[block] + np.float32(_SOWING_DAYS) * bell(this_year, 42)
        return Season(crop, late.astype(np.float32), southern)

    def colours(self, units: Units, seasons: tuple[Season, Season], days: Sequence[int]) -> Float32Array:
        """Reflectance of units on some days, float32 (12, days, U).

        Days are computed together: most of the time goes into calls, not into numbers.

        Args:
            units: The units.
            seasons: Of the days' season and of the next.
            days: Days since 1970, all of one season.
        """
        where, stands = self._plants(units, seasons, days)
        # What atmospheric correction leaves over and the view angle adds differs by field and day: about 4 %
        # (Doxani et al. 2018, Remote Sensing 10, ACIX; Roy et al. 2017, RSE 199, BRDF).
        each = hash_of(units.entity, np.array(days)[:, None])
        rest = 1.0 + np.float32(0.04) * bell(each, 45).ravel()
        return np.asarray(reflectance(where, stands) * rest, dtype=np.float32).reshape(-1, *each.shape)

    def echoes(self, units: Units, seasons: tuple[Season, Season], days: Sequence[int]) -> Float32Array:
        """Radar backscatter (dB) of units on some days in VV and VH, float32 (2, days, U); arguments as of `colours`."""
        where, stands = self._plants(units, seasons, days)
        return backscatter(where, stands).reshape(2, len(days), -1)

    def _plants(self, units: Units, seasons: tuple[Season, Season], days: Sequence[int]) -> tuple[Surroundings, Stand]:
        """Soils and plants of units on some days, one day after the other: (days * U,)."""
        units, seasons = units.repeated(len(days)), (seasons[0].repeated(len(days)), seasons[1].repeated(len(days)))
        count = units.material.size // len(days)
        number = np.repeat(np.array(days), count)
        day = np.repeat(np.array([SeasonDay.of(each, seasons[0].southern).day for each in days], np.float32), count)
        rain = draw(hash_of(units.block, number), 43)
        where = Surroundings(
            material=units.material,
            # Next season's canopy is seen from late autumn on, when this year's is harvested.
            crop=np.where(day < 305.0, seasons[0].crop, seasons[1].crop),
            brightness=units.brightness,
            wetness=np.maximum(rain * np.float32(1.6) - np.float32(0.6), 0.0).astype(np.float32),
            turbidity=draw(units.entity, 44),
            variety=draw(units.entity, 46),
        )
        return where, self._stands(units, seasons, day)

    def _stands(self, units: Units, seasons: tuple[Season, Season], day: Float32Array) -> Stand:
        grown = stand(seasons[0].crop, day - _delay(seasons[0], units))
        if day.max() > _FIRST_SOWING:
            coming = stand(seasons[1].crop, day - np.float32(_DAYS_IN_YEAR) - _delay(seasons[1], units))
            grown = grown.merge(coming.where(day > _FIRST_SOWING))
        farmed = units.material == Material.CROP
        wild = wild_leaf_area(units.material, day - seasons[0].late * np.float32(0.6), units.latitude)
        zero = np.float32(0.0)
        return Stand(
            leaf_area=np.where(farmed, grown.leaf_area, wild).astype(np.float32) * units.vigour,
            dry=np.where(farmed, grown.dry, np.where(units.material == Material.SHRUB, 0.3, 0.7)).astype(np.float32),
            flower=np.where(farmed, grown.flower, zero),
            flooded=np.where(farmed, grown.flooded, zero),
        )


def sunlit(surface: Surface, sun: Sun) -> Float32Array | None:
    """Factor of brightness by slopes and by the shadows of turbines, float32 (N,), or None where neither is.

    The cosine of the incidence angle over that of flat land, weakened by the diffuse light of the sky (C correction of
    Teillet et al. 1982, Canadian J. Remote Sensing 8).
    """
    bare = surface.bare
    light: Float32Array | None = None
    if bare.steep:
        east, north = sun.towards
        tangent = np.float32(min(sun.shadow_length, 3.0))
        towards = bare.slope_east * np.float32(-east) + bare.slope_north * np.float32(-north)
        light = np.clip(1.0 + np.float32(0.6) * tangent * towards, 0.35, 1.5).astype(np.float32)
    overlay = bare.overlay
    if overlay and overlay.shadows and overlay.shadows.place.size:
        light = np.ones(bare.sites.x.size, dtype=np.float32) if light is None else light
        overlay.shadows.darken(light, sun, surface.year)
    return light


def _delay(season: Season, units: Units) -> Float32Array:
    return np.asarray(season.late + latitude_shift(season.crop, units.latitude), dtype=np.float32)
