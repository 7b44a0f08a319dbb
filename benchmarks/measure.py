"""Scales: CPU seconds and peak memory of this process. Standard library only, so that measuring costs no memory."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def cpu_seconds() -> float:
    """CPU time of this process so far, user and system, all threads; children (the server) are not in it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cpu_of(work: Callable[[], Any]) -> tuple[float, float]:
    """CPU seconds and wall seconds of a piece of work."""
    start, clock = cpu_seconds(), time.perf_counter()
    work()
    return cpu_seconds() - start, time.perf_counter() - clock


def peak_resident_bytes() -> float:
    """This process's peak resident size."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux a child's ru_maxrss starts from its parent's, across exec.
        return 1024 * float(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def cores() -> int:
    """Cores of the machine, which the server and the measured process share."""
    return os.cpu_count() or 1
