"""The map of a plan: a picture of its tiles or blocks, or a list of them for any program that draws maps."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from rsbot_beam import storage
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.corners import unwrapped
from rsbot_beam.geometry.lonlat import cut_at_antimeridian
from rsbot_beam.maps.geojson import rounded
from rsbot_beam.runs.plan_ground import Places, kinds_of, places_of, shards_of
from rsbot_beam.runs.plan_report import PlanReport
from rsbot_beam.runs.planned_export import PlannedExport
from rsbot_beam.runs.planned_map import PlannedMap

PICTURE, LIST = ".png", ".geojson"
# Tiles that are listed one by one: some 30 MB. Of more, the squares are listed in which they are stored.
MOST_LISTED = 100_000


def check_map_path(path: str | None) -> None:
    """Refuse a map that cannot be made, before anything is counted.

    Raises:
        InputError: The name says neither a picture nor a list.
    """
    if path is not None and not path.lower().endswith((PICTURE, LIST)):
        raise InputError(
            f"--map {path}: give a name that ends in {PICTURE} (a picture) or {LIST} (a list of the tiles)"
        )


def write_map(report: PlanReport, path: str) -> None:
    """Write the map, local or `gs://`, as its name ends.

    Raises:
        InputError: The name says neither a picture nor a list.
    """
    check_map_path(path)
    if path.lower().endswith(PICTURE):
        storage.write_bytes(path, picture_of(report))
        return
    with tempfile.TemporaryDirectory(prefix="rsbot-plan-", dir=None if storage.is_gcs(path) else _folder(path)) as temp:
        local = Path(temp) / "tiles"
        with local.open("w", encoding="utf-8") as file:
            file.writelines(geojson_lines(report))
        storage.publish(local, path)


def _folder(path: str) -> Path:
    """Where a local file is to be: a finished one is moved within a disk."""
    folder = Path(path).parent
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def picture_of(report: PlanReport) -> bytes:
    """A PNG of the tiles of an export, or the blocks of a map, and of the places that were tried."""
    from rsbot_beam.views.tiles_picture import DONE_COLOUR, PLAIN_COLOUR, SPLIT_COLOURS, Ground, Kind, tiles_picture

    planned, names = report.planned, kinds_of(report.planned)
    counts = _counts(report, names)
    colours = [SPLIT_COLOURS.get(name, DONE_COLOUR if index else PLAIN_COLOUR) for index, name in enumerate(names)]
    return tiles_picture(
        (Ground(places.lonlat(), places.kinds) for places in places_of(planned)),
        [Kind(*item) for item in zip(names, colours, counts, strict=True)],
        planned.plan.region.geometry,
        f"plan of rsbot {report.command}: {report.title}",
        tried=_tried(report),
        scattered=isinstance(planned, PlannedExport) and planned.samples is not None,
    )


def _counts(report: PlanReport, names: Sequence[str]) -> list[int]:
    """How many there are of each kind."""
    if isinstance(report.planned, PlannedMap):
        found = Counter(kind for places in places_of(report.planned) for kind in places.kinds.tolist())
        return [found[index] for index in range(len(names))]
    if report.splits is not None:
        return [report.splits.get(name, 0) for name in names]
    return [report.whole.tiles if report.exact else report.planned.plan.cover.count()]


def _tried(report: PlanReport) -> np.ndarray | None:
    """Longitude and latitude of the middles of the places that were tried, (n, 2)."""
    if report.trial is None:
        return None
    picks = report.planned.shards.pick(report.settings.sample_tiles)
    blocks = [report.planned.sample_body(pick) for pick in picks]
    middles = [block.geobox.extent.centroid.to_crs("EPSG:4326").coords[0] for block in blocks]
    return np.array(middles, float)


def geojson_lines(report: PlanReport) -> Iterator[str]:
    """A FeatureCollection, one feature a line (RFC 7946): tiles of an export with their split, blocks of a map."""
    planned, kinds = report.planned, kinds_of(report.planned)
    many = isinstance(planned, PlannedExport) and planned.samples is None and report.whole.tiles > MOST_LISTED
    chunks = shards_of(planned) if many and isinstance(planned, PlannedExport) else places_of(planned)
    yield '{"type": "FeatureCollection", "features": [\n'
    before = ""
    for places in chunks:
        for feature in _features(places, kinds, by_kind=not many):
            yield before + json.dumps(feature)
            before = ",\n"
    yield "\n]}\n"


def _features(places: Places, kinds: Sequence[str], by_kind: bool) -> Iterator[dict[str, Any]]:
    for name, corners, kind, tiles in zip(
        places.names(), places.lonlat(), places.kinds.tolist(), places.tiles.tolist(), strict=True
    ):
        properties = {"crs": places.crs, "tiles": tiles, **({"kind": kinds[kind]} if by_kind else {})}
        yield {"type": "Feature", "id": name, "geometry": _geometry(corners), "properties": properties}


def _geometry(corners: np.ndarray) -> dict[str, Any]:
    """A polygon, or two on both sides of the antimeridian; wound as RFC 7946 asks."""
    ring = np.column_stack([unwrapped(corners[None, :, 0])[0], corners[:, 1]])
    parts = cut_at_antimeridian(shapely.Polygon(ring)) if np.abs(ring[:, 0]).max() > 180 else [shapely.Polygon(ring)]
    wound = [shapely.geometry.polygon.orient(part) for part in parts]
    drawn = shapely.geometry.mapping(wound[0] if len(wound) == 1 else shapely.MultiPolygon(wound))
    return {"type": drawn["type"], "coordinates": rounded(drawn["coordinates"])}
