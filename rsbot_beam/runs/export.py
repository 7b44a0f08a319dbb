"""An export from beginning to end."""

from __future__ import annotations

import datetime
import importlib.util
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rsbot_beam import extras, leftovers, storage
from rsbot_beam.data.dataset_file import DATASET_FILE, read_dataset_file, write_dataset_file
from rsbot_beam.data.manifest import claim
from rsbot_beam.data.raw_store import raw_fingerprint
from rsbot_beam.errors import InputError
from rsbot_beam.geometry.units import resolution_in_metres, unit_of
from rsbot_beam.pages.shown import Shown
from rsbot_beam.runs.config import ExportConfig
from rsbot_beam.runs.dead_letters import check_dead_letters
from rsbot_beam.runs.intact import what_is_missing
from rsbot_beam.runs.plan import ExportPlan, plan_export

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from rsbot_beam.data.patch import Patch
    from rsbot_beam.runs.launch import DescribedJob

PREVIEW = "preview.png"
# Shards that are read for the contact sheet: what it shows is of so many places at most.
PREVIEW_SHARDS = 24
LOGGER = logging.getLogger("rsbot_beam")


@dataclass(frozen=True)
class ExportResult(Shown):
    """What an export made.

    Attributes:
        output: The dataset's folder.
        tiles: Numbers of tiles: asked, stored, empty, dead, train, validation, test. Empty where a job was only described.
        dataset: Content of `dataset.json`, or None where not all steps were asked for.
        was_complete: Whether it was there already, and nothing was done.
        described: The Dataflow job that was written to a template or only checked, and that ended the export.
    """

    output: str
    tiles: dict[str, int]
    dataset: dict[str, Any] | None = field(repr=False)
    was_complete: bool = False
    described: DescribedJob | None = None

    def _shown_at(self) -> str | None:
        return None if self.described else self.output


def run_export(config: ExportConfig, beam_flags: Sequence[str] = ()) -> ExportResult:
    """Make a dataset: fetch, analyse, transform. What an earlier run of the same export did is kept.

    Args:
        config: What to do.
        beam_flags: Flags for Beam.

    Raises:
        InputError: Something asked for cannot be done; says what, and how to ask.
        EarthEngineError: Earth Engine stopped the run; start the same command again to continue.
        LostTilesError: Tiles asked differ from stored + empty + dead.
        DeadLettersError: Tiles failed for good, and `allow_dead_letters` is off. The dataset is complete without them.
    """
    if config.steps != ("fetch",):
        extras.require(
            ("tensorflow", "tensorflow_transform"),
            "learning the preprocessing",
            "; or fetch now (--steps fetch), and start the rest where it is installed",
        )
    plan = plan_export(config)
    claim(config.output, plan.manifest())
    found = read_dataset_file(config.output)
    if found is not None and not found["tiles"]["dead"]:
        missing = what_is_missing(plan, found)
        if not missing:
            LOGGER.info("%s is complete: nothing to do", config.output)
            return ExportResult(config.output, found["tiles"], found, was_complete=True)
        LOGGER.warning(
            "%s was complete, but files of %s are gone or cut off: made again", config.output, ", ".join(missing)
        )
    leftovers.remove_leftovers(config.output)
    result = _run_or_describe(plan, beam_flags)
    if result.described is not None:
        return result
    check_dead_letters(config.output, result.tiles, plan.store.dead_letters(), config.allow_dead_letters)
    return result


def _run_or_describe(plan: ExportPlan, beam_flags: Sequence[str]) -> ExportResult:
    from rsbot_beam.runs.beam_options import pipeline_options
    from rsbot_beam.runs.dataflow import check_reachable, is_dataflow
    from rsbot_beam.runs.launch import JobDescribed

    LOGGER.info("%s: %s, from %s", plan.config.output, intention(plan), plan.config.endpoint.url)
    options = pipeline_options(beam_flags, plan.config.endpoint.max_requests)
    if is_dataflow(options):
        check_reachable(plan.config.endpoint, output=plan.config.output)
    try:
        return _run_steps(plan, options)
    except JobDescribed as end:
        return ExportResult(plan.config.output, {}, None, described=end.job)


def _run_steps(plan: ExportPlan, options: PipelineOptions) -> ExportResult:
    from rsbot_beam.runs import steps

    config = plan.config
    if "fetch" in config.steps:
        tally = steps.fetch_step(plan, options)
    else:
        tally = steps.fetched_before(plan)
    tiles = {"asked": tally.tiles, "stored": tally.stored, "empty": tally.empty, "dead": tally.dead}
    tiles |= {"train": tally.train, "validation": tally.validation, "test": tally.test}
    if config.steps == ("fetch",):
        return ExportResult(config.output, tiles, None)
    _check_splits(plan, tiles)
    from rsbot_beam.runs import learning_steps
    from rsbot_beam.runs.description import describe
    from rsbot_beam.runs.sampling import describe_samples

    files = plan.store.files()
    raw = raw_fingerprint(files)
    statistics = learning_steps.analyze_step(plan, options, files, raw)
    _warn_of_clipped_bands(plan, statistics)
    if "transform" not in config.steps:
        return ExportResult(config.output, tiles, None)
    tallies = learning_steps.transform_step(plan, options, files)
    dataset = describe(plan, tiles, statistics, {split: tally.to_dict() for split, tally in tallies.items()})
    dataset["sampling"] = describe_samples(plan)
    dataset["raw"] = {"files": len(files), "fingerprint": raw}
    _warn_of_unknown_classes(plan, dataset)
    _write_preview(plan, tiles)
    write_dataset_file(config.output, dataset)
    return ExportResult(config.output, tiles, dataset)


def intention(plan: ExportPlan) -> str:
    """What is to be made, in a line."""
    grid = plan.grid
    return (
        f"recipe {plan.recipe.name}, {plan.period}, tiles of {grid.patch_size} x {grid.patch_size} pixels of "
        f"{grid.resolution:g} {unit_of(grid.crs)} in {grid.crs}"
    )


def _write_preview(plan: ExportPlan, tiles: Mapping[str, int]) -> None:
    """A contact sheet of patches from all over the dataset, where matplotlib is installed."""
    if importlib.util.find_spec("matplotlib") is None:
        LOGGER.info("no %s: install rsbot-beam[views] for pictures", PREVIEW)
        return
    from rsbot_beam.views.choice import choose_patches
    from rsbot_beam.views.contact_sheet import contact_sheet, sheet_size

    files = plan.store.files()
    shards = [plan.store.patches(file.path) for file in files[:: math.ceil(len(files) / PREVIEW_SHARDS) or 1]]
    patches = choose_patches(shards, sheet_size(plan.layout))
    shown = [(plan.split.split_of(patch.key, patch.group), patch) for patch in patches]
    if shown:
        names = plan.recipe.step_names(plan.period)
        storage.write_bytes(
            storage.join(plan.config.output, PREVIEW), contact_sheet(shown, _preview_title(plan, tiles, shown), names)
        )


def _preview_title(plan: ExportPlan, tiles: Mapping[str, int], shown: Sequence[tuple[str, Patch]]) -> str:
    last = plan.period.end - datetime.timedelta(days=1)
    size, unit = plan.grid.patch_size, resolution_in_metres(shown[0][1].key.crs, plan.grid.resolution)
    return (
        f"{plan.recipe.name}, {plan.period.start} to {last}: {len(shown)} of {tiles['stored']} patches of {size} x {size} "
        f"pixels of {unit:.3g} m"
    )


def _warn_of_clipped_bands(plan: ExportPlan, statistics: Mapping[str, Any]) -> None:
    """Earth Engine clamps what does not fit into a band's type, in silence."""
    for band in plan.layout.inputs:
        most = np.iinfo(band.dtype).max if band.numpy.kind in "iu" else np.inf
        if statistics["bands"][band.name]["count"] and statistics["bands"][band.name]["quantiles"]["0.95"] >= most:
            LOGGER.warning(
                "band %s: one pixel in twenty or more is %d, the most that %s holds: larger values were clamped. Declare a "
                "wider dtype in the recipe, unless the asset itself has no more",
                band.name,
                most,
                band.dtype,
            )


def _warn_of_unknown_classes(plan: ExportPlan, dataset: Mapping[str, Any]) -> None:
    known = {item.code for item in plan.layout.classes}
    unknown = sorted(item["code"] for item in dataset["classes"] if item["code"] not in known)
    if known and unknown:
        LOGGER.warning(
            "the label holds codes that the recipe's classes do not name: %s", ", ".join(map(str, unknown[:20]))
        )


def _check_splits(plan: ExportPlan, tiles: dict[str, int]) -> None:
    if not tiles["stored"]:
        raise InputError(
            f"all {tiles['asked']} tiles are empty: the recipe {plan.recipe.name!r} has no valid pixel in the region "
            f"{plan.region.source!r} in {plan.period}. Check region, period and the recipe's masks"
        )
    if not tiles["train"]:
        raise InputError(
            f"none of the {tiles['stored']} stored tiles is in the train split, from which statistics are learnt: "
            f"{_more_splits(plan)}, or give a larger train share"
        )
    for split, share in zip(("train", "validation", "test"), plan.split.shares, strict=True):
        if share and not tiles[split]:
            LOGGER.warning("the %s split is empty: %s", split, _more_splits(plan))


def _more_splits(plan: ExportPlan) -> str:
    """How to have tiles in all partitions: samples that are linked are parted by groups, others by squares of ground."""
    if plan.is_sampled and plan.sampling.linked_within:
        return "draw more tiles, from a larger region, or use a smaller --link_distance"
    return "use a smaller --split_block or a larger region"


__all__ = ["DATASET_FILE", "ExportResult", "run_export"]
