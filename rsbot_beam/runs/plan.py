"""An export made concrete: region, grid, expression, and how its tiles are grouped into shards."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from rsbot_beam import storage
from rsbot_beam.data.bands import Layout
from rsbot_beam.data.feature_index import FeatureIndex
from rsbot_beam.data.feature_records import FeatureRecords
from rsbot_beam.data.manifest import INFORMATION, VERSION, layout_to_dict, read_manifest
from rsbot_beam.data.period import Period
from rsbot_beam.data.raw_store import RawStore
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.earthengine.pixels import MAX_REQUEST_BYTES, counted_bytes
from rsbot_beam.earthengine.source import PixelSource
from rsbot_beam.errors import InputError
from rsbot_beam.geometry import Cover, Grid, Region, resolve_grid
from rsbot_beam.geometry.units import resolution_in_metres
from rsbot_beam.labels import Labeller
from rsbot_beam.labels.checks import check_classes
from rsbot_beam.recipes import Recipe, load_recipe
from rsbot_beam.runs.config import ExportConfig
from rsbot_beam.runs.features import point_attributes, read_label_features, read_points
from rsbot_beam.runs.given_files import region_of
from rsbot_beam.sampling import Points, SamplingSettings

# Tiles a side of a shard at most: its header lists every tile, and a resumed run reads the headers.
MAX_SHARD_SIDE = 16
FEATURES = "features"
# Tiles that are sampled may stick out of the region by half their side, and those of a grid by all of it.
MARGIN_TILES = 2


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
        records: The vector features that the recipe learns from, or None.
        points: The user's own points, where tiles are sampled around them.
    """

    config: ExportConfig
    recipe: Recipe
    region: Region
    cover: Cover
    layout: Layout
    source: PixelSource
    split: SpatialSplit
    shard_side: int
    records: FeatureRecords | None = None
    points: Points | None = None

    @property
    def grid(self) -> Grid:
        """The grid."""
        return self.cover.grid

    @property
    def period(self) -> Period:
        """The period."""
        return self.config.period

    @property
    def sampling(self) -> SamplingSettings:
        """Which tiles are taken."""
        return self.config.sampling

    @property
    def is_sampled(self) -> bool:
        """Whether tiles are drawn, instead of taking all."""
        return self.sampling.mode != "grid"

    @cached_property
    def features(self) -> FeatureIndex | None:
        """The vector features by place; written to the dataset's folder when first asked for."""
        if self.records is None:
            return None
        return FeatureIndex.build(storage.join(self.config.output, FEATURES), [self.records])

    @property
    def labeller(self) -> Labeller | None:
        """What makes labels of the vector features, on workers."""
        if self.features is None:
            return None
        return Labeller(self.features, self.layout.label.dtype if self.layout.label else "int32")

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
            "sampling": asdict(self.sampling),
            "features": self.records.fingerprint() if self.records is not None else None,
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
    from rsbot_beam.recipes.checks import require_recipe_assets
    from rsbot_beam.recipes.sources import build_source

    recipe = load_recipe(config.recipe, config.settings)
    region = region_of(config.region, config.layer)
    resolution = config.resolution if config.resolution is not None else recipe.resolution
    grid = resolve_grid(
        region, crs=config.crs, resolution=resolution, patch_size=config.patch_size, origin=config.origin
    )
    cover = Cover(region, grid, config.rule)
    if next(iter(cover.tiles()), None) is None:
        raise InputError(f"no tile has its centre in the region {region.source!r}: use --tiles intersects")
    split = config.split(grid.crs)
    points = read_points(config.sampling.points) if config.sampling.points else None
    initialize(config.endpoint)
    metres = grid_metres(grid)
    if read_manifest(config.output) is None:
        require_recipe_assets(recipe, region, config.period, metres, most=config.endpoint.max_requests)
    records = read_label_features(recipe.features(config.period), region, MARGIN_TILES * metres * grid.patch_size)
    layout, source = build_source(recipe, region, config.period)
    if records is not None:
        check_classes(records, layout)
    if points is not None:
        layout = replace(layout, attributes=point_attributes(points))
    side = _shard_side(config, source)
    return ExportPlan(config, recipe, region, cover, layout, source, split, side, records, points)


def grid_metres(grid: Grid) -> float:
    """Pixel size of a grid in metres; the UTM zones have all the same."""
    return grid.resolution if grid.is_utm else resolution_in_metres(grid.crs, grid.resolution)


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
