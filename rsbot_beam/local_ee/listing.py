"""Listings of assets: the folders of a project, and the images of a collection by time and place."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from rsbot_beam.local_ee.answers import RequestError
from rsbot_beam.local_ee.catalog import Catalog, asset_id_of
from rsbot_beam.local_ee.encode_values import encode_value
from rsbot_beam.local_ee.filters import Filter
from rsbot_beam.local_ee.geometries import bbox_of, geometry_from_json
from rsbot_beam.local_ee.image import Image
from rsbot_beam.local_ee.protocol import describe_asset, iso_time
from rsbot_beam.local_ee.temporal import parse_date

# Assets of one page unless asked otherwise, and at most.
PAGE_SIZE = 1000

_TIME = re.compile(r'(startTime|endTime)\s*(>=|>|<=|<)\s*"([^"]+)"')
_PLACE = re.compile(r'intersects\("((?:[^"\\]|\\.)*)"\)')


def list_assets(catalog: Catalog, parent: str, query: Mapping[str, str]) -> dict[str, Any]:
    """The answer to `:listAssets` of a project, folder or collection.

    Args:
        catalog: The assets.
        parent: Resource name.
        query: `pageSize`, `pageToken` (number of the first), `filter` with startTime, endTime and intersects().

    Raises:
        RequestError: 404 when there is no such parent, 400 for a page or filter that is not understood.
    """
    size = min(int(query.get("pageSize") or PAGE_SIZE), PAGE_SIZE)
    start = int(query.get("pageToken") or 0)
    folder = asset_id_of(parent)
    if folder in catalog.asset_ids():
        entries = _members(catalog, parent, query.get("filter", ""), start, size)
    else:
        entries = _children(catalog, parent, folder)[start : start + size + 1]
    found: dict[str, Any] = {"assets": entries[:size]}
    if len(entries) > size:
        found["nextPageToken"] = str(start + size)
    return found


def _children(catalog: Catalog, parent: str, folder: str) -> list[dict[str, Any]]:
    prefix = "" if parent.count("/") == 1 and not folder.startswith("projects/") else folder.rstrip("/") + "/"
    if parent.count("/") == 1:
        prefix = f"{parent}/assets/"
    inside = [asset_id for asset_id in catalog.asset_ids() if asset_id.startswith(prefix)]
    root = parent if "/assets" in parent else f"{parent}/assets"
    return [describe_asset(catalog, f"{root}/{asset_id[len(prefix) :]}", full=False) for asset_id in inside]


def _members(catalog: Catalog, parent: str, condition: str, start: int, size: int) -> list[dict[str, Any]]:
    images = catalog.images(parent).filter(_condition(condition))
    return [
        _member(parent, image)
        for image in islice(images.iterate(), start, start + size + 1)
        if isinstance(image, Image)
    ]


def _member(parent: str, image: Image) -> dict[str, Any]:
    index = image.properties.get("system:index")
    found: dict[str, Any] = {"type": "IMAGE", "name": f"{parent}/{index}", "id": image.id}
    started = image.properties.get("system:time_start")
    if isinstance(started, (int, float)):
        found["startTime"] = iso_time(started)
    found["properties"] = {
        key: encode_value(value) for key, value in image.properties.items() if not key.startswith("system:")
    }
    return found


def _condition(text: str) -> Filter:
    """The filter of a listing's text.

    Raises:
        RequestError: Where a part of it is not understood.
    """
    rest = _PLACE.sub("", _TIME.sub("", text)).replace("AND", "").strip()
    if rest:
        raise RequestError(f"listAssets: the local Earth Engine does not understand this part of the filter: {rest}")
    start, end = None, None
    for _, sign, moment in _TIME.findall(text):
        ms = parse_date(moment).ms
        start, end = (ms, end) if sign.startswith(">") else (start, ms)
    found = Filter(
        lambda e: (
            (start is None or e.properties.get("system:time_start", 0) >= start)
            and (end is None or e.properties.get("system:time_start", 0) < end)
        ),
        times=(start, end),
    )
    place = _PLACE.search(text)
    if place is None:
        return found
    area = geometry_from_json(json.loads(place.group(1).replace("'", '"').replace('\\"', '"')))
    near = Filter(
        lambda e: isinstance(e, Image) and (e.footprint is None or bool(e.footprint.intersects(area.lonlat))),
        bbox=bbox_of(area.lonlat),
    )
    return found.both(near)
