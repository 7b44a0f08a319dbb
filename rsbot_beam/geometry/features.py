"""Vector features: geometries with names and properties, in the CRS in which they were drawn."""

from __future__ import annotations

import difflib
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from rsbot_beam.errors import InputError
from rsbot_beam.geometry.crs import LONLAT, crs_object
from rsbot_beam.geometry.lonlat import FURTHEST, ROUNDING
from rsbot_beam.geometry.polygons import polygons_of

LISTED = 8
"""Values or names that a message lists before it only counts the rest: they fit on two lines."""


@dataclass(frozen=True, eq=False)
class Features:
    """Some features of one source, n of them, in the order of the source.

    Attributes:
        source: Where they come from, for messages.
        crs: Name of the CRS of the coordinates as PROJ knows it, "EPSG:n" where it has a code, otherwise WKT.
        geometries: object (n,), shapely geometries; as read, None where a feature has none.
        ids: Names of the features.
        values: Properties by name, each a sequence of n; a property that a feature lacks is None.
    """

    source: str
    crs: str
    geometries: np.ndarray
    ids: Sequence[str]
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.geometries)

    def take(self, rows: np.ndarray, geometries: np.ndarray | None = None) -> Features:
        """Returns some of the features.

        Args:
            rows: (m,) integer indices; a feature may be taken several times.
            geometries: object (m,) in place of the features' own; by default these.
        """
        indices = rows.tolist()
        return Features(
            self.source,
            self.crs,
            self.geometries[rows] if geometries is None else geometries,
            [self.ids[i] for i in indices],
            {name: [column[i] for i in indices] for name, column in self.values.items()},
        )


def check_columns(wanted: Iterable[str], known: Iterable[str], source: str) -> None:
    """Raises InputError for a property that no feature has, with the nearest name and those that there are."""
    names = list(known)
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1) or [n for n in names if n.lower() == name.lower()]
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(f"{source} has no column {name!r}: {hint}It has {listed(map(repr, names)) or 'none'}")


def listed(items: Iterable[object]) -> str:
    """Returns the items as text with commas, the first few of them where there are many."""
    texts = [str(item) for item in items]
    rest = f" and {len(texts) - LISTED} more" if len(texts) > LISTED else ""
    return ", ".join(texts[:LISTED]) + rest


def value_text(value: object) -> str:
    """Returns a property's value as text; whole numbers without a fraction, and nothing for None and NaN."""
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def cleaned(chunks: Iterable[Features], source: str) -> Iterator[Features]:
    """Yields features that have a geometry, flat (2-D) and valid; warns at the end of what had to be done for that.

    Invalid polygons are rebuilt by the even-odd rule, by which GDAL paints the invalid ones as well. Features without a
    geometry, or with an empty or not finite one, are left out and counted.

    Args:
        chunks: Features as read.
        source: What to call them in messages.

    Raises:
        InputError: There is no feature with a geometry, or coordinates are no longitudes and latitudes.
    """
    faults: Counter[str] = Counter()
    first_fault, kept = "", 0
    for chunk in chunks:
        clean, reason = _clean(chunk, faults)
        first_fault = first_fault or reason
        kept += len(clean)
        if len(clean):
            _check_range(clean)
            yield clean
    dropped = faults["missing"]
    if not kept:
        raise InputError(
            f"{source} has no feature with a geometry ({dropped} without one): is it the right file or layer?"
        )
    if dropped:
        warnings.warn(
            f"{source}: left out {dropped} of {kept + dropped} features, which have no geometry, or no area",
            stacklevel=2,
        )
    if faults["invalid"]:
        warnings.warn(f"{source}: repaired {faults['invalid']} of {kept} geometries ({first_fault})", stacklevel=2)


def _clean(chunk: Features, faults: Counter[str]) -> tuple[Features, str]:
    geometries = shapely.force_2d(chunk.geometries)
    coordinates, owners = shapely.get_coordinates(geometries, return_index=True)
    there = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
    there[owners[~np.isfinite(coordinates).all(axis=1)]] = False
    broken = np.flatnonzero(there & ~shapely.is_valid(geometries)).tolist()
    reason = shapely.is_valid_reason(geometries[broken[0]]) if broken else ""
    for index in broken:
        geometries[index] = _repaired(geometries[index])
        there[index] = geometries[index] is not None
    rows = np.flatnonzero(there)
    faults["missing"] += len(chunk) - len(rows)
    faults["invalid"] += int(there[broken].sum())
    return chunk.take(rows, geometries[rows]), reason


def _repaired(geometry: BaseGeometry) -> BaseGeometry | None:
    """A valid geometry with the same area, or None for a polygon that has none."""
    valid = shapely.make_valid(geometry, method="linework")
    if shapely.get_dimensions(geometry) < 2:  # points and lines
        return valid
    polygons = polygons_of(valid)
    return None if not polygons else polygons[0] if len(polygons) == 1 else shapely.multipolygons(polygons)


def _check_range(features: Features) -> None:
    if not crs_object(features.crs).is_geographic:
        return
    bounds = shapely.bounds(features.geometries)
    lon, lat = np.abs(bounds[:, [0, 2]]).max(axis=1), np.abs(bounds[:, [1, 3]]).max(axis=1)
    wrong = np.flatnonzero((lon > FURTHEST) | (lat > 90 + ROUNDING))
    if not len(wrong):
        return
    first = int(wrong[0])
    west, south, east, north = bounds[first]
    seen = (
        f"{features.source}: feature {features.ids[first]!r} reaches from longitude {west:g} to {east:g} and latitude "
        f"{south:g} to {north:g}"
    )
    if lon[first] <= 90 and lat[first] <= 180:
        raise InputError(f"{seen}: latitude and longitude are probably swapped; x is the longitude, y the latitude")
    raise InputError(f"{seen}: these are no degrees but look like metres; give the source its CRS, or one that fits")


def crs_name(crs: CRS) -> str:
    """Returns the name of a CRS by which `crs_object` finds it again, EPSG:4326 for its twin with x first, OGC:CRS84."""
    name = crs.to_string()
    return LONLAT if name == "OGC:CRS84" else str(name)


def assumed_lonlat(source: str) -> str:
    """Returns EPSG:4326 for a source that does not say its CRS, with a warning; `cleaned` checks whether it can be."""
    warnings.warn(f"{source} does not say its CRS: taken as longitude and latitude ({LONLAT})", stacklevel=2)
    return LONLAT
