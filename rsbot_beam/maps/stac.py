"""The map as a STAC collection: an item for each block, written beside its rasters, and the collection at the end.

All links are relative: the folder can be moved, copied to a bucket, and served as it is. Versions: STAC 1.1 with the
extensions projection 2.0, raster 1.1 and classification 2.0, as pystac writes them.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pystac
import shapely
from pystac.extensions.classification import AssetClassificationExtension, Classification, ClassificationExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import (
    AssetRasterExtension,
    DataType,
    NoDataStrings,
    RasterBand,
    RasterExtension,
    Sampling,
)
from shapely.geometry import box, mapping

from rsbot_beam.data.bands import LabelClass
from rsbot_beam.data.period import Period
from rsbot_beam.errors import GridError, InputError
from rsbot_beam.geometry import Bbox, TileBlock
from rsbot_beam.geometry.crs import LONLAT, crs_object, is_geographic, transformer
from rsbot_beam.geometry.lonlat import cut_at_antimeridian, longitude_boxes
from rsbot_beam.geometry.polygons import repair
from rsbot_beam.geometry.projection import to_lonlat
from rsbot_beam.geometry.units import resolution_in_metres
from rsbot_beam.maps.styles import RasterStyle, raster_path

STAC_FOLDER, ITEM_FOLDER, COLLECTION_FILE = "stac", "stac/items", "stac/collection.json"
# Degrees (1 m): how far the few corners of a footprint may be off the curve that the block's edge is.
FOOTPRINT_TOLERANCE = 1e-5
# Digits after the point of degrees: 1 cm.
_DIGITS = 7
# Points a side at which a block that leaves the globe is looked at.
_LATTICE = 65


@dataclass(frozen=True)
class ItemEntry:
    """What the collection says of an item.

    Attributes:
        id: Of the item: the text of its block.
        bbox: (west, south, east, north) in degrees; west is greater than east across the antimeridian.
    """

    id: str
    bbox: tuple[float, float, float, float]


def item_path(item_id: str) -> str:
    """Path of an item's file in the folder of a map."""
    return f"{ITEM_FOLDER}/{item_id}.json"


def item_of(
    block: TileBlock,
    styles: Mapping[str, RasterStyle],
    period: Period,
    collection: str,
    sizes: Mapping[str, int] | None = None,
    properties: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The STAC item of a block.

    Args:
        block: Its text is the item's id.
        styles: The rasters that were written, by name.
        period: What the map shows.
        collection: Id of the collection.
        sizes: Bytes of the rasters, by name, where known.
        properties: Further properties, such as the model.

    Returns:
        JSON to be written to `item_path`; the same block gives the same text.
    """
    geometry, bbox = footprint(block)
    start, end = interval(period)
    item = pystac.Item(
        str(block), geometry, list(bbox), None, dict(properties or {}), start_datetime=start, end_datetime=end
    )
    item.collection_id = collection
    projection = ProjectionExtension.ext(item, add_if_missing=True)
    projection.apply(
        code=block.crs, bbox=list(block.bounds), shape=list(block.shape), transform=list(block.transform)[:6]
    )
    ClassificationExtension.add_to(item)
    RasterExtension.add_to(item)
    FileExtension.add_to(item)
    for name, style in styles.items():
        item.add_asset(name, _asset(block, style, (sizes or {}).get(name)))
    for relation in ("root", "parent", "collection"):
        item.add_link(pystac.Link(relation, "../collection.json", pystac.MediaType.JSON))
    found: dict[str, Any] = item.to_dict(include_self_link=False, transform_hrefs=False)
    return found


def collection_of(
    name: str,
    entries: Iterable[ItemEntry],
    styles: Mapping[str, RasterStyle],
    period: Period,
    description: str,
    summaries: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The STAC collection of a map.

    Args:
        name: Id of the collection.
        entries: One for each item; their order does not matter.
        styles: The rasters that items have, by name.
        period: What the map shows.
        description: For people.
        summaries: Further summaries, such as model or recipe; single values become lists of one, as STAC has them.

    Returns:
        JSON to be written to `COLLECTION_FILE`.

    Raises:
        InputError: There are no items.
    """
    ordered = sorted(entries, key=lambda entry: entry.id)
    if not ordered:
        raise InputError("a STAC collection needs an item, but no block of the map was written")
    extent = pystac.Extent(
        pystac.SpatialExtent([list(_around([entry.bbox for entry in ordered]))]),
        pystac.TemporalExtent([list(interval(period))]),
    )
    codes = sorted({TileBlock.parse(entry.id).crs for entry in ordered})
    collection = pystac.Collection(name, description, extent, license="other")
    collection.stac_extensions = [
        uri.get_schema_uri() for uri in (ClassificationExtension, ProjectionExtension, RasterExtension)
    ]
    listed = {key: value if isinstance(value, list | dict) else [value] for key, value in (summaries or {}).items()}
    collection.summaries = pystac.Summaries({"proj:code": codes, **listed})
    collection.extra_fields["item_assets"] = {key: _definition(style) for key, style in styles.items()}
    collection.clear_links()
    collection.add_link(pystac.Link("root", "./collection.json", pystac.MediaType.JSON))
    for entry in ordered:
        collection.add_link(pystac.Link("item", f"./items/{entry.id}.json", pystac.MediaType.GEOJSON))
    found: dict[str, Any] = collection.to_dict(include_self_link=False, transform_hrefs=False)
    return found


def interval(period: Period) -> tuple[datetime.datetime, datetime.datetime]:
    """First and last second of a period, UTC: STAC's intervals include their end."""
    start, end = (
        datetime.datetime.combine(day, datetime.time(), datetime.timezone.utc) for day in (period.start, period.end)
    )
    return start, end - datetime.timedelta(seconds=1)


def footprint(block: TileBlock) -> tuple[dict[str, Any], Bbox]:
    """Outline of a block in longitude and latitude.

    Returns:
        GeoJSON, cut at the antimeridian (RFC 7946, 3.1.9), within 1 m; and its bbox, whose west is greater than its
        east across the antimeridian (5.2).

    Raises:
        GridError: The block has no longitude and latitude.
    """
    outline = box(*block.bounds)
    crs = crs_object(block.crs)
    pieces = cut_at_antimeridian(outline) if is_geographic(block.crs) else [outline]
    try:
        parts = [part for piece in pieces for part in to_lonlat(piece, crs)]
    except GridError:  # a block that sticks out over the edge of the globe
        parts = [_lonlat_box(block)]
    polygons = repair(parts, str(block))
    bbox = _bbox_of(polygons)
    simple = [shapely.simplify(polygon, FOOTPRINT_TOLERANCE) for polygon in polygons]
    rounded = [shapely.transform(polygon, lambda xy: xy.round(_DIGITS)) for polygon in simple]
    wound = [shapely.geometry.polygon.orient(polygon) for polygon in rounded]
    return mapping(wound[0] if len(wound) == 1 else shapely.MultiPolygon(wound)), bbox


def _lonlat_box(block: TileBlock) -> shapely.Polygon:
    """The box in longitude and latitude around those points of a block that have any."""
    left, bottom, right, top = block.bounds
    x, y = np.meshgrid(np.linspace(left, right, _LATTICE), np.linspace(bottom, top, _LATTICE))
    lonlat = np.column_stack(transformer(block.crs, LONLAT).transform(x.ravel(), y.ravel()))
    known = lonlat[np.isfinite(lonlat).all(axis=1)]
    if not len(known):
        raise GridError(f"{block} has no longitude and latitude anywhere: it lies off the globe of {block.crs}")
    (west, south), (east, north) = known.min(axis=0), known.max(axis=0)
    return box(west, south, east, north)


def _bbox_of(polygons: Sequence[shapely.Polygon]) -> Bbox:
    boxes = longitude_boxes(list(polygons))
    south, north = min(b[1] for b in boxes), max(b[3] for b in boxes)
    west, east = boxes[0][0], boxes[-1][2]
    return round(west, _DIGITS), round(south, _DIGITS), round(east, _DIGITS), round(north, _DIGITS)


def _around(bboxes: Sequence[Bbox]) -> Bbox:
    """The bbox around others, any of which may cross the antimeridian."""
    halves = [
        half
        for west, south, east, north in bboxes
        for half in (
            [(west, south, east, north)]
            if west <= east
            else [(west, south, 180.0, north), (-180.0, south, east, north)]
        )
    ]
    return _bbox_of([box(*half) for half in halves])


def _asset(block: TileBlock, style: RasterStyle, size: int | None) -> pystac.Asset:
    asset = pystac.Asset(
        f"../../{raster_path(style.name, block)}",
        title=style.name,
        description=style.description or None,
        media_type=pystac.MediaType.COG,
        roles=["data"],
        extra_fields={} if size is None else {"file:size": size},
    )
    resolution = round(resolution_in_metres(block.crs, block.resolution), 6)
    AssetRasterExtension(asset).apply([_raster_band(style, name, resolution) for name in style.bands])
    if style.classes:
        AssetClassificationExtension(asset).apply(classes=[_classification(item) for item in style.classes])
    return asset


def _raster_band(style: RasterStyle, name: str, resolution: float | None = None) -> RasterBand:
    band = RasterBand.create(
        nodata=NoDataStrings.NAN if math.isnan(style.nodata) else int(style.nodata),
        sampling=Sampling.AREA,
        data_type=DataType(style.dtype),
        unit=style.unit or None,
        spatial_resolution=resolution,
    )
    band.properties["description"] = name
    return band


def _definition(style: RasterStyle) -> dict[str, Any]:
    """What all assets of a kind have in common, as a collection's `item_assets` say it."""
    found: dict[str, Any] = {
        "title": style.name,
        "description": style.description,
        "type": pystac.MediaType.COG,
        "roles": ["data"],
        "raster:bands": [_raster_band(style, name).to_dict() for name in style.bands],
    }
    if style.classes:
        found["classification:classes"] = [_classification(item).to_dict() for item in style.classes]
    return found


def _classification(item: LabelClass) -> Classification:
    # The name is for machines: letters, digits, - and _ only (classification extension 2.0, "Class Object").
    name = re.sub(r"[^0-9A-Za-z_-]+", "_", item.name).strip("_") or f"class_{item.code}"
    return Classification.create(value=item.code, name=name, description=item.name, color_hint=item.colour[1:].upper())
