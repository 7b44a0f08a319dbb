"""One world's surfaces and skies, kept for the requests that ask for them again and again.

A composite asks for the same pixels on dozens of days: what does not change from day to day is computed once for a
request's grid. All of it is a pure function of the grid, so nothing has to be invalidated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsbot_beam.local_ee.provider import PixelGrid
from rsbot_beam.local_ee.world.caching import LruCache
from rsbot_beam.local_ee.world.calendar import SeasonDay, Sun
from rsbot_beam.local_ee.world.clouds import CloudMesh, Clouds, Sky
from rsbot_beam.local_ee.world.hashing import Float32Array
from rsbot_beam.local_ee.world.surface import Bare, Season, Surface, Surfaces
from rsbot_beam.local_ee.world.zones import Cell, CellMap, Sites

# Pixels whose surfaces are kept: about 150 bytes each, 200 MB in all, or 80 requests of 128 x 128.
_KEPT_PIXELS = 1_300_000
_KEPT_SKY_NODES = 8_000_000  # 64 MB
_KEPT_COVERS = 200_000  # numbers
_KEPT_COLOURS = 10_000_000  # numbers, 40 MB
_REPEAT_DAYS = 5
_BATCH = 8  # days computed together
_BATCH_VALUES = 100_000  # units times days beyond which computing together saves nothing


@dataclass(frozen=True, eq=False)
class Kept:
    """A surface and what goes with it on every day.

    Attributes:
        surface: The surface.
        lasting: Factors of reflectance that stay, (12, N).
        clouds: The cloud field's nodes around it.
    """

    surface: Surface
    lasting: Float32Array
    clouds: CloudMesh

    @property
    def sites(self) -> Sites:
        """The pixels."""
        return self.surface.sites


class Landscape:
    """Surfaces and skies of one world; safe to use from several threads.

    Args:
        seed: The world's seed.
    """

    def __init__(self, seed: int) -> None:
        self.surfaces = Surfaces(seed)
        self.clouds = Clouds(seed, self.surfaces.relief)
        self._cells: LruCache[CellMap] = LruCache(128)
        self._bare: LruCache[Bare] = LruCache(_KEPT_PIXELS, lambda bare: bare.sites.x.size)
        self._kept: LruCache[Kept] = LruCache(_KEPT_PIXELS, lambda kept: kept.sites.x.size)
        self._seasons: LruCache[tuple[Season, Season]] = LruCache(512)
        self._skies: LruCache[Float32Array] = LruCache(_KEPT_SKY_NODES, lambda nodes: nodes.size)
        self._colours: LruCache[Float32Array] = LruCache(_KEPT_COLOURS, lambda table: table.size)
        self._covers: LruCache[float] = LruCache(_KEPT_COVERS)

    def cells(self, grid: PixelGrid) -> CellMap:
        """The cells that a request lies in."""
        return self._cells.get(grid, lambda: CellMap.of(grid))

    def kept(self, grid: PixelGrid, cell: Cell, year: int) -> Kept | None:
        """The surface of a request's pixels in a cell in a calendar year, or None where it has no pixels there."""
        bare = self.bare(grid, cell)
        if bare is None:
            return None
        built = int(np.searchsorted(bare.years, year, side="right"))
        return self._kept.get((grid, cell, built), lambda: self._keep(bare, year))

    def bare(self, grid: PixelGrid, cell: Cell) -> Bare | None:
        """The land under a request's pixels in a cell, or None where it has no pixels there."""
        found = self.cells(grid)
        if cell not in found.cells:
            return None
        return self._bare.get((grid, cell), lambda: self.surfaces.bare(found.sites(cell)))

    def seasons(self, grid: PixelGrid, kept: Kept, year: int) -> tuple[Season, Season]:
        """What grows on a surface in a season and in the next one."""
        units = kept.surface.units
        southern = kept.sites.cell.southern
        key = (grid, kept.sites.cell, kept.surface.year, year)
        return self._seasons.get(
            key, lambda: (self.surfaces.season(units, year, southern), self.surfaces.season(units, year + 1, southern))
        )

    def echoes(self, grid: PixelGrid, kept: Kept, number: int) -> Float32Array:
        """Radar backscatter of a surface's units on a day in VV and VH, dB, float32 (2, U)."""
        year = SeasonDay.of(number, kept.sites.cell.southern).year
        return self.surfaces.echoes(kept.surface.units, self.seasons(grid, kept, year), [number])[:, 0]

    def colours(self, grid: PixelGrid, kept: Kept, number: int) -> Float32Array:
        """Reflectance of a surface's units on a day, float32 (12, U)."""
        southern = kept.sites.cell.southern
        year = SeasonDay.of(number, southern).year
        units = kept.surface.units
        # Sentinel-2 comes back every five days: the days that a composite will ask for next are computed with this one.
        batch = _BATCH if units.material.size * _BATCH < _BATCH_VALUES else 1
        first = number - number // _REPEAT_DAYS % batch * _REPEAT_DAYS
        passes = range(first, first + batch * _REPEAT_DAYS, _REPEAT_DAYS)
        days = [day for day in passes if SeasonDay.of(day, southern).year == year]
        key = (grid, kept.sites.cell, kept.surface.year, days[0], days[-1])
        table = self._colours.get(key, lambda: self.surfaces.colours(units, self.seasons(grid, kept, year), days))
        return table[:, days.index(number)]

    def sky(self, grid: PixelGrid, kept: Kept, number: int, sun: Sun) -> Sky | None:
        """The sky over a surface on a day, or None where it is clear."""
        prepared = kept.clouds

        def nodes() -> Float32Array:
            return self.clouds.field(kept.sites.cell, *prepared.mesh.nodes, prepared.level, number)

        field = self._skies.get((grid, kept.sites.cell, number), nodes)
        return self.clouds.sky(prepared, field, number, sun)

    def cloud_cover(self, cell: Cell, number: int) -> float:
        """Share of a cell that clouds cover on a day, per cent."""
        return self._covers.get((cell, number), lambda: self.clouds.cover(cell, number))

    def mosaic(
        self, grid: PixelGrid, year: int, dtype: type[np.generic] | str, values: Callable[[Kept], NDArray[np.generic]]
    ) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Values of a map that covers the globe: (H, W) of a dtype, and where the request meets the globe.

        Args:
            grid: The request.
            year: Calendar year of the map.
            dtype: Type of the result.
            values: Gives the values (N,) of one cell's surface.
        """
        whole = np.zeros(grid.shape, dtype=dtype)
        valid = np.zeros(grid.shape, dtype=np.bool_)
        for cell in self.cells(grid).cells:
            kept = self.kept(grid, cell, year)
            if kept is None:
                continue
            if kept.sites.index is None:
                return kept.sites.spread(values(kept).astype(dtype)), kept.sites.valid
            whole.ravel()[kept.sites.index] = values(kept)
            valid.ravel()[kept.sites.index] = True
        return whole, valid

    def _keep(self, bare: Bare, year: int) -> Kept:
        surface = self.surfaces.surface(bare, year)
        grain, sites = self.surfaces.grain, bare.sites
        return Kept(surface, grain.lasting(sites, surface.land.material), self.clouds.mesh(sites, grain.detail(sites)))
