"""`rsbot earth`: an Earth Engine on loopback, with a made world and your own rasters, without account or internet."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.command_line import CommandParser
from rsbot_beam.errors import InputError, RsbotError
from rsbot_beam.listening import listen, url_of
from rsbot_beam.local_ee.faults import Faults
from rsbot_beam.local_ee.limits import MAX_CONCURRENT, MAX_QPS
from rsbot_beam.local_ee.processes import SlowImages
from rsbot_beam.local_ee.provider import Provider
from rsbot_beam.local_ee.run import end_now, end_with_stdin, serve
from rsbot_beam.local_ee.server import LocalEarthEngine, Settings

RATES = ("429", "500", "503", "reset", "truncate", "hang")
FLAGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("host", {"default": "127.0.0.1", "help": "address to listen on"}),
    ("port", {"type": int, "default": 0, "help": "0 takes a free one"}),
    ("assets", {"type": Path, "action": "append", "default": [], "help": "folder with a manifest.json; repeatable"}),
    ("seed", {"type": int, "default": 0, "help": "of the world and of the faults"}),
    ("max_concurrent", {"type": int, "default": MAX_CONCURRENT, "help": "requests at a time; 0 = any number"}),
    ("max_qps", {"type": float, "default": MAX_QPS, "help": "requests in a second; 0 = any number"}),
    ("latency", {"default": "0", "help": "seconds before every answer, such as 0.5 or 0.5±0.1"}),
    *(
        (f"rate_{kind}", {"type": float, "default": 0.0, "help": f"share of requests that end in {kind}"})
        for kind in RATES
    ),
    ("retry_after", {"type": float, "help": "seconds in the header Retry-After of 429 answers"}),
    ("too_large_over_pixels", {"type": int, "default": 0, "help": "larger requests exceed the memory limit; 0 = none"}),
    ("record", {"action": "store_true", "help": "keep the grids asked for; see GET /_local/stats"}),
    ("ready_file", {"type": Path, "help": "gets the URL when connections are accepted"}),
    ("watch_stdin", {"action": "store_true", "help": "end when standard input is closed"}),
    ("log", {"action": "store_true", "help": "log every request"}),
    ("world", {"action": "store_true", "default": True, "help": "serve the made world, as without this flag"}),
)


def parser() -> CommandParser:
    """The command's flags."""
    found = CommandParser("earth", (__doc__ or "").partition(": ")[2])
    for name, about in FLAGS:
        told = about["help"] + (
            " (default: %(default)s)" if about.get("default") and about.get("action") is None else ""
        )
        found.add_argument(f"--{name}", **{**about, "help": told})
    found.add_argument("--no_world", dest="world", action="store_false", help="serve your own rasters alone")
    return found


def providers(assets: Sequence[Path], world: bool, seed: int) -> list[Provider]:
    """Raster folders first, then the world.

    Raises:
        InputError: When a folder cannot be used.
    """
    from rsbot_beam.local_ee.raster_file import PixelStore
    from rsbot_beam.local_ee.rasters import RasterFolder

    store = PixelStore()
    found: list[Provider] = [RasterFolder(folder, store) for folder in assets]
    if world:
        from rsbot_beam.local_ee.world import World

        found.append(World(seed))
    return found


def settings(flags: argparse.Namespace) -> Settings:
    """Limits and faults of the flags.

    Raises:
        InputError: For impossible ones.
    """
    if flags.max_concurrent < 0 or flags.max_qps < 0:
        raise InputError("--max_concurrent and --max_qps must be 0 (no limit) or more.")
    faults = Faults(
        latency=flags.latency,
        retry_after=flags.retry_after,
        too_large_over_pixels=flags.too_large_over_pixels,
        seed=flags.seed,
        **{f"rate_{kind}": getattr(flags, f"rate_{kind}") for kind in RATES},
    )
    return Settings(max_concurrent=flags.max_concurrent, max_qps=flags.max_qps, faults=faults, record=flags.record)


def announce(url: str, ready_file: Path | None) -> None:
    """Says where the server is; the ready file appears complete or not at all."""
    print(f"Earth Engine (local) at {url}    use it: export RSBOT_EE_URL={url}", flush=True)
    if ready_file is not None:
        partial = ready_file.with_name(f"{ready_file.name}.{os.getpid()}.partial")
        partial.write_text(url, encoding="utf-8")
        partial.replace(ready_file)


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until SIGINT or SIGTERM; returns the exit code."""
    try:
        flags, _ = parser().parse(sys.argv[1:] if argv is None else argv)
        sock = listen(flags.host, flags.port)
        make = partial(providers, flags.assets, flags.world, flags.seed)
        how = settings(flags)
        engine = LocalEarthEngine(make(), how, SlowImages(make, how.limits))
        if flags.watch_stdin:
            end_with_stdin()
        serve(engine, sock, lambda: announce(url_of(sock), flags.ready_file), flags.log)
        if engine.is_computing:
            end_now()
    except RsbotError as error:
        print(f"rsbot earth: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
