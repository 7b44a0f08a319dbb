"""A region as Earth Engine is asked about it: coarsely, in geometries of bounded size."""

from __future__ import annotations

from dataclasses import dataclass

import ee
import shapely
from shapely.geometry import mapping

from rsbot_beam.geometry import Region

# What Earth Engine takes for the length of a degree when it is given a scale: 2 pi 6,378,137 m / 360 (nominalScale of
# EPSG:4326 in its documentation, "Projections").
METRES_PER_DEGREE = 111_319.49079

# Corners of an outline that is sent; with more its bounding box must do.
_MOST_CORNERS = 2_000


@dataclass(frozen=True)
class Piece:
    """A part of a region on one side of the antimeridian, to be looked at.

    Attributes:
        geometry: Planar, in EPSG:4326.
        scale: Pixel size to look with, in metres.
        pixels: About how many pixels of that size the part has.
    """

    geometry: ee.Geometry
    scale: float
    pixels: float


def boxes(region: Region) -> ee.Geometry:
    """The region's bounding boxes, for `filterBounds`."""
    return ee.Geometry.MultiPolygon([_ring(bbox) for bbox in region.bboxes], None, False)


def pieces(region: Region, resolution: float, pixels: int) -> list[Piece]:
    """The region's outline, simplified to half a pixel, with the pixel size that makes it so many pixels at most.

    Args:
        region: Any region, up to the whole globe.
        resolution: Finest pixel size that makes sense, in metres.
        pixels: Most pixels altogether.
    """
    area = float(region.geometry.area)
    scale = max(resolution, METRES_PER_DEGREE * (area / pixels) ** 0.5)
    degrees = scale / METRES_PER_DEGREE
    parts = [part for bbox in region.bboxes if (part := region.clipped(bbox)) is not None]
    return [Piece(_outline(part, degrees / 2), scale, part.geometry.area / degrees**2) for part in parts]


def _outline(region: Region, tolerance: float) -> ee.Geometry:
    simple = shapely.simplify(region.geometry, tolerance)
    if shapely.get_num_coordinates(simple) > _MOST_CORNERS or not simple.is_valid or simple.is_empty:
        return boxes(region)
    return ee.Geometry(dict(mapping(simple)), None, False)


def _ring(bbox: tuple[float, float, float, float]) -> list[list[list[float]]]:
    west, south, east, north = bbox
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]
