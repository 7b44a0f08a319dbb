"""`COPERNICUS/S2_SR_HARMONIZED`: surface reflectance every five days.

One image is a cell of 6 by 8 degrees on one day, all of it, where the real collection has tiles of 110 km in overlapping
swaths. All bands carry 10 m detail, also those whose real pixels are 20 and 60 m.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from rsbot_beam.local_ee.provider import AssetNotFoundError, BandInfo, BandPixels, BBox, ImageInfo, PixelGrid
from rsbot_beam.local_ee.world.assets import LazyProperties, unknown_band
from rsbot_beam.local_ee.world.calendar import MS_PER_DAY, Sun, day_number, day_of
from rsbot_beam.local_ee.world.clouds import Sky
from rsbot_beam.local_ee.world.hashing import Float32Array, hash_of, salt
from rsbot_beam.local_ee.world.landscape import Kept, Landscape
from rsbot_beam.local_ee.world.spectra import BANDS, DN_PER_REFLECTANCE
from rsbot_beam.local_ee.world.surface import sunlit
from rsbot_beam.local_ee.world.zones import ZONES, Cell, cells_in

FIRST_DAY = day_number(date(2017, 3, 28))  # first day of COPERNICUS/S2_SR_HARMONIZED
LAST_DAY = day_number(date(2026, 12, 31))
REPEAT_DAYS = 5  # two satellites (Sentinel-2 user handbook)
LOCAL_HOUR = 10.5  # mean local solar time at the descending node, same source
_DARK = 80.0  # degrees of sun zenith beyond which no image is taken; products end at 82 (same source)

_SIZES = {
    "B1": 60, "B2": 10, "B3": 10, "B4": 10, "B5": 20, "B6": 20, "B7": 20, "B8": 10, "B8A": 20, "B9": 60, "B11": 20,
    "B12": 20, "AOT": 10, "WVP": 10, "SCL": 20, "TCI_R": 10, "TCI_G": 10, "TCI_B": 10, "MSK_CLDPRB": 20,
    "MSK_SNWPRB": 20, "QA10": 10, "QA20": 20, "QA60": 60, "MSK_CLASSI_OPAQUE": 60, "MSK_CLASSI_CIRRUS": 60,
    "MSK_CLASSI_SNOW_ICE": 60,
}  # fmt: skip
_DTYPES = dict.fromkeys((*BANDS, "AOT", "WVP", "QA10", "QA60"), "uint16") | {"QA20": "uint32"}
ALL_BANDS = tuple(_SIZES)

# Reflectance of a thick cloud by band (MODTRAN runs in Hagolle et al. 2010, RSE 114: flat in the visible, ice and water
# absorb in the short-wave infrared).
_CLOUD = np.array([0.76, 0.75, 0.73, 0.73, 0.74, 0.75, 0.75, 0.75, 0.75, 0.55, 0.46, 0.36], dtype=np.float32)
_DIFFUSE = np.array([0.55, 0.5, 0.42, 0.34, 0.32, 0.3, 0.29, 0.28, 0.27, 0.27, 0.22, 0.2], dtype=np.float32)

# Classes of the scene classification (Sen2Cor 2.11 ATBD, table 1).
_SCL_SHADOW, _SCL_PLANTS, _SCL_BARE, _SCL_WATER = 3, 4, 5, 6
_SCL_MEDIUM_CLOUD, _SCL_HIGH_CLOUD, _SCL_CIRRUS, _SCL_SNOW = 8, 9, 10, 11
_MEDIUM_CLOUD, _HIGH_CLOUD, _VISIBLE_CIRRUS = 0.25, 0.55, 0.06  # opacity from which Sen2Cor says so
_QA60_OPAQUE, _QA60_CIRRUS = 1 << 10, 1 << 11  # bits 10 and 11 of QA60 (Earth Engine's data catalog)


class Sentinel2:
    """The collection of one world.

    Args:
        seed: The world's seed.
        landscape: What is seen.
    """

    asset_id = "COPERNICUS/S2_SR_HARMONIZED"
    type = "IMAGE_COLLECTION"

    def __init__(self, seed: int, landscape: Landscape) -> None:
        self._landscape = landscape
        zones = np.arange(ZONES + 1)
        self._orbits = [int(number) for number in hash_of(salt(seed, "orbit"), zones) % np.uint64(REPEAT_DAYS)]

    def properties(self) -> dict[str, Any]:
        """Properties of the collection."""
        return {
            "title": "Harmonized Sentinel-2 MSI, Level-2A (simulated)",
            "date_range": [FIRST_DAY * MS_PER_DAY, LAST_DAY * MS_PER_DAY],
        }

    def images(self, start_ms: int | None, end_ms: int | None, bbox: BBox | None) -> Iterator[ImageInfo]:
        """Its images in time and space, in order of time."""
        cells = list(cells_in(bbox))
        for number in days_between(start_ms, end_ms, FIRST_DAY, LAST_DAY):
            for cell in cells:
                if self.passes(cell, number) and in_time(pass_time(cell, number), start_ms, end_ms):
                    yield self.info(cell, number)

    def passes(self, cell: Cell, number: int) -> bool:
        """Whether there is an image of a cell on a day."""
        if (number - FIRST_DAY - self._orbit(cell)) % REPEAT_DAYS or not FIRST_DAY <= number <= LAST_DAY:
            return False
        return sun_over(cell, number).zenith < _DARK

    def image(self, index: str) -> ImageInfo:
        """One image by its `system:index`."""
        return self.info(*self.parse(index))

    def parse(self, index: str) -> tuple[Cell, int]:
        """Cell and day of a `system:index`; raises AssetNotFoundError where there is no such image."""
        try:
            number = day_number(date(int(index[0:4]), int(index[4:6]), int(index[6:8])))
            cell = Cell.parse(index.rsplit("_T", 1)[1][:3])
        except (ValueError, IndexError) as error:
            raise AssetNotFoundError(f"{self.asset_id}/{index} is not an image's name") from error
        if not self.passes(cell, number) or self.index(cell, number) != index:
            raise AssetNotFoundError(f"{self.asset_id} has no image {index!r}")
        return cell, number

    def index(self, cell: Cell, number: int) -> str:
        """`system:index` of a cell's image on a day, such as `20230601T101031_20230601T101035_T33UVP`."""
        seconds = pass_time(cell, number) // 1000 % 86_400
        start, end = f"{clock(seconds)}", f"{clock((seconds + 4) % 86_400)}"
        day = day_of(number).strftime("%Y%m%d")
        return f"{day}T{start}_{day}T{end}_T{cell.name}{self._square(cell)}"

    def info(self, cell: Cell, number: int) -> ImageInfo:
        """The image of a cell on a day, without its pixels."""
        index = self.index(cell, number)
        time, sun = pass_time(cell, number), sun_over(cell, number)
        plain = {
            "system:index": index,
            "system:time_start": time,
            "system:time_end": time + 4000,
            "MGRS_TILE": index.rsplit("_T", 1)[1],
            "SPACECRAFT_NAME": "Sentinel-2A" if (number // REPEAT_DAYS) % 2 else "Sentinel-2B",
            "SENSING_ORBIT_NUMBER": self._orbit(cell) + 1,
            "SENSING_ORBIT_DIRECTION": "DESCENDING",
            "PRODUCT_ID": f"S2X_MSIL2A_{index}",
            "PROCESSING_BASELINE": "05.09",
            "MEAN_SOLAR_ZENITH_ANGLE": sun.zenith,
            "MEAN_SOLAR_AZIMUTH_ANGLE": sun.azimuth,
        }
        lazy = dict.fromkeys(
            ("CLOUDY_PIXEL_PERCENTAGE", "CLOUD_COVERAGE_ASSESSMENT"),
            lambda: self._landscape.cloud_cover(cell, number),
        )
        bands = _bands_of(cell)
        return ImageInfo(f"{self.asset_id}/{index}", bands, LazyProperties(plain, lazy), cell.footprint)

    def pixels(self, index: str, bands: Sequence[str], grid: PixelGrid) -> dict[str, BandPixels]:
        """Pixels of one image: digital numbers."""
        for band in bands:
            if band not in _SIZES:
                raise unknown_band(f"{self.asset_id}/{index}", band, ALL_BANDS)
        cell, number = self.parse(index)
        kept = self._landscape.kept(grid, cell, day_of(number).year)
        if kept is None:
            nothing = np.zeros(grid.shape, dtype=np.bool_)
            return {band: (np.zeros(grid.shape, dtype=_DTYPES.get(band, "uint8")), nothing) for band in bands}
        scene = _Scene(self._landscape, grid, kept, number)
        valid = kept.sites.valid
        return {band: (kept.sites.spread(values), valid) for band, values in scene.read(bands).items()}

    def _orbit(self, cell: Cell) -> int:
        # Neighbouring zones are passed on different days, all bands of a zone on the same one.
        return self._orbits[cell.zone]

    def _square(self, cell: Cell) -> str:
        """Letters of a 100 km square: one stands for the whole cell."""
        letters = [letter for letter in string.ascii_uppercase if letter not in "IO"]
        return letters[(cell.zone * 8 + 3) % 24] + letters[(cell.band * 5 + cell.zone) % 20]


class _Scene:
    """The pixels of one image; what several bands need is computed once."""

    def __init__(self, landscape: Landscape, grid: PixelGrid, kept: Kept, number: int) -> None:
        self._landscape = landscape
        self._grid = grid
        self._kept = kept
        self._number = number
        self._sun = sun_over(kept.sites.cell, number)
        self._sky = landscape.sky(grid, kept, number, self._sun)

    def read(self, bands: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Digital numbers (N,) of bands, in their order and own dtype."""
        needed = {source for band in bands for source in _NEEDS.get(band, (band,)) if source in BANDS}
        order = [number for number, band in enumerate(BANDS) if band in needed]
        numbers = self._numbers(order) if order else np.zeros((0, self._kept.sites.x.size), dtype=np.uint16)
        optical = {BANDS[band]: values for band, values in zip(order, numbers, strict=True)}
        return {band: optical[band] if band in optical else self._derived(band, optical) for band in bands}

    def _numbers(self, order: list[int]) -> NDArray[np.uint16]:
        """Digital numbers of the optical bands, uint16 (bands, N)."""
        colours = self._landscape.colours(self._grid, self._kept, self._number)[order]
        values = np.take(colours, self._kept.surface.unit, axis=1)
        values *= self._kept.lasting[order] if len(order) < len(BANDS) else self._kept.lasting
        light = sunlit(self._kept.surface, self._sun)
        if light is not None:
            values *= light
        if self._sky is not None:
            _cover(values, order, self._sky)
        grain = self._landscape.surfaces.grain
        grain.add_noise(values, order, grain.index(self._kept.sites, self._number))
        values *= np.float32(DN_PER_REFLECTANCE)
        np.clip(values, 1.0, 16_000.0, out=values)
        return values.astype(np.uint16)

    def _derived(self, band: str, optical: dict[str, NDArray[np.uint16]]) -> NDArray[Any]:
        size = self._kept.sites.x.size
        sky = self._sky or _clear(size)
        if band == "SCL":
            return _classify(optical, sky)
        if band == "QA60":
            opaque = (sky.opacity > _HIGH_CLOUD) * np.uint16(_QA60_OPAQUE)
            return np.asarray(opaque + (sky.cirrus > _VISIBLE_CIRRUS) * np.uint16(_QA60_CIRRUS), dtype=np.uint16)
        if band == "MSK_CLDPRB":
            return np.asarray(np.clip(sky.opacity * 115.0 + sky.cirrus * 60.0, 0.0, 100.0), dtype=np.uint8)
        if band in _TRUE_COLOUR:
            stretched = optical[_TRUE_COLOUR[band]].astype(np.float32) * np.float32(0.0709)  # 3558 DN make 255
            return np.clip(stretched, 1.0, 255.0).astype(np.uint8)
        if band == "MSK_CLASSI_OPAQUE":
            return np.asarray(sky.opacity > _HIGH_CLOUD, dtype=np.uint8)
        if band == "MSK_CLASSI_CIRRUS":
            return np.asarray(sky.cirrus > _VISIBLE_CIRRUS, dtype=np.uint8)
        fixed = {"AOT": 120, "WVP": 1500}.get(band, 0)
        return np.full(size, fixed, dtype=_DTYPES.get(band, "uint8"))


_TRUE_COLOUR = {"TCI_R": "B4", "TCI_G": "B3", "TCI_B": "B2"}
_NEEDS: dict[str, tuple[str, ...]] = {
    **{name: (source,) for name, source in _TRUE_COLOUR.items()},
    "SCL": ("B3", "B4", "B8", "B11"),
}


def _clear(size: int) -> Sky:
    nothing = np.zeros(size, dtype=np.float32)
    return Sky(nothing, nothing, nothing)


def _cover(values: Float32Array, order: list[int], sky: Sky) -> None:
    """Put shadows on reflectances (bands, N), and clouds before them, in place."""
    if sky.shadow.any():
        values *= 1.0 - sky.shadow * (1.0 - _DIFFUSE[order])[:, None]
    if sky.opacity.any() or sky.cirrus.any():
        veil = 1.0 - (1.0 - sky.opacity) * (1.0 - sky.cirrus)
        # Thick clouds are brighter than thin ones.
        white = _CLOUD[order][:, None] * (np.float32(0.72) + np.float32(0.28) * sky.opacity)
        values += (white - values) * veil


def _classify(optical: dict[str, NDArray[np.uint16]], sky: Sky) -> NDArray[np.uint8]:
    """Scene classification from what is seen, as Sen2Cor does it, uint8 (N,)."""
    green, red, near, short = (optical[band].astype(np.float32) for band in ("B3", "B4", "B8", "B11"))
    index = (near - red) / (near + red)
    classes = np.where(index > 0.32, _SCL_PLANTS, _SCL_BARE).astype(np.uint8)
    classes[(near < 900.0) & (index < 0.15)] = _SCL_WATER
    classes[(green > 4000.0) & ((green - short) / (green + short) > 0.4)] = _SCL_SNOW
    classes[sky.shadow > 0.3] = _SCL_SHADOW
    classes[sky.cirrus > _VISIBLE_CIRRUS] = _SCL_CIRRUS
    classes[sky.opacity > _MEDIUM_CLOUD] = _SCL_MEDIUM_CLOUD
    classes[sky.opacity > _HIGH_CLOUD] = _SCL_HIGH_CLOUD
    return classes


def sun_over(cell: Cell, number: int) -> Sun:
    """The sun over a cell's middle when Sentinel-2 passes."""
    return Sun.at(number, cell.centre[1], LOCAL_HOUR)


def pass_time(cell: Cell, number: int) -> int:
    """When Sentinel-2 passes over a cell's middle on a day, milliseconds since 1970 UTC.

    The day is the UTC day: east of 157 E the pass of that local date falls on the evening before, and is put on its end.
    """
    hours = (LOCAL_HOUR - cell.centre[0] / 15.0) % 24.0
    # A few seconds by cell keep neighbours' names apart.
    return number * MS_PER_DAY + int(hours * 3600) * 1000 + (cell.band * 3 + cell.zone) * 1000


def days_between(start_ms: int | None, end_ms: int | None, first: int, last: int) -> range:
    """Days since 1970 that a period touches, within a collection's first and last day."""
    start = first if start_ms is None else max(first, start_ms // MS_PER_DAY)
    end = last if end_ms is None else min(last, (end_ms - 1) // MS_PER_DAY)
    return range(start, end + 1)


def in_time(time: int, start_ms: int | None, end_ms: int | None) -> bool:
    """Whether a time (ms) is in a half-open period."""
    return (start_ms is None or time >= start_ms) and (end_ms is None or time < end_ms)


def clock(seconds: int) -> str:
    """Time of day as HHMMSS."""
    return f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"


@cache
def _bands_of(cell: Cell) -> tuple[BandInfo, ...]:
    south_shift = 10_000_000.0 if cell.southern else 0.0
    top = south_shift + 111_000.0 * cell.bounds[3]
    origin = 100_000.0, np.ceil(top / 1000.0) * 1000.0
    return tuple(
        BandInfo(
            name,
            np.dtype(_DTYPES.get(name, "uint8")),
            cell.crs,
            Affine(size, 0, origin[0], 0, -size, origin[1]),
            (900_000 // size, 800_000 // size),
        )
        for name, size in _SIZES.items()
    )
