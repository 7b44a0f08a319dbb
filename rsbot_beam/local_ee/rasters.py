"""A folder of rasters and vector files as assets."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from rsbot_beam.errors import InputError
from rsbot_beam.local_ee.geometries import bbox_geometry, project
from rsbot_beam.local_ee.manifest import FILE_NODATA, AssetEntry, BandEntry, FileEntry, ImageEntry, read_manifest
from rsbot_beam.local_ee.provider import AssetNotFoundError, BandInfo, BandPixels, BBox, ImageInfo, PixelGrid
from rsbot_beam.local_ee.raster_file import PixelStore, RasterFile
from rsbot_beam.local_ee.temporal import to_ms
from rsbot_beam.local_ee.values import Value

# Pieces that an edge of a raster's outline is cut into before it goes to longitude and latitude.
OUTLINE_PIECES = 64

Row = tuple[str, "BaseGeometry | None", Mapping[str, Any]]


@dataclass(frozen=True)
class _Source:
    """Where a band's pixels are."""

    raster: RasterFile
    band: int
    nodata: float | None


class RasterFolder:
    """The assets of a folder with a `manifest.json`, a `Provider`.

    Args:
        folder: Where the manifest is.
        store: Memory of decoded bands, to be shared by several folders.

    Raises:
        InputError: When the manifest or a file that it names cannot be used.
    """

    def __init__(self, folder: Path, store: PixelStore | None = None) -> None:
        self._assets = {entry.id: entry for entry in read_manifest(folder)}
        self._store = store or PixelStore()
        self._images: dict[str, ImageInfo] = {}
        self._sources: dict[str, dict[str, _Source]] = {}
        self._tables: dict[str, tuple[list[Row], shapely.STRtree]] = {}
        self._lock = threading.Lock()
        for entry in self._assets.values():
            if entry.path is not None:
                _check_layer(entry)
            for image in entry.images:
                self._describe(_image_id(entry, image), image)

    def asset_ids(self) -> Iterable[str]:
        """Ids of the manifest."""
        return list(self._assets)

    def info(self, asset_id: str) -> dict[str, Any]:
        """Type and properties of an asset or a collection's member."""
        entry = self._assets.get(asset_id)
        if entry is not None:
            return {"type": entry.type, "properties": dict(entry.properties)}
        return {"type": "IMAGE", "properties": dict(self.image(asset_id).properties)}

    def image(self, asset_id: str) -> ImageInfo:
        """An image or a collection's member."""
        found = self._images.get(asset_id)
        if found is None:
            raise AssetNotFoundError(f"No image '{asset_id}' in the raster folder.")
        return found

    def images(self, asset_id: str, start_ms: int | None, end_ms: int | None, bbox: BBox | None) -> Iterator[ImageInfo]:
        """Members of a collection in time and place, in order of time."""
        entry = self._entry(asset_id, "IMAGE_COLLECTION")
        area = None if bbox is None else bbox_geometry(bbox)
        found = [self._images[_image_id(entry, image)] for image in entry.images]
        for info in sorted(found, key=lambda image: image.properties.get("system:time_start", 0)):
            moment = info.properties.get("system:time_start")
            if start_ms is not None and (moment is None or moment < start_ms):
                continue
            if end_ms is not None and (moment is None or moment >= end_ms):
                continue
            if area is None or info.footprint is None or info.footprint.intersects(area):
                yield info

    def features(self, asset_id: str, bbox: BBox | None) -> Iterator[Row]:
        """Rows of a table near a bbox, in the order of the file."""
        entry = self._entry(asset_id, "TABLE")
        with self._lock:
            if asset_id not in self._tables:
                self._tables[asset_id] = _read_table(entry)
            rows, tree = self._tables[asset_id]
        if bbox is None:
            return iter(rows)
        return (rows[number] for number in sorted(tree.query(bbox_geometry(bbox)).tolist()))

    def pixels(self, image_id: str, bands: Sequence[str], grid: PixelGrid) -> dict[str, BandPixels]:
        """Pixels at the centres of a grid; see `Provider.pixels`."""
        sources = self._sources[image_id]
        return {
            name: self._store.pixels(sources[name].raster, sources[name].band, sources[name].nodata, grid)
            for name in bands
        }

    def _entry(self, asset_id: str, kind: str) -> AssetEntry:
        entry = self._assets.get(asset_id)
        if entry is None or entry.type != kind:
            raise AssetNotFoundError(f"No {kind} '{asset_id}' in the raster folder.")
        return entry

    def _describe(self, image_id: str, image: ImageEntry) -> None:
        bands: list[BandInfo] = []
        sources: dict[str, _Source] = {}
        for file in image.files:
            raster = RasterFile.open(file.path)
            for name, source in _band_sources(raster, file):
                if name in sources:
                    raise InputError(f"Image '{image_id}' has two bands '{name}': name them in the manifest.")
                sources[name] = source
                dtype = np.dtype(raster.dtypes[source.band - 1])
                bands.append(BandInfo(name, dtype, raster.crs, raster.transform, raster.shape))
        footprint = shapely.union_all([outline(source.raster) for source in sources.values()])
        self._sources[image_id] = sources
        self._images[image_id] = ImageInfo(image_id, tuple(bands), dict(image.properties), footprint)


def _image_id(entry: AssetEntry, image: ImageEntry) -> str:
    return entry.id if entry.type == "IMAGE" else f"{entry.id}/{image.index}"


def _band_sources(raster: RasterFile, file: FileEntry) -> Iterator[tuple[str, _Source]]:
    entries = file.bands or tuple(BandEntry(None) for _ in raster.names)
    for position, entry in enumerate(entries, 1):
        number = _band_number(raster, entry.source, position)
        nodata = file.nodata if entry.nodata is FILE_NODATA else entry.nodata
        if nodata is FILE_NODATA:
            nodata = raster.nodata[number - 1]
        yield entry.name or raster.names[number - 1], _Source(raster, number, nodata)


def _band_number(raster: RasterFile, source: int | str | None, position: int) -> int:
    if isinstance(source, str):
        if source not in raster.names:
            raise InputError(f"{raster.path} has no band '{source}'; it has {', '.join(raster.names)}.")
        return raster.names.index(source) + 1
    number = position if source is None else source
    if not 1 <= number <= len(raster.names):
        raise InputError(f"{raster.path} has {len(raster.names)} bands; the manifest asks for band {number}.")
    return number


def outline(raster: RasterFile) -> BaseGeometry:
    """A raster's outline in longitude and latitude, its edges cut into pieces so that they follow the curve."""
    height, width = raster.shape
    corners = [(0, 0), (width, 0), (width, height), (0, height)]
    frame = shapely.Polygon([raster.transform * corner for corner in corners])
    found = project(frame, raster.crs, "EPSG:4326", OUTLINE_PIECES)
    return found if np.isfinite(found.bounds).all() else box(-180, -90, 180, 90)


def _check_layer(entry: AssetEntry) -> None:
    """Opens a table's file, whose rows are read when they are wanted.

    Raises:
        InputError: When it is no vector file, or does not have the layer.
    """
    import pyogrio
    from pyogrio.errors import DataSourceError

    try:
        layers = [str(name) for name in pyogrio.list_layers(entry.path)[:, 0]]
    except DataSourceError as error:
        raise InputError(f"Table '{entry.id}': {entry.path} cannot be read: {error}.") from error
    if not layers or entry.layer not in (None, *layers):
        wanted = "any layer" if entry.layer is None else f"a layer '{entry.layer}'"
        raise InputError(
            f"Table '{entry.id}': {entry.path} has not {wanted}; there are: {', '.join(layers) or 'none'}."
        )


def _read_table(entry: AssetEntry) -> tuple[list[Row], shapely.STRtree]:
    """Rows of a vector file, in longitude and latitude."""
    # Optional at run time: only folders with tables need it.
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError

    try:
        meta, _, geometries, columns = pyogrio.raw.read(entry.path, layer=entry.layer)
    except (DataLayerError, DataSourceError) as error:
        raise InputError(f"Table '{entry.id}': {entry.path} cannot be read: {error}.") from error
    shapes = shapely.from_wkb(geometries) if geometries is not None else [None] * len(columns[0])
    crs = meta["crs"] or "EPSG:4326"
    names = [str(name) for name in meta["fields"]]
    rows: list[Row] = []
    for number, shape in enumerate(shapes):
        lonlat = shape if shape is None or crs == "EPSG:4326" else project(shape, crs, "EPSG:4326", 1)
        values = {name: _plain(column[number]) for name, column in zip(names, columns, strict=True)}
        rows.append((f"{number:020x}", lonlat, {k: v for k, v in values.items() if v is not None}))
    return rows, shapely.STRtree([row[1] or shapely.Point() for row in rows])


def _plain(value: Value) -> Value:
    """A table's value as Earth Engine has it: dates in milliseconds, missing values None."""
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else int(value.astype("datetime64[ms]").astype(np.int64))
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and np.isnan(value):
        return None
    if isinstance(value, datetime):
        return to_ms(value if value.tzinfo else value.replace(tzinfo=timezone.utc))
    return value.isoformat() if isinstance(value, date) else value
