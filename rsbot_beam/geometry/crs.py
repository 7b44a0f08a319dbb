"""Coordinate reference systems: names that keys can carry, and cached transformers.

Coordinates are always (x, y) = (east or longitude, north or latitude), whatever axis order the CRS declares.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from rsbot_beam.errors import GridError

LONLAT = "EPSG:4326"

# Left to itself, PROJ takes any text for part of a name: "Slovenia" is "Slovenia 1996" to it.
_CODE = re.compile(r"\d+|WGS ?84|.*[:\[{+].*", re.IGNORECASE | re.DOTALL)

_REMEDY = "give an EPSG code such as EPSG:32633, `utm` (each tile in its own zone) or `auto`"


@lru_cache(maxsize=512)
def crs_object(name: str) -> CRS:
    """Returns the pyproj CRS called `name`, for example "EPSG:32633", "32633" or "WGS84".

    Raises:
        GridError: PROJ does not know the name.
    """
    text = name.strip()
    try:
        return CRS.from_user_input(f"EPSG:{text}" if text.isdigit() else text)
    except CRSError as error:
        raise GridError(f"{name!r} is no coordinate reference system that PROJ knows: {_REMEDY}") from error


@lru_cache(maxsize=512)
def canonical_crs(name: str) -> str:
    """Returns "EPSG:n" for any spelling of a horizontal CRS that tiles can be laid out in.

    Raises:
        GridError: The CRS is unknown, vertical, geocentric or compound, or has no EPSG code.
    """
    if not _CODE.fullmatch(name.strip()):
        raise GridError(f"{name!r} is no coordinate reference system: {_REMEDY}")
    crs = crs_object(name)
    if crs.is_compound or not (crs.is_geographic or crs.is_projected):
        raise GridError(f"{name!r} is a {crs.type_name}, which has no plane of its own to lay tiles in: {_REMEDY}")
    code = crs.to_epsg()
    if code is None:
        raise GridError(f"{name!r} has no EPSG code, by which keys and Earth Engine name a CRS: {_REMEDY}")
    return f"EPSG:{code}"


def is_geographic(name: str) -> bool:
    """Tells whether the CRS counts in degrees of longitude and latitude."""
    return bool(crs_object(name).is_geographic)


@lru_cache(maxsize=512)
def transformer(source: str, destination: str) -> Transformer:
    """Returns the cached transformer between two CRSs, x before y on both sides. Safe to share between threads."""
    return Transformer.from_crs(crs_object(source), crs_object(destination), always_xy=True)
