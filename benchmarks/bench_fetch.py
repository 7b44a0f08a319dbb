"""Patches per second from an endpoint that takes half a second to answer and bears 40 requests at a time."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks import bare_loop
from benchmarks.asset import PIXELS, isolated_tiles
from benchmarks.exports import IN_FLIGHT, bench_folder, config, earth, export, fetch_scattered
from benchmarks.fetch_clock import FetchClock
from benchmarks.measure import cores
from benchmarks.report import figure, heading, note
from rsbot_beam.geometry import TileBlock
from rsbot_beam.runs.plan import plan_export

LATENCY = 0.5
# What 40 requests in flight of half a second each can give.
CEILING = IN_FLIGHT / LATENCY
# 38 rounds of 40: the last round, which is never full, does not decide.
SCATTERED = 1520


def scattered_clock(url: str, folder: Path, count: int = SCATTERED) -> FetchClock:
    """Fetch isolated tiles under a clock.

    Raises:
        RuntimeError: Not all were stored.
    """
    with tempfile.TemporaryDirectory(dir=folder) as output, FetchClock() as clock:
        tally = fetch_scattered(url, folder, Path(output), count)
        if tally.stored != count:
            raise RuntimeError(f"{count} tiles were asked for, {tally} came")
    return clock


def contiguous_clock(url: str, folder: Path, pixels: int = PIXELS) -> FetchClock:
    """Fetch a square by `rsbot export --steps fetch` under a clock."""
    with tempfile.TemporaryDirectory(dir=folder) as output, FetchClock() as clock:
        export(config(url, folder, Path(output), pixels, steps=("fetch",)))
    return clock


def bare_rates(url: str, folder: Path) -> tuple[float, float]:
    """What 40 threads with urllib3 and nothing else get for the same requests, in patches per second.

    Returns:
        For scattered and for contiguous tiles.
    """
    with tempfile.TemporaryDirectory(dir=folder) as output:
        plan = plan_export(config(url, folder, Path(output), PIXELS))
    rates = []
    for blocks in ([TileBlock.of(key) for key in isolated_tiles(SCATTERED)], list(plan.cover.blocks(plan.shard_side))):
        start = time.perf_counter()
        bare_loop.fetch_all(url, plan.source, blocks, IN_FLIGHT)
        rates.append(sum(map(len, blocks)) / (time.perf_counter() - start))
    return rates[0], rates[1]


def main() -> None:
    heading(f"fetch: 128 x 128 x (6 uint16 + uint8), latency {LATENCY} s, {IN_FLIGHT} in flight, {cores()} cores")
    with bench_folder() as folder, earth(folder, str(LATENCY)) as url:
        bare, bare_blocks = bare_rates(url, folder)
        scattered = scattered_clock(url, folder)
        contiguous = contiguous_clock(url, folder)
    note("steady: first request to last stored shard; whole run: with planning, Beam's start and the checks")
    figure(f"urllib3, 40 threads, answers dropped ({SCATTERED} patches)", bare, "patches/s")
    figure(
        f"scattered tiles, steady ({scattered.tiles} patches)",
        scattered.steady_rate,
        "patches/s",
        at_least=0.95 * CEILING,
    )
    figure("  of the 80/s that the endpoint can give", 100 * scattered.steady_rate / CEILING, "%", at_least=95)
    figure("  of what urllib3 gets", 100 * scattered.steady_rate / bare, "%")
    figure("scattered tiles, whole run", scattered.whole_rate, "patches/s")
    figure("urllib3, 40 threads, answers dropped, blocks of 4 x 4 tiles", bare_blocks, "patches/s")
    figure(
        f"contiguous tiles, steady ({contiguous.tiles} patches)",
        contiguous.steady_rate,
        "patches/s",
        at_least=8 * CEILING,
    )
    figure("  of the scattered rate", contiguous.steady_rate / scattered.steady_rate, "times", at_least=8)
    figure("contiguous tiles, whole run", contiguous.whole_rate, "patches/s")


if __name__ == "__main__":
    main()
