"""The page of a dataset."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.dataset_file import require_dataset_file
from rsbot_beam.data.manifest import layout_from_dict
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.splits import SPLITS
from rsbot_beam.pages.dataset_sample import Sample, read_sample
from rsbot_beam.pages.dataset_sheet import sheet_cells
from rsbot_beam.pages.dataset_tiles import GROUPS, Tiles, read_tiles, split_of_dataset
from rsbot_beam.pages.footprints import pack_footprints
from rsbot_beam.pages.outlines import outlines_near
from rsbot_beam.pages.page import PageOptions, render

# Tiles on the map: 27 bytes each in the page. Of more, every so many-th one is drawn.
MOST_FOOTPRINTS = 200_000


def page(path: str, options: PageOptions) -> str:
    """The page of a dataset as HTML.

    Args:
        path: Its folder, local or `gs://`.
        options: How pages are made.

    Raises:
        DatasetError: It is half-written or damaged.
        InputError: The extra `views` is not installed.
    """
    content = require_dataset_file(path)
    layout = layout_from_dict(content["layout"])
    store, split = RawStore(path, layout), split_of_dataset(content)
    tiles = read_tiles(store, split)
    sample = read_sample(store, tiles, split)
    footprints, notes = _footprints(tiles, sample)
    return render(
        "dataset.html.j2",
        f"Dataset {storage.name_of(path)}",
        data={"footprints": footprints},
        scripts=("dataset.js",),
        with_map=True,
        options=options,
        sections=[("tiles", "Tiles"), ("patches", "Patches")],
        dataset=content,
        path=path,
        facts=facts(content),
        splits=[name for name in SPLITS if content["splits"][name]["examples"]],
        groups=[name for name, count in Counter(GROUPS[g] for g in tiles.groups).items() if count],
        tiles=content["tiles"],
        notes=notes,
        classes=[(str(item["code"]), item["name"]) for item in content["classes"]],
        cells=sheet_cells(sample.sheet.chosen(), step_names(content, layout)),
        sample=sample,
    )


def facts(content: dict[str, Any]) -> list[tuple[str, str]]:
    """The headline of a dataset."""
    grid, period, layout = content["grid"], content["period"], content["layout"]
    last = datetime.date.fromisoformat(period["end"]) - datetime.timedelta(days=1)
    steps = f", {layout['steps']} steps" if layout["steps"] else ""
    bands = ", ".join(band["name"] for band in (*layout["bands"], *layout["static"]))
    found = [
        ("Recipe", f"{content['recipe']['name']}: {content['recipe']['description']}"),
        ("Period", f"{period['start']} to {last}{steps}"),
        ("Grid", f"{grid['patch_size']} × {grid['patch_size']} pixels of {grid['resolution']:g} in {grid['crs']}"),
        ("Region", f"{content['region']['source']}, {content['region']['area_m2'] / 1e6:,.0f} km²"),
        ("Bands", bands),
    ]
    if content.get("sampling"):
        found.append(("Sampling", _sampling(content["sampling"])))
    return found


def _sampling(sampling: dict[str, Any]) -> str:
    kinds = ", ".join(f"{name} {count}" for name, count in (sampling.get("kinds") or {}).items())
    return f"{sampling['mode']}{': ' + kinds if kinds else ''}"


def step_names(content: dict[str, Any], layout: Layout) -> list[str]:
    """What the steps of a time series are called."""
    names = [str(name) for name in content.get("step_names") or ()]
    return names if len(names) == layout.steps else [f"step {n + 1} of {layout.steps}" for n in range(layout.steps)]


def _footprints(tiles: Tiles, sample: Sample) -> tuple[dict[str, Any], list[str]]:
    """The data of the map, and what has to be said of it."""
    every = -(-len(tiles.keys) // MOST_FOOTPRINTS)
    keys, groups = tiles.keys[::every], tiles.groups[::every]
    found = pack_footprints(keys, groups)
    notes = [f"Only every {every}th of {len(tiles.keys):,} tiles is drawn."] if every > 1 else []
    if found.beyond:
        notes.append(
            f"{found.beyond:,} tiles lie around a pole or beyond 85.05° of latitude, where this map (Web Mercator) ends, "
            "and are not drawn."
        )
    names, numbers = _key_parts([keys[i] for i in found.shown])
    return {
        **found.packed,
        "styles": list(GROUPS),
        "view": {"bounds": found.bounds, "outlines": outlines_near(found.bounds)},
        "key_names": names,
        "key_numbers": numbers,
        "classes": {
            str(place): text
            for place, index in enumerate(found.shown.tolist())
            if (text := sample.classes_of_tiles.get(str(keys[index])))
        },
    }, notes


def _key_parts(keys: Sequence[Any]) -> tuple[list[str], list[int]]:
    """Texts of keys with their row and column cut out, each text once, and for each key its text, row and column."""
    texts: dict[str, int] = {}
    numbers = []
    for key in keys:
        text = str(key).replace(f"_r{key.row}_c{key.col}", "_r{row}_c{col}", 1)
        numbers += [texts.setdefault(text, len(texts)), key.row, key.col]
    return list(texts), numbers
