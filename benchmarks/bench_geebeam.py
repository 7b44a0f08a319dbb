"""The same scattered patches by geebeam from PyPI, against the same endpoint.

The documented way is measured by further patches: the difference of a larger and a smaller run, so that geebeam's start
and its analysis at the end do not count against it. The best case is measured both ways, by further patches and by whole
runs of the same patches. Where it is faster than 20/s, four times as much is more than the endpoint gives. Imports are
never counted.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from benchmarks.asset import isolated_tiles
from benchmarks.bench_fetch import CEILING, LATENCY, scattered_clock
from benchmarks.exports import IN_FLIGHT, bench_folder, earth
from benchmarks.fetch_clock import FetchClock
from benchmarks.geebeam_environment import REQUIREMENT, geebeam_python
from benchmarks.report import figure, heading, note

# Patches of the smaller and the larger run, per way.
DOCUMENTED, BEST = (8, 48), (120, 480)
GOAL_DOCUMENTED, GOAL_BEST = 40.0, 4.0
# Seconds for one run: ten times what it takes.
TIMEOUT = 300


def seconds(python: Path, url: str, folder: Path, output_type: str, workers: int, count: int) -> float:
    """Seconds of one run of `geebeam.run_pipeline`, without the imports before it.

    Raises:
        subprocess.SubprocessError: It failed or took too long.
        RuntimeError: It did not write what was asked for.
    """
    with tempfile.TemporaryDirectory(dir=folder) as output:
        points = Path(output) / "points.json"
        points.write_text(json.dumps([[key.bounds[0], key.bounds[3]] for key in isolated_tiles(count)]))
        job = Path(__file__).with_name("geebeam_job.py")
        command = [str(python), str(job), url, output_type, str(workers), str(points), f"{output}/result"]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        answer = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=TIMEOUT, env=environment, cwd=output
        )
        _check(Path(output) / "result", output_type, count)
        return float(answer.stdout.split()[-1])


def _check(result: Path, output_type: str, count: int) -> None:
    if output_type == "tiff":
        found = len(list(result.rglob("*.tif")))
    else:
        found = count if list(result.glob("full*.tfrecord.gz")) else 0
    if found != count:
        raise RuntimeError(f"geebeam wrote {found} of {count} patches: {sorted(result.rglob('*'))[:10]}")


def compare_documented(python: Path, url: str, folder: Path, ours: FetchClock) -> None:
    """TFRecord, one request at a time."""
    small, large = (seconds(python, url, folder, "tfrecord", 1, count) for count in DOCUMENTED)
    further = (DOCUMENTED[1] - DOCUMENTED[0]) / (large - small)
    figure("geebeam as documented: TFRecord, further patches", further, "patches/s", digits=2)
    figure("  ours, steady, beside it", ours.steady_rate / further, "times", at_least=GOAL_DOCUMENTED)


def compare_best(python: Path, url: str, folder: Path, ours: FetchClock) -> None:
    """GeoTIFF with as many local workers as requests may be in flight."""
    small, large = (seconds(python, url, folder, "tiff", IN_FLIGHT, count) for count in BEST)
    whole, further = BEST[1] / large, (BEST[1] - BEST[0]) / (large - small)
    figure(f"geebeam at its best: GeoTIFF, {IN_FLIGHT} workers, whole run of {BEST[1]}", whole, "patches/s")
    figure("  ours, whole run of the same patches, beside it", ours.whole_rate / whole, "times", at_least=GOAL_BEST)
    figure("  ours, steady, beside it", ours.steady_rate / whole, "times", at_least=GOAL_BEST)
    figure("  and what the endpoint's 80/s allow at most", CEILING / whole, "times")
    figure("geebeam at its best, further patches", further, "patches/s")
    figure("  ours, steady, beside it", ours.steady_rate / further, "times")
    figure("  and what the endpoint's 80/s allow at most", CEILING / further, "times")


def main() -> None:
    heading(f"{REQUIREMENT} from PyPI, scattered tiles, latency {LATENCY} s")
    try:
        python = geebeam_python()
    except (subprocess.SubprocessError, OSError) as error:
        note(f"it cannot be installed here, so it is not measured: {getattr(error, 'stderr', None) or error}")
        return
    with bench_folder() as folder, earth(folder, str(LATENCY)) as url:
        ours = scattered_clock(url, folder, BEST[1])
        figure(f"ours, steady ({BEST[1]} patches)", ours.steady_rate, "patches/s")
        figure("ours, whole run", ours.whole_rate, "patches/s")
        try:
            # The first start reads gigabytes of libraries from disk, which is no part of what is compared.
            seconds(python, url, folder, "tfrecord", 1, 1)
            compare_documented(python, url, folder, ours)
            compare_best(python, url, folder, ours)
        except (subprocess.SubprocessError, RuntimeError) as error:
            note(f"geebeam failed: {(getattr(error, 'stderr', None) or str(error))[-1500:]}")


if __name__ == "__main__":
    main()
