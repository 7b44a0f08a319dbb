"""`USDA/NAIP/DOQQ`: aerial images of 1 m in four bands, every second summer.

The land is the one that Sentinel-2 sees, drawn finer: rows of crops and panels, crowns of trees, rotors and their shadows.
One image is a cell of 6 by 8 degrees, and there are images of all land, not of the United States only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from rsbot_beam.local_ee.provider import AssetNotFoundError, BandInfo, BandPixels, BBox, ImageInfo, PixelGrid
from rsbot_beam.local_ee.world.assets import unknown_band
from rsbot_beam.local_ee.world.caching import LruCache
from rsbot_beam.local_ee.world.calendar import MS_PER_DAY, SeasonDay, Sun, day_number
from rsbot_beam.local_ee.world.covers import Material
from rsbot_beam.local_ee.world.hashing import Float32Array, draw, mix, salt
from rsbot_beam.local_ee.world.landscape import Landscape
from rsbot_beam.local_ee.world.noise import plane_noise
from rsbot_beam.local_ee.world.overlay import ShadowPairs
from rsbot_beam.local_ee.world.sentinel2 import in_time
from rsbot_beam.local_ee.world.spectra import BANDS as OPTICAL
from rsbot_beam.local_ee.world.surface import Surface
from rsbot_beam.local_ee.world.zones import Cell, Sites, cells_in

BANDS = ("R", "G", "B", "N")
_SOURCES = [OPTICAL.index(band) for band in ("B4", "B3", "B2", "B8")]
_YEARS = range(2004, 2026)
_SIZE = 1.0  # metres
_LOCAL_HOUR = 11.5  # flights are around noon (USDA NAIP specification: sun above 30 degrees)
_BRIGHTEST = 0.42  # reflectance that makes 255
_GAMMA = 0.75  # images are delivered stretched for the eye
_KEPT_PIXELS = 600_000

_CROWN = 6.0  # metres: a tree
_CLOD = 2.0  # metres: tufts and clods
_GRAIN_KEYS = (salt(0, "naip crowns"), salt(0, "naip clods"))  # the same grain in every world
_CROWN_CONTRAST = {
    Material.DECIDUOUS: 0.28, Material.EVERGREEN: 0.36, Material.MIXED: 0.34, Material.SHRUB: 0.25, Material.WETLAND: 0.1,
    Material.GRASS: 0.06, Material.CROP: 0.05, Material.BARREN: 0.1, Material.WATER: 0.02,
}  # fmt: skip
_CONTRAST_TABLE = np.array([_CROWN_CONTRAST.get(material, 0.05) for material in Material], dtype=np.float32)
_ROW, _ROW_CONTRAST = 3.0, 0.07  # metres between tramlines that can be seen, and what they change
_PANEL_ROW, _PANEL_WIDTH = 7.5, 4.4  # metres from row to row, and of a row's panels seen from above
_PANEL = np.array([0.055, 0.065, 0.085, 0.09], dtype=np.float32)  # R, G, B, N of the panels alone
_LANE = np.array([0.11, 0.12, 0.08, 0.22], dtype=np.float32)  # mown grass between rows
_WHITE = 0.75  # reflectance of towers and blades
_TOWER_RADIUS, _NACELLE_LENGTH, _BLADE_WIDTH = 2.6, 11.0, 1.6  # metres
_SHADOW = 0.45  # share of the light in a cast shadow
_TOWER_SHADOW_HALF_WIDTH = 1.9  # metres


class Naip:
    """The collection of one world.

    Args:
        landscape: What is seen.
    """

    asset_id = "USDA/NAIP/DOQQ"
    type = "IMAGE_COLLECTION"

    def __init__(self, landscape: Landscape) -> None:
        self._landscape = landscape
        self._surfaces: LruCache[Surface | None] = LruCache(
            _KEPT_PIXELS, lambda surface: 1 if surface is None else surface.sites.x.size
        )

    def properties(self) -> dict[str, Any]:
        """Properties of the collection."""
        return {"title": "National Agriculture Imagery Program (simulated)"}

    def images(self, start_ms: int | None, end_ms: int | None, bbox: BBox | None) -> Iterator[ImageInfo]:
        """Its images in time and space, in order of time."""
        cells = list(cells_in(bbox))
        for year in _YEARS:
            for cell in cells:
                if _flown(cell, year) and in_time(_day(cell, year) * MS_PER_DAY, start_ms, end_ms):
                    yield _info(self.asset_id, cell, year)

    def image(self, index: str) -> ImageInfo:
        """One image by its `system:index`."""
        return _info(self.asset_id, *self._parse(index))

    def pixels(self, index: str, bands: Sequence[str], grid: PixelGrid) -> dict[str, BandPixels]:
        """Brightness, 0 to 255."""
        for band in bands:
            if band not in BANDS:
                raise unknown_band(f"{self.asset_id}/{index}", band, BANDS)
        cell, year = self._parse(index)
        surface = self._surfaces.get((grid, cell, year), lambda: self._surface(grid, cell, year))
        if surface is None:
            empty = np.zeros(grid.shape, dtype=np.uint8), np.zeros(grid.shape, dtype=np.bool_)
            return dict.fromkeys(bands, empty)
        values = self._photograph(surface, _day(cell, year), year)
        sites = surface.sites
        return {band: (sites.spread(values[BANDS.index(band)]), sites.valid) for band in bands}

    def _surface(self, grid: PixelGrid, cell: Cell, year: int) -> Surface | None:
        found = self._landscape.cells(grid)
        if cell not in found.cells:
            return None
        surfaces = self._landscape.surfaces
        return surfaces.surface(surfaces.bare(found.sites(cell, _SIZE)), year)

    def _photograph(self, surface: Surface, number: int, year: int) -> NDArray[np.uint8]:
        """Brightness, uint8 (4, N)."""
        surfaces = self._landscape.surfaces
        cell = surface.sites.cell
        season = SeasonDay.of(number, cell.southern).year
        seasons = tuple(surfaces.season(surface.units, season + step, cell.southern) for step in (0, 1))
        colours = surfaces.colours(surface.units, (seasons[0], seasons[1]), [number])[_SOURCES, 0]
        values = np.take(colours, surface.unit, axis=1)
        values *= _grain(surface)
        _draw_panels(values, surface)
        sun = Sun.at(number, cell.centre[1], _LOCAL_HOUR)
        overlay = surface.bare.overlay
        if overlay and overlay.shadows and overlay.shadows.place.size:
            _draw_turbines(values, overlay.shadows, sun, year)
        bright = np.clip(values / np.float32(_BRIGHTEST), 0.0, 1.0) ** np.float32(_GAMMA)
        return np.asarray(np.clip(bright * 255.0, 1.0, 255.0), dtype=np.uint8)

    def _parse(self, index: str) -> tuple[Cell, int]:
        parts = index.split("_")
        try:
            cell, year = Cell.parse(parts[1]), int(parts[-1][:4])
        except (ValueError, IndexError) as error:
            raise AssetNotFoundError(f"{self.asset_id}/{index} is not an image's name") from error
        if year not in _YEARS or not _flown(cell, year) or _index(cell, year) != index:
            raise AssetNotFoundError(f"{self.asset_id} has no image {index!r}")
        return cell, year


def _flown(cell: Cell, year: int) -> bool:
    return (year + cell.zone) % 2 == 0


def _day(cell: Cell, year: int) -> int:
    """Day since 1970 of a cell's flight: in summer, leaf on."""
    middle = date(year, 1, 20) if cell.southern else date(year, 7, 20)
    return day_number(middle) + (cell.zone * 7 + year * 3) % 30 - 15


def _index(cell: Cell, year: int) -> str:
    return f"m_{cell.name}_ne_{cell.zone:02d}_1_{_date_text(cell, year)}"


def _date_text(cell: Cell, year: int) -> str:
    return date.fromordinal(date(1970, 1, 1).toordinal() + _day(cell, year)).strftime("%Y%m%d")


def _info(asset_id: str, cell: Cell, year: int) -> ImageInfo:
    index, time = _index(cell, year), _day(cell, year) * MS_PER_DAY
    properties = {"system:index": index, "system:time_start": time, "system:time_end": time + MS_PER_DAY}
    return ImageInfo(f"{asset_id}/{index}", _bands_of(cell), properties, cell.footprint)


@cache
def _bands_of(cell: Cell) -> tuple[BandInfo, ...]:
    top = (10_000_000.0 if cell.southern else 0.0) + np.ceil(111.0 * cell.bounds[3]) * 1000.0
    transform = Affine(_SIZE, 0, 100_000.0, 0, -_SIZE, top)
    return tuple(BandInfo(name, np.dtype(np.uint8), cell.crs, transform, (900_000, 800_000)) for name in BANDS)


def _grain(surface: Surface) -> Float32Array:
    """What the eye sees within a field or wood at 1 m: a factor, float32 (N,)."""
    sites: Sites = surface.sites
    material = surface.land.material
    crowns, clods = plane_noise(_GRAIN_KEYS, [_CROWN, _CLOD], sites.x, sites.y)
    grain = 1.0 + _CONTRAST_TABLE[material] * (crowns * np.float32(0.8) + clods * np.float32(0.5))
    rows = np.sin(surface.land.parcels.across * np.float32(2.0 * np.pi / _ROW)) * np.float32(_ROW_CONTRAST)
    return np.clip(grain + np.where(material == Material.CROP, rows, 0.0), 0.2, 2.0).astype(np.float32)


def _draw_panels(values: Float32Array, surface: Surface) -> None:
    """Rows of panels, from east to west, and the lanes between them; in place."""
    at = np.flatnonzero(surface.land.material == Material.PANEL)
    if at.size:
        row = np.mod(surface.sites.y[at], _PANEL_ROW) < _PANEL_WIDTH
        values[:, at] = np.where(row, _PANEL[:, None], _LANE[:, None] * values[3, at] / np.float32(0.1))


def _draw_turbines(values: Float32Array, pairs: ShadowPairs, sun: Sun, year: int) -> None:
    """Towers, rotors and their shadows; in place."""
    there = pairs.year <= year
    place = pairs.place[there]
    dx, dy = pairs.dx[there], pairs.dy[there]
    hub, radius = pairs.hub[there], pairs.radius[there]
    # A park faces one wind: the rotors' line, seen from above, is the same for turbines of one height.
    turn = draw(mix(np.round(hub * 16.0).astype(np.uint64)), 95) * np.float32(np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    shaded = place[_shaded(dx, dy, hub, radius, sun)]
    values[:, shaded] *= np.float32(_SHADOW)
    along, across = dx * cos + dy * sin, np.abs(dy * cos - dx * sin)
    blades = (across < _BLADE_WIDTH * (1.0 - 0.6 * np.abs(along) / radius)) & (np.abs(along) < radius)
    nacelle = (np.abs(along) < 2.0) & (across < _NACELLE_LENGTH / 2.0)
    tower = dx * dx + dy * dy < _TOWER_RADIUS**2
    values[:, place[blades | nacelle | tower]] = np.float32(_WHITE)


def _shaded(dx: Float32Array, dy: Float32Array, hub: Float32Array, radius: Float32Array, sun: Sun) -> NDArray[np.bool_]:
    """Whether places are in the shadow of a tower or of its three blades."""
    east, north = (np.float32(part) for part in sun.towards)
    stretch = np.float32(sun.shadow_length)
    away, aside = -(dx * east + dy * north), dx * north - dy * east
    tower = (away > 0) & (away < hub * stretch) & (np.abs(aside) < _TOWER_SHADOW_HALF_WIDTH)
    # In the rotor's own plane, the shadow's along is a height.
    height, side = (away - hub * stretch) / max(stretch, np.float32(0.2)), aside
    blades = np.zeros(dx.shape, dtype=np.bool_)
    for number in range(3):
        angle = np.float32(0.4 + number * 2.0 * np.pi / 3.0)
        forth, off = height * np.cos(angle) + side * np.sin(angle), side * np.cos(angle) - height * np.sin(angle)
        blades |= (forth > 0) & (forth < radius) & (np.abs(off) < _BLADE_WIDTH)
    return np.asarray(tower | blades)
