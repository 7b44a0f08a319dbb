"""`rsbot predict`: a model is applied to a region, and becomes a map."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack

from pipelines.command_line import CommandParser
from pipelines.earth_flags import add_earth_flags, add_place_flags, start_local_earth
from pipelines.predict_summary import summary
from rsbot_beam.data.map_layout import MAP_BANDS
from rsbot_beam.data.period import Period
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import InputError
from rsbot_beam.runs.map_config import GEOMETRIES, PredictConfig

EXAMPLE = """

The recipe, its bands, the resolution and the preprocessing come from the model. --year looks at the days of the model's
period in another year.

example, on the local Earth Engine:
  rsbot predict --model model/ --region 10.4,52.0,10.6,52.1 --year 2024 --output map/ --ee_url local
"""


def parser() -> CommandParser:
    """The flags of the command."""
    p = CommandParser("predict", "Make a map: apply a trained model to a region." + EXAMPLE)
    add = p.add_argument
    default = PredictConfig(model="model", region="region", output="map", year=2023)
    add("--model", required=True, help="folder of a model of `rsbot train`, local or gs://")
    add_place_flags(p)
    add("--output", required=True, help="folder of the map, local or gs://; the same command continues it")
    add("--recipe", help="the .py file of the recipe of your own that the model was trained with")
    add("--crs", default=default.crs, help="EPSG:n, utm (each tile in its zone) or auto (default: %(default)s)")
    add("--resolution", type=float, help="pixel size in units of the CRS (default: the model's)")
    add("--tile_size", type=int, default=default.tile_size, help="pixels per side of a tile (default: %(default)s)")
    add("--overlap", default="auto", help="pixels of overlap on each side, or auto: what the model needs")
    add("--tiles", default=default.rule, choices=("intersects", "centre"), help="which tiles belong to the region")
    add(
        "--bands",
        help=f"rasters to write, of {', '.join(MAP_BANDS)} (default: class,composite; of a detection: composite)",
    )
    add("--polygons", default="", help="names of classes that become polygons as well, with commas")
    add(
        "--min_pixels",
        type=int,
        default=default.min_pixels,
        help="smaller polygons are left out (default: %(default)s)",
    )
    add(
        "--geometry", default=default.geometry, choices=GEOMETRIES, help="what vector files hold (default: %(default)s)"
    )
    add(
        "--min_score", type=float, default=default.least_score, help="objects below are not kept (default: %(default)s)"
    )
    add("--batch_size", type=int, default=0, help="patches in a call of the model (default: by their size)")
    add("--block_side", type=int, default=0, help="tiles a side of a block, and of its files (default: up to 8)")
    add_earth_flags(p)
    add("--allow_dead_letters", action="store_true", help="exit with 0 although tiles failed for good")
    p.add_beam_flags()
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rsbot predict`; returns the exit code."""
    flags, beam_flags = parser().parse(argv or [])
    from rsbot_beam.runs.predict import run_predict

    with ExitStack() as stack:
        start_local_earth(flags, stack)
        print(summary(run_predict(config_of(flags), beam_flags)))
    return 0


def config_of(flags: argparse.Namespace) -> PredictConfig:
    """What the flags ask for.

    Raises:
        InputError: A value cannot be used.
    """
    return PredictConfig(
        model=flags.model.rstrip("/"),
        region=flags.region,
        layer=flags.layer,
        year=flags.year,
        period=Period.parse(flags.period) if flags.period is not None else None,
        output=flags.output.rstrip("/"),
        recipe=flags.recipe,
        crs=flags.crs,
        resolution=flags.resolution,
        tile_size=flags.tile_size,
        overlap=_overlap(flags.overlap),
        rule=flags.tiles,
        bands=None if flags.bands is None else _names(flags.bands),
        polygons=_names(flags.polygons),
        min_pixels=flags.min_pixels,
        geometry=flags.geometry,
        least_score=flags.min_score,
        batch_size=flags.batch_size,
        endpoint=Endpoint.from_flags(flags),
        block_side=flags.block_side,
        block_mib=flags.block_mib,
        allow_dead_letters=flags.allow_dead_letters,
    )


def _overlap(text: str) -> int | None:
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError as error:
        raise InputError(f"--overlap {text!r} is neither auto nor a whole number of pixels") from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
