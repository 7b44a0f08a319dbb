"""Peak memory of a fetch in the number of tiles; the server is another process and not counted.

The patches are small, so that many are fetched in little time, but large enough that the smaller run fills what a process
may have in flight and received (48 MB): the ratio is then that of the number of tiles, not of the number of bytes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.asset import RESOLUTION
from benchmarks.exports import bench_folder, config, earth, export
from benchmarks.measure import peak_resident_bytes
from benchmarks.report import figure, heading

# Pixels a side of a patch, and metres a pixel: finer than the asset's 10 m, or it would not have room for 10^5 tiles.
PATCH, METRES = 64, 5.0
# Tiles a side: 1,024 and 102,400 tiles.
SIDES = (32, 320)
GOAL = 1.3


def peak_mb(url: str, folder: Path, side: int) -> float:
    """Peak resident MB of a fresh process that fetches side x side tiles; 0: that only imports."""
    command = [sys.executable, "-m", "benchmarks.bench_memory", url, str(folder), str(side)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(answer.stdout.split()[-1])


def print_peak(url: str, folder: Path, side: int) -> None:
    if side:
        with tempfile.TemporaryDirectory(dir=folder) as output:
            pixels = round(side * PATCH * METRES / RESOLUTION)
            wanted = config(url, folder, Path(output), pixels, patch_size=PATCH, resolution=METRES, steps=("fetch",))
            tiles = export(wanted).tiles
            # A hole of the asset is as large as a tile here: some are empty.
            if tiles["stored"] + tiles["empty"] != side * side:
                raise RuntimeError(f"{side * side} tiles were to be fetched, but: {tiles}")
    print(peak_resident_bytes() / 1e6)


def main() -> None:
    if len(sys.argv) == 4:
        print_peak(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
        return
    heading(f"peak memory of a fetch, patches of {PATCH} x {PATCH} pixels, a fresh process each")
    with bench_folder() as folder, earth(folder) as url:
        figure("imports only", peak_mb(url, folder, 0), "MB")
        peaks = [peak_mb(url, folder, side) for side in SIDES]
    for side, peak in zip(SIDES, peaks, strict=True):
        figure(f"fetch of {side * side:,} tiles", peak, "MB")
    figure("large beside small", peaks[1] / peaks[0], "times", at_most=GOAL, digits=2)


if __name__ == "__main__":
    main()
