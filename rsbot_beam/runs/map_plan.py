"""A map made concrete: the model's recipe over another region and period, and how tiles are grouped into blocks."""

from __future__ import annotations

import datetime
import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.bands import LabelClass, Layout
from rsbot_beam.data.composite import NAME as COMPOSITE
from rsbot_beam.data.composite import Composite
from rsbot_beam.data.manifest import INFORMATION, MAP_FILE, layout_from_dict, layout_to_dict, read_manifest
from rsbot_beam.data.map_layout import MapLayout
from rsbot_beam.data.model_file import MODEL_FILE, SAVED_MODEL, model_classes, require_model_file
from rsbot_beam.data.period import Period
from rsbot_beam.data.stitching import Seams
from rsbot_beam.earthengine.pixels import fits
from rsbot_beam.earthengine.source import PixelSource
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import Cover, Grid, Region, resolve_grid
from rsbot_beam.geometry.crs import is_geographic
from rsbot_beam.geometry.units import METRES_PER_DEGREE, resolution_in_metres
from rsbot_beam.maps.styles import RasterStyle, map_styles
from rsbot_beam.recipes import Recipe
from rsbot_beam.recipes.of_model import described_recipe
from rsbot_beam.runs.given_files import region_of
from rsbot_beam.runs.map_config import MAX_BLOCK_SIDE, PredictConfig
from rsbot_beam.runs.plan import grid_metres
from rsbot_beam.transforms.shard_requests import answer_bytes

VERSION = 1
# Files of a SavedModel that say which one it is.
_IDENTITY = ("saved_model.pb", "variables/variables.index")
# Bytes of a block's pixels: the larger a block, the fewer pixels of its margin are fetched for each of its own; some
# blocks are in memory at a time, on machines with 3 GB for a process.
MAX_BLOCK_BYTES = 160_000_000
# Bytes of a tile with its overlap: with more, such processes end in the middle of the map, without a word.
MAX_TILE_BYTES = 1_000_000_000
# Bytes of a block's probabilities, float32 for each class, which are held whole until its classes are taken.
MAX_PROBABILITY_BYTES = 256_000_000
# Blocks that a process may have received and not yet predicted, so that the model never waits for pixels.
BLOCKS_AHEAD = 2.5
MIN_RECEIVE_BYTES = 64_000_000
LOGGER = logging.getLogger("rsbot_beam")


@dataclass(frozen=True)
class MapPlan:
    """All that the steps of a map need, resolved and checked.

    Attributes:
        config: What was asked for.
        model: Content of the model's `model.json`.
        fingerprint: Of the model's files.
        recipe: The model's, with its parameters.
        region: The region.
        period: The period.
        cover: Which tiles of which grid belong to the region.
        layout: What a patch holds.
        source: What workers fetch, as text.
        map: What is made of it.
        side: Tiles a side of a block.
    """

    config: PredictConfig
    model: Mapping[str, Any]
    fingerprint: str
    recipe: Recipe
    region: Region
    period: Period
    cover: Cover
    layout: Layout
    source: PixelSource
    map: MapLayout
    side: int

    @property
    def grid(self) -> Grid:
        """The grid."""
        return self.cover.grid

    @property
    def saved_model(self) -> str:
        """Folder of the SavedModel."""
        return storage.join(self.config.model, SAVED_MODEL)

    @property
    def name(self) -> str:
        """What the map is called, as ids have it."""
        return f"{self.recipe.name}-{self.model['model']['name']}-{self.period.start}-{self.period.end}"

    @property
    def styles(self) -> dict[str, RasterStyle]:
        """The rasters that are written, by name."""
        known = map_styles(self.map.classes) if self.map.bands else {}
        return {name: known[name] for name in self.map.bands}

    @property
    def receive_bytes(self) -> int:
        """What a process may have received and not yet predicted."""
        return max(MIN_RECEIVE_BYTES, int(BLOCKS_AHEAD * _padded_bytes(self.side, self.map.seams, self.source)))

    def manifest(self) -> dict[str, Any]:
        """What identifies this map: equal for runs that may continue each other."""
        return {
            "version": VERSION,
            "model": self.fingerprint,
            "request": self.source.fingerprint,
            "layout": layout_to_dict(self.layout),
            "period": str(self.period),
            "region": self.region.fingerprint,
            "grid": {
                "crs": self.grid.crs,
                "resolution": self.grid.resolution,
                "tile_size": self.grid.patch_size,
                "overlap": self.map.seams.overlap,
                "origin": list(self.grid.origin),
                "rule": self.cover.rule,
                "block_side": self.side,
                # Only where it is so: maps of one CRS are the same as before it could be, and are continued.
                **({"zoned": True} if self.map.zoned else {}),
            },
            "bands": list(self.map.bands),
            "polygons": list(self.map.polygons),
            "least_score": self.map.least_score,
            "objects": {"min_pixels": self.config.min_pixels, "geometry": self.config.geometry},
            INFORMATION: {"model": self.config.model, "region": self.region.source},
        }


def plan_map(config: PredictConfig) -> MapPlan:
    """Read the model and the region, run the model's recipe and have Earth Engine check it.

    Raises:
        InputError: Something asked for cannot be done; says what.
        EarthEngineError: Earth Engine cannot be reached.
    """
    from rsbot_beam.earthengine.session import initialize
    from rsbot_beam.recipes.checks import require_recipe_assets
    from rsbot_beam.recipes.sources import build_source

    model = require_model_file(config.model)
    fingerprint = model_fingerprint(config.model)
    recipe = described_recipe(model["recipe"], config.recipe)
    period = map_period(config, model)
    region = region_of(config.region, config.layer)
    seams = seams_of(config, model)
    grid = _grid(config, model, region)
    cover = Cover(region, grid, config.rule)
    if next(iter(cover.tiles()), None) is None:
        raise InputError(f"no tile has its centre in the region {region.source!r}: use --tiles intersects")
    _check_steps(recipe, period, model)
    initialize(config.endpoint)
    if read_manifest(config.output, MAP_FILE) is None:
        require_recipe_assets(
            recipe, region, period, grid_metres(grid), labels=False, most=config.endpoint.max_requests
        )
    layout, source = build_source(recipe, region, period, labels=False)
    _check_layout(layout, model)
    # The rule "centre" leaves out tiles along a zone's edge, in trust that those of the next zone cover their ground.
    made = replace(map_layout(config, model, seams), zoned=grid.is_utm and config.rule == "intersects")
    _check_tile(seams, source)
    side = _block_side(config, made, source)
    return MapPlan(config, model, fingerprint, recipe, region, period, cover, layout, source, made, side)


def model_fingerprint(root: str) -> str:
    """Changes with a model's description, graph and weights; 16 hexadecimal digits.

    Raises:
        InputError: The SavedModel is not there.
    """
    folder = storage.join(root, SAVED_MODEL)
    # The index of the weights has a checksum of each.
    lacking = [name for name in _IDENTITY if not storage.exists(storage.join(folder, name))]
    if lacking:
        raise InputError(
            f"the model in {root} is not whole: {folder} lacks {', '.join(map(storage.name_of, lacking))}. Copy the whole "
            "folder of the model again, or train it again"
        )
    paths = [storage.join(root, MODEL_FILE), *(storage.join(folder, name) for name in _IDENTITY)]
    contents = [storage.read_bytes(path) for path in paths]
    return hashlib.sha256(b"".join(contents)).hexdigest()[:16]


def map_period(config: PredictConfig, model: Mapping[str, Any]) -> Period:
    """The days to look at: those asked for, or the model's own days in another year.

    Raises:
        InputError: The year is none that satellites have seen.
    """
    if config.period is not None:
        return config.period
    year = int(config.year or 0)
    Period.year(year)
    learnt = Period(*(datetime.date.fromisoformat(model["period"][end]) for end in ("start", "end")))
    later = year - learnt.start.year
    return Period(_moved(learnt.start, later), _moved(learnt.end, later))


def _moved(day: datetime.date, years: int) -> datetime.date:
    """The same day of another year; the 29th of February becomes the 1st of March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return datetime.date(day.year + years, 3, 1)


def seams_of(config: PredictConfig, model: Mapping[str, Any]) -> Seams:
    """How patches overlap.

    Raises:
        InputError: The tile size does not fit the model's cells.
    """
    field = model["receptive_field"]
    multiple = int(field["multiple"])
    if config.tile_size % multiple:
        near = max(1, round(config.tile_size / multiple)) * multiple
        raise InputError(
            f"tile_size={config.tile_size} must be a multiple of {multiple}, the pixels of the model's coarsest cells: "
            f"give {near}"
        )
    asked = int(model["overlap"]) if config.overlap is None else config.overlap
    # Patches that are not shifted by whole cells do not predict the same.
    overlap = math.ceil(asked / multiple) * multiple
    seams = Seams.of(config.tile_size, overlap, field["radius"])
    if not seams.is_exact:
        why = "all pixels of a patch" if field["radius"] is None else f"pixels up to {field['radius']} away"
        LOGGER.warning(
            "predictions depend on %s, more than the overlap of %d pixels: where tiles meet they are faded into each other",
            why,
            overlap,
        )
    return seams


def _grid(config: PredictConfig, model: Mapping[str, Any], region: Region) -> Grid:
    learnt = model["grid"]
    metres = float(learnt["resolution"])
    if learnt["crs"] != "utm":
        metres = resolution_in_metres(learnt["crs"], metres)
    resolution = config.resolution
    if resolution is None:
        geographic = config.crs.lower() not in ("auto", "utm") and is_geographic(config.crs)
        resolution = metres / METRES_PER_DEGREE if geographic else metres
    origin = tuple(learnt["origin"]) if config.crs == learnt["crs"] else (0.0, 0.0)
    grid = resolve_grid(region, crs=config.crs, resolution=resolution, patch_size=config.tile_size, origin=origin)
    now = grid_metres(grid)
    if abs(now / metres - 1) > 0.05:
        LOGGER.warning("the model was trained at %.3g m, the map is made at %.3g m", metres, now)
    return grid


def _check_steps(recipe: Recipe, period: Period, model: Mapping[str, Any]) -> None:
    learnt, now = int(model["layout"]["steps"]), recipe.steps(period)
    if learnt != now:
        was = f"{model['period']['start']},{model['period']['end']}"
        raise InputError(
            f"the model takes {learnt} steps in time, as in its period {was}, but {period} has {now}: give a --period of "
            "the same length, or --year for the same days of another year"
        )


def _check_layout(layout: Layout, model: Mapping[str, Any]) -> None:
    learnt = layout_from_dict(model["layout"]).of_inputs()
    for kind, ours, theirs in (("bands", layout.bands, learnt.bands), ("static bands", layout.static, learnt.static)):
        named = [(band.name, band.dtype) for band in ours], [(band.name, band.dtype) for band in theirs]
        if named[0] != named[1]:
            raise InputError(
                f"the recipe's {kind} are {named[0]}, but the model was trained with {named[1]}: use the version of the "
                "recipe that it was trained with"
            )


def map_layout(config: PredictConfig, model: Mapping[str, Any], seams: Seams) -> MapLayout:
    """What the map holds.

    Raises:
        InputError: A class is unknown, or rasters or polygons are asked of a detection.
    """
    classes = model_classes(model)
    task = str(model["task"])
    if task == "detection" and config.polygons:
        raise InputError("--polygons are made of a segmentation; this model detects objects, which become boxes")
    composite = Composite.of(layout_from_dict(model["layout"]), model.get("bands", ()))
    usual = (*(("class",) if task == "segmentation" else ()), *((COMPOSITE,) if composite else ()))
    bands = usual if config.bands is None else config.bands
    if COMPOSITE in bands and composite is None:
        raise InputError("the model does not say what values its bands have, which a composite needs: train it again")
    polygons = _codes(config.polygons, classes)
    return MapLayout(
        task, classes, seams, bands, polygons, config.least_score if task == "detection" else 0.0, composite
    )


def _codes(names: Sequence[str], classes: Sequence[LabelClass]) -> tuple[int, ...]:
    known = {item.name: item.code for item in classes}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise InputError(f"the model has no class {unknown}: it has {', '.join(known)}")
    return tuple(known[name] for name in names)


def _block_side(config: PredictConfig, made: MapLayout, source: PixelSource) -> int:
    """That asked for, or that of the blocks that are there, or the largest power of two whose pixels are not too many."""
    if config.block_side:
        return config.block_side
    manifest = read_manifest(config.output, MAP_FILE)
    if manifest is not None:
        return int(manifest["grid"]["block_side"])
    side = 1
    while 2 * side <= MAX_BLOCK_SIDE and _fits_in_memory(2 * side, made, source):
        side *= 2
    if not fits((1, 1), source):
        raise InputError(
            "the recipe has more bands than Earth Engine answers at once: use fewer, or fewer steps in time"
        )
    return side


def _fits_in_memory(side: int, made: MapLayout, source: PixelSource) -> bool:
    numbers = len(made.classes) if made.task == "segmentation" else 0
    probabilities = 4 * numbers * (side * made.seams.size) ** 2
    pixels = _padded_bytes(side, made.seams, source)
    return pixels <= MAX_BLOCK_BYTES and probabilities <= MAX_PROBABILITY_BYTES


def _check_tile(seams: Seams, source: PixelSource) -> None:
    nbytes = _padded_bytes(1, seams, source)
    if nbytes > MAX_TILE_BYTES:
        raise InputError(
            f"a tile of {seams.size} pixels with an overlap of {seams.overlap} on each side takes {nbytes / 1e9:.1f} GB of "
            f"pixels, more than {MAX_TILE_BYTES / 1e9:g} GB: use a smaller --tile_size or --overlap"
        )


def _padded_bytes(side: int, seams: Seams, source: PixelSource) -> int:
    pixels = side * seams.size + 2 * seams.overlap
    return answer_bytes(source, (pixels, pixels))
