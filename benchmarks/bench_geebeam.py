"""The same scattered patches by geebeam from PyPI, against the same endpoint.

Rates are those of further patches: the difference of a larger and a smaller run, so that geebeam's imports, its analysis
at the end and its start do not count against it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from benchmarks.asset import isolated_tiles
from benchmarks.bench_fetch import LATENCY, scattered_clock
from benchmarks.exports import IN_FLIGHT, bench_folder, earth
from benchmarks.geebeam_environment import REQUIREMENT, geebeam_python
from benchmarks.report import figure, heading, note

# Patches of the smaller and the larger run, per way.
DOCUMENTED, BEST = (8, 48), (80, 240)
OURS = 800
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


def rate(python: Path, url: str, folder: Path, output_type: str, workers: int, counts: tuple[int, int]) -> float:
    """Patches per second of further patches."""
    small, large = (seconds(python, url, folder, output_type, workers, count) for count in counts)
    return (counts[1] - counts[0]) / (large - small)


def main() -> None:
    heading(f"{REQUIREMENT} from PyPI, scattered tiles, latency {LATENCY} s")
    try:
        python = geebeam_python()
    except (subprocess.SubprocessError, OSError) as error:
        note(f"it cannot be installed here, so it is not measured: {getattr(error, 'stderr', None) or error}")
        return
    with bench_folder() as folder, earth(folder, str(LATENCY)) as url:
        ours = scattered_clock(url, folder, OURS).steady_rate
        figure("ours", ours, "patches/s")
        try:
            documented = rate(python, url, folder, "tfrecord", 1, DOCUMENTED)
            figure("geebeam as documented: TFRecord", documented, "patches/s", digits=2)
            figure("  ours beside it", ours / documented, "times", at_least=GOAL_DOCUMENTED)
            best = rate(python, url, folder, "tiff", IN_FLIGHT, BEST)
            figure(f"geebeam at its best: GeoTIFF, {IN_FLIGHT} local workers", best, "patches/s")
            figure("  ours beside it", ours / best, "times", at_least=GOAL_BEST)
        except (subprocess.SubprocessError, RuntimeError) as error:
            note(f"geebeam failed: {(getattr(error, 'stderr', None) or str(error))[-1500:]}")


if __name__ == "__main__":
    main()
