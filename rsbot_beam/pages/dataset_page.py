"""The page of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.dataset_file import require_dataset_file
from rsbot_beam.data.manifest import layout_from_dict
from rsbot_beam.data.period import period_text
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.splits import SPLITS
from rsbot_beam.geometry.units import unit_of
from rsbot_beam.pages.dataset_classes import class_rows, dead_letter_rows
from rsbot_beam.pages.dataset_histograms import Values, histograms, legend_of, transformed_values
from rsbot_beam.pages.dataset_map import map_of_tiles
from rsbot_beam.pages.dataset_sample import read_sample
from rsbot_beam.pages.dataset_sheet import sheet_cells
from rsbot_beam.pages.dataset_tiles import read_tiles, split_of_dataset
from rsbot_beam.pages.page import PageOptions, css_colour, render


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
    layout = with_sound_colours(layout_from_dict(content["layout"]))
    store, split = RawStore(path, layout), split_of_dataset(content)
    tiles = read_tiles(store, split)
    sample = read_sample(store, tiles, split)
    splits = [name for name in SPLITS if content["splits"][name]["examples"]]
    names = step_names(content, layout)
    after, why = transformed_values(path, layout, splits) if options.examples else (Values(), "they were not asked for")
    footprints, notes = map_of_tiles(tiles, sample.classes_of_tiles)
    cells = sheet_cells(sample.sheet.chosen(), names)
    return render(
        "dataset.html.j2",
        f"Dataset {storage.name_of(path)}",
        data={"footprints": footprints},
        scripts=("dataset.js",),
        with_map=True,
        options=options,
        dataset=content,
        path=path,
        facts=facts(content),
        splits=splits,
        tiles=content["tiles"],
        notes=notes,
        balance=class_rows(content, splits),
        shortfalls=(content.get("sampling") or {}).get("shortfalls") or [],
        cells=cells,
        classes=classes_shown(content, cells),
        sample=sample,
        histograms=histograms(layout, sample.values, after),
        why_no_examples=why,
        splits_legend=legend_of(splits),
        series=sample.series.charts(names),
        variables=sample.series.variables() if layout.steps else [],
        dead=dead_letter_rows(store, content["tiles"]["dead"]),
    )


def with_sound_colours(layout: Layout) -> Layout:
    """A layout whose classes have colours that can be drawn: a recipe may say anything."""
    return replace(layout, classes=tuple(replace(item, colour=css_colour(item.colour)) for item in layout.classes))


def facts(content: dict[str, Any]) -> list[tuple[str, str]]:
    """The headline of a dataset."""
    grid, layout = content["grid"], content["layout"]
    steps = f", {layout['steps']} steps" if layout["steps"] else ""
    bands = ", ".join(band["name"] for band in (*layout["bands"], *layout["static"]))
    pixel = f"{grid['resolution']:g} {unit_of(grid['crs'])}"
    found = [
        ("Recipe", f"{content['recipe']['name']}: {content['recipe']['description']}"),
        ("Period", period_text(content["period"]) + steps),
        ("Grid", f"{grid['patch_size']} × {grid['patch_size']} pixels of {pixel} in {grid['crs']}"),
        ("Region", f"{content['region']['source']}, {content['region']['area_m2'] / 1e6:,.0f} km²"),
        ("Bands", bands),
    ]
    if content.get("sampling"):
        found.append(("Sampling", _sampling(content)))
    return found


def _sampling(content: dict[str, Any]) -> str:
    names = {f"class {item['code']}": item["name"] for item in content["classes"]}
    sampling = content["sampling"]
    kinds = ", ".join(f"{names.get(kind, kind)} {count}" for kind, count in (sampling.get("kinds") or {}).items())
    return f"{sampling['mode']}{'; tiles drawn for ' + kinds if kinds else ''}"


def step_names(content: dict[str, Any], layout: Layout) -> list[str]:
    """What the steps of a time series are called; numbers where the dataset does not say."""
    names = [str(name) for name in content.get("step_names") or ()]
    return names if len(names) == layout.steps else [f"step {n + 1}" for n in range(layout.steps)]


def classes_shown(content: dict[str, Any], cells: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Codes and names of the classes that the shown patches hold."""
    present = {code for cell in cells for code in cell["codes"].split("\u001f")}
    return [(str(item["code"]), item["name"]) for item in content["classes"] if str(item["code"]) in present]
