"""The page of a map."""

from __future__ import annotations

import math
from contextlib import closing
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.composite import NAME as COMPOSITE
from rsbot_beam.data.period import period_text
from rsbot_beam.geometry.units import unit_of
from rsbot_beam.maps.detection_files import WORLD
from rsbot_beam.pages.lonlat import view_of
from rsbot_beam.pages.map_content import MapContent, class_rows
from rsbot_beam.pages.map_overlays import MOST_PICTURES, embedded_objects, object_pictures, overlays
from rsbot_beam.pages.outlines import outlines_near
from rsbot_beam.pages.page import PageOptions, render

LIVE_OBJECTS = 2_000
"""Objects that a window of the served map shows one by one; of more, how many there are where."""

# Metres on the ground along a pixel of a tile of 256 at zoom 0, at the equator.
_WORLD_PIXEL = 156_543.034
# Tiles are fetched until a pixel of the map is so many of theirs wide; from there on the browser enlarges them.
_FINEST = 8


def page(path: str, options: PageOptions) -> str:
    """The page of a map as HTML.

    Args:
        path: Its folder, local or `gs://`.
        options: How pages are made; a live one asks its server for tiles, values and objects, another holds pictures.

    Raises:
        InputError: It is half-made or damaged, or the extra `views` is not installed.
    """
    with closing(MapContent(path)) as content:
        data = _data(content, options)
        return render(
            "map.html.j2",
            f"Map {storage.name_of(path)}",
            data={"map": data},
            scripts=("objects.js", "map_page.js"),
            with_map=True,
            options=options,
            sections=_sections(content),
            path=path,
            facts=facts(content.run),
            tiles=content.run["tiles"],
            classes=class_rows(content.run),
            has_areas=any(item["hectares"] for item in content.run["classes"]),
            has_objects=content.objects is not None,
            object_count=len(content.objects) if content.objects is not None else 0,
            best=_best(content, data),
            layers=content.layers,
            lacks=_lacks(content, options),
            files=content.files(),
            files_at="files/" if options.live else "",
        )


def facts(run: dict[str, Any]) -> list[tuple[str, str]]:
    """The headline of a map."""
    grid, period = run["grid"], run["period"]
    pixel = f"{grid['resolution']:g} {unit_of(grid['crs'])}"
    return [
        ("Model", f"{run['model']['name']} ({run['model']['path']})"),
        ("Recipe", run["recipe"]["name"]),
        ("Period", period_text(period)),
        ("Region", f"{run['region']['source']}, {run['region']['area_m2'] / 1e6:,.0f} km²"),
        ("Grid", f"pixels of {pixel} in {grid['crs']}, tiles of {grid['tile_size']} pixels"),
        ("Made in", _made_in(run)),
    ]


def _made_in(run: dict[str, Any]) -> str:
    blocks = f"{run['blocks']:,} block{'' if run['blocks'] == 1 else 's'}"
    # Of a map without rasters the bytes are not counted.
    size = [f"{run['nbytes'] / 1e6:,.1f} MB"] if run["nbytes"] else []
    return ", ".join([f"{run['seconds']:,.0f} s", blocks, *size])


def _sections(content: MapContent) -> list[tuple[str, str]]:
    found = [("map-section", "Map")]
    if content.objects is not None:
        found.append(("objects", "Objects"))
    return [*found, ("about", "About")]


def _data(content: MapContent, options: PageOptions) -> dict[str, Any]:
    """What the page's scripts get."""
    west, south, east, north = content.bounds
    bounds = view_of(west, south, east, north)
    found = {
        "view": {"bounds": bounds, "outlines": outlines_near(bounds), "snap": 1 if options.live else 0.25},
        "layers": [layer.content() for layer in content.layers],
        "classes": [{"code": item.code, "name": item.name, "colour": item.colour} for item in content.classes],
        "objects": None if content.objects is None else {"count": len(content.objects)},
    }
    if options.live:
        has_picture = bool({COMPOSITE, "class"} & set(content.tiles.rasters))
        live = {
            "version": content.version,
            "limit": LIVE_OBJECTS,
            "finest": _finest_zoom(content),
            "patch": has_picture,
        }
        return found | {"live": live}
    found |= {"live": None, "overlays": overlays(content)}
    if content.objects is not None:
        embedded = embedded_objects(content.objects)
        pictures = object_pictures(content, embedded["features"])
        found["objects"] = {"count": len(content.objects), "features": embedded["features"], "pictures": pictures}
    return found


def _finest_zoom(content: MapContent) -> int:
    _, south, _, north = content.bounds
    metres = _WORLD_PIXEL * math.cos(math.radians((south + north) / 2))
    return max(0, min(22, math.ceil(math.log2(metres * _FINEST / content.resolution))))


def _best(content: MapContent, data: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of which there is a picture below the map, with its address; None for one without a picture."""
    if content.objects is None:
        return []
    if data["live"] is None:
        pictures = data["objects"]["pictures"]
        features = data["objects"]["features"][:MOST_PICTURES]
        return [f["properties"] | {"picture": pictures.get(str(f["properties"]["n"]))} for f in features]
    features = content.objects.collection(WORLD, MOST_PICTURES)["features"]
    drawn = data["live"]["patch"]
    numbered = ((f["properties"], f["properties"]["n"]) for f in features)
    return [p | {"picture": f"patch/{n}.png?v={content.version}" if drawn else None} for p, n in numbered]


def _lacks(content: MapContent, options: PageOptions) -> list[str]:
    """What the page could show and does not, and what to do about it."""
    found = []
    if COMPOSITE not in content.tiles.rasters:
        found.append(
            f"There is no picture of what the model saw: predict with --bands {_bands(content)}{COMPOSITE} to compare "
            "the map with it."
        )
    if not options.live and content.layers:
        finest = (
            "every zoom, and the probability of each class"
            if "probabilities" in content.tiles.rasters
            else "every zoom"
        )
        found.append(
            f"This page holds the map in fewer pixels. `rsbot view {content.root} --serve` shows it at {finest}."
        )
    return found


def _bands(content: MapContent) -> str:
    return "".join(f"{name}," for name in content.tiles.rasters if name != COMPOSITE)
