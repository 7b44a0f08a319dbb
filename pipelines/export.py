"""`rsbot export`: a region becomes a dataset of TFRecords."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from pipelines.command_line import CommandParser
from pipelines.export_summary import summary
from pipelines.sampling_flags import add_sampling_flags, sampling_settings
from rsbot_beam.data.period import Period
from rsbot_beam.data.splits import SpatialSplit
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.errors import InputError
from rsbot_beam.runs.config import DEFAULT_BLOCK_MIB, STEPS, ExportConfig
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
    add("--region", required=True, help="west,south,east,north; or WKT, GeoJSON, or a vector file")
    add("--layer", help="layer of a vector file with several")
    add("--year", type=int, help="calendar year to look at")
    add("--period", help="start,end instead of --year; the end is the day after the last one")
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
    add("--ee_url", help="Earth Engine; `local` starts one here (default: RSBOT_EE_URL, or the high-volume endpoint)")
    add("--ee_project", help="Google Cloud project that is charged")
    add("--ee_credentials", help="default, none, or a service account's key file")
    add("--ee_deadline", type=float, help="seconds that one request may take (default: adapts to the latency seen)")
    add("--ee_total_time", type=float, help="seconds that one request is retried (default: 900)")
    add("--max_requests", type=int, help="requests in flight, of the whole job (default: 40)")
    add("--max_qps", type=float, help="requests a second, of the whole job (default: 100)")
    add("--workload_tag", help="label under which Earth Engine accounts for the cost")
    add("--block_mib", type=float, default=DEFAULT_BLOCK_MIB, help="largest answer to ask for (default: %(default)s)")
    add("--steps", default=",".join(STEPS), help="which steps to do (default: %(default)s)")
    add("--allow_dead_letters", action="store_true", help="exit with 0 although tiles failed for good")
    p.add_beam_flags()
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rsbot export`; returns the exit code."""
    flags, beam_flags = parser().parse(argv or [])
    with ExitStack() as stack:
        if flags.ee_url == "local":
            from pipelines.earth_process import running_earth

            flags.ee_url = stack.enter_context(running_earth())
        config = ExportConfig(
            recipe=flags.recipe,
            settings=_settings(flags.set),
            region=flags.region,
            layer=flags.layer,
            period=_period(flags.year, flags.period),
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
        print(summary(run_export(config, beam_flags)))
    return 0


def _settings(pairs: Sequence[str]) -> dict[str, str]:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise InputError(f"--set {wrong[0]!r} is not NAME=VALUE")
    return dict(pair.split("=", 1) for pair in pairs)


def _period(year: int | None, period: str | None) -> Period:
    if (year is None) == (period is None):
        raise InputError("give either --year 2023 or --period 2023-04-01,2023-10-01")
    return Period.year(year) if year is not None else Period.parse(period or "")


def _origin(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--origin {text!r} is not x,y such as 15,15") from error
    return x, y
