"""What Earth Engine is sent so that it takes a map as an asset: image manifests, made from the map's STAC collection.

Two ways. *Ingested*: Earth Engine copies the pixels; the blocks of one CRS become one image, and several CRSs a
collection of images. *Backed by COGs*: the pixels stay in the bucket; "using many COG tiles for a single band is not
supported" (guide "Cloud GeoTIFF-backed Earth Engine assets"), so that each block becomes an image of a collection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.composite import NAME as COMPOSITE
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.geometry import TileBlock
from rsbot_beam.geometry.tile import pixel_grid
from rsbot_beam.maps.styles import raster_path

MAX_SOURCES = 10_000
"""Files in a tileset of one manifest; more go into further images. Earth Engine's guides name no limit for them, but one
of 10 MiB for a request: with four rasters and the longest names 10,000 make 5 MiB."""

MANIFEST_FOLDER = "ee"
COLLECTION = "stac/collection.json"

_ASSET = re.compile(r"projects/[^/\s]+/assets/[\w-]+(?:/[\w-]+)*")
_OTHER_THAN_NAMES = re.compile(r"[^0-9A-Za-z_-]+")


@dataclass(frozen=True)
class UploadBand:
    """A band of the asset.

    Attributes:
        id: Its name there.
        raster: The map's raster that holds it: the id of the tileset.
        index: Its number in the raster's files, from 0.
        nodata: Pixels that are masked; None where the files say NaN, which JSON cannot.
        classes: (code, name, "RRGGBB") of each class; empty for quantities.
    """

    id: str
    raster: str
    index: int
    nodata: int | None
    classes: tuple[tuple[int, str, str], ...] = ()

    @property
    def policy(self) -> str:
        """How Earth Engine makes the coarser levels of its pyramid."""
        return "MODE" if self.classes else "MEAN"


@dataclass(frozen=True)
class MapFiles:
    """A finished map, as its STAC collection describes it.

    Attributes:
        blocks: Those that have files, ordered.
        bands: Bands of the asset.
        start: First moment that the map shows, RFC 3339.
        end: Moment after the last one.
        properties: What the collection's summaries say.
    """

    blocks: tuple[TileBlock, ...]
    bands: tuple[UploadBand, ...]
    start: str
    end: str
    properties: Mapping[str, Any]

    @property
    def rasters(self) -> list[str]:
        """Names of the rasters that bands come from, each once."""
        return list(dict.fromkeys(band.raster for band in self.bands))


@dataclass(frozen=True)
class Upload:
    """All that has to be sent for a map.

    Attributes:
        asset: Name of the image or collection.
        is_collection: Whether `asset` is a collection of the images, or the one image itself.
        cog_backed: Whether the pixels stay where they are.
        manifests: Of the images.
        properties: Of the collection.
    """

    asset: str
    is_collection: bool
    cog_backed: bool
    manifests: tuple[dict[str, Any], ...]
    properties: Mapping[str, Any]


def read_map(folder: str, rasters: Sequence[str] | None = None) -> MapFiles:
    """What a map's folder holds, from its STAC collection; each file is looked for.

    Args:
        folder: Of the map, local or `gs://`.
        rasters: Names of those to take; None takes all but the picture of the input.

    Raises:
        DatasetError: There is no collection, or a file that it names is missing.
        InputError: The map has no such raster, or none to take.
    """
    try:
        collection = json.loads(storage.read_text(storage.join(folder, COLLECTION)))
    except FileNotFoundError as error:
        raise DatasetError(
            f"{folder} holds no {COLLECTION}: it is no map, or `rsbot predict` has not finished it; run it again"
        ) from error
    assets = collection["item_assets"]
    unknown = sorted(set(rasters or ()) - set(assets))
    if unknown:
        raise InputError(f"the map {folder} has no raster {', '.join(unknown)}; it has {', '.join(assets)}")
    names = rasters or [name for name in assets if name != COMPOSITE]
    if not names:
        raise InputError(f"the map {folder} holds objects and no rasters: upload its detections as a table")
    chosen = {name: assets[name] for name in names}
    items = [link["href"] for link in collection["links"] if link["rel"] == "item"]
    blocks = tuple(sorted(TileBlock.parse(href.rsplit("/", 1)[-1].removesuffix(".json")) for href in items))
    _check_files(folder, blocks, list(chosen))
    start, end = collection["extent"]["temporal"]["interval"][0]
    # STAC's end is the last second; Earth Engine's endTime is, like a period's, the moment after.
    after = datetime.fromisoformat(end.replace("Z", "+00:00")) + timedelta(seconds=1)
    return MapFiles(
        blocks,
        tuple(_bands_of(chosen)),
        start,
        after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        _single_values(collection.get("summaries", {})),
    )


def _single_values(summaries: Mapping[str, Any]) -> dict[str, Any]:
    """Summaries that are the same for all blocks; Earth Engine's properties have no colons in their names."""
    single = {
        name: value[0]
        for name, value in summaries.items()
        if isinstance(value, list) and len(value) == 1 and not name.startswith("proj:")  # Earth Engine knows the CRS
    }
    return {name.replace(":", "_"): value for name, value in single.items() if isinstance(value, str | int | float)}


def _check_files(folder: str, blocks: Sequence[TileBlock], rasters: Sequence[str]) -> None:
    for name in rasters:
        found = {storage.name_of(file.path) for file in storage.list_files(storage.join(folder, name), ".tif")}
        missing = [block for block in blocks if f"{block}.tif" not in found]
        if missing:
            raise DatasetError(
                f"{len(missing)} of {len(blocks)} files are missing in {folder}, such as "
                f"{raster_path(name, missing[0])}: run `rsbot predict` again to make them"
            )


def _bands_of(assets: Mapping[str, Any]) -> Iterator[UploadBand]:
    for raster, asset in assets.items():
        classes = tuple(
            (item["value"], item["description"], item["color_hint"]) for item in asset.get("classification:classes", ())
        )
        listed = asset["raster:bands"]
        names = [raster] if len(listed) == 1 else [f"{raster}_{band['description']}" for band in listed]
        for index, (name, band) in enumerate(zip(_unique(names), listed, strict=True)):
            nodata = band.get("nodata")
            yield UploadBand(name, raster, index, nodata if isinstance(nodata, int) else None, classes)


def _unique(names: Sequence[str]) -> list[str]:
    """Names fit for Earth Engine, a number added where two become the same."""
    found: list[str] = []
    for name in names:
        plain = _OTHER_THAN_NAMES.sub("_", name).strip("_") or "band"
        found.append(plain if plain not in found else f"{plain}_{len(found)}")
    return found


def plan_upload(
    found: MapFiles,
    asset: str,
    uri_prefix: str,
    cog_backed: bool = False,
    properties: Mapping[str, Any] | None = None,
) -> Upload:
    """The manifests of a map.

    Args:
        found: The map.
        asset: `projects/<project>/assets/<name>`.
        uri_prefix: `gs://` folder in which Earth Engine finds the map's files.
        cog_backed: Whether the pixels stay there.
        properties: Further properties of all images.

    Raises:
        InputError: The asset's name or the folder cannot be used.
    """
    if not _ASSET.fullmatch(asset):
        raise InputError(
            f"{asset!r} is not the name of an asset: write projects/<project>/assets/<name>, of letters, digits, _ and -"
        )
    if not storage.is_gcs(uri_prefix):
        raise InputError(
            f"Earth Engine reads from Cloud Storage only, and {uri_prefix} is a local folder. Copy it with "
            f"`gcloud storage cp -r {uri_prefix} gs://<bucket>/` and name the copy with --cogs gs://<bucket>/<map>"
        )
    prefix = storage.join(uri_prefix, "")
    extra = {**found.properties, **(properties or {}), **_class_properties(found.bands)}
    groups = [(str(b), [b]) for b in found.blocks] if cog_backed else list(_images(found.blocks))
    is_collection = cog_backed or len(groups) > 1
    manifests = tuple(
        {
            "name": f"{asset}/{_OTHER_THAN_NAMES.sub('_', name)}" if is_collection else asset,
            "uriPrefix": prefix,
            "tilesets": [_tileset(raster, blocks) for raster in found.rasters],
            "bands": [_band(band, cog_backed) for band in found.bands],
            "startTime": found.start,
            "endTime": found.end,
            "properties": extra,
        }
        for name, blocks in groups
    )
    return Upload(asset, is_collection, cog_backed, manifests, extra)


def _images(blocks: Sequence[TileBlock]) -> Iterator[tuple[str, list[TileBlock]]]:
    """Blocks that make up an image, and its name: one pixel grid, and no more files than a manifest may list.

    All files of a tileset must have one CRS and one size of pixels (guide "Image manifest upload", "Tilesets").
    """
    for grid, members in groupby(sorted(blocks, key=pixel_grid), key=pixel_grid):
        listed = sorted(members)
        parts = [listed[start : start + MAX_SOURCES] for start in range(0, len(listed), MAX_SOURCES)]
        name = f"{grid[0].replace(':', '')}_{grid[1]:g}"
        for number, part in enumerate(parts):
            yield name if len(parts) == 1 else f"{name}_{number:03d}", part


def _tileset(raster: str, blocks: Sequence[TileBlock]) -> dict[str, Any]:
    return {"id": raster, "sources": [{"uris": [raster_path(raster, block)]} for block in blocks]}


def _band(band: UploadBand, cog_backed: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"id": band.id, "tilesetId": band.raster, "tilesetBandIndex": band.index}
    if cog_backed:  # nodata and overviews are those of the files
        return found
    found["pyramidingPolicy"] = band.policy
    if band.nodata is not None:
        found["missingData"] = {"values": [band.nodata]}
    return found


def _class_properties(bands: Sequence[UploadBand]) -> dict[str, Any]:
    """Values, names and colours under the names by which Earth Engine shows a band in its classes' colours."""
    found: dict[str, Any] = {}
    for band in bands:
        if band.classes:
            codes, names, colours = (list(part) for part in zip(*band.classes, strict=True))
            found |= {f"{band.id}_class_values": codes, f"{band.id}_class_names": names}
            found[f"{band.id}_class_palette"] = colours
    return found


def write_manifests(folder: str, upload: Upload) -> list[str]:
    """Write what will be sent into the map's folder `ee/`.

    A manifest of ingestion is a file as `earthengine upload image --manifest` takes it. Those of images backed by COGs,
    one for each block, are lines of one file.

    Returns:
        Paths of the files.
    """
    if upload.cog_backed:
        path = storage.join(folder, MANIFEST_FOLDER, "manifests_cog_backed.jsonl")
        storage.write_bytes(path, "".join(f"{json.dumps(manifest)}\n" for manifest in upload.manifests))
        return [path]
    paths = []
    for manifest in upload.manifests:
        name = f"manifest_{storage.name_of(manifest['name'])}.json" if upload.is_collection else "manifest.json"
        paths.append(storage.join(folder, MANIFEST_FOLDER, name))
        storage.write_bytes(paths[-1], json.dumps(manifest, indent=2) + "\n")
    return paths
