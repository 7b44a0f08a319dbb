"""Grids: which tile of the globe owns a place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rsbot_beam.errors import GridError
from rsbot_beam.geometry.crs import LONLAT, canonical_crs, crs_object, is_geographic, transformer
from rsbot_beam.geometry.projection import furthest
from rsbot_beam.geometry.region import Region
from rsbot_beam.geometry.tile import TileKey
from rsbot_beam.geometry.units import METRES_PER_DEGREE
from rsbot_beam.geometry.zones import NORTH_LIMIT, SOUTH_LIMIT, Zone, wrap_longitude, zone_at, zone_of

UTM = "utm"
AUTO = "auto"

MAX_PATCH_SIZE = 32_768
"""Pixels a side that Earth Engine's computePixels gives at most (its documentation, "Limits")."""

_FINEST_METRES = 0.01
"""Metres: no imagery is finer, so a smaller resolution in a metric CRS was meant in degrees."""

_COARSEST_DEGREES = 1.0
"""Degrees: no imagery is coarser, so a resolution from here on in a geographic CRS was meant in metres."""

_ZONE_MARGIN = 1.0
"""Degrees that a region may stick out of a UTM zone and still be laid out in it whole. The scale error 4 degrees from
the central meridian is 0.2 % at the equator and less elsewhere, against 0.1 % at the zone's own edge."""

_POLAR = 60.0
"""Degrees of latitude beyond which EPSG:3413 and EPSG:3031 are made to be used (their areas of use)."""

_POLAR_WIDTH = 30.0
"""Degrees of longitude, five zones: from here on a polar region is one plane rather than many strips."""


@dataclass(frozen=True)
class Grid:
    """The globe in square tiles, from a fixed origin, so that every region is cut in the same way.

    Make one with `resolve_grid`, which checks.

    Attributes:
        crs: "EPSG:n"; or "utm": each place in the UTM (or UPS) zone that owns it, see `zones`.
        resolution: Side of a pixel in units of the CRS.
        patch_size: Pixels per side of a tile.
        origin: (x, y) of the grid's origin in units of the CRS (of every zone's CRS for "utm").
    """

    crs: str
    resolution: float
    patch_size: int
    origin: tuple[float, float] = (0.0, 0.0)

    @property
    def is_utm(self) -> bool:
        """Whether tiles are in their own UTM zone, instead of all in one CRS."""
        return self.crs == UTM

    def has_crs(self, crs: str) -> bool:
        """Tells whether the grid has tiles in a CRS: its own, or any zone's for `utm`."""
        return zone_of(crs) is not None if self.is_utm else crs == self.crs

    def crs_at(self, lon: float, lat: float) -> str:
        """Returns the CRS of the tile that owns a point in degrees."""
        return zone_at(lon, lat).crs if self.is_utm else self.crs

    def tile(self, row_index: int, col_index: int, crs: str | None = None) -> TileKey:
        """Returns a tile by its place among the tiles of its CRS.

        Args:
            row_index: Tiles from the origin down, growing south.
            col_index: Tiles from the origin, growing east.
            crs: "EPSG:n" of the zone; needed for a `utm` grid only.

        Raises:
            GridError: A `utm` grid without a zone, or a CRS that is not the grid's.
        """
        crs = crs or self.crs
        if not self.has_crs(crs):
            raise GridError(f"the grid in {self.crs!r} has no tiles in {crs!r}: say which zone (such as EPSG:32633)")
        size = self.patch_size
        return TileKey(crs, self.resolution, size, row_index * size, col_index * size, self.origin)

    def tile_at(self, lon: float, lat: float) -> TileKey:
        """Returns the one tile that owns a point.

        Args:
            lon: Degrees; wrapped into [-180, 180).
            lat: Degrees in [-90, 90].

        Raises:
            GridError: The latitude is out of range, or the CRS has no coordinates for the point.
        """
        if not (abs(lat) <= 90 and math.isfinite(lon)):
            raise GridError(
                f"longitude {lon}, latitude {lat} is no place on the globe: the latitude goes from -90 to 90"
            )
        crs = self.crs_at(lon, lat)
        x, y = transformer(LONLAT, crs).transform(wrap_longitude(lon), lat)
        if not (math.isfinite(x + y) and math.hypot(x, y) <= furthest(crs_object(crs))):
            raise GridError(f"{crs} has no coordinates for longitude {lon}, latitude {lat}: use `utm` or another CRS")
        return self.tile_of(x, y, crs)

    def tile_of(self, x: float, y: float, crs: str | None = None) -> TileKey:
        """Returns the tile that owns the point (x, y) in units of `crs` (needed for a `utm` grid only)."""
        side = self.resolution * self.patch_size
        col, row = math.floor((x - self.origin[0]) / side), math.floor((self.origin[1] - y) / side)
        left, bottom, right, top = self.tile(row, col, crs).bounds
        # The division rounds; the tile's own bounds decide: left and top edge inside, right and bottom outside.
        return self.tile(row + (y <= bottom) - (y > top), col + (x >= right) - (x < left), crs)


def resolve_grid(
    region: Region,
    *,
    crs: str = AUTO,
    resolution: float,
    patch_size: int,
    origin: tuple[float, float] = (0.0, 0.0),
) -> Grid:
    """Makes the grid that a user asked for.

    "auto" takes the first of these that fits: the UTM zone of the region's middle, when the region sticks out of its
    six degrees by one degree at most (on either side of the equator); NSIDC polar stereographic (EPSG:3413 north,
    EPSG:3031 south) when the region lies beyond 60 degrees and is at least 30 degrees wide or reaches beyond 84 N or
    80 S; "utm".

    Args:
        region: The area of interest.
        crs: A projected or geographic CRS with an EPSG code, "utm" or "auto".
        resolution: Side of a pixel: metres for "utm" and "auto", otherwise in units of the CRS.
        patch_size: Pixels per side of a tile.
        origin: (x, y) that tiles are counted from, in units of the CRS.

    Raises:
        GridError: A CRS, resolution, patch size or origin that cannot be used; the message says what can.
    """
    name = crs.strip().lower()
    name = _auto_crs(region) if name == AUTO else name if name == UTM else canonical_crs(crs)
    return Grid(name, _checked_resolution(resolution, name), _checked_size(patch_size), _checked_origin(origin))


def _checked_resolution(resolution: float, crs: str) -> float:
    if not (isinstance(resolution, int | float | np.number) and 0 < resolution < math.inf):
        raise GridError(f"resolution {resolution!r} must be a positive number: the side of a pixel in units of the CRS")
    geographic = crs != UTM and is_geographic(crs)
    if geographic and resolution >= _COARSEST_DEGREES:
        raise GridError(
            f"resolution {resolution:g} looks like metres, but {crs} counts in degrees: "
            f"give {resolution / METRES_PER_DEGREE:.2g} degrees, or a projected CRS"
        )
    if not geographic and resolution < _FINEST_METRES:
        unit = "metre" if crs == UTM else crs_object(crs).axis_info[0].unit_name
        raise GridError(
            f"resolution {resolution:g} looks like degrees, but {crs} counts in {unit}: give the pixel's side so"
        )
    return float(resolution)


def _checked_size(patch_size: int) -> int:
    if not (isinstance(patch_size, int | np.integer) and 1 <= patch_size <= MAX_PATCH_SIZE):
        raise GridError(f"patch size {patch_size!r} must be a whole number of pixels from 1 to {MAX_PATCH_SIZE}")
    return int(patch_size)


def _checked_origin(origin: tuple[float, float]) -> tuple[float, float]:
    try:
        x, y = (float(value) for value in origin)
    except (TypeError, ValueError) as error:
        raise GridError(f"origin {origin!r} must be two numbers, x and y in units of the CRS") from error
    if not (math.isfinite(x) and math.isfinite(y)):
        raise GridError(f"origin {origin!r} must be finite")
    return x, y


def _auto_crs(region: Region) -> str:
    first, last = region.bboxes[0], region.bboxes[-1]
    west, east = first[0], last[2] + (360 if len(region.bboxes) > 1 else 0)
    south, north = region.bbox[1], region.bbox[3]
    zone = zone_at((west + east) / 2, (south + north) / 2)
    if _fits(zone, west, east) and south >= SOUTH_LIMIT and north <= NORTH_LIMIT:
        return zone.crs
    beyond = south >= _POLAR or north <= -_POLAR
    if beyond and (east - west >= _POLAR_WIDTH or south < SOUTH_LIMIT or north > NORTH_LIMIT):
        return "EPSG:3413" if south >= _POLAR else "EPSG:3031"
    return UTM


def _fits(zone: Zone, west: float, east: float) -> bool:
    turn = 360.0 if (west + east) / 2 >= 180 else 0.0
    return zone.west - _ZONE_MARGIN <= west - turn and east - turn <= zone.east + _ZONE_MARGIN
