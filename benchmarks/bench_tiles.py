"""How fast tiles are enumerated, and in how much memory.

It takes less than a minute. Each memory figure is the peak resident size of a fresh process, and what it takes
more than a process that only imports the package.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterable

from shapely.geometry import Polygon

from benchmarks.measure import peak_resident_bytes
from benchmarks.report import heading
from rsbot_beam.geometry import Cover, Region, plan_blocks, resolve_grid

# The outline of Africa in some sixty corners, longitude and latitude: 29.3 of the continent's 30 million km2.
AFRICA = Polygon(
    [
        *[
            (-5.9, 35.8),
            (-2.0, 35.1),
            (3.0, 36.9),
            (10.0, 37.3),
            (11.1, 36.8),
            (10.2, 34.2),
            (15.2, 32.4),
            (20.0, 30.9),
        ],
        *[
            (20.1, 32.6),
            (23.1, 32.6),
            (29.0, 30.9),
            (32.5, 31.2),
            (34.0, 27.8),
            (35.7, 23.9),
            (37.2, 21.0),
            (37.4, 18.6),
        ],
        *[(39.7, 15.1), (43.1, 12.6), (43.3, 11.5), (44.6, 10.4), (51.1, 11.9), (50.8, 9.3), (48.0, 4.5), (43.1, 0.3)],
        *[(40.1, -2.6), (39.2, -4.7), (39.5, -7.1), (40.5, -10.8), (40.8, -14.7), (37.4, -17.6), (34.8, -19.8)],
        *[(35.4, -24.1), (32.6, -25.7), (32.5, -28.3), (30.1, -31.1), (27.5, -33.2), (22.6, -34.0), (18.4, -34.1)],
        *[
            (17.1, -29.9),
            (14.4, -22.7),
            (11.8, -17.9),
            (13.7, -11.3),
            (12.3, -6.1),
            (8.8, -0.8),
            (9.6, 3.9),
            (5.9, 4.3),
        ],
        *[
            (1.1, 5.9),
            (-2.9, 5.0),
            (-7.5, 4.3),
            (-13.2, 8.9),
            (-16.7, 12.4),
            (-17.6, 14.7),
            (-16.3, 19.1),
            (-17.0, 21.4),
        ],
        *[(-13.0, 27.6), (-9.6, 29.9), (-9.3, 32.6)],
    ]
)
RESOLUTION, PATCH_SIZE = 10, 256
COUNTS = (10_000, 100_000, 1_000_000)


def africa(crs: str, rule: str = "intersects") -> Cover:
    region = Region.from_geometry(AFRICA, source="Africa")
    return Cover(region, resolve_grid(region, crs=crs, resolution=RESOLUTION, patch_size=PATCH_SIZE), rule)


def drain(things: Iterable[object], count: int | None = None) -> int:
    """Takes things one by one and keeps none, as a pipeline would."""
    return sum(1 for _ in itertools.islice(things, count))


def timed(work: Callable[[], int]) -> tuple[int, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def peak_memory_mb(count: int) -> float:
    """Returns the peak resident size of a fresh process that enumerates `count` tiles (0: only imports)."""
    command = [sys.executable, "-m", "benchmarks.bench_tiles", "--peak", str(count)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_peak(count: int) -> None:
    if count and drain(africa("EPSG:6933").tiles(), count) != count:
        raise SystemExit(f"fewer than {count} tiles")
    print(peak_resident_bytes() / 1e6)


def bench_speed(crs: str) -> None:
    cover = africa(crs)
    roots, seconds = timed(lambda: len(cover.roots()))
    row(f"{crs}: project, {roots} roots", f"{seconds * 1e3:10.0f} ms")
    tiles, seconds = timed(cover.count)
    row(f"{crs}: count {tiles:,} tiles", f"{seconds * 1e3:10.0f} ms", f"{tiles / seconds:14,.0f} tiles/s")
    tiles, seconds = timed(lambda: drain(cover.tiles()))
    row(f"{crs}: list {tiles:,} tiles", f"{seconds * 1e3:10.0f} ms", f"{tiles / seconds:14,.0f} tiles/s")
    blocks, seconds = timed(lambda: drain(cover.blocks(8)))
    row(f"{crs}: {blocks:,} blocks of 8 x 8", f"{seconds * 1e3:10.0f} ms", f"{tiles / seconds:14,.0f} tiles/s")


def bench_plan() -> None:
    keys = list(itertools.islice(africa("EPSG:6933").tiles(), 65_536))
    blocks, seconds = timed(lambda: len(plan_blocks(keys, lambda height, width: height * width * 18 <= 48 * 2**20)))
    row(
        f"plan {len(keys):,} tiles as {blocks:,} requests",
        f"{seconds * 1e3:10.0f} ms",
        f"{len(keys) / seconds:14,.0f} tiles/s",
    )


def bench_memory() -> None:
    base = peak_memory_mb(0)
    row("memory: import only", f"{base:10.1f} MB")
    for count in COUNTS:
        peak = peak_memory_mb(count)
        row(f"memory: {count:,} tiles", f"{peak:10.1f} MB", f"{peak - base:+14.1f} MB")


def row(name: str, *figures: str) -> None:
    print(f"  {name:44s}", *figures, flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--peak"]:
        print_peak(int(sys.argv[2]))
        return
    area = Region.from_geometry(AFRICA).area_m2 / 1e12
    heading(f"tiles: Africa, {area:.1f} million km2, {RESOLUTION} m, {PATCH_SIZE} px a side; one core")
    for crs in ("EPSG:6933", "utm"):
        bench_speed(crs)
    bench_plan()
    bench_memory()


if __name__ == "__main__":
    main()
