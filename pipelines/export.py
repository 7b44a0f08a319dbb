"""`rsbot export`: a region becomes a dataset of TFRecords."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack

from pipelines.command_line import CommandParser
from pipelines.earth_flags import add_earth_flags, add_place_flags, period_of, start_local_earth
from pipelines.export_summary import summary
from pipelines.recipes import settings_of
from pipelines.sampling_flags import add_sampling_flags, sampling_settings
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import InputError
from rsbot_beam.runs.config import STEPS, ExportConfig
from rsbot_beam.runs.export import run_export

EXAMPLE = """
example, on the local Earth Engine:
  rsbot export --recipe landcover --region 10.0,52.0,10.2,52.1 --year 2023 --output out/ --ee_url local
"""


def parser() -> CommandParser:
    """The flags of the command."""
    p = CommandParser(
        "export", "Make a dataset: fetch a region from Earth Engine, transform it, write TFRecords." + EXAMPLE
    )
    add = p.add_argument
    add("--recipe", required=True, help="name of a built-in recipe (see `rsbot recipes`), or your own .py file")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="parameter of the recipe; repeatable")
    add_place_flags(p)
    add("--output", required=True, help="folder of the dataset, local or gs://; the same command continues it")
    add("--crs", default="auto", help="EPSG:n, utm (each tile in its zone) or auto (default: %(default)s)")
    add("--resolution", type=float, help="pixel size in units of the CRS (default: the recipe's)")
    add("--patch_size", type=int, default=128, help="pixels per side of a patch (default: %(default)s)")
    add(
        "--origin",
        default="0,0",
        help="x,y of the corner that the grid hangs from; Landsat: 15,15 (default: %(default)s)",
    )
    add("--tiles", default="intersects", choices=("intersects", "centre"), help="which tiles belong to the region")
    add_sampling_flags(p)
    add("--split", default="80,10,10", help="shares of train,validation,test (default: %(default)s)")
    add(
        "--split_block", type=float, default=5000.0, help="metres a side of what is split as one (default: %(default)s)"
    )
    add_earth_flags(p)
    add("--steps", default=",".join(STEPS), help="which steps to do (default: %(default)s)")
    add("--allow_dead_letters", action="store_true", help="exit with 0 although tiles failed for good")
    p.add_beam_flags()
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rsbot export`; returns the exit code."""
    flags, beam_flags = parser().parse(argv or [])
    with ExitStack() as stack:
        start_local_earth(flags, stack)
        print(summary(run_export(config_of(flags), beam_flags)))
    return 0


def config_of(flags: argparse.Namespace) -> ExportConfig:
    """What the flags ask for.

    Raises:
        InputError: A value cannot be used.
    """
    return ExportConfig(
        recipe=flags.recipe,
        settings=settings_of(flags.set),
        region=flags.region,
        layer=flags.layer,
        period=period_of(flags),
        output=flags.output.rstrip("/"),
        crs=flags.crs,
        resolution=flags.resolution,
        patch_size=flags.patch_size,
        origin=_origin(flags.origin),
        rule=flags.tiles,
        sampling=sampling_settings(flags),
        shares=SpatialSplit.parse(flags.split, flags.split_block, zoned=False).shares,
        split_block=flags.split_block,
        endpoint=Endpoint.from_flags(flags),
        block_mib=flags.block_mib,
        steps=tuple(step.strip() for step in flags.steps.split(",") if step.strip()),
        allow_dead_letters=flags.allow_dead_letters,
    )


def _origin(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--origin {text!r} is not x,y such as 15,15") from error
    return x, y
