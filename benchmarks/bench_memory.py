"""Peak memory of a fetch in the number of tiles; the server is another process and not counted."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.exports import bench_folder, config, earth, export
from benchmarks.measure import peak_resident_bytes
from benchmarks.report import figure, heading

# Pixels a side of a patch: small ones, so that many tiles are fetched in little time.
PATCH = 16
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
            export(config(url, folder, Path(output), side * PATCH, patch_size=PATCH, steps=("fetch",)))
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
