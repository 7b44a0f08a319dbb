"""Exports of the generated asset, as a user would start them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apache_beam as beam
import urllib3

from benchmarks.asset import ASSET, BANDS, CRS, LABEL, PATCH, RESOLUTION, isolated_tiles, square, write_asset
from rsbot_beam.data.period import Period
from rsbot_beam.data.shards import Shard, Tally
from rsbot_beam.earth_process import local_earth
from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.earthengine.pixels import request_body
from rsbot_beam.earthengine.source import FetchBand, plain_asset
from rsbot_beam.runs.beam_options import pipeline_options
from rsbot_beam.runs.config import ExportConfig
from rsbot_beam.runs.export import ExportResult, run_export
from rsbot_beam.runs.plan import ExportPlan, block_bytes, plan_export
from rsbot_beam.transforms.fetch import FetchPatches
from rsbot_beam.transforms.raw import WriteRawShards, WriteTotals, read_totals
from rsbot_beam.transforms.shard_requests import FetchSettings

# Folder in which the asset is, when several benchmarks share one.
FOLDER_VARIABLE = "RSBOT_BENCH_FOLDER"
IN_FLIGHT = 40
# Not reached by 40 requests of half a second; without latency the rate is to be the machine's, not the quota's.
MAX_QPS = 1e6
# Scattered tiles that are stored together.
TILES_PER_SHARD = 16
# Seconds in which the endpoint must have read 0.6 GB from disk.
READ_TIMEOUT = 120


@contextmanager
def bench_folder() -> Iterator[Path]:
    """The folder with the asset: the shared one, or a temporary one that is made now."""
    shared = os.environ.get(FOLDER_VARIABLE)
    if shared:
        yield Path(shared)
        return
    with tempfile.TemporaryDirectory(prefix="rsbot-bench-") as folder:
        write_asset(Path(folder))
        yield Path(folder)


@contextmanager
def earth(folder: Path, latency: str = "0") -> Iterator[str]:
    """A local Earth Engine that has read the asset into memory; a small export has loaded what the client loads once."""
    with local_earth(assets=folder, world=False, latency=latency, max_qps=0, max_concurrent=IN_FLIGHT) as url:
        read_asset(url)
        with tempfile.TemporaryDirectory(dir=folder) as output:
            run_export(config(url, folder, Path(output), 2 * PATCH, steps=("fetch",)))
        yield url


def read_asset(url: str) -> None:
    """Make the endpoint read all bands from disk.

    Not by the expression that is measured: the endpoint would take it for a slow one ever after, and compute it elsewhere.

    Raises:
        RuntimeError: The endpoint refuses it.
    """
    source = plain_asset(ASSET, [*(FetchBand(name, "uint16") for name in BANDS), FetchBand(LABEL, "uint8")])
    body = request_body(source, isolated_tiles(1)[0].geobox)
    answer = urllib3.request("POST", f"{url}/{source.method}", body=body, timeout=READ_TIMEOUT, retries=False)
    if answer.status != 200:
        raise RuntimeError(f"the endpoint answered {answer.status}: {answer.data[:300]!r}")


def config(
    url: str,
    folder: Path,
    output: Path,
    pixels: int,
    *,
    patch_size: int = PATCH,
    resolution: float = RESOLUTION,
    steps: Sequence[str] = ("fetch", "analyze", "transform"),
) -> ExportConfig:
    """The export of a square of `pixels` x `pixels` of the asset's top-left corner."""
    return ExportConfig(
        recipe=str(Path(__file__).with_name("recipe.py")),
        region=square(folder, pixels),
        period=Period.year(2023),
        output=str(output),
        crs=CRS,
        resolution=resolution,
        patch_size=patch_size,
        rule="centre",
        endpoint=Endpoint(url=url, max_requests=IN_FLIGHT, max_qps=MAX_QPS),
        steps=tuple(steps),
    )


def export(config: ExportConfig) -> ExportResult:
    """Run an export."""
    return run_export(config)


def fetch_settings(plan: ExportPlan) -> FetchSettings:
    """What `rsbot export` gives its fetch."""
    return FetchSettings(
        endpoint=plan.config.endpoint,
        source=plan.source,
        layout=plan.layout,
        root=plan.config.output,
        block_bytes=block_bytes(plan.config),
        resume=False,
    )


def fetch_scattered(url: str, folder: Path, output: Path, count: int) -> Tally:
    """Fetch and store isolated tiles by the pipeline that an export has, with other shards at its start."""
    plan = plan_export(config(url, folder, output, 2 * PATCH))
    keys = isolated_tiles(count)
    groups = [keys[start : start + TILES_PER_SHARD] for start in range(0, count, TILES_PER_SHARD)]
    shards = [Shard(f"scattered-{number:05d}", tuple(group)) for number, group in enumerate(groups)]
    totals = str(output / "totals.json")
    with beam.Pipeline(options=pipeline_options([], IN_FLIGHT)) as pipeline:
        (
            pipeline
            | "Shards" >> beam.Create(shards)
            | "Fetch" >> FetchPatches(fetch_settings(plan))
            | "Write" >> WriteRawShards(plan.store, plan.split)
            | "Totals" >> WriteTotals(totals)
        )
    return read_totals(totals)
