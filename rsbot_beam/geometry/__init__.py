"""Regions, grids and tiles: where to look, and what each place is called.

Import order in this package, each module only from those before it: crs, units, zones, tile, zone_edges, polygons,
lonlat, projection, region, geojson, vectors, features, feature_texts, feature_files, readers, grid, outline, cover,
blocks.
"""

from __future__ import annotations

from rsbot_beam.geometry.blocks import plan_blocks
from rsbot_beam.geometry.cover import Cover
from rsbot_beam.geometry.grid import Grid, resolve_grid
from rsbot_beam.geometry.readers import read_region
from rsbot_beam.geometry.region import Bbox, Region
from rsbot_beam.geometry.tile import Bounds, TileBlock, TileKey
from rsbot_beam.geometry.zone_edges import near_zone_edge, pixels_in_zone, places_in_zone

__all__ = [
    "Bbox",
    "Bounds",
    "Cover",
    "Grid",
    "Region",
    "TileBlock",
    "TileKey",
    "near_zone_edge",
    "pixels_in_zone",
    "places_in_zone",
    "plan_blocks",
    "read_region",
    "resolve_grid",
]
