"""Which tiles a run takes, where it does not take all: drawn once, before the fetch, and kept in the dataset's folder."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from typing import Any

import numpy as np
from apache_beam.options.pipeline_options import PipelineOptions

from rsbot_beam import storage
from rsbot_beam.data.manifest import release
from rsbot_beam.data.samples import Sample
from rsbot_beam.errors import DatasetError, InputError
from rsbot_beam.runs.beam_options import worker_processes
from rsbot_beam.runs.launch import progress, run_pipeline
from rsbot_beam.runs.plan import ExportPlan, grid_metres
from rsbot_beam.sampling import (
    Points,
    Selection,
    choose_stratified,
    feature_samples,
    group_samples,
    point_samples,
    random_samples,
    read_samples,
    write_samples,
)
from rsbot_beam.transforms.strata import CountStrata, StrataSettings, read_strata

SAMPLES = "samples.arrow"
STRATA = "totals/strata.json"
SHORTFALLS = "totals/sampling.json"
# Hard places drawn for each background tile that is to lie near one: many fall on features, or on each other.
PLACES_PER_TILE = 4
LOGGER = logging.getLogger("rsbot_beam")


def samples_path(plan: ExportPlan) -> str:
    """The file of the sampled tiles."""
    return storage.join(plan.config.output, SAMPLES)


def strata_path(plan: ExportPlan) -> str:
    """The file of the classes that stratified sampling has counted."""
    return storage.join(plan.config.output, STRATA)


def sample_step(plan: ExportPlan, options: PipelineOptions) -> tuple[Sample, ...]:
    """Draw the tiles of a run that samples; what an earlier run drew is kept.

    Raises:
        InputError: There is nothing to draw, or it cannot be drawn so.
        EarthEngineError: Earth Engine stopped it.
        JobDescribed: A job was not to be run now.
    """
    path = samples_path(plan)
    if storage.exists(path):
        return tuple(read_samples(path))
    try:
        drawn = draw(plan, options)
        samples = grouped(plan, drawn)
    except InputError:
        # Nothing was drawn: the corrected command may have the folder.
        if not plan.store.files():
            release(plan.config.output)
        raise
    for shortfall in drawn.shortfalls:
        LOGGER.warning("%s", shortfall)
    shortfalls = [{"what": item.what, "wanted": item.wanted, "found": item.found} for item in drawn.shortfalls]
    storage.write_bytes(storage.join(plan.config.output, SHORTFALLS), json.dumps(shortfalls))
    write_samples(path, samples)
    return tuple(samples)


def grouped(plan: ExportPlan, drawn: Selection) -> list[Sample]:
    """The samples with their groups, of which some must be there to learn from.

    Raises:
        InputError: Nothing was drawn, or nothing to learn from.
    """
    if not drawn.samples:
        raise InputError(
            f"--sampling {plan.sampling.mode} found no tile in the region {plan.region.source!r}"
            + "".join(f"; {shortfall}" for shortfall in drawn.shortfalls)
        )
    within = plan.sampling.linked_within
    samples = drawn.samples if within is None else group_samples(drawn.samples, within)
    splits = Counter(plan.split.split_of(sample.key, sample.group) for sample in samples)
    if not splits["train"] and plan.config.steps != ("fetch",):
        groups = len({sample.group for sample in samples})
        linked = f" in {groups} groups that stay together (--link_distance {within:g})" if within is not None else ""
        raise InputError(
            f"none of the {len(samples)} sampled tiles{linked} falls in the train split, from which statistics are learnt: "
            "give a larger region, more samples, a smaller --link_distance or --split_block, or all to one split with "
            "--split 100,0,0"
        )
    return samples


def describe_samples(plan: ExportPlan) -> dict[str, Any]:
    """How tiles were drawn, for `dataset.json`: settings, number of tiles by kind, and where it fell short."""
    found: dict[str, Any] = dict(plan.manifest()["sampling"])
    if plan.is_sampled:
        found["kinds"] = dict(sorted(Counter(sample.kind for sample in drawn_before(plan)).items()))
        found["shortfalls"] = json.loads(storage.read_text(storage.join(plan.config.output, SHORTFALLS)))
    return found


def drawn_before(plan: ExportPlan) -> tuple[Sample, ...]:
    """What an earlier run drew, for runs of the later steps alone.

    Raises:
        DatasetError: Nothing was drawn.
    """
    if not storage.exists(samples_path(plan)):
        raise DatasetError(f"{plan.config.output} has no samples yet: add the step fetch")
    return tuple(read_samples(samples_path(plan)))


def draw(plan: ExportPlan, options: PipelineOptions) -> Selection:
    """Draw the tiles of a run; what an earlier run counted is not counted again.

    Raises:
        InputError: They cannot be drawn so.
        EarthEngineError: Earth Engine stopped it.
        JobDescribed: A job was not to be run now.
    """
    settings = plan.sampling
    if settings.mode == "random":
        return random_samples(plan.cover, settings)
    if settings.mode == "points":
        return point_samples(plan.cover, plan.points or Points(np.empty(0), np.empty(0)), settings)
    if settings.mode == "features":
        return _draw_features(plan)
    return _draw_strata(plan, options)


def _draw_features(plan: ExportPlan) -> Selection:
    if plan.features is None:
        raise InputError(
            f"--sampling features needs vector features, and the recipe {plan.recipe.name!r} has none: choose another "
            "sampling, or a recipe with labels from vector features (`rsbot recipes`)"
        )
    places = plan.features.places()
    return feature_samples(plan.cover, places, plan.sampling, _hard_places(plan, len(places)))


def _hard_places(plan: ExportPlan, features: int) -> np.ndarray:
    """Places that look like what is searched, (n, 2) degrees."""
    from rsbot_beam.earthengine.drawing import draw_places
    from rsbot_beam.recipes.sources import hard_background, region_boxes

    settings = plan.sampling
    wanted = math.ceil((settings.count or features) * settings.background * settings.hard)
    image = hard_background(plan.recipe, plan.region, plan.period) if wanted else None
    if image is None:
        return np.empty((0, 2))
    side = grid_metres(plan.grid) * plan.grid.patch_size
    return draw_places(
        image, region_boxes(plan.region), wanted * PLACES_PER_TILE, plan.region.area_m2, side / 16, settings.seed
    )


def _draw_strata(plan: ExportPlan, options: PipelineOptions) -> Selection:
    from rsbot_beam.recipes.sources import build_stratum

    settings = plan.sampling
    path = strata_path(plan)
    if not storage.exists(path):
        strata = StrataSettings(
            endpoint=plan.config.endpoint.share(worker_processes(options)),
            source=build_stratum(plan.recipe, plan.layout, plan.region, plan.period),
            cover=plan.cover,
            per_class=settings.required_count,
            min_share=settings.min_share,
            seed=settings.seed,
        )
        with progress("sample", plan.cover.count(), "tiles", options):
            run_pipeline("sample", options, lambda pipeline: pipeline | "Strata" >> CountStrata(strata, path))
    found = read_strata(path)
    if found.unseen:
        LOGGER.warning("%d tiles could not be looked at, and were not drawn", found.unseen)
    names = {item.code: item.name for item in plan.layout.classes}
    return choose_stratified(found, names, overlap=settings.overlap)
