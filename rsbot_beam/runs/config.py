"""What an export is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rsbot_beam import storage
from rsbot_beam.data.period import Period
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import InputError
from rsbot_beam.sampling import SamplingSettings

STEPS = ("fetch", "analyze", "transform")
# A block of 4 x 4 tiles of 128 x 128 x (6 x uint16 + uint8) and its flags is 3.7 MB: large enough that 40 requests of
# half a second fetch ten times what single tiles would, small enough that Earth Engine computes it in seconds.
DEFAULT_BLOCK_MIB = 8.0
MAX_BLOCK_MIB = 48.0


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """One export.

    Attributes:
        recipe: Name of a built-in recipe, or path of a Python file.
        settings: Parameters of the recipe, as text.
        region: Text or path that `geometry.read_region` reads.
        layer: Layer of a vector file, or None for its only or first one.
        period: Days to look at.
        output: Folder of the dataset, local or `gs://`.
        crs: "EPSG:n", "utm" or "auto".
        resolution: Pixel size in units of the CRS; None takes the recipe's.
        patch_size: Pixels per side.
        origin: Corner that the grid hangs from, in units of the CRS.
        rule: Which tiles belong to the region: "intersects" or "centre".
        sampling: Which tiles are taken: all, or some that are drawn.
        shares: Train, validation and test.
        split_block: Side of the squares that fall into one partition together, in metres.
        endpoint: Earth Engine, with the budget of the whole job.
        block_mib: Largest answer to ask for in one request, in MiB.
        steps: Which of `STEPS` to do.
        allow_dead_letters: Whether a run with dead letters is a success.
    """

    recipe: str
    region: str
    period: Period
    output: str
    settings: Mapping[str, str] = field(default_factory=dict)
    layer: str | None = None
    crs: str = "auto"
    resolution: float | None = None
    patch_size: int = 128
    origin: tuple[float, float] = (0.0, 0.0)
    rule: str = "intersects"
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    shares: tuple[float, float, float] = (80.0, 10.0, 10.0)
    split_block: float = 5000.0
    endpoint: Endpoint = field(default_factory=Endpoint.from_env)
    block_mib: float = DEFAULT_BLOCK_MIB
    steps: tuple[str, ...] = STEPS
    allow_dead_letters: bool = False

    def __post_init__(self) -> None:
        unknown = sorted(set(self.steps) - set(STEPS))
        if unknown or not self.steps:
            raise InputError(f"steps {unknown or 'none'}: choose from {', '.join(STEPS)}")
        if not 0 < self.block_mib <= MAX_BLOCK_MIB:
            raise InputError(
                f"block_mib={self.block_mib} must be above 0 and at most {MAX_BLOCK_MIB:g}: Earth Engine answers no more"
            )
        if self.patch_size < 1:
            raise InputError(f"patch_size={self.patch_size} must be 1 or more pixels")
        storage.check_folder(self.output)

    def split(self, grid_crs: str) -> SpatialSplit:
        """The split of the tiles of a grid."""
        return SpatialSplit(self.shares, self.split_block, zoned=grid_crs == "utm")
