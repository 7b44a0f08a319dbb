"""The tables of solar plants and wind turbines: the truth about what is seen in the images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Point, Polygon
from shapely.geometry.base import BaseGeometry

from rsbot_beam.local_ee import deadlines
from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.provider import BBox
from rsbot_beam.local_ee.world.structures import SOLAR, Structures
from rsbot_beam.local_ee.world.turbines import PARK_SPACING, WindParks
from rsbot_beam.local_ee.world.zones import ZONE_WIDTH, ZONES, lonlat, plane

SOLAR_PLANTS = "projects/rsbot/assets/world/solar_plants"
WIND_TURBINES = "projects/rsbot/assets/world/wind_turbines"

Feature: TypeAlias = tuple[str, BaseGeometry, Mapping[str, Any]]
_Lattice: TypeAlias = NDArray[np.int64]

_HECTARES_PER_MW = (
    2.5  # of a plant's area (Ong et al. 2013, NREL/TP-6A20-56290: 7.6 to 8.3 acres an MW, fences included)
)
_KW_PER_SQUARE_METRE = 0.32  # of a rotor's disc (Wiser et al. 2023: specific power of older and of newer fleets)
_CHUNK = 4096  # lattice cells whose land is looked at together
# Lattice cells that are looked at where no place is asked for: about one of the 60 zones, two seconds. The first thousand
# features are among them; all of the globe's would take ten minutes.
MAX_CELLS = 600_000


_WHOLE_GLOBE = (
    "Collection query aborted: this table covers the whole globe, and listing all of it would take too long. "
    "Say where with filterBounds(region), or take the first ones with limit()."
)


def solar_plants(structures: Structures, bbox: BBox | None) -> Iterator[Feature]:
    """Solar plants that may touch a bbox: polygons with class, area_m2, capacity_mw and year_built."""
    return _by_zone(bbox, SOLAR.spacing, lambda zone, i, j: _solar_of(structures, zone, i, j))


def wind_turbines(parks: WindParks, bbox: BBox | None) -> Iterator[Feature]:
    """Turbines that may lie in a bbox: points with class, hub_height, rotor_diameter, capacity_mw, park and year_built."""
    return _by_zone(bbox, PARK_SPACING, lambda zone, i, j: _turbines_of(parks, zone, i, j))


def _by_zone(
    bbox: BBox | None, spacing: float, make: Callable[[int, _Lattice, _Lattice], Iterator[Feature]]
) -> Iterator[Feature]:
    cells = 0
    for zone, part in _zones(bbox):
        for i, j in _lattice(zone, part, spacing):
            deadlines.check()
            cells += i.size
            if bbox is None and cells > MAX_CELLS:
                raise RequestError(_WHOLE_GLOBE)
            yield from (feature for feature in make(zone, i, j) if _touches(feature[1], part))


def _zones(bbox: BBox | None) -> Iterator[tuple[int, BBox]]:
    """The zones that a bbox crosses, with its part in each; structures do not cross zones."""
    west, south, east, north = bbox or (-180.0, -80.0, 180.0, 84.0)
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    for left, right in spans:
        for zone in range(1, ZONES + 1):
            start = -180.0 + (zone - 1) * ZONE_WIDTH
            if left < start + ZONE_WIDTH and right >= start:
                yield zone, (max(left, start), max(south, -80.0), min(right, start + ZONE_WIDTH), min(north, 84.0))


def _lattice(zone: int, part: BBox, spacing: float) -> Iterator[tuple[_Lattice, _Lattice]]:
    """The lattice's cells that a part of a zone touches, some thousand at a time."""
    west, south, east, north = part
    lon = np.linspace(west, east, 9)
    lat = np.linspace(south, north, 17)
    if south < 0 < north:
        lat = np.append(lat, 0.0)  # a zone is widest at the equator
    x, y = plane(zone, *(edge.ravel() for edge in np.meshgrid(lon, lat)))
    # Parallels bend within a zone: half a cell more covers what the outline's samples miss.
    columns = np.arange(np.floor(x.min() / spacing - 0.5), np.floor(x.max() / spacing + 0.5) + 1).astype(np.int64)
    rows = np.arange(np.floor(y.min() / spacing - 0.5), np.floor(y.max() / spacing + 0.5) + 1).astype(np.int64)
    step = max(1, _CHUNK // columns.size)
    for start in range(0, rows.size, step):
        i, j = np.meshgrid(columns, rows[start : start + step])
        yield i.ravel(), j.ravel()


def _touches(geometry: BaseGeometry, part: BBox) -> bool:
    west, south, east, north = geometry.bounds
    return bool(west <= part[2] and east >= part[0] and south <= part[3] and north >= part[1])


def _solar_of(structures: Structures, zone: int, i: _Lattice, j: _Lattice) -> Iterator[Feature]:
    plants = structures.settle(zone, structures.candidates(SOLAR, zone, i, j))
    x, y = plants.outlines()
    built = np.flatnonzero(plants.built)
    lon, lat = lonlat(zone, x[built].ravel(), y[built].ravel())
    corners = np.stack([lon, lat], axis=1).reshape(built.size, x.shape[1], 2)
    for number, ring in zip(built, corners, strict=True):
        area = float(plants.area[number])
        annexed = plants.annex_height[number] > 0
        yield (
            f"s{zone:02d}_{i[number]}_{j[number]}",
            Polygon(ring if annexed else ring[[0, 1, 2, 6]]),
            {
                "class": "solar",
                "area_m2": round(area, 1),
                "capacity_mw": round(area / 1e4 / _HECTARES_PER_MW, 2),
                "year_built": int(plants.year[number]),
            },
        )


def _turbines_of(parks: WindParks, zone: int, i: _Lattice, j: _Lattice) -> Iterator[Feature]:
    turbines = parks.turbines(zone, parks.parks(zone, i, j))
    lon, lat = lonlat(zone, turbines.x, turbines.y)
    for number, park in enumerate(turbines.park):
        rotor = float(turbines.parks.rotor[park])
        name = f"w{zone:02d}_{i[park]}_{j[park]}"
        yield (
            f"{name}_{turbines.a[number]}_{turbines.b[number]}",
            Point(lon[number], lat[number]),
            {
                "class": "wind",
                "hub_height": round(float(turbines.parks.hub[park]), 1),
                "rotor_diameter": round(rotor, 1),
                "capacity_mw": round(np.pi / 4.0 * rotor**2 * _KW_PER_SQUARE_METRE / 1e3, 2),
                "park": name,
                "year_built": int(turbines.parks.year[park]),
            },
        )
