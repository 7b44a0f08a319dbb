"""The ground of a picture in degrees: a region on any side of the antimeridian, and the rectangle around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from shapely.affinity import translate

from rsbot_beam.geometry.crs import LONLAT
from rsbot_beam.geometry.lonlat import longitude_boxes
from rsbot_beam.geometry.polygons import Areal, polygons_of
from rsbot_beam.views.map_frame import View

# Share of the region's size that is left free around it; and below it, for the scale bar.
_AROUND, _BELOW = 0.04, 0.09


def region_view(region: Areal) -> tuple[View, float]:
    """A rectangle of degrees around the region, and the longitude from which on eastwards it is counted."""
    boxes = longitude_boxes(polygons_of(region))
    west, east = boxes[0][0], boxes[-1][2] + (360 if len(boxes) == 2 else 0)
    south, north = min(b[1] for b in boxes), max(b[3] for b in boxes)
    wide, high = _AROUND * (east - west), _AROUND * (north - south)
    return View(
        (west - wide, max(-90.0, south - _BELOW * (north - south)), east + wide, min(90.0, north + high)), LONLAT
    ), west - wide


def eastwards(lon: np.ndarray, west: float) -> np.ndarray:
    """Longitudes counted eastwards from `west`, degrees."""
    return np.asarray(west + (lon - west) % 360)


def draw_region(axis: Any, region: Areal, west: float, *, above: bool = False) -> None:  # noqa: ANN401
    """Fill a region, and draw its outline.

    Args:
        axis: Of matplotlib, in degrees.
        region: In longitude and latitude, cut at the antimeridian.
        west: Longitude from which on eastwards it is counted.
        above: Whether to draw the outline alone, above what lies on the region.
    """
    for polygon in _joined(region, west):
        patch = _outline(polygon)
        if above:
            patch.set(fill=False, zorder=3)
        axis.add_patch(patch)


def _joined(region: Areal, west: float) -> list[shapely.Polygon]:
    """The region's polygons, counted eastwards from `west` and without the cut at the antimeridian."""
    # A part east of the antimeridian is moved as a whole: its own western edge may be the border itself.
    turns = [360.0 if polygon.bounds[2] < west else 0.0 for polygon in polygons_of(region)]
    if not any(turns):
        return polygons_of(region)
    moved = [translate(polygon, turn) for polygon, turn in zip(polygons_of(region), turns, strict=True)]
    return polygons_of(shapely.union_all(moved))


def _outline(polygon: shapely.Polygon) -> PathPatch:
    rings = [Path(shapely.get_coordinates(ring), closed=True) for ring in (polygon.exterior, *polygon.interiors)]
    return PathPatch(Path.make_compound_path(*rings), facecolor="#eef1ea", edgecolor="#404040", linewidth=1.2, zorder=1)
