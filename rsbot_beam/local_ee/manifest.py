"""The manifest of a folder of rasters: which files become which assets. docs/local_earth_engine.md describes it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsbot_beam.errors import InputError
from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.temporal import parse_date
from rsbot_beam.local_ee.values import Value

NAME = "manifest.json"
VERSION = 1
_IMAGE_KEYS = {"type", "index", "file", "files", "bands", "nodata", "time_start", "time_end", "properties"}
_KEYS = {
    "IMAGE": _IMAGE_KEYS,
    "IMAGE_COLLECTION": {"type", "images", "properties"},
    "TABLE": {"type", "file", "layer", "properties"},
}
# Stands for "as the file says"; None in a manifest means that every value is valid.
FILE_NODATA = object()


@dataclass(frozen=True)
class BandEntry:
    """A band of an asset.

    Attributes:
        name: Its name, or None for the file's.
        source: Number from 1, or description, in the file; None = the next one.
        nodata: Value that is not valid, None for none, `FILE_NODATA` for the file's.
    """

    name: str | None
    source: int | str | None = None
    nodata: Any = FILE_NODATA


@dataclass(frozen=True)
class FileEntry:
    """A file of an image.

    Attributes:
        path: Where it is.
        bands: Its bands in order, or None for all of them.
        nodata: For bands that do not say it themselves.
    """

    path: Path
    bands: tuple[BandEntry, ...] | None
    nodata: Any


@dataclass(frozen=True)
class ImageEntry:
    """An image.

    Attributes:
        index: Its `system:index`.
        files: Where its bands are.
        properties: With `system:time_start` and `system:time_end` in ms where given.
    """

    index: str
    files: tuple[FileEntry, ...]
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class AssetEntry:
    """An asset.

    Attributes:
        id: Asset id.
        type: IMAGE, IMAGE_COLLECTION or TABLE.
        images: One for an image, any number for a collection.
        path: A table's file.
        layer: A table's layer, or None for the first.
        properties: The asset's own.
    """

    id: str
    type: str
    images: tuple[ImageEntry, ...] = ()
    path: Path | None = None
    layer: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)


def read_manifest(folder: Path) -> list[AssetEntry]:
    """The assets of a folder's `manifest.json`.

    Raises:
        InputError: When it is missing, no JSON, or not as described; the message names the place.
    """
    path = folder / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{folder} has no {NAME}: see docs/local_earth_engine.md for what it holds.") from error
    except (ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("assets"), dict):
        raise InputError(f'{path} must be {{"version": {VERSION}, "assets": {{id: {{...}}}}}}.')
    version = content.get("version", VERSION)
    if version != VERSION or isinstance(version, bool):
        raise InputError(f"{path} has version {version!r}; this program reads version {VERSION}.")
    _refuse_unknown(str(path), content, {"version", "assets"})
    return [_asset(folder, asset_id, entry) for asset_id, entry in content["assets"].items()]


def _asset(folder: Path, asset_id: str, entry: Value) -> AssetEntry:
    kind = entry.get("type") if isinstance(entry, dict) else None
    if kind not in _KEYS:
        raise InputError(f"Manifest of {folder}: asset '{asset_id}' needs a type, one of {', '.join(_KEYS)}.")
    where = f"Manifest of {folder}: asset '{asset_id}'"
    _refuse_unknown(where, entry, _KEYS[kind])
    properties = _typed(where, entry, "properties", dict, {})
    if kind == "TABLE":
        layer = None if entry.get("layer") is None else _typed(where, entry, "layer", str, None)
        return AssetEntry(asset_id, kind, (), existing(folder, where, entry.get("file")), layer, properties)
    if kind == "IMAGE":
        image = _image(folder, where, entry, asset_id.rsplit("/", 1)[-1])
        return AssetEntry(asset_id, kind, (image,), properties=image.properties)
    images = _typed(where, entry, "images", list, [])
    found = tuple(_image(folder, f"{where}, image {n}", image, str(n)) for n, image in enumerate(images))
    if len({image.index for image in found}) != len(found):
        raise InputError(f"{where}: the images need different indices.")
    return AssetEntry(asset_id, kind, found, properties=properties)


def _image(folder: Path, where: str, entry: Value, default_index: str) -> ImageEntry:
    if not isinstance(entry, dict):
        raise InputError(f"{where} is an object with a file, or files, not {entry!r}.")
    _refuse_unknown(where, entry, _IMAGE_KEYS)
    listed = _typed(where, entry, "files", list, [entry["file"]] if "file" in entry else [])
    if not listed:
        raise InputError(f"{where} needs a file, or files.")
    files = tuple(_file(folder, where, item, entry) for item in listed)
    named = Path(str(files[0].path)).stem if "type" not in entry else default_index
    index = _typed(where, entry, "index", (int, str), named)
    properties: dict[str, Any] = {"system:index": str(index), **_typed(where, entry, "properties", dict, {})}
    for key in ("time_start", "time_end"):
        if key in entry:
            properties[f"system:{key}"] = _ms(where, key, entry[key])
    return ImageEntry(str(index), files, properties)


def _file(folder: Path, where: str, item: Value, image: Mapping[str, Any]) -> FileEntry:
    if not isinstance(item, (str, dict)):
        raise InputError(f"{where}: a file is a name or an object with file, bands and nodata, not {item!r}.")
    given = {"file": item} if isinstance(item, str) else item
    _refuse_unknown(where, given, {"file", "bands", "nodata"})
    shared = _nodata(where, image, FILE_NODATA)
    bands = _typed(where, given, "bands", list, _typed(where, image, "bands", list, None) if "file" in image else None)
    entries = None if bands is None else tuple(_band(where, band) for band in bands)
    return FileEntry(existing(folder, where, given.get("file")), entries, _nodata(where, given, shared))


def _band(where: str, band: Value) -> BandEntry:
    if isinstance(band, str):
        return BandEntry(band)
    if not isinstance(band, dict):
        raise InputError(f"{where}: a band is a name or an object with name, source and nodata, not {band!r}.")
    _refuse_unknown(where, band, {"name", "source", "nodata"})
    name = _typed(where, band, "name", str, None)
    source = _typed(where, band, "source", (int, str), None)
    return BandEntry(name, source, _nodata(where, band, FILE_NODATA))


_WORDS = {dict: "an object", list: "a list", str: "a text", (int, str): "a number or a text"}


def _typed(where: str, entry: Mapping[str, Any], key: str, kind: Value, default: Value) -> Value:
    """The value of a key, which must be of a type (or several) of `_WORDS`; the default where the key is left out.

    Raises:
        InputError: When it is of another type.
    """
    if key not in entry:
        return default
    value = entry[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(f"{where}: {key} must be {_WORDS[kind]}, got {value!r}.")
    return value


def _nodata(where: str, entry: Mapping[str, Any], default: Value) -> Value:
    value = entry.get("nodata", default)
    if value is None or value is FILE_NODATA or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    raise InputError(f"{where}: nodata must be a number, or null for none, got {value!r}.")


def existing(folder: Path, where: str, name: Value) -> Path:
    """A file of the folder.

    Raises:
        InputError: When there is none of this name.
    """
    if name is None:
        raise InputError(f"{where} needs a file.")
    path = folder / str(name)
    if not path.is_file():
        raise InputError(f"{where}: the file {path} does not exist.")
    return path


def _ms(where: str, key: str, value: Value) -> int:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return int(value)
    try:
        return parse_date(str(value)).ms
    except RequestError as error:
        raise InputError(f"{where}: {key} is no ISO 8601 time: {value!r}.") from error


def _refuse_unknown(where: str, entry: Mapping[str, Any], known: set[str] | Sequence[str]) -> None:
    unknown = sorted(set(entry) - set(known))
    if unknown:
        raise InputError(f"{where}: unknown {unknown}; there are {', '.join(sorted(known))}.")
