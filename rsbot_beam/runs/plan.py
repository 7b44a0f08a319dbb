"""An export made concrete: region, grid, expression, and how its tiles are grouped into shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rsbot_beam.data.bands import Layout
from rsbot_beam.data.manifest import INFORMATION, VERSION, layout_to_dict, read_manifest
from rsbot_beam.data.period import Period
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.earthengine.pixels import MAX_REQUEST_BYTES, counted_bytes
from rsbot_beam.earthengine.source import PixelSource
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import Cover, Grid, Region, read_region, resolve_grid
from rsbot_beam.recipes import Recipe, load_recipe
from rsbot_beam.runs.config import ExportConfig

# Tiles a side of a shard at most: its header lists every tile, and a resumed run reads the headers.
MAX_SHARD_SIDE = 16


@dataclass(frozen=True)
class ExportPlan:
    """All that the steps of an export need, resolved and checked.

    Attributes:
        config: What was asked for.
        recipe: The recipe with its parameters.
        region: The region.
        cover: Which tiles of which grid belong to the region.
        layout: What a patch holds.
        source: What workers fetch, as text.
        split: Which partition a tile belongs to.
        shard_side: Tiles a side of a shard.
    """

    config: ExportConfig
    recipe: Recipe
    region: Region
    cover: Cover
    layout: Layout
    source: PixelSource
    split: SpatialSplit
    shard_side: int

    @property
    def grid(self) -> Grid:
        """The grid."""
        return self.cover.grid

    @property
    def period(self) -> Period:
        """The period."""
        return self.config.period

    @property
    def store(self) -> RawStore:
        """The folder of raw shards."""
        return RawStore(self.config.output, self.layout)

    def manifest(self) -> dict[str, Any]:
        """What identifies this export: equal for runs that may continue each other."""
        return {
            "version": VERSION,
            "recipe": {"name": self.recipe.name, "parameters": self.recipe.parameters()},
            "request": self.source.fingerprint,
            "layout": layout_to_dict(self.layout),
            "period": str(self.period),
            "region": self.region.fingerprint,
            "grid": {
                "crs": self.grid.crs,
                "resolution": self.grid.resolution,
                "patch_size": self.grid.patch_size,
                "origin": list(self.grid.origin),
                "rule": self.cover.rule,
                "shard_side": self.shard_side,
            },
            "split": {"shares": list(self.split.shares), "block": self.split.block},
            INFORMATION: {"recipe": self.config.recipe, "region": self.region.source},
        }


def plan_export(config: ExportConfig) -> ExportPlan:
    """Read the region, resolve the grid, run the recipe and have Earth Engine check it.

    Raises:
        InputError: Something asked for cannot be done; says what.
        EarthEngineError: Earth Engine cannot be reached.
    """
    from rsbot_beam.earthengine.session import initialize
    from rsbot_beam.recipes.sources import build_source

    recipe = load_recipe(config.recipe, config.settings)
    region = read_region(config.region, config.layer)
    resolution = config.resolution if config.resolution is not None else recipe.resolution
    grid = resolve_grid(
        region, crs=config.crs, resolution=resolution, patch_size=config.patch_size, origin=config.origin
    )
    cover = Cover(region, grid, config.rule)
    if next(iter(cover.tiles()), None) is None:
        raise InputError(f"no tile has its centre in the region {region.source!r}: use --tiles intersects")
    split = config.split(grid.crs)
    initialize(config.endpoint)
    layout, source = build_source(recipe, region, config.period)
    side = _shard_side(config, source)
    return ExportPlan(config, recipe, region, cover, layout, source, split, side)


def _shard_side(config: ExportConfig, source: PixelSource) -> int:
    """The side of the shards that are there, or the largest power of two whose square fits into one request."""
    manifest = read_manifest(config.output)
    if manifest is not None:
        return int(manifest["grid"]["shard_side"])
    side = 1
    while 2 * side <= MAX_SHARD_SIDE and _fits(2 * side * config.patch_size, config, source):
        side *= 2
    return side


def _fits(pixels: int, config: ExportConfig, source: PixelSource) -> bool:
    shape = (pixels, pixels)
    answer = pixels * pixels * sum(band.itemsize for band in source.bands)
    return answer <= block_bytes(config) and counted_bytes(shape, source.bands) <= MAX_REQUEST_BYTES


def block_bytes(config: ExportConfig) -> int:
    """Largest answer to ask for in one request, in bytes."""
    return int(config.block_mib * 2**20)
