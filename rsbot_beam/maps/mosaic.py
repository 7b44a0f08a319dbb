"""A map's rasters as one layer: a VRT that QGIS and GDAL open, with class names and colours.

Blocks on one pixel grid are listed in the VRT itself, in any GDAL. Blocks of several zones go into a GTI (GDAL 3.9 and
later), which reprojects them as they are read, and the VRT refers to that. Paths are relative: the folder can be moved,
and opened from a bucket as `/vsigs/bucket/map/class.vrt`.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.warp import transform_bounds
from shapely.geometry import box

from rsbot_beam import storage
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import TileBlock
from rsbot_beam.geometry.crs import LONLAT, crs_object
from rsbot_beam.geometry.tile import pixel_grid
from rsbot_beam.geometry.units import metres_per_unit
from rsbot_beam.maps.cog import BLOCK_SIZE
from rsbot_beam.maps.styles import RasterStyle, raster_path, rgb

ACROSS_ANTIMERIDIAN = "EPSG:3832"
"""WGS 84 / PDC Mercator, centred on 150 degrees east: one layer for blocks on both sides of the antimeridian."""

_GDAL_TYPES = {"uint8": "Byte", "uint16": "UInt16", "float32": "Float32"}
# Points on each edge of a block when its bounds are looked for in another CRS.
_DENSIFY = 21
# GeoPackages carry the time of their last change; this one stands in each, so that the same map has the same bytes.
_TIME = "1970-01-01T00:00:00.000Z"


def write_mosaic(
    folder: str | os.PathLike[str],
    blocks: Iterable[TileBlock],
    style: RasterStyle,
    crs: str | None = None,
    overview: str | None = None,
) -> str:
    """Write `<name>.vrt`, one layer over all blocks of a raster, and `<name>.gti.gpkg` where zones are mixed.

    Args:
        folder: Of the map, local or `gs://`.
        blocks: Those whose raster is at `raster_path(style.name, block)`.
        style: Of the raster.
        crs: Of the layer; None takes the blocks' own if they share one, else `common_crs`.
        overview: Path relative to the folder of a raster of the same extent, CRS and bands with fewer pixels: what is
            shown when all of a large map is on the screen (`overview.write_layer` makes it).

    Returns:
        Path of the VRT.

    Raises:
        InputError: There are no blocks.
    """
    ordered = sorted(set(blocks))
    geobox = mosaic_geobox(ordered, crs)
    if _is_native(ordered, geobox):
        sources = _block_sources(ordered, style, geobox)
    else:
        index, (height, width) = f"{style.name}.gti.gpkg", geobox.shape
        _write_gti(storage.join(folder, index), ordered, style, geobox)
        sources = [[_source(index, band + 1, (height, width), style, (0, 0))] for band in range(len(style.bands))]
    path = storage.join(folder, f"{style.name}.vrt")
    storage.write_bytes(path, _vrt(geobox, style, sources, overview))
    return path


def grid_layer(root: str, blocks: Sequence[TileBlock], style: RasterStyle) -> str:
    """The layer over those blocks of a raster that share one pixel grid, as the text of a VRT that can lie anywhere.

    Args:
        root: The map's folder, as GDAL reaches it.
        blocks: Of one grid.
        style: Of the raster.
    """
    ordered = sorted(blocks)
    geobox = mosaic_geobox(ordered)
    return _vrt(geobox, style, _block_sources(ordered, style, geobox, root), None)


def mosaic_geobox(blocks: Sequence[TileBlock], crs: str | None = None) -> GeoBox:
    """The pixels of the layer over blocks: their own where they share a grid, else as fine in another CRS.

    Args:
        blocks: At least one.
        crs: Of the layer; None takes the blocks' own if they share one, else `common_crs`.

    Raises:
        InputError: There are no blocks.
    """
    if not blocks:
        raise InputError("there is no mosaic of a map without blocks: nothing was predicted in this folder")
    if len({pixel_grid(block) for block in blocks}) == 1 and crs in (None, blocks[0].crs):
        top, left = min(b.row for b in blocks), min(b.col for b in blocks)
        height, width = max(b.row + b.shape[0] for b in blocks) - top, max(b.col + b.shape[1] for b in blocks) - left
        first, resolution = blocks[0], blocks[0].resolution
        x, y = first.origin[0] + left * resolution, first.origin[1] - top * resolution
        return GeoBox((height, width), Affine(resolution, 0, x, 0, -resolution, y), first.crs)
    crs = crs or common_crs(blocks)
    resolution = min(b.resolution * metres_per_unit(b.crs) for b in blocks) / metres_per_unit(crs)
    left, bottom, right, top = shapely.total_bounds([box(*bounds_in(block, crs)) for block in blocks])
    height, width = math.ceil((top - bottom) / resolution), math.ceil((right - left) / resolution)
    return GeoBox((height, width), Affine(resolution, 0, float(left), 0, -resolution, float(top)), crs)


def common_crs(blocks: Sequence[TileBlock]) -> str:
    """A CRS for all blocks: their own if they share one, EPSG:4326, or EPSG:3832 across the antimeridian."""
    crss = {block.crs for block in blocks}
    if len(crss) == 1:
        return crss.pop()
    lon = np.array([_centre_longitude(block) for block in blocks])
    gaps = np.diff(np.sort(lon))
    # A gap wider than what is left on the way over the antimeridian: that way is shorter.
    around = lon.min() + 360 - lon.max()
    crosses = any(_crosses_antimeridian(block) for block in blocks) or bool(len(gaps) and gaps.max() > around)
    return ACROSS_ANTIMERIDIAN if crosses else LONLAT


def bounds_in(block: TileBlock, crs: str) -> tuple[float, float, float, float]:
    """(left, bottom, right, top) of a block in another CRS."""
    if block.crs == crs:
        return block.bounds
    left, bottom, right, top = transform_bounds(block.crs, crs, *block.bounds, densify_pts=_DENSIFY)
    return left, bottom, right, top


def _centre_longitude(block: TileBlock) -> float:
    left, _, right, _ = bounds_in(block, LONLAT)
    return left + (right - left) % 360 / 2


def _crosses_antimeridian(block: TileBlock) -> bool:
    left, _, right, _ = bounds_in(block, LONLAT)
    return left > right or right > 180


def _is_native(blocks: Sequence[TileBlock], geobox: GeoBox) -> bool:
    return len({pixel_grid(block) for block in blocks}) == 1 and blocks[0].crs == str(geobox.crs)


# The VRT ---------------------------------------------------------------------------------------------------------


def _block_sources(blocks: Sequence[TileBlock], style: RasterStyle, geobox: GeoBox, root: str = "") -> list[list[str]]:
    """For each band the XML of all blocks; their paths are relative to the VRT, but where a root is given."""
    top, left = min(b.row for b in blocks), min(b.col for b in blocks)
    return [
        [
            _source(raster_path(style.name, b), band + 1, b.shape, style, (b.row - top, b.col - left), root)
            for b in blocks
        ]
        for band in range(len(style.bands))
    ]


def _source(
    path: str, band: int, shape: tuple[int, int], style: RasterStyle, offset: tuple[int, int], root: str = ""
) -> str:
    height, width = shape
    size, place = f'xSize="{width}" ySize="{height}"', storage.join(root, path) if root else path
    # With its properties said here, a source is opened when its pixels are read, not with the mosaic.
    kind, masked = ("ComplexSource", "<UseMaskBand>true</UseMaskBand>") if style.is_picture else ("SimpleSource", "")
    return (
        f'<{kind}><SourceFilename relativeToVRT="{0 if root else 1}">{escape(place)}</SourceFilename>'
        f"<SourceBand>{band}</SourceBand>"
        f'<SourceProperties RasterXSize="{width}" RasterYSize="{height}" DataType="{_GDAL_TYPES[style.dtype]}" '
        f'BlockXSize="{BLOCK_SIZE}" BlockYSize="{BLOCK_SIZE}"/>'
        f'<SrcRect xOff="0" yOff="0" {size}/><DstRect xOff="{offset[1]}" yOff="{offset[0]}" {size}/>{masked}</{kind}>'
    )


def _vrt(geobox: GeoBox, style: RasterStyle, sources: Sequence[Sequence[str]], overview: str | None) -> str:
    height, width = geobox.shape
    crs = crs_object(str(geobox.crs))
    lines = [
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}">',
        f'<SRS dataAxisToSRSAxisMapping="{"2,1" if crs.is_geographic else "1,2"}">{escape(str(geobox.crs))}</SRS>',
        f"<GeoTransform>{', '.join(repr(float(v)) for v in geobox.transform.to_gdal())}</GeoTransform>",
    ]
    for index, (name, listed) in enumerate(zip(style.bands, sources, strict=True), 1):
        nodata = "nan" if math.isnan(style.nodata) else f"{style.nodata:g}"
        lines += [
            f'<VRTRasterBand dataType="{_GDAL_TYPES[style.dtype]}" band="{index}">',
            f"<Description>{escape(name)}</Description><NoDataValue>{nodata}</NoDataValue>",
            f"<UnitType>{escape(style.unit)}</UnitType>" if style.unit else "",
            *_legend(style, name),
            *listed,
            _overview(overview, index),
            "</VRTRasterBand>",
        ]
    return "\n".join([line for line in lines if line] + ["</VRTDataset>", ""])


def _legend(style: RasterStyle, band: str) -> list[str]:
    """Class names and colours, by code, as GDAL's VRT has them: one entry for each code up to the largest."""
    if not style.classes:
        return [f"<ColorInterp>{band.capitalize() if style.is_picture else 'Gray'}</ColorInterp>"]
    named = {item.code: item for item in style.classes}
    codes = range(max(named) + 1)
    names = [f"<Category>{escape(named[c].name) if c in named else ''}</Category>" for c in codes]
    colours = [(*rgb(named[c].colour), 255) if c in named else (0, 0, 0, 0) for c in codes]
    entries = [f'<Entry c1="{r}" c2="{g}" c3="{b}" c4="{a}"/>' for r, g, b, a in colours]
    return [
        "<ColorInterp>Palette</ColorInterp>",
        f"<ColorTable>{''.join(entries)}</ColorTable>",
        f"<CategoryNames>{''.join(names)}</CategoryNames>",
    ]


def _overview(overview: str | None, band: int) -> str:
    if not overview:
        return ""
    return (
        f'<Overview><SourceFilename relativeToVRT="1">{escape(overview)}</SourceFilename>'
        f"<SourceBand>{band}</SourceBand></Overview>"
    )


# The GTI ---------------------------------------------------------------------------------------------------------


def _write_gti(path: str, blocks: Sequence[TileBlock], style: RasterStyle, geobox: GeoBox) -> None:
    try:
        import pyogrio
    except ImportError as error:
        raise InputError("a mosaic of several zones needs pyogrio: pip install rsbot-beam[vectors]") from error
    crs = str(geobox.crs)
    outlines = shapely.to_wkb(np.array([box(*bounds_in(block, crs)) for block in blocks]))
    paths = np.array([raster_path(style.name, block) for block in blocks], dtype=object)
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _TIME})
    try:
        with tempfile.TemporaryDirectory() as scratch:
            local = Path(scratch, "index.gti.gpkg")
            pyogrio.raw.write(
                local,
                outlines,
                [paths],
                ["location"],
                layer=style.name,
                driver="GPKG",
                geometry_type="Polygon",
                crs=crs,
                layer_metadata=_gti_metadata(style, geobox),
            )
            storage.write_bytes(path, local.read_bytes())
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def _gti_metadata(style: RasterStyle, geobox: GeoBox) -> dict[str, Any]:
    """What GDAL's GTI driver takes from the metadata of the layer (its page "GTI", "Tile index requirements")."""
    left, bottom, right, top = geobox.boundingbox.bbox
    count = len(style.bands)
    nodata = "nan" if math.isnan(style.nodata) else f"{style.nodata:g}"
    resolution = repr(float(geobox.transform.a))
    found = {"RESX": resolution, "RESY": resolution, "RESAMPLING": "nearest", "LOCATION_FIELD": "location"}
    found |= {"MINX": repr(float(left)), "MINY": repr(float(bottom))}
    found |= {"MAXX": repr(float(right)), "MAXY": repr(float(top)), "BAND_COUNT": str(count)}
    found |= {"DATA_TYPE": ",".join([_GDAL_TYPES[style.dtype]] * count), "NODATA": ",".join([nodata] * count)}
    return found
