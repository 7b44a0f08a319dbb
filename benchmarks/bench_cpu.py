"""CPU seconds per patch of the whole road, beside a bare loop that does the same.

Both fetch the same blocks from an endpoint without latency. What a run costs once (planning, Beam, loading graphs) is
taken out by the difference of a large and a small run; the figures of the large run with it are printed as well. Each run is
repeated, and the least of each part counts: bytes that a virtual machine writes into memory which its host has not given
it yet cost several times what others do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import bare_loop
from benchmarks.asset import PATCH
from benchmarks.exports import bench_folder, config, earth, export
from benchmarks.measure import cpu_of
from benchmarks.report import figure, heading, note
from rsbot_beam.runs.plan import plan_export

STEPS = ("fetch", "analyze", "transform")
# Patches a side of the runs: the first loads what is loaded once, the other two are measured.
WARM_UP, SMALL, LARGE = 8, 16, 48
REPEATS = 3
# Mean and standard deviation that the bare loop knows, of any size: they cost the same.
MEAN, STD = np.full(6, 2600, np.float32), np.full(6, 1385, np.float32)


@dataclass(frozen=True)
class Costs:
    """CPU seconds of one run by part, and its number of patches."""

    patches: int
    seconds: dict[str, float]

    def of(self, *parts: str) -> float:
        """Seconds of some parts together."""
        return sum(self.seconds[part] for part in parts)


def run(url: str, folder: Path, side: int) -> Costs:
    """Export side x side patches, step by step, and do the same by the bare loop."""
    seconds = {}
    with tempfile.TemporaryDirectory(dir=folder) as output:
        for step in STEPS:
            wanted = config(url, folder, Path(output), side * PATCH, steps=(step,))
            seconds[step], _ = cpu_of(lambda wanted=wanted: export(wanted))  # type: ignore[misc]
        # While the export's files are still there: pages that were freed a moment ago cost a third of others.
        plan = plan_export(config(url, folder, Path(output), side * PATCH))
        blocks, target = list(plan.cover.blocks(plan.shard_side)), Path(output) / "bare.tfrecord"
        seconds["bare"], _ = cpu_of(lambda: bare_loop.write_examples(url, plan.source, blocks, MEAN, STD, target))
    return Costs(side * side, seconds)


def least(runs: Sequence[Costs]) -> Costs:
    """The least that each part took."""
    return Costs(runs[0].patches, {part: min(run.seconds[part] for run in runs) for part in runs[0].seconds})


def per_patch(small: Costs, large: Costs, parts: Sequence[str]) -> float:
    """CPU milliseconds of one more patch."""
    return 1e3 * (large.of(*parts) - small.of(*parts)) / (large.patches - small.patches)


def main() -> None:
    heading("CPU of the client, contiguous tiles, no latency")
    with bench_folder() as folder, earth(folder) as url:
        run(url, folder, WARM_UP)
        runs = [(run(url, folder, SMALL), run(url, folder, LARGE)) for _ in range(REPEATS)]
    small, large = (least(same) for same in zip(*runs, strict=True))
    note(f"per patch: {large.patches} against {small.patches} patches, so that what a run costs once is not in it; the")
    note(f"least of {REPEATS} runs each")
    bare = per_patch(small, large, ("bare",))
    for part in ("bare", *STEPS):
        name = "bare loop: urllib3, numpy, TFRecordWriter" if part == "bare" else f"step {part}"
        figure(name, per_patch(small, large, (part,)), "ms/patch", digits=2)
    road = per_patch(small, large, ("fetch", "transform"))
    figure("fetch + transform beside the bare loop", road / bare, "times", at_most=1.5, digits=2)
    whole = per_patch(small, large, STEPS)
    figure("with the analysis, which the bare loop does not do", whole / bare, "times", digits=2)
    total = 1e3 * large.of(*STEPS) / large.patches
    figure(f"all steps, {large.patches} patches, what a run costs once included", total, "ms/patch", digits=2)


if __name__ == "__main__":
    main()
