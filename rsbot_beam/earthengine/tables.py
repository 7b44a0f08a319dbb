"""Tables of Earth Engine as features, read page by page through the client of the main program."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import ee
import numpy as np

from rsbot_beam.earthengine.answers import REMEDY_PERMISSION
from rsbot_beam.errors import AuthenticationError, EarthEngineError, InputError
from rsbot_beam.geometry import Bbox
from rsbot_beam.geometry.crs import LONLAT
from rsbot_beam.geometry.features import Features, check_columns, cleaned, value_text
from rsbot_beam.geometry.geojson import shape_of

# Features of one page: what computeFeatures answers by default, and its largest page (ee.data.computeFeatures).
PAGE_SIZE = 1000
# Features after which the log says how far a download has come.
LOG_EVERY = 20_000

LOGGER = logging.getLogger("rsbot_beam")


def download_features(
    asset: str,
    bboxes: Sequence[Bbox] = (),
    columns: Sequence[str] | None = None,
    id_column: str | None = None,
) -> Iterator[Features]:
    """Reads the features of a table asset that lie in a region; `initialize` must have been called.

    Args:
        asset: Id of a table, such as "WRI/GPPD/power_plants" or "projects/NAME/assets/plants".
        bboxes: Where, (west, south, east, north) in degrees; west > east crosses the antimeridian. Empty for everywhere.
        columns: Properties to read; None for all.
        id_column: Property that names the features; by default their `system:index`.

    Returns:
        Chunks of up to `PAGE_SIZE` features in EPSG:4326, clean as `read_features` gives them; none, with a warning, where
        the table has no feature in the bboxes.

    Raises:
        InputError: There is no such asset, it is no table, or no feature has one of the columns.
        AuthenticationError: No permission.
        EarthEngineError: Earth Engine did not answer.
    """
    _check_table(asset)
    wanted = None if columns is None else list(dict.fromkeys([*columns, *([id_column] if id_column else [])]))
    whole = ee.FeatureCollection(asset)
    # One box after the other rather than with Filter.or, and before the properties are chosen: filterBounds of the asset
    # itself is what asks Earth Engine's index of places.
    tables = [whole.filterBounds(ee.Geometry.BBox(*bbox)) for bbox in bboxes] or [whole]
    tables = tables if wanted is None else [table.select(wanted) for table in tables]
    chunks = _chunks(asset, tables, wanted, id_column)
    first = next(chunks, None)
    if first is None:
        warnings.warn(f"the table {asset} has no feature in the region: do they overlap?", stacklevel=2)
        return iter(())
    return cleaned(chain([first], chunks), f"the table {asset}")


def _check_table(asset: str) -> None:
    try:
        info = ee.data.getAsset(asset)
    except ee.EEException as error:
        raise _translated(asset, error) from error
    if info.get("type") != "TABLE":
        raise InputError(
            f"the asset {asset} is no table but of type {info.get('type')}: label features come from a table, or from a "
            "vector file; a raster of classes is a label by itself"
        )


def _chunks(
    asset: str, tables: Sequence[ee.FeatureCollection], wanted: Sequence[str] | None, id_column: str | None
) -> Iterator[Features]:
    names: dict[str, None] = {}
    met: set[str] = set()
    count = 0
    for page in (page for table in tables for page in _pages(asset, table)):
        new = [feature for feature in page if feature.get("id") not in met] if len(tables) > 1 else page
        met.update(str(feature.get("id")) for feature in new)
        names.update({name: None for feature in new for name in feature.get("properties") or {}})
        yield _features(asset, new, list(names) if wanted is None else wanted, id_column)
        count += len(new)
        if count // LOG_EVERY > (count - len(new)) // LOG_EVERY:
            LOGGER.info("%s: %s features so far", asset, f"{count:,}")
    if count:
        check_columns(wanted or (), names, f"the table {asset}")


def _pages(asset: str, table: ee.FeatureCollection) -> Iterator[list[Mapping[str, Any]]]:
    request: dict[str, Any] = {"expression": table, "pageSize": PAGE_SIZE}
    while True:
        try:
            answer = ee.data.computeFeatures(request)
        except ee.EEException as error:
            raise _translated(asset, error) from error
        if answer.get("features"):
            yield answer["features"]
        token = answer.get("nextPageToken")
        if not token:
            return
        request["pageToken"] = token


def _features(asset: str, page: Sequence[Mapping[str, Any]], columns: Sequence[str], id_column: str | None) -> Features:
    members = [feature.get("geometry") for feature in page]
    geometries = np.empty(len(page), object)
    geometries[:] = [None if member is None else shape_of(dict(member), asset) for member in members]
    values = {name: [(feature.get("properties") or {}).get(name) for feature in page] for name in columns}
    ids = [str(feature.get("id", "")) for feature in page]
    if id_column:
        ids = [value_text(value) or name for value, name in zip(values[id_column], ids, strict=True)]
    return Features(asset, LONLAT, geometries, ids, values)


def _translated(asset: str, error: ee.EEException) -> Exception:
    text = str(error)[:500]
    words = text.lower()
    if any(said in words for said in ("not found", "does not exist", "did not match", "not a", "no such")):
        return InputError(
            f"Earth Engine has no table {asset!r} for you: {text} Correct the id, share the asset with your account, or give "
            "the path of a vector file"
        )
    if "permission" in words or "denied" in words:
        return AuthenticationError(f"Earth Engine denies permission to {asset}: {text} {REMEDY_PERMISSION}")
    return EarthEngineError(f"Earth Engine did not answer with the table {asset}: {text} Try again later.")
