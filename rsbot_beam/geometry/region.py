"""A region: the area of interest, in longitude and latitude."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import shapely
from pyproj import CRS
from shapely.geometry import Polygon, box, mapping
from shapely.geometry.base import BaseGeometry

from rsbot_beam.errors import GridError, RegionError
from rsbot_beam.geometry.crs import LONLAT, crs_object
from rsbot_beam.geometry.lonlat import checked_lonlat, longitude_boxes
from rsbot_beam.geometry.polygons import Areal, areal_parts, merge, polygons_of, repair
from rsbot_beam.geometry.projection import from_lonlat, to_lonlat

Bbox = tuple[float, float, float, float]
"""(west, south, east, north) in degrees of EPSG:4326."""

EQUAL_AREA = "EPSG:6933"
"""EASE-Grid 2.0: cylindrical, equal-area on the WGS 84 ellipsoid, with straight parallels and meridians."""


@dataclass(frozen=True, eq=False)
class Region:
    """An area on the globe. Make one with `read_region` or `Region.from_geometry`, which check and repair.

    Attributes:
        geometry: Valid Polygon or MultiPolygon in EPSG:4326, x = longitude in [-180, 180], y = latitude, cut at the
            antimeridian; edges are straight in longitude and latitude.
        source: What the user wrote, for messages; regions with the same `fingerprint` are equal whatever it says.
        native_crs: "EPSG:n" that the region was drawn in.
        native: The polygons in `native_crs` as they were drawn, None for EPSG:4326. A region drawn along the edges of
            tiles keeps to them, which the way through longitude and latitude could not promise.
    """

    geometry: Areal
    source: str = ""
    native_crs: str = LONLAT
    native: Areal | None = None

    @classmethod
    def from_geometry(cls, geometry: BaseGeometry, crs: str | CRS = LONLAT, source: str = "") -> Region:
        """Makes a region of the polygons in any geometry: checks, repairs and cuts it at the antimeridian.

        Args:
            geometry: Any shapely geometry with at least one polygon. Points and lines are left out with a warning.
            crs: CRS of the coordinates, x before y.
            source: What to call it in messages.

        Raises:
            RegionError: It is empty, has no area, is not finite, or does not lie on the globe.
            GridError: The CRS is unknown.
        """
        name = f"region {source!r}" if source else "the region"
        crs = crs_object(crs) if isinstance(crs, str) else crs
        polygons = areal_parts(geometry, name)
        if crs.is_geographic:
            lonlat, native = checked_lonlat(polygons, name), None
            if crs.to_epsg() != 4326:
                lonlat = repair(to_lonlat(_areal(lonlat, name), crs), "")
            return cls(shapely.normalize(_areal(lonlat, name)), source)
        native = _areal(repair(polygons, name), name)
        lonlat = checked_lonlat(_lonlat_of(native, crs, name), "")
        epsg = crs.to_epsg()
        kept = (f"EPSG:{epsg}", shapely.normalize(native)) if epsg else (LONLAT, None)
        return cls(shapely.normalize(_areal(lonlat, name)), source, *kept)

    def __reduce__(self) -> tuple[type[Region], tuple[Any, ...]]:
        return Region, (self.geometry, self.source, self.native_crs, self.native)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Region) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        # Kept, unlike the hash of a geometry: outlines are looked up by their region for every block.
        return hash(self.fingerprint)

    def __str__(self) -> str:
        west, south, east, north = self.bbox
        return f"{self.source or 'region'} ({west:g},{south:g},{east:g},{north:g}; {self.area_m2 / 1e6:,.1f} km2)"

    @property
    def bbox(self) -> Bbox:
        """(west, south, east, north) around everything; from -180 to 180 for a region across the antimeridian."""
        return self.geometry.bounds

    @cached_property
    def bboxes(self) -> tuple[Bbox, ...]:
        """The bbox; or two that meet at the antimeridian, first the one west of it (longitudes near 180)."""
        return longitude_boxes(polygons_of(self.geometry))

    @cached_property
    def area_m2(self) -> float:
        """Square metres on the WGS 84 ellipsoid, measured in the equal-area EPSG:6933, where parallels are straight."""
        return float(self.to_crs(EQUAL_AREA).area)

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that are the same for the same area in every process and on every machine."""
        parts = (self.geometry,) if self.native is None else (self.geometry, self.native)
        wkb = b"".join(shapely.to_wkb(shapely.normalize(part), byte_order=1) for part in parts)
        return hashlib.sha256(self.native_crs.encode() + wkb).hexdigest()[:32]

    @property
    def __geo_interface__(self) -> dict[str, Any]:
        return dict(mapping(self.geometry))

    def to_crs(self, crs: str) -> Areal:
        """Projects the region; edges are cut into short pieces first, so that they bend as they should.

        Args:
            crs: "EPSG:n".

        Returns:
            Valid polygons in units of the CRS, at most 0.1 m from the true outline, and exactly as drawn in the CRS
            that the region was drawn in.

        Raises:
            GridError: The CRS cannot hold the region.
        """
        if self.native is not None and crs == self.native_crs:
            return self.native
        return from_lonlat(self.geometry, crs)

    def clipped(self, bbox: Bbox) -> Region | None:
        """Returns the part within a bbox (degrees, west < east), this region if it is all, or None if there is none."""
        west, south, east, north = self.bbox
        if bbox[0] <= west and bbox[1] <= south and east <= bbox[2] and north <= bbox[3]:
            return self
        parts = polygons_of(shapely.intersection(self.geometry, box(*bbox)))
        return Region(merge(parts), self.source) if parts else None


def _areal(polygons: list[Polygon], name: str) -> Areal:
    geometry = merge([polygon for polygon in polygons if polygon.area > 0]) if polygons else Polygon()
    if geometry.is_empty:
        raise RegionError(f"{name} has no area: all its polygons are lines or points")
    return geometry


def _lonlat_of(native: Areal, crs: CRS, name: str) -> list[Polygon]:
    try:
        return to_lonlat(native, crs)
    except GridError as error:
        raise RegionError(f"{name}: {error}") from error
