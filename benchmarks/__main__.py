"""`python -m benchmarks [NAME ...]`: all benchmarks, or those named, one after the other; each in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.asset import write_asset
from benchmarks.exports import FOLDER_VARIABLE
from benchmarks.report import heading, note

NAMES = ("tiles", "earth", "fetch", "cpu", "memory", "dataset", "training", "predict", "view", "geebeam")
ROOT = Path(__file__).parents[1]
# What TensorFlow's native code and Beam say at every start.
CHATTER = re.compile(r"[IW]0000 00:|WARNING: All log messages before absl|To enable the following instructions|^$")


def run(name: str, folder: str) -> bool:
    """Run one benchmark; its figures are printed as they come. Returns whether it ended well."""
    environment = {**os.environ, FOLDER_VARIABLE: folder, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", f"benchmarks.bench_{name}"]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        ended_well = subprocess.run(command, check=False, env=environment, cwd=ROOT, stderr=errors).returncode == 0
        if not ended_well:
            errors.seek(0)
            said = [line for line in errors.read().splitlines() if not CHATTER.search(line)]
            note(f"bench_{name} failed:\n" + "\n".join(said[-20:]))
    return ended_well


def main(arguments: list[str]) -> int:
    unknown = sorted(set(arguments) - set(NAMES))
    if unknown:
        print(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="rsbot-bench-") as folder:
        write_asset(Path(folder))
        heading(f"{os.cpu_count()} cores; load average {os.getloadavg()[0]:.1f} (others' work makes all figures worse)")
        ended_well = [run(name, folder) for name in arguments or NAMES]
    heading(f"{time.perf_counter() - start:.0f} s")
    return 0 if all(ended_well) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
