"""What a map is asked to be."""

from __future__ import annotations

from dataclasses import dataclass, field

from rsbot_beam import storage
from rsbot_beam.data.period import Period
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import InputError
from rsbot_beam.runs.config import DEFAULT_BLOCK_MIB, MAX_BLOCK_MIB

# Tiles a side of a block at most: 2,048 pixels with tiles of 256, a COG of some megabytes.
MAX_BLOCK_SIDE = 8
GEOMETRIES = ("box", "point")


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """One map.

    Attributes:
        model: Folder of a model of `rsbot train`, local or `gs://`.
        region: Text or path that `geometry.read_region` reads.
        layer: Layer of a vector file, or None for its only or first one.
        year: Calendar year: the model's period is moved there; or None.
        period: Days to look at, or None where there is a year.
        output: Folder of the map, local or `gs://`.
        recipe: Python file of the user's own recipe that the model was trained with, or None for a built-in one.
        crs: "EPSG:n", "utm" or "auto".
        resolution: Pixel size in units of the CRS; None takes the one that the model was trained at.
        tile_size: Pixels per side of a tile; patches have the overlap in addition.
        overlap: Pixels on each side of a tile that are fetched and predicted with it, or None for what the model needs.
        rule: Which tiles belong to the region: "intersects" or "centre".
        bands: Which rasters are written, of `data.map_layout.MAP_BANDS`; None: `class` of a segmentation, and `composite`.
        polygons: Names of the classes of a segmentation that become polygons.
        min_pixels: Polygons of fewer pixels are left out.
        geometry: What vector files hold of an object: "box", its outline, or "point", its centre.
        least_score: Objects of a detection below are not kept.
        batch_size: Patches in a call of the model; 0 chooses by their size.
        endpoint: Earth Engine, with the budget of the whole job.
        block_side: Tiles a side of a block, a power of two; 0 takes as many as memory allows, at most 8.
        block_mib: Largest answer to ask for in one request, in MiB.
        allow_dead_letters: Whether a run with dead letters is a success.
    """

    model: str
    region: str
    output: str
    year: int | None = None
    period: Period | None = None
    layer: str | None = None
    recipe: str | None = None
    crs: str = "auto"
    resolution: float | None = None
    tile_size: int = 256
    overlap: int | None = None
    rule: str = "intersects"
    bands: tuple[str, ...] | None = None
    polygons: tuple[str, ...] = ()
    min_pixels: int = 4
    geometry: str = "box"
    least_score: float = 0.3
    batch_size: int = 0
    endpoint: Endpoint = field(default_factory=Endpoint.from_env)
    block_side: int = 0
    block_mib: float = DEFAULT_BLOCK_MIB
    allow_dead_letters: bool = False

    def __post_init__(self) -> None:
        storage.check_folder(self.output)
        if (self.year is None) == (self.period is None):
            raise InputError("give either --year 2023 or --period 2023-04-01,2023-10-01")
        if self.block_side & (self.block_side - 1) or not 0 <= self.block_side <= MAX_BLOCK_SIDE:
            raise InputError(f"block_side={self.block_side} must be a power of two up to {MAX_BLOCK_SIDE}, or 0")
        if not 0 < self.block_mib <= MAX_BLOCK_MIB:
            raise InputError(
                f"block_mib={self.block_mib} must be above 0 and at most {MAX_BLOCK_MIB:g}: Earth Engine answers no more"
            )
        for name, least in (("tile_size", 1), ("batch_size", 0), ("overlap", 0), ("min_pixels", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name}={value} must be {least} or more")
        if self.geometry not in GEOMETRIES:
            raise InputError(f"geometry={self.geometry!r} is not one of {', '.join(GEOMETRIES)}")
        if not 0 <= self.least_score <= 1:
            raise InputError(f"min_score={self.least_score} must be within 0..1")
        if not self.output:
            raise InputError("output is empty: name a folder for the map")
